/**
 * What a conditional request is about: the rows that its conditions stand on, and whether they hold there. As
 * CQL3CasRequest.java of Cassandra 3.0.15.
 */
import { invalid } from '../cql/errors.js'
import type { CompiledCondition } from './lwt-conditions.js'
import { STATIC_PREFIX } from './mapping.js'
import type { Modification } from './modify.js'
import { type PartitionKey, rowPrefixes } from './paths.js'
import type { TableRow } from './rows.js'
import type { Bindings } from './terms.js'

export interface ConditionalPart {
  readonly modification: Modification
  readonly bindings: Bindings
}

export interface ConditionalRequest {
  /** All of one table and partition; some have conditions. */
  readonly parts: readonly ConditionalPart[]
  readonly key: PartitionKey
  readonly isBatch: boolean
  readonly consistency: number
}

/** A condition and the row it stands on. */
export interface Involved {
  readonly part: ConditionalPart
  readonly condition: CompiledCondition
  readonly prefix: Buffer
}

/** The rows of a partition by their prefixes; null: there is none. */
export type RowOf = (prefix: Buffer) => TableRow | null

/** @throws {CqlError} INVALID for conditions that do not go together */
export function involvedIn(parts: readonly ConditionalPart[]): readonly Involved[] {
  const involved = parts.flatMap(involvedPart)
  checkKinds(involved)
  return involved
}

function involvedPart(part: ConditionalPart): readonly Involved[] {
  const { modification, bindings } = part
  const { condition, table, paths, operations, touchesRows } = modification
  if (condition === null) return []
  const isOfRow =
    condition.touchesRows || (condition.kind !== 'IF' && (touchesRows || operations.length === 0))
  const prefixes = isOfRow && paths.isExact ? rowPrefixes(table, paths, bindings) : [STATIC_PREFIX]
  return prefixes.map((prefix) => ({ part, condition, prefix }))
}

type Kind = CompiledCondition['kind']

function checkKinds(involved: readonly Involved[]): void {
  const kinds = new Map<string, Kind>()
  for (const { condition, prefix } of involved) {
    const { kind } = condition
    const standsOnStatics = kind === 'IF' && condition.columns.some((column) => column.kind === 'static')
    for (const place of standsOnStatics ? [prefix, STATIC_PREFIX] : [prefix]) {
      const name = place.toString('latin1')
      const before = kinds.get(name) ?? kind
      if (before !== kind) throw invalid(mixed(before, kind))
      kinds.set(name, kind)
    }
  }
}

function mixed(before: Kind, kind: Kind): string {
  if (kind === 'IF') return 'Cannot mix IF conditions and IF NOT EXISTS for the same row'
  if (before === 'IF') return `Cannot mix IF conditions and ${kind} for the same row`
  return 'Cannot mix IF EXISTS and IF NOT EXISTS conditions for the same row'
}

/** What a condition is decided on: static cells are there without the row, too. */
export function decidedOn({ condition, prefix }: Involved, rowOf: RowOf): TableRow | null {
  return rowOf(prefix) ?? (condition.kind === 'IF' ? rowOf(STATIC_PREFIX) : null)
}

export function holds(one: Involved, rowOf: RowOf): boolean {
  const row = decidedOn(one, rowOf)
  switch (one.condition.kind) {
    case 'IF NOT EXISTS':
      return row === null
    case 'IF EXISTS':
      return row !== null
    case 'IF':
      return one.condition.holds(row, one.part.bindings)
  }
}
