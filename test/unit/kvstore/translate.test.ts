import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { readErrorToException, writeErrorToException } from '../../../src/kvstore/errors.js'
import {
  getToRead,
  multiGetToRead,
  putToMutate,
  removeToMutate,
  resultToMultiGetResponse,
  rowToGetResponse,
} from '../../../src/kvstore/translate.js'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import * as wire from '../../../src/thrift/generated/kvstore.js'
import { cell } from '../../support/datasets.js'

const context = { api: 'kvstore', caller: null, deadline: NO_DEADLINE }
const key = Buffer.from('k')
const dataset = 'profiles'

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof KVError) return error.code
    throw error
  }
  return 'none'
}

function get(changes: Partial<wire.GetRequest>) {
  return getToRead(wire.makeGetRequest({ dataset, key, ...changes }), context)
}

function put(changes: Partial<wire.PutRequest>) {
  return putToMutate(wire.makePutRequest({ dataset, key, ...changes }), context)
}

function remove(changes: Partial<wire.DeleteRequest>) {
  return removeToMutate(wire.makeDeleteRequest({ dataset, key, ...changes }), context)
}

const selecting = (fields: Partial<wire.CellSelector>) => () => get({ cells: wire.makeCellSelector(fields) })
const reading = (fields: Partial<wire.ReadOptions>) => () => get({ options: wire.makeReadOptions(fields) })
const writing = (fields: Partial<wire.WriteOptions>) => () =>
  put({ value: key, options: wire.makeWriteOptions(fields) })

const refused: [name: string, action: () => unknown, code: string][] = [
  ['GetRequest without a key', () => get({ key: null }), 'INVALID_ARGUMENT'],
  ['GetRequest with an empty key', () => get({ key: Buffer.alloc(0) }), 'INVALID_ARGUMENT'],
  ['GetRequest without a dataset', () => get({ dataset: null }), 'INVALID_ARGUMENT'],
  ['GetRequest.pageToken', () => get({ pageToken: key }), 'UNSUPPORTED'],
  // Sorting came before the limit: one request held its thread for seconds.
  [
    'more local keys than a row may have',
    selecting({ localKeys: new Array<Buffer>(10_001).fill(key) }),
    'TOO_LARGE',
  ],
  ['CellSelector.ranges', selecting({ ranges: [wire.makeByteRange()] }), 'UNSUPPORTED'],
  ['CellSelector.prefixes', selecting({ prefixes: [key] }), 'UNSUPPORTED'],
  ['CellSelector.limit', selecting({ limit: 1 }), 'UNSUPPORTED'],
  ['CellSelector.reversed', selecting({ reversed: true }), 'UNSUPPORTED'],
  ['CellSelector.maxVersions above 1', selecting({ maxVersions: 2 }), 'UNSUPPORTED'],
  ['CellSelector.minTimestamp', selecting({ minTimestamp: 0n }), 'UNSUPPORTED'],
  ['CellSelector.maxTimestamp', selecting({ maxTimestamp: 0n }), 'UNSUPPORTED'],
  ['CellSelector.keysOnly', selecting({ keysOnly: true }), 'UNSUPPORTED'],
  ['ReadOptions.sessionToken', reading({ sessionToken: key }), 'UNSUPPORTED'],
  ['ReadOptions.pageSizeBytes', reading({ pageSizeBytes: 1 }), 'UNSUPPORTED'],
  ['Consistency SESSION', reading({ consistency: wire.Consistency.SESSION }), 'UNSUPPORTED'],
  ['an unknown Consistency', reading({ consistency: 99 }), 'INVALID_ARGUMENT'],
  ['an idempotency token', writing({ idempotencyToken: wire.makeIdempotencyToken() }), 'UNSUPPORTED'],
  ['withSessionToken', writing({ withSessionToken: true }), 'UNSUPPORTED'],
  ['Durability REPLICATED', writing({ durability: wire.Durability.REPLICATED }), 'UNSUPPORTED'],
  ['an unknown Durability', writing({ durability: 99 }), 'INVALID_ARGUMENT'],
  ['DeleteScope EXACT_TIMESTAMP', () => remove({ scope: wire.DeleteScope.EXACT_TIMESTAMP }), 'UNSUPPORTED'],
  ['an unknown DeleteScope', () => remove({ scope: 99 }), 'INVALID_ARGUMENT'],
  // It removed the whole row: a caller whose list of columns happened to be empty lost everything.
  ['remove with an empty selector', () => remove({ cells: wire.makeCellSelector() }), 'INVALID_ARGUMENT'],
  [
    'multiGet with two kinds of selector',
    () =>
      multiGetToRead(
        wire.makeMultiGetRequest({ dataset, keys: [key], cells: wire.makeCellSelector(), cellsByKey: [] }),
        context,
      ),
    'INVALID_ARGUMENT',
  ],
  [
    'multiGet with an empty key among others',
    () => multiGetToRead(wire.makeMultiGetRequest({ dataset, keys: [key, Buffer.alloc(0)] }), context),
    'INVALID_ARGUMENT',
  ],
]

suite('KVStore structs to requests', () => {
  for (const [name, action, code] of refused) {
    test(`${name} is refused as ${code}`, () => assert.equal(codeOf(action), code))
  }

  test('local keys are sorted and repeats fall away', () => {
    const localKeys = ['b', 'a', 'b', ''].map((text) => Buffer.from(text))
    const { selector } = get({ cells: wire.makeCellSelector({ localKeys }) })
    assert.deepEqual(
      selector?.localKeys.map((one) => one.toString()),
      ['', 'a', 'b'],
    )
  })

  test('an empty selector means every column', () => {
    assert.equal(get({ cells: wire.makeCellSelector({ localKeys: [], maxVersions: 1 }) }).selector, null)
  })

  test('a version beyond what milliseconds can be is one that was never kept', () => {
    assert.equal(get({ options: wire.makeReadOptions({ datasetVersion: 2n ** 62n }) }).datasetVersion, -1)
  })

  test('the unnamed value and cells of a put take the request’s TTL, a cell’s own wins', () => {
    const cells = [
      wire.makeCell({ localKey: key, value: key, ttlSeconds: 5 }),
      wire.makeCell({ value: null }),
    ]
    const { mutation } = put({ value: Buffer.from('v'), cells, ttlSeconds: 9 })
    assert.deepEqual(
      mutation.cells.map(({ ttlSeconds, value }) => [ttlSeconds, value.toString()]),
      [
        [9, 'v'],
        [5, 'k'],
        [9, ''],
      ],
    )
  })

  test('replaceRow deletes the row beside the put; a removal without a selector deletes the row', () => {
    assert.equal(put({ value: key, replaceRow: true }).mutation.deletes, 'ROW')
    assert.equal(remove({}).mutation.deletes, 'ROW')
    const cells = wire.makeCellSelector({ localKeys: [key] })
    assert.deepEqual(remove({ cells }).mutation.deletes, [key])
  })

  test('every level up to LOG is given as LOG', () => {
    const levels = [wire.Durability.MEMORY, wire.Durability.LOG_BUFFERED, wire.Durability.LOG]
    for (const durability of levels) assert.equal(writing({ durability })().durability, 'LOG')
    assert.equal(writing({ durability: wire.Durability.LOG_SYNCED })().durability, 'LOG_SYNCED')
    assert.equal(writing({ durability: wire.Durability.DATASET_DEFAULT })().durability, null)
  })
})

suite('results to KVStore structs', () => {
  test('the unnamed cell becomes the value, the others cells in order', () => {
    const response = rowToGetResponse({ cells: [cell('', 'v', 7n, 3), cell('a', '1'), cell('b', '2')] }, null)
    assert.deepEqual([response.value?.toString(), response.timestamp, response.ttlSeconds], ['v', 7n, 3])
    assert.deepEqual(
      response.cells?.map(({ localKey }) => localKey?.toString()),
      ['a', 'b'],
    )
  })

  test('an absent row is an empty struct', () => {
    assert.deepEqual(rowToGetResponse(null, null), wire.makeGetResponse())
  })

  test('rows of a multiGet keep their places: rows, absent ones and failures', () => {
    const rows = [null, { cells: [cell('', 'v')] }, new KVError('CORRUPT', 'flipped', { outcome: 'UNKNOWN' })]
    const answered = resultToMultiGetResponse({ rows, datasetVersion: null }, null).rows ?? []
    assert.deepEqual(
      answered.map(({ value, error }) => value?.toString() ?? error?.code ?? null),
      [null, 'v', wire.ErrorCode.CORRUPT],
    )
    assert.equal(answered[2]?.error?.outcome, null)
  })

  test('a failed write always says what became of it, a failed read never does', () => {
    const outcomeOf = (error: KVError) => writeErrorToException(error, 'r-1').error?.outcome
    assert.equal(outcomeOf(new KVError('DATASET_NOT_FOUND', '')), wire.WriteOutcome.NOT_APPLIED)
    assert.equal(outcomeOf(new KVError('INTERNAL', '')), wire.WriteOutcome.UNKNOWN)
    assert.equal(
      outcomeOf(new KVError('UNAVAILABLE', '', { outcome: 'NOT_APPLIED' })),
      wire.WriteOutcome.NOT_APPLIED,
    )
    const read = readErrorToException(new KVError('UNAVAILABLE', 'm', { outcome: 'UNKNOWN', dataset }), 'r-2')
    assert.deepEqual(
      [read.error?.outcome, read.error?.retryable, read.dataset, read.requestId],
      [null, true, dataset, 'r-2'],
    )
  })
})
