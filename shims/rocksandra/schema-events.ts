/**
 * What changed from one schema to the next, as drivers are told of it. Each thread sees the schemas that its ClusterMaps
 * bring and compares them, so that clients of every thread and every gateway hear of a change, whoever made it.
 */
import type { SchemaChange } from './engine/contract.js'
import type { KeyspaceSchema, Schema, TableSchema } from './engine/schema.js'
import { typeText } from './cql/types.js'

/** One thing of a schema, and what it looks like. */
interface Part {
  readonly target: SchemaChange['target']
  readonly keyspace: string
  readonly name: string | null
  readonly look: string
}

/** What a schema looks like, in parts: keyspaces before what is in them. */
export type SchemaLook = ReadonlyMap<string, Part>

export function lookOf(schema: Schema): SchemaLook {
  const parts = [...schema.keyspaces.values()].filter(({ isVirtual }) => !isVirtual).flatMap(partsOf)
  return new Map(parts.map((part) => [`${part.target} ${part.keyspace} ${part.name ?? ''}`, part]))
}

/** Creations and updates first, then what is gone; of a keyspace that is gone nothing but that. */
export function changesBetween(before: SchemaLook, after: SchemaLook): SchemaChange[] {
  const changes: SchemaChange[] = []
  for (const [key, { target, keyspace, name, look }] of after) {
    const former = before.get(key)
    if (former?.look === look) continue
    changes.push({ change: former === undefined ? 'CREATED' : 'UPDATED', target, keyspace, name })
  }
  for (const [key, { target, keyspace, name }] of before) {
    if (after.has(key) || (target !== 'KEYSPACE' && !after.has(`KEYSPACE ${keyspace} `))) continue
    changes.push({ change: 'DROPPED', target, keyspace, name })
  }
  return changes
}

function partsOf({ name: keyspace, replication, durableWrites, types, tables }: KeyspaceSchema): Part[] {
  const look = JSON.stringify([replication, durableWrites])
  return [
    { target: 'KEYSPACE', keyspace, name: null, look },
    ...[...types.values()].map(({ name, fields }): Part => {
      const text = fields.map((field) => `${field.name} ${typeText(field.type)}`).join()
      return { target: 'TYPE', keyspace, name, look: text }
    }),
    ...[...tables.values()].map((table): Part => ({
      target: 'TABLE',
      keyspace,
      name: table.name,
      look: tableLook(table),
    })),
  ]
}

function tableLook({ id, columns, options, indexes, dropped }: TableSchema): string {
  const shown = columns.map(({ name, type, kind, position, isReversed }) => {
    return [name, typeText(type), kind, position, isReversed]
  })
  return JSON.stringify([id, shown, options, indexes, dropped])
}
