import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import { KVError } from '../../../src/base/errors.js'
import { readTimestamp } from '../../../src/leaf/cell-codec.js'
import { AckEncoder, decodeWrites, forEachAck, WriteEncoder } from '../../../src/leaf/rocksdb/write-wire.js'
import type { ShardMutate } from '../../../src/model/plan.js'
import type { RowMutation } from '../../../src/model/request.js'
import type { Cell, CellTimestamp } from '../../../src/model/row.js'

const NOW = 1_700_000_000
const STAMP = 5_000

function mutate(
  rowKey: string,
  mutation: Partial<RowMutation>,
  durability: 'LOG' | 'LOG_SYNCED' = 'LOG',
): ShardMutate {
  return {
    incarnation: {
      id: 9,
      datasetId: 'd',
      shard: 0,
      format: 'mutable',
      engine: 'rocksdb',
      handle: 1n,
      directory: 'x',
    },
    keyOrder: 'ORDERED',
    rowKey: Buffer.from(rowKey),
    token: { high: 0, low: 0 },
    mutation: { cells: [], deletes: 'NOTHING', timestamp: null, ...mutation },
    durability,
    deadline: NO_DEADLINE,
  }
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
function stampedEntries(mutation: Partial<RowMutation>): Record<string, bigint> {
  const encoder = new WriteEncoder()
  encoder.add(1, mutate('r', mutation), NOW)
  const [write] = decodeWrites(encoder.take())
  assert.ok(write)
  if (write.needsStamp) write.stamp(STAMP)
  const entries: Record<string, bigint> = {}
  write.forEachEntry((key, value) => (entries[key.subarray(3).toString('latin1')] = readTimestamp(value)))
  return entries
}

test('the writes of a batch come out as they went in', () => {
  const encoder = new WriteEncoder()
  const big = { ...cell('c'), value: Buffer.alloc(100_000, 7) }
  encoder.add(7, mutate('a', { cells: [cell('x', 3n), cell('y', 4n)] }, 'LOG_SYNCED'), NOW)
  encoder.add(8, mutate('a', { cells: [big] }), NOW)
  encoder.add(2 ** 32 - 1, mutate('b', { deletes: [Buffer.from('x')], timestamp: -1n }), NOW)
  const writes = decodeWrites(encoder.take())
  assert.deepEqual(writes.map((write) => [write.opId, write.incarnationId, write.isSynced, write.needsStamp]), [[7, 9, true, false], [8, 9, false, true], [2 ** 32 - 1, 9, false, false]]) // prettier-ignore
  assert.deepEqual(writes.map((write) => write.ownTimestamp()), [4n, 0n, -1n]) // prettier-ignore
  assert.equal(writes[0]?.rowId(), writes[1]?.rowId())
  assert.notEqual(writes[0]?.rowId(), writes[2]?.rowId())
  assert.equal(encoder.sizeBytes, 0)
})

test('a batch fills a buffer of its own, so that it can be transferred', () => {
  const encoder = new WriteEncoder()
  encoder.add(1, mutate('a', { cells: [cell('x')] }), NOW)
  const first = encoder.take()
  encoder.add(2, mutate('b', { cells: [cell('y')] }), NOW)
  assert.equal(first.byteOffset, 0)
  assert.notEqual(first.buffer, encoder.take().buffer)
  assert.equal(decodeWrites(first)[0]?.opId, 1)
})

test('only what came without a timestamp is stamped', () => {
  assert.deepEqual(stampedEntries({ cells: [cell('a'), cell('b', 3n)] }), { '\x01a': 5_000n, '\x01b': 3n })
  assert.deepEqual(stampedEntries({ cells: [cell('a'), cell('b', 3n)], timestamp: 8n }), {
    '\x01a': 8n,
    '\x01b': 3n,
  })
  assert.deepEqual(stampedEntries({ deletes: [Buffer.from('a')] }), { '\x01a': 5_000n })
})

test('a row deletion lies below the cells beside it', () => {
  assert.deepEqual(stampedEntries({ deletes: 'ROW' }), { '\0': 5_000n })
  assert.deepEqual(stampedEntries({ deletes: 'ROW', cells: [cell('a')] }), { '\0': 4_999n, '\x01a': 5_000n })
  assert.deepEqual(stampedEntries({ deletes: 'ROW', cells: [cell('a', 3n)] }), { '\0': 2n, '\x01a': 3n })
  assert.deepEqual(stampedEntries({ deletes: 'ROW', cells: [cell('a', 9_000n)] }), {
    '\0': 4_999n,
    '\x01a': 9_000n,
  })
  assert.deepEqual(stampedEntries({ deletes: 'ROW', cells: [cell('a')], timestamp: 6n }), {
    '\0': 5n,
    '\x01a': 6n,
  })
  const lowest = -(2n ** 63n)
  assert.deepEqual(stampedEntries({ deletes: 'ROW', cells: [cell('a', lowest)] }), { '\x01a': lowest })
})

test('a column that is deleted and written at once is only written', () => {
  const deletes = [Buffer.from('a'), Buffer.from('b')]
  assert.deepEqual(stampedEntries({ deletes, cells: [cell('a', 3n)] }), { '\x01a': 3n, '\x01b': 5_000n })
})

test('a write that cannot be encoded leaves nothing behind', () => {
  const encoder = new WriteEncoder()
  encoder.add(1, mutate('a', { cells: [cell('x')] }), NOW)
  const { sizeBytes } = encoder
  assert.throws(() => encoder.add(2, mutate('a', { cells: [cell('x'), { ...cell('y'), ttlSeconds: 0 }] }), NOW), { code: 'INVALID_ARGUMENT' }) // prettier-ignore
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
  const found: unknown[] = []
  forEachAck(encoder.take(), (opId, outcome) => {
    found.push([
      opId,
      ...(outcome instanceof KVError ? [outcome.code, outcome.message, outcome.outcome] : [outcome]),
    ])
  })
  assert.deepEqual(found, [
    [1, 1_700_000_000_000_000n],
    [2, -(2n ** 63n)],
    [3, 'UNAVAILABLE', 'the disk is gone', 'UNKNOWN'],
    [4, 'SHARD_NOT_SERVING', 'grüße', 'NOT_APPLIED'],
    [5, 0n],
  ])
})
