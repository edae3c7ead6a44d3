/**
 * A leaf engine that keeps everything in maps of this thread: the oracle that the other engines are tested against, and a
 * gateway without a disk. It shares no encoding, no condition and no merge with them: rows and cells are objects
 * (rows.ts), and what is done to them is written out as kvstore.thrift words it (selection.ts, mutations.ts, scan.ts).
 * Everything happens in one tick, so that every read and every write is atomic.
 */
import type { Clock } from '../../base/clock.js'
import { type Done, KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Incarnation } from '../../model/cluster-map.js'
import type { LeafEngine, ShardPage } from '../../model/leaf-engine.js'
import type { Mutation } from '../../model/mutation.js'
import type { ShardMutate, ShardRead, ShardScan } from '../../model/plan.js'
import type { IdempotencyToken, MutateRequest, MutateResult } from '../../model/request.js'
import type { CellSelector, Row, RowOutcome } from '../../model/row.js'
import { NO_TOKEN } from '../../model/row-order.js'
import { holds } from './conditions.js'
import { refused, RowWriter } from './mutations.js'
import { copyOf, hex, type MemoryShard, newRow, type StoredRow, type View } from './rows.js'
import { scanShard } from './scan.js'
import { readRow, sizeOf, WITH_EVERYTHING } from './selection.js'
import { MEMORY_ENGINE, type MemoryStore } from './store.js'

/** What a write may answer of the row. */
const MAX_RETURNED_BYTES = 1024 * 1024

/** How long a write with an idempotency token is remembered. */
const WRITE_RECORD_SECONDS = limits.idempotencyWindowSeconds

export class MemoryEngine implements LeafEngine {
  readonly name = MEMORY_ENGINE
  readonly #store: MemoryStore
  readonly #clock: Clock
  readonly #defaultTtlSeconds: number | null

  /** @param defaultTtlSeconds of every dataset, for what writes make of nothing */
  constructor(store: MemoryStore, clock: Clock, defaultTtlSeconds: number | null = null) {
    this.#store = store
    this.#clock = clock
    this.#defaultTtlSeconds = defaultTtlSeconds
  }

  read(read: ShardRead, done: Done<readonly RowOutcome[]>): void {
    done(answerOf(() => this.#read(read)))
  }

  scan(scan: ShardScan, done: Done<ShardPage>): void {
    done(
      answerOf(() => {
        this.#checkDeadline(scan.deadline, 'scan')
        return scanShard(this.#store.shardOf(scan.incarnation), scan, this.#viewOf(scan.incarnation))
      }),
    )
  }

  mutate(mutate: ShardMutate, done: Done<MutateResult>): void {
    done(answerOf(() => this.#mutate(mutate)))
  }

  #read(read: ShardRead): readonly RowOutcome[] {
    const { incarnation, selectorsByKey, withTimestamps, withTtl, position, pageBytes } = read
    this.#checkDeadline(read.deadline, 'read')
    const shard = this.#store.shardOf(incarnation)
    const view = this.#viewOf(incarnation)
    const page = pageBytes === null ? null : { leftBytes: pageBytes }
    return read.rowKeys.map((rowKey, index) => {
      const selector = selectorsByKey === null ? read.selector : (selectorsByKey[index] ?? null)
      return readRow(shard.get(rowKey), selector, view, { withTimestamps, withTtl, position, page })
    })
  }

  #mutate({ incarnation, rowKey, token, keyOrder, request, deadline }: ShardMutate): MutateResult {
    this.#checkDeadline(deadline, 'write')
    if (incarnation.format === 'sealed') throw refused('READ_ONLY', 'sealed data takes no writes')
    checkMutations(request)
    const shard = this.#store.shardOf(incarnation)
    const view = this.#viewOf(incarnation)
    const position = { token: keyOrder === 'HASHED' ? token : NO_TOKEN, rowKey: Buffer.from(rowKey) }
    const row = shard.get(rowKey) ?? newRow(position)
    const repeated = this.#repeated(row, request.idempotency, view)
    if (repeated !== null) return repeated

    const after = copyOf(row)
    const result = this.#apply({ row, after, request, view }, shard)
    if (request.idempotency !== null) {
      const { fingerprint } = request.idempotency
      const record = { atSeconds: view.nowSeconds, fingerprint: Buffer.from(fingerprint), result }
      after.writeRecords.set(recordName(request.idempotency), record)
    }
    shard.set(after)
    return result
  }

  #apply(
    {
      row,
      after,
      request,
      view,
    }: {
      readonly row: StoredRow
      readonly after: StoredRow
      readonly request: MutateRequest
      readonly view: View
    },
    shard: MemoryShard,
  ): MutateResult {
    const isApplied = request.conditions.every((condition) => holds(condition, row, view))
    const writer = new RowWriter(after, view, {
      isHistory: shard.format === 'history',
      now: this.#clock.nowUs(),
      stampFloor: shard.stampFloor,
      defaultTtlSeconds: this.#defaultTtlSeconds,
    })
    for (const mutation of isApplied ? request.mutations : request.otherwise) writer.apply(mutation)
    const { timestamp, counters } = writer
    const { returnOnConflict, returnAfter } = request
    const answered =
      !isApplied && returnOnConflict !== undefined
        ? returnedRow(row, returnOnConflict, view)
        : returnedRow(after, returnAfter, view)
    return { timestamp, isApplied, isRepeated: false, row: answered, counters }
  }

  #repeated(row: StoredRow, token: IdempotencyToken | null, view: View): MutateResult | null {
    if (token === null) return null
    const record = row.writeRecords.get(recordName(token))
    if (record === undefined || view.nowSeconds - record.atSeconds >= WRITE_RECORD_SECONDS) return null
    if (record.fingerprint.equals(token.fingerprint)) return { ...record.result, isRepeated: true }
    throw refused('IDEMPOTENCY_MISMATCH', 'the idempotency token was used for another write: make a new one')
  }

  #viewOf({ maxCellVersions }: Incarnation): View {
    return { nowSeconds: Math.floor(this.#clock.nowMs() / 1_000), maxCellVersions }
  }

  #checkDeadline(deadline: number, what: 'read' | 'scan' | 'write'): void {
    if (deadline > this.#clock.monotonicMs()) return
    throw refused('DEADLINE_EXCEEDED', `deadline passed before the ${what} began`)
  }
}

/** Refuses what writes nothing whatever the row holds, and values that are too large. */
function checkMutations({ mutations, otherwise }: MutateRequest): void {
  if (mutations.length + otherwise.length === 0) throw refused('INVALID_ARGUMENT', 'write without a mutation')
  for (const mutation of [...mutations, ...otherwise]) {
    if (isVoid(mutation)) throw refused('INVALID_ARGUMENT', 'write without a cell or a deletion')
    if (mutation.kind !== 'PUT' && mutation.kind !== 'APPEND') continue
    if (mutation.cells.some(({ value }) => value.byteLength > limits.maxValueBytes)) {
      throw refused('TOO_LARGE', `a value has more than ${limits.maxValueBytes} bytes`)
    }
  }
}

function isVoid(mutation: Mutation): boolean {
  if (mutation.kind === 'PUT') return mutation.cells.length === 0 && !mutation.replaceRow
  if (mutation.kind === 'APPEND') return mutation.cells.length === 0
  return mutation.kind === 'INCREMENT' && mutation.deltas.length === 0
}

function returnedRow(row: StoredRow, selector: CellSelector | null | undefined, view: View): Row | null {
  if (selector === undefined) return null
  const answered = readRow(row, selector, view, WITH_EVERYTHING)
  if (answered === null || sizeOf(answered.cells) <= MAX_RETURNED_BYTES) return answered
  throw refused('TOO_LARGE', `the row to answer has more than ${MAX_RETURNED_BYTES} bytes: select less of it`)
}

function recordName({ index, nonce }: IdempotencyToken): string {
  return `${index}:${hex(nonce)}`
}

function answerOf<T>(answer: () => T): T | KVError {
  try {
    return answer()
  } catch (error) {
    if (error instanceof KVError) return error
    throw error
  }
}
