/**
 * Generated tables and statements on Apache Cassandra and on Godwit, by the same driver: the same rows, orders, columns,
 * refusals and warnings. GODWIT_CQL_STATEMENTS says how many; a failure prints its seed, for GODWIT_CQL_SEED, and the least
 * statements that show it.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CQL_CONFIG, CQL_PORTS } from '../support/cql.js'
import { Gateway } from '../support/gateway.js'
import { Cassandra } from './cassandra-server.js'
import { Node } from './cql-differential-answers.js'
import { Comparison, SEQUENCE } from './cql-differential-comparison.js'
import { SCHEMA_STATEMENTS } from './cql-differential-schemas.js'
import { USER_TYPE } from './cql-differential-values.js'

const STATEMENTS = Number(process.env['GODWIT_CQL_STATEMENTS'] ?? 1_000)
const SEED = Number(process.env['GODWIT_CQL_SEED'] ?? 1)

let cassandra: Cassandra | string = 'it was not started'
let gateway: Gateway | null = null
const nodes: Node[] = []

before(async () => {
  cassandra = await Cassandra.start()
  if (typeof cassandra === 'string') return
  gateway = await Gateway.start({ ports: CQL_PORTS, config: CQL_CONFIG })
  for (const port of [cassandra.port, gateway.port('rocksandra')]) {
    const node = new Node(port)
    nodes.push(node)
    await node.open([USER_TYPE])
  }
})

after(async () => {
  for (const node of nodes) await node.close()
  await gateway?.dispose()
  if (typeof cassandra !== 'string') await cassandra.dispose()
})

test('statements about schemas are answered as Cassandra answers them', { timeout: 600_000 }, async (t) => {
  const [theirs, ours] = nodes
  if (typeof cassandra === 'string' || theirs === undefined || ours === undefined) {
    t.skip(`not run: ${typeof cassandra === 'string' ? cassandra : 'a server is missing'}`)
    return
  }
  const reports: string[] = []
  for (const statement of SCHEMA_STATEMENTS) {
    const [expected, actual] = [await theirs.define(statement), await ours.define(statement)]
    if (expected === actual) continue
    reports.push(`${statement}\nCassandra: ${expected}\nGodwit:    ${actual}\n`)
  }
  t.diagnostic(`statements: ${SCHEMA_STATEMENTS.length}`)
  assert.equal(reports.join('\n'), '')
})

test('generated statements are answered as Cassandra answers them', { timeout: 3_600_000 }, async (t) => {
  const [theirs, ours] = nodes
  if (typeof cassandra === 'string' || theirs === undefined || ours === undefined) {
    t.skip(`not run: ${typeof cassandra === 'string' ? cassandra : 'a server is missing'}`)
    return
  }
  const comparison = new Comparison(theirs, ours)
  const sequences = Math.ceil(STATEMENTS / SEQUENCE)
  const reports: string[] = []
  for (let seed = SEED; seed < SEED + sequences; seed++) {
    const report = await comparison.run(seed)
    if (report !== '') reports.push(report)
  }
  const figures = [...comparison.figures].sort().map(([name, count]) => `${name}: ${count}`)
  t.diagnostic(figures.join(', '))
  assert.equal(reports.join('\n'), '', `${reports.length} of ${sequences} sequences disagree`)
})
