import assert from 'node:assert/strict'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { AttachedDatabase, WriteBatch } from '../../src/leaf/rocksdb/store/binding.js'
import type { Mutation } from '../../src/model/mutation.js'
import type { IdempotencyToken, MutateRequest, MutateResult } from '../../src/model/request.js'
import { type Condition, WHOLE_ROW } from '../../src/model/row.js'
import { WriterShard } from '../support/writer-shard.js'

let shard: WriterShard

beforeEach(async () => {
  shard = await WriterShard.create('mutable')
})

afterEach(() => shard.dispose())

function put(value: string, localKey = ''): Mutation {
  const cell = {
    localKey: Buffer.from(localKey),
    value: Buffer.from(value),
    timestamp: null,
    ttlSeconds: null,
  }
  return { kind: 'PUT', cells: [cell], timestamp: null, replaceRow: false }
}

function at(mutation: Mutation, timestamp: bigint): Mutation {
  return mutation.kind === 'PUT' ? { ...mutation, timestamp } : mutation
}

function increment(delta: bigint): Mutation {
  return { kind: 'INCREMENT', deltas: [{ localKey: Buffer.from('n'), delta, ttlSeconds: null }] }
}

/** Sends one batch of single-cell writes and waits for all its acknowledgements. */
function write(values: readonly string[], rowKey?: string): Promise<(MutateResult | KVError)[]> {
  const outcomes = values.map((value, index) =>
    shard.add(rowKey ?? `row-${index}`, { mutations: [put(value)] }),
  )
  shard.flush()
  return Promise.all(outcomes)
}

/** While `action` runs, the disk fails every write after so many. */
async function withFailingDisk<T>(action: () => Promise<T>, goodWrites = 0): Promise<T> {
  // The prototype's method is put back below; a real failing disk is in leaf-damage.test.ts.
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const original = AttachedDatabase.prototype.write
  let left = goodWrites
  AttachedDatabase.prototype.write = function (batch, isSynced) {
    if (left-- <= 0) throw new KVError('UNAVAILABLE', 'the disk fails')
    original.call(this, batch, isSynced)
  }
  try {
    return await action()
  } finally {
    AttachedDatabase.prototype.write = original
  }
}

function codes(outcomes: readonly (MutateResult | KVError)[]): unknown[] {
  return outcomes.map((outcome) => (outcome instanceof KVError ? [outcome.code, outcome.outcome] : 'written'))
}

function done(outcome: MutateResult | KVError | undefined): MutateResult {
  if (outcome instanceof KVError) throw outcome
  assert.ok(outcome !== undefined)
  return outcome
}

suite('group writer', () => {
  // The failed sync marked the shard and told nobody: it refused writes until the next start.
  test('a sync of the watermark that fails reports the shard, once, and later writes are not applied', async () => {
    await write(['a'])
    await withFailingDisk(() => shard.writer.writeWatermarks())
    assert.equal(shard.watermarkFailures, 1)
    assert.deepEqual(shard.failed, [shard.incarnation.id])
    assert.deepEqual(codes(await write(['b'])), [['UNAVAILABLE', 'NOT_APPLIED']])
    assert.deepEqual(shard.failed, [shard.incarnation.id])
  })

  test('a group that fails is of unknown outcome and reports the shard', async () => {
    assert.deepEqual(codes(await withFailingDisk(() => write(['a']))), [['UNAVAILABLE', 'UNKNOWN']])
    assert.deepEqual(shard.failed, [shard.incarnation.id])
  })

  test('a group of which a part was written before the disk failed is of unknown outcome, refusals are not', async () => {
    const outcomes = await withFailingDisk(() => {
      const requests: Partial<MutateRequest>[] = [
        { mutations: [increment(1n)] },
        { mutations: [increment(2n ** 63n - 1n)] },
        { mutations: [increment(1n)] },
      ]
      const all = requests.map((request) => shard.add('row', request))
      shard.flush()
      return Promise.all(all)
    }, 1)
    const failed = ['UNAVAILABLE', 'UNKNOWN']
    assert.deepEqual(codes(outcomes), [failed, ['INVALID_ARGUMENT', 'NOT_APPLIED'], failed])
  })

  // Callers of what was never tried were told that it may have been applied, and could not repeat it.
  test('what had no turn before the disk failed is not applied', async () => {
    const outcomes = await withFailingDisk(() => {
      // The second reads what the first writes, which is therefore written before.
      const all = [
        shard.add('row', { mutations: [increment(1n)] }),
        shard.add('row', { mutations: [increment(1n)] }),
        shard.add('other', { mutations: [put('v')] }),
      ]
      shard.flush()
      return Promise.all(all)
    })
    const notApplied = ['UNAVAILABLE', 'NOT_APPLIED']
    assert.deepEqual(codes(outcomes), [['UNAVAILABLE', 'UNKNOWN'], notApplied, notApplied])
  })

  // A data thread can be quicker than the writer to adopt a map; such writes failed.
  test('a write to a shard that this thread has not attached yet waits for it, for a moment', async () => {
    const { incarnation } = shard
    const later = shard.add('row', { mutations: [put('v')] }, { incarnation: { ...incarnation, id: 77 } })
    const never = shard.add('row', { mutations: [put('w')] }, { incarnation: { ...incarnation, id: 78 } })
    shard.flush()
    // It is in the queue now, and has had its turn.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    assert.equal(shard.writer.queueLength, 2)
    shard.writer.attach({ ...incarnation, id: 77 }, 'MICROSECONDS')
    done(await later)
    await shard.writer.detach(77)
    assert.deepEqual(codes([await never]), [['SHARD_NOT_SERVING', 'NOT_APPLIED']])
    const gone = shard.add('row', { mutations: [put('v')] }, { incarnation: { ...incarnation, id: 77 } })
    shard.flush()
    const startedAtMs = performance.now()
    assert.deepEqual(codes([await gone]), [['SHARD_NOT_SERVING', 'NOT_APPLIED']])
    assert.ok(performance.now() - startedAtMs < 400, 'it waited for a shard that is gone')
  })

  test('stamps of one row rise within a group, however long its key is', async () => {
    const [first, second] = await write(['a', 'b'], 'r'.repeat(60_000))
    assert.ok((done(second).timestamp ?? 0n) > (done(first).timestamp ?? 0n))
  })

  test('more bytes than one group may hold are committed in several, and all are acknowledged', async () => {
    const outcomes = await write(new Array<string>(40).fill('x'.repeat(1_000_000)))
    assert.equal(outcomes.filter((outcome) => !(outcome instanceof KVError)).length, 40)
  })

  test('a write whose deadline passes in the queue is not applied, nor is what it would have counted', async () => {
    const deadline = shard.clock.monotonicMs() + 5
    const late = [
      shard.add('a', { mutations: [put('v')] }, { deadline }),
      shard.add('b', { mutations: [increment(1n)] }, { deadline }),
    ]
    const inTime = shard.add('c', { mutations: [put('v')] }, { deadline: deadline + 1 })
    shard.flush()
    shard.clock.ms += 5
    assert.deepEqual(codes(await Promise.all(late)), [
      ['DEADLINE_EXCEEDED', 'NOT_APPLIED'],
      ['DEADLINE_EXCEEDED', 'NOT_APPLIED'],
    ])
    done(await inTime)
    assert.deepEqual([...shard.entries().keys()].length, 2)
  })
})

/** The most merges of rows' keys that are written between two puts of them while `action` writes one of them. */
async function mostOperands(action: () => Promise<void>): Promise<number> {
  const { prototype } = WriteBatch
  const { put: putOriginal, merge: mergeOriginal } = prototype // eslint-disable-line @typescript-eslint/unbound-method -- put back
  let operands = 0
  let most = 0
  prototype.put = function (key, value) {
    if (key.length > 2) operands = 0
    putOriginal.call(this, key, value)
  }
  prototype.merge = function (key, value) {
    most = Math.max(most, ++operands)
    mergeOriginal.call(this, key, value)
  }
  try {
    await action()
  } finally {
    Object.assign(prototype, { put: putOriginal, merge: mergeOriginal })
  }
  return most
}

suite('hot keys', () => {
  // Every read walked all operands of the memtable: 13 ms for a key written 100,000 times.
  test('a key that is written again and again gathers at most 32 merge operands, and keeps its greatest value', async () => {
    const most = await mostOperands(async () => {
      for (let i = 0; i < 500; i++) {
        // Older than what is there: it must not win by being put.
        if (i % 33 === 32) await shard.mutate('row', { mutations: [at(put(`old ${i}`), 5n)] })
        else await shard.mutate('row', { mutations: [put(`value ${i}`)] })
      }
    })
    assert.equal(most, 32)
    const look = {
      mutations: [put('v', 'other')],
      returnAfter: { ...WHOLE_ROW, localKeys: [Buffer.alloc(0)] },
    }
    assert.equal(done(await shard.mutate('row', look)).row?.cells[0]?.value.toString(), 'value 499')
  })

  // In history only what programs wrote was folded: one row's removal sent again and again was not. Versions arrive later
  // than all before them and are put.
  test('so does the removal of a row of a history shard, whose versions gather none', async (t) => {
    const history = await WriterShard.create('history', 3)
    t.after(() => history.dispose())
    const removal: Mutation = { kind: 'DELETE', selector: null, timestamp: 5n, scope: 'UP_TO_TIMESTAMP' }
    const versions = await mostOperands(async () => {
      for (let i = 0; i < 200; i++) await history.mutate('row', { mutations: [at(put(`value ${i}`), 7n)] })
    })
    const removals = await mostOperands(async () => {
      for (let i = 0; i < 200; i++) await history.mutate('row', { mutations: [removal] })
    })
    assert.deepEqual([versions, removals], [0, 32])
    const look = { mutations: [at(put('v', 'other'), 8n)], returnAfter: null }
    const { row } = done(await history.mutate('row', look))
    assert.deepEqual(row?.cells.map(({ value }) => value.toString()), ['value 199', 'v']) // prettier-ignore
  })

  test('folding beside a program of the same row loses nothing of either', async () => {
    for (let i = 0; i < 40; i++) await shard.mutate('row', { mutations: [at(put(`value ${i}`, 'n'), BigInt(i))] })
    const counted = { mutations: [at(put('12345678', 'n'), 100n), increment(1n)] }
    const outcomes = [shard.add('row', counted), shard.add('row', { mutations: [at(put('late', 'n'), 50n)] })]
    shard.flush()
    const [first] = await Promise.all(outcomes)
    const value = done(first).counters[0]?.value
    assert.equal(done(await shard.mutate('row', { mutations: [increment(1n)] })).counters[0]?.value, (value ?? 0n) + 1n)
  }) // prettier-ignore
})

suite('row programs', () => {
  test('a hundred increments of one counter in a group count one by one, between other writes of the row', async () => {
    const counted: Promise<MutateResult | KVError>[] = []
    for (let i = 0; i < 100; i++) {
      counted.push(shard.add('row', { mutations: [increment(1n)] }))
      void shard.add('row', { mutations: [put('v', `column-${i}`)] })
    }
    shard.flush()
    const values = (await Promise.all(counted)).map((outcome) => done(outcome).counters[0]?.value)
    assert.deepEqual(
      values,
      Array.from({ length: 100 }, (_, i) => BigInt(i + 1)),
    )
  })

  test('of many who set a column on condition that it is absent, in one group, one succeeds', async () => {
    const absent: Condition = {
      localKey: Buffer.from('lock'),
      comparison: 'NOT_EXISTS',
      value: Buffer.alloc(0),
      timestamp: null,
      ifMissing: false,
    }
    const outcomes = Array.from({ length: 50 }, (_, i) =>
      shard.add('row', {
        mutations: [put(`owner ${i}`, 'lock')],
        conditions: [absent],
        returnOnConflict: null,
      }),
    )
    shard.flush()
    const results = (await Promise.all(outcomes)).map(done)
    assert.deepEqual(results.map(({ isApplied }) => isApplied), [true, ...new Array<boolean>(49).fill(false)]) // prettier-ignore
    assert.ok(results.slice(1).every(({ row }) => row?.cells[0]?.value.toString() === 'owner 0'))
  })

  test('a program that fails leaves nothing of what it did before, and no stamp', async () => {
    const before = shard.entries()
    const outcome = await shard.mutate('row', {
      mutations: [put('v', 'a'), increment(1n), increment(2n ** 63n - 1n)],
    })
    assert.deepEqual(codes([outcome]), [['INVALID_ARGUMENT', 'NOT_APPLIED']])
    assert.deepEqual(shard.entries(), before)
  })

  test('a repeat within the window is answered as the first time and writes nothing, beyond it counts anew', async () => {
    const idempotency: IdempotencyToken = {
      generationTimeUs: shard.clock.nowUs(),
      nonce: Buffer.from('12345678'),
      index: 0,
      fingerprint: Buffer.alloc(16, 1),
    }
    const request = { mutations: [increment(5n)], idempotency, returnAfter: null }
    const first = done(await shard.mutate('row', request))
    const stored = shard.entries()
    shard.clock.ms += 419_000
    assert.deepEqual(done(await shard.mutate('row', request)), { ...first, isRepeated: true })
    assert.deepEqual(shard.entries(), stored)
    const other = { ...request, idempotency: { ...idempotency, fingerprint: Buffer.alloc(16, 2) } }
    assert.deepEqual(codes([await shard.mutate('row', other)]), [['IDEMPOTENCY_MISMATCH', 'NOT_APPLIED']])
    shard.clock.ms += 1_000
    assert.equal(done(await shard.mutate('row', request)).counters[0]?.value, 10n)
  })

  test('a repeat and a write that nothing is to be done for wait for the sync that they ask for', async () => {
    const syncs: boolean[] = []
    const { prototype } = AttachedDatabase
    const { write: original } = prototype // eslint-disable-line @typescript-eslint/unbound-method -- put back
    prototype.write = function (batch, isSynced) {
      syncs.push(isSynced)
      original.call(this, batch, isSynced)
    }
    try {
      const nowhere = { ...WHOLE_ROW, localKeys: [Buffer.from('none')] }
      const touch: Mutation = { kind: 'TOUCH', selector: nowhere, ttlSeconds: 5 }
      const result = done(await shard.mutate('row', { mutations: [touch] }, { durability: 'LOG_SYNCED' }))
      assert.equal(result.timestamp, null)
      assert.deepEqual(syncs, [true])
      await shard.mutate('row', { mutations: [touch] })
      assert.deepEqual(syncs, [true])
    } finally {
      prototype.write = original
    }
  })

  test('readers are told of range tombstones before they can meet one, and again when the shard is opened', async () => {
    const flag = new Int32Array(shard.incarnation.hasRangeTombstones)
    const ranges = [{ from: Buffer.from('a'), to: Buffer.from('b') }]
    const remove: Mutation = {
      kind: 'DELETE',
      selector: { ...WHOLE_ROW, ranges },
      timestamp: null,
      scope: 'UP_TO_TIMESTAMP',
    }
    const { prototype } = AttachedDatabase
    const { write: original } = prototype // eslint-disable-line @typescript-eslint/unbound-method -- put back
    let flagAtWrite = -1
    prototype.write = function (batch, isSynced) {
      flagAtWrite = Atomics.load(flag, 0)
      original.call(this, batch, isSynced)
    }
    try {
      done(await shard.mutate('row', { mutations: [remove] }))
    } finally {
      prototype.write = original
    }
    assert.equal(flagAtWrite, 1)
    await shard.close()
    await shard.open()
    assert.equal(new Int32Array(shard.incarnation.hasRangeTombstones)[0], 1)
  })

  test('a row has at most a thousand range tombstones', async () => {
    const removal = (from: number, count: number): Mutation => {
      const key = (n: number) => Buffer.from(String(n).padStart(6, '0'))
      const ranges = Array.from({ length: count }, (_, i) => ({ from: key(from + 2 * i), to: key(from + 2 * i + 1) }))
      return { kind: 'DELETE', selector: { ...WHOLE_ROW, ranges }, timestamp: null, scope: 'UP_TO_TIMESTAMP' }
    } // prettier-ignore
    done(await shard.mutate('row', { mutations: [removal(0, 1_000)] }))
    const outcome = await shard.mutate('row', { mutations: [removal(5_000, 1)] })
    assert.deepEqual(codes([outcome]), [['TOO_LARGE', 'NOT_APPLIED']])
    done(await shard.mutate('row', { mutations: [removal(0, 1_000)] }))
  })

  test('a write that would read more than it may is refused, and one column of such a row can be written', async () => {
    const cells = Array.from({ length: 10_000 }, (_, i) => ({
      localKey: Buffer.from(`column-${i}`),
      value: Buffer.from('v'),
      timestamp: null,
      ttlSeconds: null,
    }))
    for (const part of ['a', 'b', 'c']) {
      const named = cells.map((cell) => ({ ...cell, localKey: Buffer.concat([Buffer.from(part), cell.localKey]) }))
      done(await shard.mutate('row', { mutations: [{ kind: 'PUT', cells: named, timestamp: null, replaceRow: false }] }))
    } // prettier-ignore
    const touch: Mutation = { kind: 'TOUCH', selector: null, ttlSeconds: 5 }
    assert.deepEqual(codes([await shard.mutate('row', { mutations: [touch] })]), [
      ['TOO_LARGE', 'NOT_APPLIED'],
    ])
    const one: Mutation = {
      kind: 'TOUCH',
      selector: { ...WHOLE_ROW, limit: 1, isReversed: true },
      ttlSeconds: 5,
    }
    const result = done(await shard.mutate('row', { mutations: [one], returnAfter: one.selector }))
    assert.deepEqual(result.row?.cells.map(({ localKey, ttlSeconds }) => [localKey.toString(), ttlSeconds]), [['ccolumn-9999', 5]]) // prettier-ignore
  })

  test('rows to answer of more than a mebibyte, and values beyond the dataset, are refused before anything is written', async () => {
    const half = put('x'.repeat(600_000), 'a')
    done(await shard.mutate('row', { mutations: [half] }))
    const more = { mutations: [put('y'.repeat(600_000), 'b')], returnAfter: null }
    assert.deepEqual(codes([await shard.mutate('row', more)]), [['TOO_LARGE', 'NOT_APPLIED']])
    shard.rules = { ...shard.rules, maxValueBytes: 600_001 }
    await shard.close()
    await shard.open()
    const append = (text: string): Mutation => ({
      kind: 'APPEND',
      cells: [{ localKey: Buffer.from('a'), value: Buffer.from(text), timestamp: null, ttlSeconds: null }],
    })
    done(await shard.mutate('row', { mutations: [append('1')] }))
    assert.deepEqual(codes([await shard.mutate('row', { mutations: [append('2')] })]), [['TOO_LARGE', 'NOT_APPLIED']]) // prettier-ignore
    assert.ok(limits.maxValueBytes > 600_001)
  })
})

suite('a clock that is set back', () => {
  test('stamps rise, TTLs count from the time that it shows, idempotency records are still known', async () => {
    const idempotency: IdempotencyToken = {
      generationTimeUs: shard.clock.nowUs(),
      nonce: Buffer.from('12345678'),
      index: 0,
      fingerprint: Buffer.alloc(16, 1),
    }
    const first = done(await shard.mutate('row', { mutations: [increment(1n)], idempotency }))
    shard.clock.ms -= 3_600_000
    const second = done(await shard.mutate('row', { mutations: [put('v')] }))
    assert.ok((second.timestamp ?? 0n) > (first.timestamp ?? 0n))
    assert.equal(
      done(await shard.mutate('row', { mutations: [increment(1n)], idempotency })).isRepeated,
      true,
    )
    const cell = { localKey: Buffer.from('t'), value: Buffer.from('v'), timestamp: null, ttlSeconds: 10 }
    const expiring: Mutation = { kind: 'PUT', cells: [cell], timestamp: null, replaceRow: false }
    const look = { ...WHOLE_ROW, localKeys: [cell.localKey] }
    const written = done(await shard.mutate('row', { mutations: [expiring], returnAfter: look }))
    assert.equal(written.row?.cells[0]?.ttlSeconds, 10)
    await shard.close()
    await shard.open()
    const third = done(await shard.mutate('row', { mutations: [put('w')] }))
    assert.ok((third.timestamp ?? 0n) > (written.timestamp ?? 0n))
  })
})
