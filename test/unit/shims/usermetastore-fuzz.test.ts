/**
 * UserMetaStore's handlers against arguments that nobody would send: each call is answered exactly once, with an answer that
 * can be encoded, and what is handed on passes the checks behind it or is refused by them. Short unless GODWIT_FUZZ_RUNS
 * says otherwise; fast-check prints the seed of a failure.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createUserMetaStoreService } from '../../../shims/usermetastore/listener.js'
import { systemClock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/logger.js'
import { digestOfWrite } from '../../../src/kvstore/digest.js'
import { AnswerTokens } from '../../../src/kvstore/pages.js'
import { Tokens } from '../../../src/kvstore/tokens.js'
import type { Cell, RowOutcome } from '../../../src/model/row.js'
import { BinaryReader } from '../../../src/thrift/binary-reader.js'
import { BinaryWriter } from '../../../src/thrift/binary-writer.js'
import * as wire from '../../../src/thrift/generated/usermetastore.js'
import { ThriftProtocolError, type BoundMethod } from '../../../src/thrift/protocol.js'
import { CheckingStore, callOnce as callAnswered } from '../../support/checking-store.js'
import { datasetEntry, mapOf } from '../../support/datasets.js'

const RUNS = Number(process.env['GODWIT_FUZZ_RUNS'] ?? 300)
/** As found: making a large value smaller takes longer than a reader of the seed needs. */
const FUZZ = { numRuns: RUNS, endOnFailure: true }

const ENTRIES = [
  datasetEntry({ name: 't', timestampUnit: 'MILLISECONDS', keyOrder: 'ORDERED', maxCellVersions: 3 }),
  datasetEntry({ name: 'h', timestampUnit: 'MILLISECONDS', defaultTtlSeconds: 60 }),
  datasetEntry({ name: 'o', timestampUnit: 'MILLISECONDS', migrationState: 'ORIGIN_ONLY', origin: 'other' }),
  datasetEntry({ name: 'b', timestampUnit: 'MILLISECONDS', mode: 'BATCH' }),
  datasetEntry({ name: 'micro' }),
]
const MAP = mapOf(...ENTRIES)

const anyCell = fc.constantFrom('', 'a', 'b', '12345678').chain((column) =>
  fc.record({
    localKey: fc.constant(Buffer.from(column)),
    value: fc.constantFrom('', 'x', '12345678').map((text) => Buffer.from(text)),
    timestamp: fc.constantFrom(null, 0n, 5n),
    ttlSeconds: fc.constant(null),
  }),
)
const anyPosition = fc.constantFrom(null, {
  localKey: Buffer.from('a'),
  timestamp: 5n,
  columns: 2,
})
const anyOutcome: fc.Arbitrary<RowOutcome> = fc.oneof(
  fc.constant(null),
  fc
    .constantFrom('TOO_LARGE', 'DEADLINE_EXCEEDED', 'UNAVAILABLE')
    .map((code) => new KVError(code, 'as planned')),
  fc.record({ cells: fc.array(anyCell, { maxLength: 4 }), next: anyPosition }),
)

const tokens = new Tokens(Buffer.alloc(32, 1))

function serviceOver(outcome: RowOutcome) {
  return createUserMetaStoreService(new CheckingStore(MAP, outcome), {
    logger: silentLogger,
    clock: systemClock,
    build: 'test',
    datasets: () => ENTRIES,
    tokensOf: (entry) => new AnswerTokens(tokens, entry),
    fingerprint: digestOfWrite,
  })
}

const writer = new BinaryWriter()

/** @throws when it is not answered once, by what can be encoded, or as a fault of ours */
function callOnce(bound: BoundMethod, args: unknown): void {
  const { kind, value } = callAnswered(bound, args)
  assert.notEqual(kind, 'abort', String(value))
  if (kind !== 'fail') return
  const { error } = value as wire.UmsException
  assert.notEqual(error?.code, wire.UmsErrorCode.INTERNAL, error?.message ?? '')
}

// ---- arguments of the right types, and nothing else right about them

const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { freq: 3 })
const anyBytes = fc.oneof(
  fc.constantFrom('', 'k', 'a', 'b', 'a\0q', 'zz').map((text) => Buffer.from(text)),
  fc.constantFrom(32_767, 32_768, 65_536).map((size) => Buffer.alloc(size, 'x')),
)
const anyInt = fc.constantFrom(-(2 ** 31), -1, 0, 1, 2, 5, 1_000, 2 ** 31 - 1)
const anyLong = fc.constantFrom(-(2n ** 63n), -1n, 0n, 1n, 5n, 1_700_000_000_000n, 2n ** 63n - 1n)
const anyBool = fc.boolean()
const few = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 4 })
const wireCell = fc.record({ column: maybe(anyBytes), value: maybe(anyBytes), timestamp: maybe(anyLong) })
const table = maybe(fc.constantFrom('t', 't', 't', 'h', 'o', 'b', 'micro', 'none', ''))
const key = maybe(anyBytes)
const keys = maybe(few(anyBytes))
const names = maybe(few(anyBytes))
const cells = maybe(few(wireCell))
const readOptions = maybe(
  fc.record({ consistency: maybe(anyInt), timeoutMs: maybe(anyInt), withTimestamps: maybe(anyBool) }),
)
const options = maybe(
  fc.record({
    durability: maybe(anyInt),
    timeoutMs: maybe(anyInt),
    requestId: maybe(fc.constantFrom('', 'id').map((text) => Buffer.from(text))),
  }),
)
const columns = maybe(
  fc.record({
    columns: names,
    prefix: key,
    startColumn: key,
    endColumn: key,
    limit: maybe(anyInt),
    maxVersions: maybe(anyInt),
    minTimestamp: maybe(anyLong),
    maxTimestamp: maybe(anyLong),
  }),
)
const check = maybe(fc.record({ column: maybe(anyBytes), expected: maybe(anyBytes) }))
const timestamp = maybe(anyLong)
const ttlSeconds = maybe(anyInt)
const exactVersion = maybe(anyBool)
const put = { key, cells, timestamp, ttlSeconds }
const remove = { key, columns: names, timestamp, exactVersion }
const deltas = maybe(few(fc.record({ column: maybe(anyBytes), delta: anyLong })))
const page = { pageSize: maybe(anyInt), pageToken: maybe(anyBytes) }

const REQUESTS: Readonly<Record<string, fc.Arbitrary<object>>> = {
  get: fc.record({ table, key, columns, options: readOptions }),
  multiGet: fc.record({ table, keys, columns, options: readOptions }),
  put: fc.record({ table, ...put, options }),
  multiPut: fc.record({ table, rows: maybe(few(fc.record(put))), options }),
  remove: fc.record({ table, ...remove, options }),
  multiRemove: fc.record({ table, rows: maybe(few(fc.record(remove))), options }),
  checkAndPut: fc.record({ table, key, check, cells, ttlSeconds, options }),
  checkAndRemove: fc.record({ table, key, check, columns: names, options }),
  increment: fc.record({ table, key, deltas, options }),
  getCounts: fc.record({ table, keys, columns: names, options: readOptions }),
  append: fc.record({ table, key, cells, options }),
  scanRow: fc.record({ table, key, columns, ...page, options: readOptions }),
  scan: fc.record({
    table,
    startKey: key,
    endKey: key,
    keyPrefix: key,
    columns,
    limit: maybe(anyInt),
    ...page,
    options: readOptions,
  }),
}

describe('arguments of the right types', () => {
  for (const [name, anyRequest] of Object.entries(REQUESTS)) {
    test(`${name} answers once, whatever is asked and whatever is stored`, () => {
      fc.assert(
        fc.property(maybe(anyRequest), anyOutcome, (request, outcome) => {
          const bound = serviceOver(outcome).methods.get(name)
          assert.ok(bound !== undefined)
          callOnce(bound, { request })
        }),
        FUZZ,
      )
    })
  }

  test('the methods that take no request answer once', () => {
    const { methods } = serviceOver(null)
    for (const name of ['listTables', 'ping', 'describeTable']) {
      for (const asked of [null, '', 't', 'micro', 'none']) {
        const bound = methods.get(name)
        assert.ok(bound !== undefined)
        callOnce(bound, { table: asked })
      }
    }
    assert.equal(methods.size, Object.keys(REQUESTS).length + 3, 'a method that is not tried here')
  })
})

test('frames that were damaged on their way are read as something that is answered, or not at all', () => {
  const reader = new BinaryReader()
  const { methods } = serviceOver(null)
  const anyArgs = fc.constantFrom(...Object.keys(REQUESTS)).chain((name) =>
    fc.record({
      bound: fc.constant(methods.get(name)),
      request: REQUESTS[name] ?? fc.constant({}),
      damage: fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
      cut: fc.nat(400),
    }),
  )
  fc.assert(
    fc.property(anyArgs, ({ bound, request, damage, cut }) => {
      assert.ok(bound !== undefined)
      writer.clear()
      bound.method.writeArgs(writer, { request })
      const bytes = Buffer.from(writer.view())
      for (const [at, byte] of damage) bytes[at % bytes.length] = byte
      reader.reset(bytes, 0, damage.length === 0 ? Math.min(cut, bytes.length) : bytes.length)
      let args: unknown
      try {
        args = bound.method.readArgs(reader)
      } catch (error) {
        assert.ok(error instanceof ThriftProtocolError, String(error))
        return
      }
      callOnce(bound, args)
    }),
    FUZZ,
  )
})

test('the cells that a store answers are the cells that are shown', () => {
  const stored: Cell = {
    localKey: Buffer.from('c'),
    value: Buffer.alloc(0),
    timestamp: null,
    ttlSeconds: null,
  }
  const bound = serviceOver({ cells: [stored], next: null }).methods.get('get')
  let answer: unknown
  bound?.handle(
    { request: wire.makeGetRequest({ table: 't', key: Buffer.from('k') }) },
    {
      connection: { id: 1, remoteAddress: '', clientName: null, isClosed: false },
      method: 'get',
      receivedAtMs: systemClock.monotonicMs(),
      reply: (result) => (answer = result),
      fail: (exception) => assert.fail(JSON.stringify(exception)),
      abort: (_type, message) => assert.fail(message),
    },
  )
  const cells = [{ column: stored.localKey, value: stored.value, timestamp: null }]
  assert.deepEqual(answer, { key: Buffer.from('k'), cells, stale: null, truncated: null })
})
