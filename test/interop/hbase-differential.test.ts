/**
 * Generated calls of both Thrift gateways, on Apache HBase and on Godwit: the same answers, first lines of errors and
 * orders.
 * GODWIT_HBASE_OPERATIONS says how many; a failure prints seed and path for GODWIT_HBASE_SEED and GODWIT_HBASE_PATH.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { makeColumnDescriptor } from '../../src/thrift/generated/hbase1.js'
import { Gateway } from '../support/gateway.js'
import { HBASE_PORTS } from '../support/hbase.js'
import { Answering, type Operation } from './hbase-answers.js'
import { FAMILIES, TABLE } from './hbase-calls.js'
import { askedOfHBase, endsSequence, isIntended } from './hbase-differences.js'
import { HBase } from './hbase-oracle.js'
import { operations } from './hbase-operations.js'

const OPERATIONS = Number(process.env['GODWIT_HBASE_OPERATIONS'] ?? 1_000)
const SEQUENCE = 12
const MAX_VERSIONS = 100
/** One family keeps fewer versions than its table. */
const FEW_VERSIONS = 2
/** The clock of either server goes on. */
const NEXT_MS = 2

let hbase: HBase | string = 'it was not started'
let gateway: Gateway | null = null
let theirs: Answering | null = null
let ours: Answering | null = null

before(async () => {
  hbase = await HBase.start()
  if (typeof hbase === 'string') return
  gateway = await Gateway.start({ ports: HBASE_PORTS })
  theirs = new Answering(hbase)
  ours = new Answering({ port1: gateway.port('hbase1'), port2: gateway.port('hbase2') })
  const columnFamilies = FAMILIES.map((name) =>
    makeColumnDescriptor({
      name: Buffer.from(name),
      maxVersions: name === 'b' ? FEW_VERSIONS : MAX_VERSIONS,
    }),
  )
  for (const { client } of [theirs, ours]) {
    assert.equal(await client.call(1, 'createTable', { tableName: TABLE, columnFamilies }), null)
  }
})

after(async () => {
  await Promise.all([theirs?.client.close(), ours?.client.close()])
  await gateway?.dispose()
  if (typeof hbase !== 'string') await hbase.dispose()
})

let sequences = 0
let calls = 0

async function compare(sequence: readonly Operation[]): Promise<void> {
  assert.ok(theirs !== null && ours !== null)
  const prefix = `${String(sequences++).padStart(8, '0')}/`
  for (const [index, operation] of sequence.entries()) {
    const [expected, actual]: [string, string] = await Promise.all([
      theirs.answer(askedOfHBase(operation), prefix),
      ours.answer(operation, prefix),
    ])
    calls += 1
    if (!isIntended(operation, expected, actual))
      assert.equal(actual, expected, `${prefix} call ${index}: ${operation.text}`)
    if (endsSequence(operation, expected)) return
    if (operation.isStamped) await pause(NEXT_MS)
  }
}

test('generated calls are answered as HBase answers them', { timeout: 3_600_000 }, async (t) => {
  if (typeof hbase === 'string') {
    t.skip(`not run: ${hbase}`)
    return
  }
  const sequence = fc.array(operations, { minLength: SEQUENCE, maxLength: SEQUENCE, size: 'max' })
  const seed = Number(process.env['GODWIT_HBASE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const path = process.env['GODWIT_HBASE_PATH']
  await fc.assert(fc.asyncProperty(sequence.map(printable), compare), {
    // Some sequences end early.
    numRuns: Math.ceil(OPERATIONS / (SEQUENCE - 3)),
    seed,
    ...(path === undefined ? {} : { path }),
  })
  t.diagnostic(`${calls} calls in ${sequences} sequences, seed ${seed}`)
})

/** So that a failing sequence is read as calls. */
function printable(sequence: readonly Operation[]): readonly Operation[] {
  const text = `\n${sequence.map((each) => each.text).join('\n')}`
  return Object.assign([...sequence], { [fc.toStringMethod]: () => text })
}
