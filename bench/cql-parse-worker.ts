/** Parses and compiles statements of CQL in a process of its own. */
import { parseStatement } from '../shims/rocksandra/cql/parser.js'
import { TYPES } from '../shims/rocksandra/cql/types.js'
import { compileStatement } from '../shims/rocksandra/engine/compiled.js'
import { type Schema, tableSchema } from '../shims/rocksandra/engine/schema.js'
import type { Sample } from './harness.js'
import { answerParent, receiveSettings } from './processes.js'

export type ParseWork = 'parse' | 'compile'

export interface ParseRequest {
  readonly work: ParseWork
  readonly measureMs: number
}

/** Texts that are gone through again and again; nothing is kept of one, so that each is new. */
const TEXTS = 10_000
/** Statements between two looks at the clock. */
const AT_ONCE = 100

function statement(index: number): string {
  const [id, at] = [`user-${index}`, index * 37]
  switch (index % 7) {
    case 0:
      return `SELECT name, city, score FROM app.events WHERE id = '${id}' AND at = ${at}`
    case 1:
      return `INSERT INTO app.events (id, at, name, city, score) VALUES ('${id}', ${at}, 'Ann O''Neill', 'Oslo', ${index / 8})`
    case 2:
      return `SELECT * FROM app.events WHERE id = '${id}' AND at >= ${at} AND at < ${at + 100} ORDER BY at DESC LIMIT 20`
    case 3:
      return `UPDATE app.events USING TTL 86400 SET name = 'Bo', score = ${index} WHERE id = '${id}' AND at = ${at}`
    case 4:
      return `DELETE FROM app.events WHERE id = '${id}' AND at = ${at}`
    case 5:
      return `SELECT id, at FROM app.events WHERE id IN ('${id}', '${id}-b') AND at = ${at} ALLOW FILTERING`
    default:
      return (
        `BEGIN BATCH INSERT INTO app.events (id, at, name) VALUES ('${id}', ${at}, 'x'); ` +
        `UPDATE app.events SET city = 'Rome' WHERE id = '${id}' AND at = ${at}; APPLY BATCH`
      )
  }
}

function schema(): Schema {
  const { text, int, double } = TYPES
  const events = tableSchema({
    keyspace: 'app',
    name: 'events',
    id: '00000000-0000-0000-0000-000000000001',
    columns: [
      { name: 'id', type: text, kind: 'partition_key', position: 0 },
      { name: 'at', type: int, kind: 'clustering', position: 0 },
      { name: 'name', type: text, kind: 'regular' },
      { name: 'city', type: text, kind: 'regular' },
      { name: 'score', type: double, kind: 'regular' },
    ],
  })
  const keyspace = {
    ...{ name: 'app', replication: {}, durableWrites: true, types: new Map(), isVirtual: false },
    tables: new Map([['events', events]]),
  }
  return { keyspaces: new Map([['app', keyspace]]), version: '' }
}

const known = schema()
const works: Record<ParseWork, (text: string) => unknown> = {
  parse: parseStatement,
  compile: (text) => compileStatement(text, null, () => known),
}

function measure({ work, measureMs }: ParseRequest, texts: readonly string[]): Sample {
  const run = works[work]
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  let count = 0
  while (performance.now() - start < measureMs) {
    for (let done = 0; done < AT_ONCE; done++) run(texts[count++ % texts.length] ?? '')
  }
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuAtStart)
  return { count, seconds, cpuSeconds: (user + system) / 1e6 }
}

const texts = Array.from({ length: TEXTS }, (_, index) => statement(index))
await receiveSettings()
// The type is what cql-parse.ts sends for this script.
process.on('message', (message) => answerParent(measure(message as ParseRequest, texts)))
answerParent({ isReady: true })
