import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/logger.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { Metastore } from '../../../src/model/metastore.js'
import type { Mutation } from '../../../src/model/mutation.js'
import type { MutateRequest } from '../../../src/model/request.js'
import { WHOLE_ROW, columnsNamed } from '../../../src/model/row.js'
import { BATCH_LOG, BatchLog, ensureBatchLog } from '../../../shims/rocksandra/engine/batch-log.js'
import { decodeBatch, encodeBatch } from '../../../shims/rocksandra/engine/batch-record.js'

const CONTEXT = { api: 'test', caller: null, deadline: Number.POSITIVE_INFINITY }
const STARTED_MS = 1_000_000
const KEY_BYTES = 16

/** What the log needs of a store: rows of whole values, answered at once, in the order of what was asked. */
class Store {
  readonly rows = new Map<string, Mutation[]>()
  /** `dataset rowKey`, as they came. */
  readonly asked: string[] = []
  /** Of a row: how its next writes fail; null: they do not; 'late': they happen all the same; 'held': see there. */
  readonly failures = new Map<string, (KVError | 'late' | 'dead' | 'held' | null)[]>()
  /** Writes that are refused between the reading of a page and its answer. */
  readonly held: (() => void)[] = []
  /** Before a page is read that was asked for. */
  onScan = (): void => undefined
  datasetIds = new Map([
    [BATCH_LOG, 'log'],
    ['ks.t', 't1'],
  ])
  nowMs = STARTED_MS
  /** By so much the wall clock was put back. */
  putBackMs = 0
  graceSeconds = 864_000
  readonly timers: (() => void)[] = []
  readonly delaysMs: number[] = []
  /** Pages of the next scan that find nothing, and take so long each. */
  readonly emptyPagesMs: number[] = []
  readonly scanFailures: KVError[] = []
  /** Of a scan. */
  pageRows = 1_000
  /** Row keys of a page are parts of its buffer. */
  readonly pages: Buffer[] = []
  /** That a write of the table takes. */
  writeMs = 0
  /** Every write of the table fails, in whichever way; null: none. */
  isAway: KVError | null = null

  readonly kvstore = {
    mutate: (request: MutateRequest, done: (outcome: unknown) => void) => this.#mutate(request, done),
    scan: ({ position }: { readonly position: unknown }, done: (outcome: unknown) => void) => {
      const failure = this.scanFailures.shift()
      if (failure !== undefined) {
        done(failure)
        return
      }
      const emptyMs = this.emptyPagesMs.shift()
      if (emptyMs !== undefined) {
        this.nowMs += emptyMs
        done({ rows: [], next: '' })
        return
      }
      this.onScan()
      const from = typeof position === 'string' ? position : ''
      const all = [...this.rows].filter(([name]) => name.startsWith(BATCH_LOG) && name > from)
      const rows = all.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, this.pageRows)
      const page = Buffer.alloc(KEY_BYTES * rows.length)
      this.pages.push(page)
      for (const refuse of this.held.splice(0)) refuse()
      done({
        rows: rows.map(([name, [mutation]], index) => {
          const size = page.write(name.slice(BATCH_LOG.length + 1), KEY_BYTES * index, 'hex')
          const rowKey = page.subarray(KEY_BYTES * index, KEY_BYTES * index + size)
          return { rowKey, row: { cells: mutation?.kind === 'PUT' ? mutation.cells : [], next: null } }
        }),
        next: all.length > rows.length ? rows.at(-1)?.[0] : null,
      })
    },
    describeDataset: (name: string) => {
      const id = this.datasetIds.get(name)
      if (id === undefined) throw new KVError('DATASET_NOT_FOUND', `no dataset ${name}`)
      return { record: { id, graceSeconds: this.graceSeconds } }
    },
  } as unknown as KVStore

  log(): BatchLog {
    return new BatchLog({
      kvstore: this.kvstore,
      clock: {
        nowUs: () => 0n,
        nowMs: () => this.nowMs - this.putBackMs,
        monotonicMs: () => this.nowMs,
      },
      startTimer: (delayMs, run) => {
        this.delaysMs.push(delayMs)
        this.timers.push(run)
        return () => undefined
      },
      logger: silentLogger,
      isTable: (dataset) => dataset === 'ks.t',
    })
  }

  #mutate({ dataset, rowKey, mutations }: MutateRequest, done: (outcome: unknown) => void): void {
    const name = `${dataset} ${rowKey.toString(dataset === BATCH_LOG ? 'hex' : 'utf8')}`
    this.asked.push(name)
    const isOfLog = dataset === BATCH_LOG
    if (!isOfLog) this.nowMs += this.writeMs
    const failure = this.failures.get(isOfLog ? BATCH_LOG : name)?.shift() ?? (isOfLog ? null : this.isAway)
    if (failure instanceof KVError) {
      done(failure)
      return
    }
    if (failure === 'dead') return
    if (failure === 'held') {
      this.held.push(() => done(unavailable('NOT_APPLIED')))
      return
    }
    const [first] = mutations
    if (first?.kind === 'DELETE' && first.selector === null) this.rows.delete(name)
    else this.rows.set(name, [...mutations])
    done(failure === 'late' ? unavailable('UNKNOWN') : { isApplied: true })
  }

  get logged(): number {
    return [...this.rows.keys()].filter((name) => name.startsWith(BATCH_LOG)).length
  }

  /** How often a row of the table was to be written. */
  tried(key: string): number {
    return this.asked.filter((name) => name === `ks.t ${key}`).length
  }

  has(key: string): boolean {
    return this.rows.has(`ks.t ${key}`)
  }
}

function put(key: string, ttlSeconds: number | null = null): MutateRequest {
  const cell = { localKey: Buffer.from('v'), value: Buffer.from(key), timestamp: 5n, ttlSeconds }
  return {
    ...{ dataset: 'ks.t', rowKey: Buffer.from(key), conditions: [], otherwise: [], context: CONTEXT },
    mutations: [{ kind: 'PUT', cells: [cell], timestamp: null, replaceRow: false }],
    ...{ returnOnConflict: undefined, returnAfter: undefined, idempotency: null, durability: null },
  }
}

function unavailable(outcome: 'NOT_APPLIED' | 'UNKNOWN'): KVError {
  return new KVError('UNAVAILABLE', 'the leaf is away', { outcome })
}

/** What the caller hears; undefined: nothing yet. */
function written(log: BatchLog, requests: readonly MutateRequest[]): { readonly failure: unknown } {
  const heard: { failure: unknown } = { failure: undefined }
  log.write(requests, CONTEXT, (failure) => {
    heard.failure = failure
  })
  return heard
}

/** Runs what waits for a timer, and lets it come to its end. */
async function turn(store: Store): Promise<void> {
  for (const run of store.timers.splice(0)) run()
  await new Promise((resolve) => setImmediate(resolve))
}

describe('the log of batches', () => {
  test('has a batch before any of it is written, and forgets it when all is', () => {
    const store = new Store()
    const { failure } = written(store.log(), [put('a'), put('b')])
    assert.equal(failure, null)
    const asked = store.asked.map((name) => (name.startsWith(BATCH_LOG) ? 'log' : name))
    assert.deepEqual(asked, ['log', 'ks.t a', 'ks.t b', 'log'])
    assert.deepEqual([store.has('a'), store.has('b'), store.logged], [true, true, 0])
  })

  test('a batch that could not be logged is not written, and drivers may send it again', () => {
    const store = new Store()
    store.failures.set(BATCH_LOG, [new KVError('DEADLINE_EXCEEDED', 'too slow', { outcome: 'UNKNOWN' })])
    const log = store.log()
    const { failure } = written(log, [put('a'), put('b')])
    assert.equal((failure as { code?: string }).code, 'WRITE_TIMEOUT')
    assert.equal((failure as { details?: { writeType?: string } }).details?.writeType, 'BATCH_LOG')
    assert.deepEqual([store.has('a'), store.has('b')], [false, false])
    store.asked.splice(0)
    store.failures.set(BATCH_LOG, [unavailable('NOT_APPLIED')])
    written(log, [put('a'), put('b')])
    assert.equal(store.asked.length, 1, 'what does not stand there needs no removal')
  })

  test('a batch whose note came late is not written by a later start either', () => {
    const store = new Store()
    store.failures.set(BATCH_LOG, ['late'])
    const { failure } = written(store.log(), [put('a'), put('b')])
    assert.equal((failure as KVError).code, 'UNAVAILABLE')
    assert.deepEqual([store.has('a'), store.logged], [false, 0])
  })

  test('what failed half-way is told, and finished by itself as soon as that works', async () => {
    const store = new Store()
    store.failures.set('ks.t b', [unavailable('UNKNOWN'), unavailable('NOT_APPLIED')])
    const log = store.log()
    const { failure } = written(log, [put('a'), put('b')])
    assert.equal((failure as KVError).code, 'UNAVAILABLE')
    assert.deepEqual([store.has('a'), store.has('b'), store.logged, log.unfinishedCount], [true, false, 1, 1])
    await turn(store)
    assert.deepEqual([store.has('b'), log.unfinishedCount], [false, 1])
    await turn(store)
    assert.deepEqual([store.has('b'), store.logged, log.unfinishedCount], [true, 0, 0])
    assert.equal(store.timers.length, 0)
    assert.equal(store.asked.filter((name) => name === 'ks.t a').length, 1)
  })

  test('what was refused as a whole does not happen later', async () => {
    const store = new Store()
    for (const name of ['ks.t a', 'ks.t b']) store.failures.set(name, [unavailable('NOT_APPLIED')])
    written(store.log(), [put('a'), put('b')])
    await turn(store)
    assert.deepEqual(
      [store.has('a'), store.has('b'), store.logged, store.timers.length],
      [false, false, 0, 0],
    )
  })

  test('a batch that was answered goes from the log, also where its removal fails at first', async () => {
    const store = new Store()
    store.failures.set(BATCH_LOG, [null, unavailable('NOT_APPLIED'), unavailable('UNKNOWN')])
    assert.equal(written(store.log(), [put('a'), put('b')]).failure, null)
    assert.equal(store.logged, 1)
    await turn(store)
    assert.equal(store.logged, 1)
    await turn(store)
    assert.deepEqual([store.logged, store.timers.length], [0, 0])
  })

  test('a part that takes too long does not hold up the others of its batch twice', async () => {
    const store = new Store()
    const slow = new KVError('DEADLINE_EXCEEDED', 'too slow', { outcome: 'UNKNOWN' })
    store.failures.set('ks.t b', [unavailable('UNKNOWN'), slow])
    for (const key of ['a', 'c']) store.failures.set(`ks.t ${key}`, [unavailable('UNKNOWN')])
    const log = store.log()
    written(log, [put('b'), put('a'), put('c')])
    store.asked.splice(0)
    await turn(store)
    assert.deepEqual(store.asked, ['ks.t b'])
    await turn(store)
    assert.deepEqual(store.asked.slice(1, 4), ['ks.t a', 'ks.t c', 'ks.t b'])
    assert.deepEqual([store.logged, log.unfinishedCount], [0, 0])
  })

  test('a part that is refused for good does not keep the others waiting', async () => {
    const store = new Store()
    store.failures.set('ks.t a', [
      unavailable('UNKNOWN'),
      new KVError('TOO_LARGE', 'too large', { outcome: 'NOT_APPLIED' }),
    ])
    const log = store.log()
    written(log, [put('a'), put('b')])
    await turn(store)
    assert.deepEqual([store.has('a'), store.has('b'), store.logged, log.unfinishedCount], [false, true, 0, 0])
  })
})

describe('a start', () => {
  /** A process that ended between the writes of a batch. */
  function dead(): Store {
    const store = new Store()
    store.failures.set('ks.t b', ['dead'])
    assert.equal(written(store.log(), [put('a', 100), put('b', 100)]).failure, undefined)
    assert.deepEqual([store.has('a'), store.has('b'), store.logged], [true, false, 1])
    store.nowMs += 30_000
    return store
  }

  test('finishes what an earlier process began; times to live went on meanwhile', async () => {
    const store = dead()
    await store.log().finishOld(STARTED_MS + 1)
    assert.deepEqual([store.has('a'), store.has('b'), store.logged], [true, true, 0])
    const [mutation] = store.rows.get('ks.t b') ?? []
    assert.ok(mutation?.kind === 'PUT')
    assert.deepEqual([mutation.cells[0]?.timestamp, mutation.cells[0]?.ttlSeconds], [5n, 70])
  })

  test('leaves alone what another thread of its own is about to write', async () => {
    const store = dead()
    await store.log().finishOld(STARTED_MS)
    assert.deepEqual([store.has('b'), store.logged], [false, 1])
  })

  test('does not bring back what stood in a table that was emptied or dropped', async () => {
    const emptied = dead()
    emptied.datasetIds.set('ks.t', 't2')
    await emptied.log().finishOld(STARTED_MS + 1)
    assert.deepEqual([emptied.has('b'), emptied.logged], [false, 0])
  })

  test('does not write what deletions may have met that are forgotten by now', async () => {
    const store = dead()
    store.graceSeconds = 30
    await store.log().finishOld(STARTED_MS + 1)
    assert.deepEqual([store.has('b'), store.logged], [false, 0])
  })

  test('finishes what was begun before the clock was put back', async () => {
    const store = dead()
    store.nowMs = STARTED_MS - 60_000
    await store.log().finishOld(store.nowMs)
    assert.deepEqual([store.has('b'), store.logged], [true, 0])
  })

  test('writes a cell whose time to live is over as a deletion', async () => {
    const store = dead()
    store.nowMs += 70_000
    await store.log().finishOld(STARTED_MS + 1)
    const [mutation] = store.rows.get('ks.t b') ?? []
    assert.ok(mutation?.kind === 'DELETE')
    assert.deepEqual([mutation.selector?.localKeys, mutation.timestamp], [[Buffer.from('v')], 5n])
  })

  test('waits for a table that is not open yet', async () => {
    const store = dead()
    store.datasetIds.delete('ks.t')
    const log = store.log()
    await log.finishOld(STARTED_MS + 1)
    assert.equal(log.unfinishedCount, 1)
    // It holds none of what the page holds.
    for (const page of store.pages) page.fill(0)
    store.datasetIds.set('ks.t', 't1')
    await turn(store)
    assert.deepEqual([store.has('b'), store.logged], [true, 0])
  })

  test('rests between pages of removed batches for as long as each took', async () => {
    const store = dead()
    store.emptyPagesMs.push(300, 20)
    const finished = store.log().finishOld(STARTED_MS + 1)
    for (const expected of [[300], [300, 20]]) {
      await new Promise((resolve) => setImmediate(resolve))
      assert.deepEqual([store.delaysMs, store.has('b')], [expected, false])
      for (const run of store.timers.splice(0)) run()
    }
    await finished
    assert.equal(store.has('b'), true)
  })

  test('does not rest for the time that it waited for writes', async () => {
    const store = dead()
    store.failures.set('ks.t d', ['dead'])
    written(store.log(), [put('c'), put('d')])
    Object.assign(store, { pageRows: 1, writeMs: 5_000, nowMs: store.nowMs + 30_000 })
    const finished = store.log().finishOld(STARTED_MS + 40_000)
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(store.delaysMs, [0])
    for (const run of store.timers.splice(0)) run()
    await finished
    assert.deepEqual([store.has('b'), store.has('d'), store.logged], [true, true, 0])
  })

  test('leaves what it cannot read to whoever can', async () => {
    const store = dead()
    const cell = {
      localKey: Buffer.alloc(0),
      value: Buffer.from('{"format":2}'),
      timestamp: null,
      ttlSeconds: null,
    }
    store.rows.set(`${BATCH_LOG} 00`, [{ kind: 'PUT', cells: [cell], timestamp: null, replaceRow: false }])
    await store.log().finishOld(STARTED_MS + 1)
    assert.deepEqual([store.has('b'), store.logged], [true, 1])
  })
})

describe('more begun batches than a thread has room for', () => {
  const MANY = limits.maxUnfinishedCqlBatches + 50

  /** Batches that were begun, each with a partition that was not written. */
  function begun(store: Store, log: BatchLog): void {
    for (let index = 0; index < MANY; index++) {
      store.failures.set(`ks.t b${index}`, [unavailable('UNKNOWN')])
      written(log, [put('a'), put(`b${index}`)])
    }
  }

  test('of a thread that lives stay in the log, and are finished by a later reading of it', async () => {
    const store = new Store()
    const log = store.log()
    begun(store, log)
    assert.deepEqual([log.unfinishedCount, store.logged], [limits.maxUnfinishedCqlBatches, MANY])
    store.nowMs += 30_000
    store.failures.set('ks.t new', ['dead'])
    written(log, [put('a'), put('new')])
    store.isAway = unavailable('UNKNOWN')
    await turn(store)
    assert.deepEqual([log.unfinishedCount, store.logged], [limits.maxUnfinishedCqlBatches, MANY + 1])
    store.isAway = null
    store.nowMs += 10_000
    await turn(store)
    // One that is being written is left alone.
    assert.deepEqual([log.unfinishedCount, store.logged, store.has('new')], [0, 1, false])
    assert.ok(store.has(`b${MANY - 1}`))
    assert.equal(store.timers.length, 0)
  })

  test('are finished, too, where the clock was put back meanwhile', async () => {
    const store = new Store()
    begun(store, store.log())
    store.nowMs += 30_000
    store.putBackMs = 20_000
    await turn(store)
    assert.deepEqual([store.logged, store.timers.length], [0, 0])
  })

  /** A batch that is refused as a whole, and whose removal from the log fails so often. */
  function refused(store: Store, log: BatchLog, removals: readonly (KVError | 'dead')[]): void {
    for (const key of ['x', 'y']) store.failures.set(`ks.t ${key}`, [unavailable('NOT_APPLIED')])
    store.failures.set(BATCH_LOG, [null, ...removals])
    written(log, [put('x'), put('y')])
  }

  test('do not bring along what another thread refused, or tries again itself', async () => {
    const store = new Store()
    begun(store, store.log())
    const mine = store.timers.splice(0)
    const other = store.log()
    store.failures.set('ks.t z', [unavailable('UNKNOWN')])
    written(other, [put('a'), put('z')])
    refused(store, other, [unavailable('NOT_APPLIED')])
    store.nowMs += 30_000
    store.putBackMs = 60_000
    for (const run of mine) run()
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(store.has(`b${MANY - 1}`))
    assert.deepEqual([store.tried('x'), store.tried('z'), store.logged], [1, 1, 2])
    await turn(store)
    assert.deepEqual([store.tried('x'), store.has('z'), store.logged, store.timers.length], [1, true, 0, 0])
  })

  test('do not bring along what was refused while its removal is not answered', async () => {
    const store = new Store()
    const log = store.log()
    begun(store, log)
    store.isAway = unavailable('UNKNOWN')
    refused(store, log, [unavailable('NOT_APPLIED'), 'dead'])
    store.nowMs += 30_000
    await turn(store)
    assert.deepEqual([store.tried('x'), store.logged], [1, MANY + 1])
  })

  test('do not bring along what is refused and removed while the log is read', async () => {
    const store = new Store()
    const log = store.log()
    begun(store, log)
    const refusedLater = (key: string): void => {
      store.failures.set(`ks.t ${key}`, ['held'])
      store.failures.set(`ks.t ${key}2`, [unavailable('NOT_APPLIED')])
      written(log, [put(key), put(`${key}2`)])
    }
    refusedLater('x')
    store.onScan = () => {
      store.onScan = () => undefined
      refusedLater('y')
    }
    store.nowMs += 30_000
    await turn(store)
    assert.deepEqual([store.tried('x'), store.tried('y'), store.logged, store.held.length], [1, 1, 0, 0])
  })

  test('of an earlier process are finished by the same start, in rounds', async () => {
    const store = new Store()
    begun(store, store.log())
    store.timers.splice(0)
    const log = store.log()
    store.isAway = unavailable('NOT_APPLIED')
    store.nowMs += 60_000
    log.start(store.nowMs)
    for (let round = 0; round < 3; round++) {
      await turn(store)
      assert.deepEqual([log.unfinishedCount, store.logged], [limits.maxUnfinishedCqlBatches, MANY])
      assert.ok(store.timers.length <= 2)
    }
    // As it was begun, by the start and by two turns: what waits for its turn is not read as well.
    assert.equal(store.tried('b0'), 4)
    store.isAway = null
    for (let round = 0; round < 2; round++) {
      store.nowMs += 30_000
      await turn(store)
    }
    assert.deepEqual([log.unfinishedCount, store.logged, store.timers.length], [0, 0, 0])
  })

  test('go on to be looked for where the log cannot be read', async () => {
    const store = new Store()
    const log = store.log()
    begun(store, log)
    store.nowMs += 30_000
    store.scanFailures.push(unavailable('NOT_APPLIED'))
    await turn(store)
    assert.equal(store.logged, MANY - limits.maxUnfinishedCqlBatches)
    store.nowMs += 30_000
    await turn(store)
    assert.equal(store.logged, 0)
  })
})

describe('the dataset of the log', () => {
  const metastore = (found: object | null, made: string[] = []) => ({
    get: () => found as ReturnType<Metastore['get']>,
    createDataset: ({ name }: { readonly name: string }) => {
      made.push(name)
      return Promise.resolve({} as never)
    },
    updateDataset: (name: string, patch: object) => {
      made.push(`${name} ${JSON.stringify(patch)}`)
      return Promise.resolve({} as never)
    },
  })

  test('is made where there is none', async () => {
    const made: string[] = []
    await ensureBatchLog(metastore(null, made))
    await ensureBatchLog(metastore({ mode: 'READ_WRITE', keyOrder: 'HASHED', graceSeconds: 60 }, made))
    assert.deepEqual(made, [BATCH_LOG])
  })

  test('of an earlier release remembers its deletions for as short a time', async () => {
    const made: string[] = []
    await ensureBatchLog(metastore({ mode: 'READ_WRITE', keyOrder: 'HASHED', graceSeconds: 3_600 }, made))
    assert.deepEqual(made, ['system.batches {"graceSeconds":60}'])
  })

  test('is not taken for another one of its name', async () => {
    const refused = ensureBatchLog(metastore({ mode: 'BATCH', keyOrder: 'HASHED' }))
    await assert.rejects(refused, {
      code: 'INVALID_ARGUMENT',
      message: /system\.batches is HASHED and BATCH/,
    })
  })
})

describe('a batch in the log', () => {
  const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array))
  const time = fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
  const cell = fc
    .record({ localKey: bytes, value: bytes, timestamp: time, ttlSeconds: fc.option(fc.nat()) })
    .map((one) => ({ ...one }))
  const putOf = fc
    .array(cell)
    .map((cells): Mutation => ({ kind: 'PUT', cells, timestamp: null, replaceRow: false }))
  const selector = fc.oneof(
    fc.constant(null),
    fc.array(bytes).map((keys) => columnsNamed(keys)),
    fc
      .record({ from: bytes, to: fc.option(bytes) })
      .map((range) => ({ ...WHOLE_ROW, ranges: [{ ...range }] })),
  )
  const deletion = fc
    .record({ selector, timestamp: time })
    .map((one): Mutation => ({ kind: 'DELETE', ...one, scope: 'UP_TO_TIMESTAMP' }))
  const write = fc
    .record({
      datasetId: fc.string(),
      dataset: fc.string(),
      rowKey: bytes,
      mutations: fc.array(fc.oneof(putOf, deletion)),
    })
    .map((one) => ({ ...one }))

  test('is read as it was written', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(write), (madeAtMs, writes) => {
        assert.deepEqual(decodeBatch(encodeBatch({ madeAtMs, writes })), { madeAtMs, writes })
      }),
    )
  })

  test('cut off anywhere, or of another format, it is CORRUPT', () => {
    const encoded = encodeBatch({ madeAtMs: 1, writes: [{ datasetId: 'x', ...put('a') }] })
    for (let size = 0; size < encoded.length; size++) {
      assert.throws(() => decodeBatch(encoded.subarray(0, size)), { code: 'CORRUPT' })
    }
    assert.throws(() => decodeBatch(Buffer.from('{"format":2,"writes":[]}')), { code: 'CORRUPT' })
    assert.throws(() => decodeBatch(Buffer.from('{"format":1}')), { code: 'CORRUPT' })
  })
})
