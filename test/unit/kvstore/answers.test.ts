import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import {
  countersToResponse,
  entryToDatasetInfo,
  outcomeToRowWrite,
  resultToIncrementResponse,
  resultToMultiGetResponse,
  resultToMutateResponse,
  rowToGetResponse,
} from '../../../src/kvstore/answers.js'
import { limits } from '../../../src/base/limits.js'
import { readErrorToException, writeErrorToException } from '../../../src/kvstore/errors.js'
import { plainResult } from '../../../src/model/request.js'
import * as wire from '../../../src/thrift/generated/kvstore.js'
import { cell, datasetEntry } from '../../support/datasets.js'

const row = (...cells: ReturnType<typeof cell>[]) => ({ cells, next: null })
const named = (cells: readonly wire.Cell[] | null) =>
  (cells ?? []).map(({ localKey, value }) => `${String(localKey)}=${String(value)}`)

function counter(localKey: string, value: bigint) {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return { ...cell(localKey, ''), value: bytes }
}

suite('results to KVStore structs', () => {
  test('the unnamed cell becomes the value, the others cells in order', () => {
    const response = rowToGetResponse(row(cell('', 'v', 7n, 3), cell('a', '1'), cell('b', '2')), null)
    assert.deepEqual([response.value?.toString(), response.timestamp, response.ttlSeconds], ['v', 7n, 3])
    assert.deepEqual(named(response.cells), ['a=1', 'b=2'])
  })

  test('older versions of the unnamed value stand among the cells, in either direction', () => {
    const forward = rowToGetResponse(row(cell('', 'new'), cell('', 'old'), cell('a', '1')), null)
    assert.deepEqual([forward.value?.toString(), named(forward.cells)], ['new', ['=old', 'a=1']])
    const reversed = rowToGetResponse(row(cell('a', '1'), cell('', 'new'), cell('', 'old')), null)
    assert.deepEqual([reversed.value?.toString(), named(reversed.cells)], ['new', ['a=1', '=old']])
  })

  test('a later page that begins among versions of the unnamed value has no value of its own', () => {
    const page = { nextPageToken: null, isUnnamedBegun: true }
    const response = rowToGetResponse(row(cell('', 'old'), cell('a', '1')), null, page)
    assert.deepEqual([response.value, named(response.cells)], [null, ['=old', 'a=1']])
  })

  test('an absent row is an empty struct', () => {
    assert.deepEqual(rowToGetResponse(null, null), wire.makeGetResponse())
  })

  test('rows of a multiGet keep their places: rows, absent ones and failures', () => {
    const rows = [null, row(cell('', 'v')), new KVError('CORRUPT', 'flipped', { outcome: 'UNKNOWN' })]
    const answered = resultToMultiGetResponse({ rows, datasetVersion: null }, null).rows ?? []
    assert.deepEqual(
      answered.map(({ value, error }) => value?.toString() ?? error?.code ?? null),
      [null, 'v', wire.ErrorCode.CORRUPT],
    )
    assert.equal(answered[2]?.error?.outcome, null)
  })

  test('a row that was cut carries its token, the others none', () => {
    const cut = { cells: [cell('a', '1')], next: { localKey: Buffer.from('a'), timestamp: null, columns: 1 } }
    const { rows } = resultToMultiGetResponse(
      { rows: [row(cell('a', '1')), cut], datasetVersion: null },
      null,
      (index, next) => Buffer.from(`${index} ${String(next.localKey)}`),
    )
    assert.deepEqual(
      rows?.map(({ nextPageToken }) => nextPageToken?.toString() ?? null),
      [null, '1 a'],
    )
  })
})

suite('counters', () => {
  test('are answered in the order of the request, repeats and missing ones included', () => {
    const rows = [row(counter('a', -5n), counter('b', 2n ** 62n)), null]
    const localKeys = ['b', 'none', 'a', 'b'].map((name) => Buffer.from(name))
    const response = countersToResponse({ rows, datasetVersion: null }, localKeys)
    assert.deepEqual(
      response.rows?.map(({ counters }) => counters?.map(({ value, missing }) => [value, missing])),
      [
        [
          [2n ** 62n, null],
          [0n, true],
          [-5n, null],
          [2n ** 62n, null],
        ],
        new Array(4).fill([0n, true]),
      ],
    )
  })

  test('a column of another size fails its row as NOT_A_COUNTER, and no other', () => {
    const rows = [row(cell('a', 'seven')), row(counter('a', 1n)), new KVError('CORRUPT', 'flipped')]
    const response = countersToResponse({ rows, datasetVersion: null }, [Buffer.from('a')])
    assert.deepEqual(
      response.rows?.map(({ counters, error }) => error?.code ?? counters?.[0]?.value),
      [wire.ErrorCode.NOT_A_COUNTER, 1n, wire.ErrorCode.CORRUPT],
    )
  })
})

suite('writes', () => {
  test('what became of a mutate: applied or not, when, repeated, and the cells asked for', () => {
    const result = { ...plainResult(null), isApplied: false, isRepeated: true, row: row(cell('', 'v', 5n)) }
    const response = resultToMutateResponse(result, Buffer.from('s'))
    assert.deepEqual(
      [response.applied, response.write?.timestamp, response.write?.repeated],
      [false, null, true],
    )
    assert.deepEqual([response.row?.value?.toString(), response.row?.timestamp], ['v', 5n])
    assert.equal(response.write?.sessionToken?.toString(), 's')
  })

  test('an increment answers the new values', () => {
    const result = { ...plainResult(9n), counters: [{ localKey: Buffer.from('c'), value: 3n }] }
    const response = resultToIncrementResponse(result, null)
    assert.deepEqual([response.counters?.[0]?.value, response.write?.timestamp], [3n, 9n])
  })

  test('a row of a multiMutate answers its time, or its failure with what became of it', () => {
    assert.deepEqual(outcomeToRowWrite(plainResult(4n)), { error: null, timestamp: 4n })
    const failed = outcomeToRowWrite(new KVError('UNAVAILABLE', 'gone'))
    assert.deepEqual([failed.error?.code, failed.error?.outcome], [wire.ErrorCode.UNAVAILABLE, 2])
  })

  test('a failed write always says what became of it, a failed read never does', () => {
    const outcomeOf = (error: KVError) => writeErrorToException(error, 'r-1').error?.outcome
    assert.equal(outcomeOf(new KVError('DATASET_NOT_FOUND', '')), wire.WriteOutcome.NOT_APPLIED)
    assert.equal(outcomeOf(new KVError('INTERNAL', '')), wire.WriteOutcome.UNKNOWN)
    assert.equal(
      outcomeOf(new KVError('UNAVAILABLE', '', { outcome: 'NOT_APPLIED' })),
      wire.WriteOutcome.NOT_APPLIED,
    )
    const error = new KVError('UNAVAILABLE', 'm', { outcome: 'UNKNOWN', dataset: 'profiles' })
    const read = readErrorToException(error, 'r-2')
    assert.deepEqual(
      [read.error?.outcome, read.error?.retryable, read.dataset, read.requestId],
      [null, true, 'profiles', 'r-2'],
    )
  })
})

suite('descriptions', () => {
  test('a dataset tells how many versions of a cell it keeps and how long it knows repeats', () => {
    const info = entryToDatasetInfo(datasetEntry({ maxCellVersions: 5 }))
    assert.deepEqual(
      [info.maxCellVersions, info.idempotencyWindowSeconds],
      [5, limits.idempotencyWindowSeconds],
    )
    const batch = entryToDatasetInfo(datasetEntry({ mode: 'BATCH' }))
    assert.deepEqual(
      [batch.maxCellVersions, batch.idempotencyWindowSeconds, batch.defaultDurability],
      [1, null, null],
    )
  })
})
