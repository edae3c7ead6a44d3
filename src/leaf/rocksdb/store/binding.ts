/**
 * The only module that touches RocksDB. The native functions check nothing: a wrong argument, an empty key, a call on a
 * closed DB or a close under a reader ends the process. So everything is checked here, and only here.
 *
 * Rules kept: a state machine in front of every call; keys of 1 byte to limits.maxPhysicalKeyBytes; values and batches
 * capped; encodings always given; a column belongs to the instance that opened it; `null` from a MultiGet is never
 * taken for "absent"; asynchronous calls are counted and a close waits for them; a DB is created only by `create`; after
 * a failed write or close the instance is dead. Never used: prefix extractors, tailing, iterator timeouts, slices, clear,
 * the package's JavaScript classes (their batches leak, and their reference counts hide which read failed).
 *
 * Two kinds of instance: OwnedDatabase opens and closes, in one thread; AttachedDatabase reaches an open one by its
 * handle from any thread. It never closes, and whoever holds it has a lease on the incarnation (threads/leases.ts).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import native from '@nxtedition/rocksdb/binding.js'
import type {
  NativeBatch,
  NativeColumn,
  NativeDatabase,
  NativeIterator,
  NativeRangeOptions,
  NativeReadOptions,
  NativeRows,
} from '@nxtedition/rocksdb/binding.js'
import { KVError } from '../../../base/errors.js'
import { limits } from '../../../base/limits.js'
import { asyncReads, captureAsyncFailures } from './async-failures.js'
import { checkBound, checkCount, checkKey, checkKeys } from './native-arguments.js'
import { type DatabaseOptions, nativeOptions } from './options.js'
import { toStorageError } from './storage-errors.js'

/** Bytes after which one MultiGet stops; what was not read then is null. */
export const MAX_READ_BYTES = limits.maxFrameBytes

/** Largest value: a cell or a chunk with its header, or a sealed head with 10,000 local keys. */
const MAX_STORED_VALUE_BYTES = 1024 * 1024 * 1024

/** A batch that grew beyond this is not kept for reuse: its memory would never shrink. */
const MAX_REUSED_BATCH_BYTES = 8 * 1024 * 1024

const ROWS_PER_SCAN_STEP = 1_000

/** Bytes after which one step of a cursor stops. */
const MAX_STEP_BYTES = 1024 * 1024

/** Entries of one step: 1,000 take 2 to 8 ms; the native bound is not checked there. */
const MAX_STEP_ENTRIES = 10_000

/** No key comes before it. */
const FIRST_KEY = Buffer.from([0x00])

type State = 'open' | 'closing' | 'closed'

/** Values by position: undefined: no such key; null: not read, because the values before it filled MAX_READ_BYTES. */
export type Values = readonly (Buffer | undefined | null)[]

/** A range of keys, half open. */
export interface KeyRange {
  /** Inclusive. */
  readonly from: Buffer
  /** Exclusive; null: to the last key. */
  readonly to: Buffer | null
  /** From the last to the first. */
  readonly isReversed: boolean
  /** Keep what is read in the cache: rows yes, whole DBs no. */
  readonly fillsCache: boolean
}

/** What both kinds can do. Every method throws or answers a KVError; SHARD_NOT_SERVING once the instance is closed. */
export abstract class Database {
  readonly directory: string
  protected readonly native: NativeDatabase
  protected state: State = 'open'
  readonly #column: { readonly column?: NativeColumn }
  readonly #readOptions: NativeReadOptions
  readonly #rangeOptions: NativeRangeOptions
  #uses = 0
  #onIdle: (() => void) | null = null
  #writeFailure: KVError | null = null

  constructor(directory: string, database: NativeDatabase, column: NativeColumn | null) {
    this.directory = directory
    this.native = database
    this.#column = column === null ? {} : { column }
    this.#readOptions = {
      ...this.#column,
      valueEncoding: 'buffer',
      fillCache: true,
      highWaterMarkBytes: MAX_READ_BYTES,
    }
    this.#rangeOptions = { ...this.#readOptions, keyEncoding: 'buffer', highWaterMarkBytes: MAX_STEP_BYTES }
  }

  /** Whether a write failed: the instance takes no more, and must be closed and opened anew. */
  get hasFailed(): boolean {
    return this.#writeFailure !== null
  }

  /** Sequence of the newest write; it rises by one with every operation. */
  get sequence(): number {
    this.checkOpen()
    return native.db_get_latest_sequence(this.native)
  }

  /** A RocksDB property as a number; 0 when it has none of that name. */
  numberProperty(name: string): number {
    this.checkOpen()
    const value = Number(native.db_get_property(this.native, `rocksdb.${name}`))
    return Number.isFinite(value) ? value : 0
  }

  /** A RocksDB property as text; empty when it has none of that name. */
  textProperty(name: string): string {
    this.checkOpen()
    return native.db_get_property(this.native, `rocksdb.${name}`)
  }

  /**
   * Reads on the calling thread; a consistent snapshot. The values are copies.
   * @throws {KVError} CORRUPT when any of them lies in a damaged block: read them one by one then
   */
  getMany(keys: readonly Buffer[]): Values {
    this.checkOpen()
    checkKeys(keys)
    try {
      return native.db_get_many_sync(this.native, keys, this.#readOptions)
    } catch (error) {
      throw toStorageError(error, `reading ${this.directory}`)
    }
  }

  /** The same on a thread of libuv's pool. Answers once, never before it returns. */
  getManyAsync(keys: readonly Buffer[], done: (outcome: Values | KVError) => void): void {
    this.checkOpen()
    checkKeys(keys)
    const callback = (error: unknown, values?: Values): void => {
      asyncReads.delete(callback)
      this.#release()
      if (values === undefined) done(toStorageError(error, `reading ${this.directory}`))
      else done(values)
    }
    if (!captureAsyncFailures()) {
      setImmediate(() => done(this.#outcomeOfGetMany(keys)))
      return
    }
    this.#uses++
    asyncReads.set(callback, callback)
    try {
      native.db_get_many(this.native, keys, this.#readOptions, callback)
    } catch (error) {
      setImmediate(callback, error)
    }
  }

  #outcomeOfGetMany(keys: readonly Buffer[]): Values | KVError {
    try {
      return this.getMany(keys)
    } catch (error) {
      return toStorageError(error, `reading ${this.directory}`)
    }
  }

  /**
   * Begins to read a range on the calling thread, in one snapshot however many steps it takes. Counts as a use until it is
   * closed, which the caller must do.
   */
  openCursor(range: KeyRange): Cursor {
    this.checkOpen()
    checkBound(range.from)
    if (range.to !== null) checkBound(range.to)
    // Of a reversed range the end is sought: the binding cannot go back to an end that it has as its bound.
    const options: NativeRangeOptions =
      range.isReversed || range.to === null
        ? { ...this.#rangeOptions, fillCache: range.fillsCache, gte: range.from, reverse: range.isReversed }
        : { ...this.#rangeOptions, fillCache: range.fillsCache, gte: range.from, lt: range.to }
    this.#uses++
    let iterator: NativeIterator
    try {
      iterator = native.iterator_init(this.native, options)
    } catch (error) {
      this.#release()
      throw toStorageError(error, `opening a cursor of ${this.directory}`)
    }
    return new Cursor(range, {
      iterator,
      directory: this.directory,
      checkOpen: () => this.checkOpen(),
      release: () => this.#release(),
    })
  }

  /** Every key and value in order, in steps of at most 1,000, of one snapshot. For verification, not for serving. */
  *scan(): Generator<readonly Buffer[], void> {
    const cursor = this.openCursor({ from: FIRST_KEY, to: null, isReversed: false, fillsCache: false })
    try {
      while (!cursor.isDone) {
        const rows = cursor.next(ROWS_PER_SCAN_STEP)
        if (rows.length > 0) yield rows
      }
    } finally {
      cursor.close()
    }
  }

  /**
   * How many keys begin with each of these bytes, 0 to 0x7f, and with others. Every block is read and its checksum
   * checked on the way, in steps between which others have their turn. A third of what a scan costs: keys come as text,
   * whose making is cheaper than a Buffer's, and values not at all.
   * @throws {KVError} CORRUPT when a block is damaged
   */
  async countKeys(firstBytes: readonly number[]): Promise<readonly number[]> {
    this.checkOpen()
    const counts = [...firstBytes, -1].map(() => 0)
    this.#uses++
    try {
      const iterator = native.iterator_init(this.native, {
        ...this.#rangeOptions,
        fillCache: false,
        gte: FIRST_KEY,
        keyEncoding: 'utf8',
        values: false,
      })
      try {
        for (let isDone = false; !isDone;) {
          const { rows, finished } = native.iterator_nextv_sync(iterator, ROWS_PER_SCAN_STEP)
          countFirstBytes(rows, firstBytes, counts)
          isDone = finished
          if (!isDone) await nextTurn()
        }
      } finally {
        native.iterator_close(iterator)
      }
    } catch (error) {
      throw toStorageError(error, `reading ${this.directory}`)
    } finally {
      this.#release()
    }
    return counts
  }

  /** An empty batch of this DB, to be filled, written and reused. */
  newBatch(): WriteBatch {
    return new WriteBatch(this.#column)
  }

  /**
   * Writes everything in the batch, or nothing, on the calling thread, and empties it. With `isSynced` it answers after
   * the log is on stable storage, earlier unsynced writes included; an empty batch is then just that sync.
   * @throws {KVError} UNAVAILABLE, outcome UNKNOWN, when the disk fails; the instance takes no more writes
   */
  write(batch: WriteBatch, isSynced: boolean): void {
    this.checkOpen()
    if (this.#writeFailure !== null) throw this.#writeFailure
    try {
      native.batch_write(this.native, batch.take(), { sync: isSynced })
    } catch (error) {
      const { code, message } = toStorageError(error, `writing ${this.directory}`)
      this.#writeFailure = new KVError(
        'UNAVAILABLE',
        `${this.directory} takes no writes after a failed one`,
        {
          outcome: 'NOT_APPLIED',
          cause: error,
        },
      )
      throw new KVError(code, message, { outcome: 'UNKNOWN', cause: error })
    } finally {
      batch.clear()
    }
  }

  protected checkOpen(): void {
    if (this.state !== 'open')
      throw new KVError('SHARD_NOT_SERVING', `${this.directory} is ${this.state}; try again`)
  }

  protected get uses(): number {
    return this.#uses
  }

  /** Resolves when no asynchronous read and no scan is under way; none can begin after the state has changed. */
  protected async idle(): Promise<void> {
    if (this.#uses > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve))
  }

  #release(): void {
    this.#uses--
    if (this.#uses === 0) this.#onIdle?.()
  }
}

/** Keys as text at the even places; bytes below 0x80 are the same in text. */
function countFirstBytes(rows: readonly unknown[], firstBytes: readonly number[], counts: number[]): void {
  for (let index = 0; index < rows.length; index += 2) {
    const key = rows[index]
    const at = typeof key === 'string' ? firstBytes.indexOf(key.charCodeAt(0)) : -1
    const place = at === -1 ? firstBytes.length : at
    counts[place] = (counts[place] ?? 0) + 1
  }
}

/** What a cursor works on. */
interface CursorHold {
  readonly iterator: NativeIterator
  readonly directory: string
  readonly checkOpen: () => void
  readonly release: () => void
}

/**
 * Entries of a range in order, of one snapshot. Boundaries are half open in both directions: behind a seek come the keys
 * at or above the boundary, ascending, or, reversed, those below it, descending. Not for use after `close`, nor, as
 * everything of a DB, after the DB is closed.
 */
export class Cursor {
  readonly #range: KeyRange
  readonly #hold: CursorHold
  #isDone = false
  #isClosed = false
  /** Reversed: the boundary itself, which the native seek does not leave out. */
  #excluded: Buffer | null = null

  constructor(range: KeyRange, hold: CursorHold) {
    this.#range = range
    this.#hold = hold
    if (range.to === null) return
    if (range.from.compare(range.to) >= 0) this.#isDone = true
    else if (range.isReversed) this.#seekNative(range.to)
  }

  /** No entry is left in the direction of reading; a seek may find some again. */
  get isDone(): boolean {
    return this.#isDone
  }

  /**
   * Key, value, key, value, ...: the next entries, at most `count` and few more bytes than MAX_STEP_BYTES; none only when
   * it is done. Copies.
   * @param count 1 to 10,000
   * @throws {KVError} CORRUPT when a block is damaged; then the cursor can only be closed, or sought elsewhere
   */
  next(count: number): readonly Buffer[] {
    this.#check()
    checkCount(count, MAX_STEP_ENTRIES, 'entries of a step')
    if (this.#isDone) return NO_ENTRIES
    const excluded = this.#excluded
    this.#excluded = null
    const { rows, finished } = this.#nextRows(excluded === null ? count : count + 1)
    this.#isDone = finished
    if (excluded !== null && rows[0]?.equals(excluded) === true) {
      rows.splice(0, 2)
      if (rows.length === 0 && !finished) return this.next(count)
    }
    return rows
  }

  #nextRows(count: number): NativeRows {
    const { iterator, directory } = this.#hold
    // Behind a failure the native iterator must not be moved on.
    this.#isDone = true
    try {
      return native.iterator_nextv_sync(iterator, count)
    } catch (error) {
      throw toStorageError(error, `reading a range of ${directory}`)
    }
  }

  /** Goes to a boundary, in either direction; boundaries beyond the range are its ends. */
  seek(boundary: Buffer): void {
    this.#check()
    checkBound(boundary)
    const { from, to, isReversed } = this.#range
    const isBefore = boundary.compare(from) <= 0
    const isBehind = to !== null && boundary.compare(to) >= 0
    if (isReversed ? isBefore : isBehind) this.#isDone = true
    else if (isReversed) this.#seekNative(isBehind ? to : boundary)
    else this.#seekNative(isBefore ? from : boundary)
  }

  #seekNative(target: Buffer): void {
    native.iterator_seek(this.#hold.iterator, target)
    this.#isDone = false
    this.#excluded = this.#range.isReversed ? target : null
  }

  /** Frees what it holds; again is nothing. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#isDone = true
    native.iterator_close(this.#hold.iterator)
    this.#hold.release()
  }

  #check(): void {
    this.#hold.checkOpen()
    if (this.#isClosed) throw new KVError('INTERNAL', `a closed cursor of ${this.#hold.directory} was used`)
  }
}

const NO_ENTRIES: readonly Buffer[] = []

/** Opens and closes a DB. One thread owns it; the others attach. */
export class OwnedDatabase extends Database {
  /** Makes a DB in a directory that exists and holds none. */
  static async create(directory: string, options: DatabaseOptions): Promise<OwnedDatabase> {
    return OwnedDatabase.#open(directory, options, true)
  }

  /**
   * Opens a DB that exists.
   * @throws {KVError} CORRUPT when it is damaged, UNAVAILABLE when it is locked or the disk fails, FAILED_PRECONDITION
   * when the directory holds no DB or another kind
   */
  static async open(directory: string, options: DatabaseOptions): Promise<OwnedDatabase> {
    return OwnedDatabase.#open(directory, options, false)
  }

  static async #open(directory: string, options: DatabaseOptions, isNew: boolean): Promise<OwnedDatabase> {
    if (directory.length === 0) throw new KVError('INVALID_ARGUMENT', 'database without a directory')
    const database = native.db_init(directory)
    const columns = await new Promise<Readonly<Record<string, NativeColumn>>>((resolve, reject) => {
      try {
        native.db_open(database, nativeOptions(options, isNew), (error, opened) => {
          if (opened === undefined) reject(toStorageError(error, `opening ${directory}`))
          else resolve(opened)
        })
      } catch (error) {
        reject(toStorageError(error, `opening ${directory}`))
      }
    })
    const owned = new OwnedDatabase(directory, database, columnOf(columns, options))
    owners.set(owned.handle, owned)
    return owned
  }

  /** Attachments of this thread; those of other threads are the lease protocol's business. */
  attachments = 0

  /** What AttachedDatabase takes, in any thread, while this instance is open. */
  get handle(): bigint {
    this.checkOpen()
    return native.db_get_handle(this.native)
  }

  /**
   * Waits for reads under way, syncs the log and closes. Once begun it cannot be taken back.
   * @throws {KVError} FAILED_PRECONDITION while this thread is attached to it; UNAVAILABLE when the disk fails: the
   * instance is dead then
   */
  async close(): Promise<void> {
    if (this.state !== 'open') return
    if (this.attachments > 0) {
      throw new KVError(
        'FAILED_PRECONDITION',
        `${this.directory} is still attached ${this.attachments} times: detach first`,
      )
    }
    owners.delete(this.handle)
    this.state = 'closing'
    await this.idle()
    this.state = 'closed'
    await new Promise<void>((resolve, reject) => {
      native.db_close(this.native, (error) => {
        if (error === null) resolve()
        else reject(toStorageError(error, `closing ${this.directory}`))
      })
    })
  }
}

/** Reaches a DB that another instance, perhaps of another thread, holds open. Must not be used after that one closed. */
export class AttachedDatabase extends Database {
  readonly #owner: OwnedDatabase | null

  /** @throws {KVError} SHARD_NOT_SERVING when the handle is not of an open DB of this format */
  constructor(handle: bigint, directory: string, options: DatabaseOptions) {
    let columns
    const database = native.db_init(handle)
    try {
      // The impossible option makes the binding refuse to open what it should only have found open.
      columns = native.db_open(database, { compaction: 'attach' }, () => undefined)
    } catch (error) {
      throw new KVError('SHARD_NOT_SERVING', `${directory} is not open`, { cause: error })
    }
    super(directory, database, columnOf(columns ?? {}, options))
    this.#owner = owners.get(handle) ?? null
    if (this.#owner !== null) this.#owner.attachments++
  }

  /** Lets go of the DB without closing it. @throws {KVError} FAILED_PRECONDITION while a read is under way */
  detach(): void {
    if (this.state !== 'open') return
    if (this.uses > 0)
      throw new KVError('FAILED_PRECONDITION', `${this.directory} is being read: detach when it is idle`)
    this.state = 'closed'
    if (this.#owner !== null) this.#owner.attachments--
  }
}

/** Operations that take effect together. Keys and values are copied when they are added. */
export class WriteBatch {
  #native: NativeBatch = native.batch_init()
  /** Nothing instead of an object without a column: looking into it costs a put a fifth (bench bulk-load). */
  readonly #column: { readonly column?: NativeColumn } | undefined
  #count = 0
  #sizeBytes = 0

  constructor(column: { readonly column?: NativeColumn }) {
    this.#column = column.column === undefined ? undefined : column
  }

  get count(): number {
    return this.#count
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#account(key, value)
    native.batch_put(this.#native, key, value, this.#column)
  }

  merge(key: Uint8Array, value: Uint8Array): void {
    this.#account(key, value)
    native.batch_merge(this.#native, key, value, this.#column)
  }

  /** A plain delete forgets timestamps: only for what no reader and no later write needs to know of (purge.ts). */
  del(key: Uint8Array): void {
    this.#account(key, NO_BYTES)
    native.batch_del(this.#native, key, this.#column)
  }

  clear(): void {
    if (this.#sizeBytes > MAX_REUSED_BATCH_BYTES) this.#native = native.batch_init()
    else native.batch_clear(this.#native)
    this.#count = 0
    this.#sizeBytes = 0
  }

  /** For Database.write only. */
  take(): NativeBatch {
    return this.#native
  }

  #account(key: Uint8Array, value: Uint8Array): void {
    checkKey(key)
    // `length`, here and in checkKey: Node 20 reads `byteLength` of a Buffer seven times slower.
    if (!(value instanceof Uint8Array) || value.length > MAX_STORED_VALUE_BYTES) {
      throw new KVError('TOO_LARGE', `stored value is not bytes, or more than ${MAX_STORED_VALUE_BYTES}`)
    }
    this.#count++
    this.#sizeBytes += key.length + value.length
  }
}

const NO_BYTES = Buffer.alloc(0)

/** Open DBs of this thread by handle, so that an attachment of the same thread can be counted. */
const owners = new Map<bigint, OwnedDatabase>()

function columnOf(
  columns: Readonly<Record<string, NativeColumn>>,
  options: DatabaseOptions,
): NativeColumn | null {
  if (options.column === null) return null
  const column = columns[options.column]
  if (column === undefined)
    throw new KVError('FAILED_PRECONDITION', `database without column family ${options.column}`)
  return column
}
