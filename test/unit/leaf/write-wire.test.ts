import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import { KVError } from '../../../src/base/errors.js'
import { readTimestamp } from '../../../src/leaf/cell-codec.js'
import {
  AckEncoder,
  decodeWrites,
  forEachAck,
  WriteEncoder,
} from '../../../src/leaf/rocksdb/write/write-wire.js'
import { HISTORY_KINDS, historyCellOf } from '../../../src/leaf/row-codec.js'
import type { Mutation } from '../../../src/model/mutation.js'
import type { ShardMutate } from '../../../src/model/plan.js'
import type { MutateRequest } from '../../../src/model/request.js'
import { type Cell, type CellTimestamp, columnsNamed } from '../../../src/model/row.js'
import { NO_TOKEN } from '../../../src/model/row-order.js'

const NOW = 1_700_000_000
const STAMP = 5_000
const ARRIVAL = 7_000

/** A write of one mutation. */
function write(
  rowKey: string,
  mutation: Mutation,
  durability: 'LOG' | 'LOG_SYNCED' = 'LOG',
  format: 'mutable' | 'history' = 'mutable',
): ShardMutate {
  const key = Buffer.from(rowKey)
  return {
    incarnation: {
      id: 9,
      datasetId: 'd',
      shard: 0,
      format,
      maxCellVersions: 1,
      engine: 'rocksdb',
      handle: 1n,
      hasRangeTombstones: new SharedArrayBuffer(4),
      directory: 'x',
    },
    keyOrder: 'ORDERED',
    rowKey: key,
    token: NO_TOKEN,
    request: {
      dataset: 'd',
      rowKey: key,
      mutations: [mutation],
      conditions: [],
      otherwise: [],
      returnOnConflict: undefined,
      returnAfter: undefined,
      idempotency: null,
      durability: null,
      context: { api: 'test', caller: null, deadline: NO_DEADLINE },
    },
    durability,
    deadline: NO_DEADLINE,
  }
}

function put(
  cells: readonly Cell[],
  more: { timestamp?: CellTimestamp; replaceRow?: boolean } = {},
): Mutation {
  return { kind: 'PUT', cells, timestamp: null, replaceRow: false, ...more }
}

function remove(localKeys: readonly string[] | null, timestamp: CellTimestamp | null = null): Mutation {
  const selector = localKeys === null ? null : columnsNamed(localKeys.map((key) => Buffer.from(key)))
  return { kind: 'DELETE', selector, timestamp, scope: 'UP_TO_TIMESTAMP' }
}

function cell(localKey: string, timestamp: CellTimestamp | null = null): Cell {
  return {
    localKey: Buffer.from(localKey),
    value: Buffer.from(`value of ${localKey}`),
    timestamp,
    ttlSeconds: null,
  }
}

/** Physical key (without the row's three bytes) -> timestamp, after the writer has stamped. */
function stampedEntries(mutation: Mutation): Record<string, bigint> {
  const encoder = new WriteEncoder()
  encoder.add(1, write('r', mutation), NOW)
  const [found] = decodeWrites(encoder.take())
  assert.ok(found)
  found.stamp(found.needsStamp ? STAMP : null, null)
  const entries: Record<string, bigint> = {}
  found.forEachEntry((key, value) => (entries[key.subarray(3).toString('latin1')] = readTimestamp(value)))
  return entries
}

test('the writes of a batch come out as they went in', () => {
  const encoder = new WriteEncoder()
  const big = { ...cell('c'), value: Buffer.alloc(100_000, 7) }
  encoder.add(7, write('a', put([cell('x', 3n), cell('y', 4n)]), 'LOG_SYNCED'), NOW)
  encoder.add(8, { ...write('a', put([big])), deadline: 1234.5 }, NOW)
  encoder.add(2 ** 32 - 1, write('b', remove(['x'], -1n)), NOW)
  const writes = decodeWrites(encoder.take())
  assert.deepEqual(writes.map((found) => [found.opId, found.incarnationId, found.isSynced, found.needsStamp]), [[7, 9, true, false], [8, 9, false, true], [2 ** 32 - 1, 9, false, false]]) // prettier-ignore
  assert.deepEqual(writes.map((found) => found.ownTimestamp()), [4n, 0n, -1n]) // prettier-ignore
  assert.deepEqual(writes.map(({ deadline }) => deadline), [Infinity, 1234.5, Infinity]) // prettier-ignore
  assert.deepEqual(writes.map(({ isProgram }) => isProgram), [false, false, false]) // prettier-ignore
  assert.equal(writes[0]?.rowId(), writes[1]?.rowId())
  assert.notEqual(writes[0]?.rowId(), writes[2]?.rowId())
  assert.equal(encoder.sizeBytes, 0)
})

test('a batch fills a buffer of its own, so that it can be transferred', () => {
  const encoder = new WriteEncoder()
  encoder.add(1, write('a', put([cell('x')])), NOW)
  const first = encoder.take()
  encoder.add(2, write('b', put([cell('y')])), NOW)
  assert.equal(first.byteOffset, 0)
  assert.notEqual(first.buffer, encoder.take().buffer)
  assert.equal(decodeWrites(first)[0]?.opId, 1)
})

test('only what came without a timestamp is stamped', () => {
  assert.deepEqual(stampedEntries(put([cell('a'), cell('b', 3n)])), { '\x01a': 5_000n, '\x01b': 3n })
  assert.deepEqual(stampedEntries(put([cell('a'), cell('b', 3n)], { timestamp: 8n })), {
    '\x01a': 8n,
    '\x01b': 3n,
  })
  assert.deepEqual(stampedEntries(remove(['a'])), { '\x01a': 5_000n })
})

test('a row that is replaced is deleted below its new cells', () => {
  const replacing = (cells: readonly Cell[], more = {}) =>
    stampedEntries(put(cells, { replaceRow: true, ...more }))
  assert.deepEqual(stampedEntries(remove(null)), { '\0': 5_000n })
  assert.deepEqual(replacing([]), { '\0': 5_000n })
  assert.deepEqual(replacing([cell('a')]), { '\0': 4_999n, '\x01a': 5_000n })
  assert.deepEqual(replacing([cell('a')], { timestamp: 6n }), { '\0': 5n, '\x01a': 6n })
  const lowest = -(2n ** 63n)
  assert.deepEqual(replacing([cell('a')], { timestamp: lowest }), { '\x01a': lowest })
})

test('a row that is replaced by cells with times of their own is left to the writer', () => {
  for (const cells of [[cell('a', 3n)], [cell('a'), cell('b', 9_000n)]]) {
    const encoder = new WriteEncoder()
    encoder.add(1, write('r', put(cells, { replaceRow: true })), NOW)
    assert.equal(decodeWrites(encoder.take())[0]?.isProgram, true)
  }
})

test('a version of a history cell has its time in its key and its arrival in its value', () => {
  const mutations = [put([cell('a'), cell('b', -3n)]), remove(['c']), remove(['d'], 4n), remove(null, 6n)]
  const encoder = new WriteEncoder()
  for (const [index, mutation] of mutations.entries()) {
    encoder.add(index, write('r', mutation, 'LOG', 'history'), NOW)
  }
  const found = decodeWrites(encoder.take()).flatMap((one) => {
    one.stamp(one.needsStamp ? STAMP : null, ARRIVAL)
    const entries: unknown[] = []
    one.forEachEntry((key, value) => {
      if (key.byteLength === 4) return entries.push(['row', readTimestamp(value)])
      const { localKey, timestamp, kind } = historyCellOf(4, key)
      return entries.push([localKey.toString(), timestamp, kind, readTimestamp(value)])
    })
    return entries
  })
  assert.deepEqual(found, [
    ['a', 5_000n, HISTORY_KINDS.PUT, 7_000n],
    ['b', -3n, HISTORY_KINDS.PUT, 7_000n],
    ['c', 5_000n, HISTORY_KINDS.DELETE_UP_TO, 7_000n],
    ['d', 4n, HISTORY_KINDS.DELETE_UP_TO, 7_000n],
    ['row', 6n],
  ])
})

test('what has to be decided travels as a program of its row', () => {
  const { request, ...rest } = write('r', put([cell('x')]))
  const requests: readonly Partial<MutateRequest>[] = [
    { mutations: [put([cell('x')]), put([cell('y')])] },
    { conditions: [{ localKey: Buffer.from('x'), comparison: 'EXISTS', value: Buffer.alloc(0), timestamp: null, ifMissing: false }] },
    { returnAfter: null },
    { idempotency: { generationTimeUs: -5n, nonce: Buffer.from('12345678'), index: 3, fingerprint: Buffer.alloc(16) } },
    { mutations: [{ kind: 'DELETE', selector: null, timestamp: null, scope: 'NEWEST_VERSION' }] },
  ] // prettier-ignore
  const encoder = new WriteEncoder()
  encoder.add(0, { ...rest, request }, NOW)
  for (const one of requests) encoder.add(1, { ...rest, request: { ...request, ...one } }, NOW)
  const [blind, ...programs] = decodeWrites(encoder.take())
  assert.equal(blind?.isProgram, false)
  for (const [index, program] of programs.entries()) {
    assert.equal(program.isProgram, true)
    assert.equal(program.rowId(), blind.rowId())
    const { conditions, mutations, returnAfter, idempotency } = program.program()
    const expected = { ...request, ...requests[index] }
    assert.deepEqual(
      { conditions, mutations, returnAfter, idempotency },
      {
        conditions: expected.conditions,
        mutations: expected.mutations,
        returnAfter: expected.returnAfter,
        idempotency: expected.idempotency,
      },
    )
  }
})

test('a write that cannot be encoded leaves nothing behind', () => {
  const encoder = new WriteEncoder()
  encoder.add(1, write('a', put([cell('x')])), NOW)
  const { sizeBytes } = encoder
  const bad = write('a', put([cell('x'), { ...cell('y'), ttlSeconds: 0 }]))
  assert.throws(() => encoder.add(2, bad, NOW), { code: 'INVALID_ARGUMENT' })
  assert.equal(encoder.sizeBytes, sizeBytes)
  assert.equal(decodeWrites(encoder.take()).length, 1)
})

test('acknowledgements come out as they went in', () => {
  const encoder = new AckEncoder()
  encoder.done(1, 1_700_000_000_000_000)
  encoder.done(2, -(2n ** 63n))
  encoder.failed(3, new KVError('UNAVAILABLE', 'the disk is gone', { outcome: 'UNKNOWN' }))
  encoder.failed(4, new KVError('SHARD_NOT_SERVING', 'grüße', { outcome: 'NOT_APPLIED' }))
  encoder.done(5, 0)
  encoder.answered(6, Buffer.from('result'))
  const found: unknown[] = []
  forEachAck(encoder.take(), (opId, outcome) => {
    found.push([
      opId,
      ...(outcome instanceof KVError ? [outcome.code, outcome.message, outcome.outcome] : [String(outcome)]),
    ])
  })
  assert.deepEqual(found, [
    [1, '1700000000000000'],
    [2, '-9223372036854775808'],
    [3, 'UNAVAILABLE', 'the disk is gone', 'UNKNOWN'],
    [4, 'SHARD_NOT_SERVING', 'grüße', 'NOT_APPLIED'],
    [5, '0'],
    [6, 'result'],
  ])
})
