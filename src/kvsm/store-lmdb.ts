/**
 * KVSM's store on one machine: an LMDB environment in a directory of its own.
 *
 * Durability. Each commit is one synchronous LMDB transaction with overlappingSync off: pages are written,
 * fdatasync runs, and the meta page that makes them valid is written through an O_DSYNC descriptor, all
 * before the call returns (seen with strace, lmdb-js 3.5.6). It costs the main thread one or two disk syncs a
 * change; changes are rare and no request waits for that thread. lmdb-js' asynchronous transactions are not
 * used: when the disk failed they left unhandled rejections behind, which end the process, and after a failed
 * meta page their promise never settled.
 *
 * Integrity. LMDB has no checksums. Each record carries a CRC-32 over its key, revision and text, and the
 * header record counts every table's records and holds the exclusive-or of their CRCs, kept by each commit
 * (store-lmdb-format.ts); the file as a whole is checked before it is opened (store-lmdb-directory.ts).
 *
 * One process at a time: the record `owner` names the process that has the store open; it is taken inside a
 * write transaction, which LMDB serialises between processes, and is void when the store was closed or that
 * process is gone. Processes that do not see each other (containers that share a volume) are not told apart.
 *
 * After a failed commit the environment is opened again, because LMDB refuses to work on after a failed meta
 * page.
 */
import { open } from 'lmdb'
import type { RootDatabase } from 'lmdb'
import { assert } from '../base/assert.js'
import { KVError, toKVError } from '../base/errors.js'
import { identityOf, isAlive } from './process-identity.js'
import type { ProcessIdentity } from './process-identity.js'
import { META_TABLES } from './store.js'
import type { MetaStoreBackend, MetaTable, RecordWrite, StoredRecord } from './store.js'
import { enterDirectory, isVacant, makeBeside, markClosed, putInPlace } from './store-lmdb-directory.js'
import type { StoreFault } from './store-lmdb-directory.js'
import {
  HEADER_KEY,
  OWNER_KEY,
  checkTally,
  decodeEntry,
  decodeHeader,
  emptyHeader,
  emptyTally,
  encodeEntry,
  encodeHeader,
  entryKey,
  tallyEntry,
} from './store-lmdb-format.js'
import type { StoreEntry, StoreHeader } from './store-lmdb-format.js'

type Environment = RootDatabase<Buffer, string>

export interface LmdbStoreOptions {
  /** False: a store was made here before, so an empty directory has lost it (a volume that is not mounted). */
  readonly mayCreate: boolean
}

/**
 * Opens the store in `directory`, which is made when it does not exist or is empty.
 * @throws {KVError} FAILED_PRECONDITION when the directory is something else or of a newer format, CORRUPT
 * when it is damaged or lost, UNAVAILABLE when another process has it open or the disk fails
 */
export async function openLmdbStore(
  directory: string,
  { mayCreate }: LmdbStoreOptions = { mayCreate: true },
): Promise<MetaStoreBackend> {
  const name = storeName(directory)
  try {
    const isVoid = isVacant(directory)
    if (isVoid && !mayCreate)
      throw new KVError('CORRUPT', 'it is empty and was not: mount its volume, or restore it from a backup')
    if (isVoid) await createStore(directory)
    const wasClosed = isVoid ? false : await enterDirectory(directory)
    const environment = openEnvironment(directory)
    try {
      claimStore(environment, wasClosed)
      return new LmdbStore(directory, environment)
    } catch (error) {
      // Nothing was written: what was closed before is closed again.
      await environment.close()
      if (wasClosed) markClosed(directory)
      throw error
    }
  } catch (error) {
    throw named(name, error)
  }
}

class LmdbStore implements MetaStoreBackend {
  readonly name: string
  readonly #directory: string
  /** Null after a failure, until the next call opens it again. */
  #environment: Environment | null

  constructor(directory: string, environment: Environment) {
    this.name = storeName(directory)
    this.#directory = directory
    this.#environment = environment
  }

  get(table: MetaTable, key: string): Promise<StoredRecord | null> {
    return this.#read((environment) => {
      const entry = readEntry(environment, entryKey(table, key))
      return entry === null ? null : { key, value: entry.text, revision: entry.revision }
    })
  }

  list(table: MetaTable): Promise<readonly StoredRecord[]> {
    return this.#read((environment) => readTable(environment, table, readHeader(environment)))
  }

  last(table: MetaTable, count: number): Promise<readonly StoredRecord[]> {
    return this.#read((environment) => {
      const { start, end } = tableRange(table)
      const records: StoredRecord[] = []
      // LMDB walks backwards from just below the end of the table.
      const backwards = { start: end, end: start, reverse: true, limit: count }
      for (const { key, value } of environment.getRange(backwards)) {
        const entry = decodeEntry(key, value)
        records.push({ key: key.slice(start.length), value: entry.text, revision: entry.revision })
      }
      return records
    })
  }

  async commit(writes: readonly RecordWrite[]): Promise<number> {
    const environment = await this.#read((opened) => opened)
    try {
      return environment.transactionSync(() => applyWrites(environment, writes))
    } catch (error) {
      // Ours were thrown inside the transaction, which LMDB then aborted.
      if (error instanceof KVError) throw named(this.name, error)
      await this.#drop(environment)
      const reason = toKVError(error, 'a commit failed').message
      const advice = 'free disk space or check the disk, then repeat it'
      const message = `${this.name}: ${reason}; the change may have been applied: ${advice}`
      throw new KVError('UNAVAILABLE', message, { outcome: 'UNKNOWN', cause: error })
    }
  }

  async close(): Promise<void> {
    const environment = this.#environment
    if (environment === null) return
    await this.#drop(environment)
    try {
      markClosed(this.#directory)
    } catch {
      // Without the mark the next start only checks the store the longer way.
    }
  }

  /** Reads are synchronous in LMDB; the promise is the interface's. */
  #read<T>(action: (environment: Environment) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      try {
        resolve(action(this.#open()))
      } catch (error) {
        reject(named(this.name, error))
      }
    })
  }

  #open(): Environment {
    this.#environment ??= openEnvironment(this.#directory)
    return this.#environment
  }

  async #drop(environment: Environment): Promise<void> {
    this.#environment = null
    await environment.close()
  }
}

/**
 * Reads everything and tries a write that it takes back. A damaged file may crash the process that does this.
 * @returns the first fault, null when there is none
 */
export async function examineLmdbStore(directory: string): Promise<StoreFault | null> {
  try {
    const environment = openEnvironment(directory)
    const header = readHeader(environment)
    for (const table of META_TABLES) readTable(environment, table, header)
    tryWrites(environment)
    await environment.close()
    return null
  } catch (error) {
    if (error instanceof KVError) return { code: error.code, message: error.message }
    return { code: 'CORRUPT', message: toKVError(error, 'lmdb cannot read it').message }
  }
}

/** Rewrites every record: each page is used, and as many are taken from the lists of free ones. */
function tryWrites(environment: Environment): void {
  const takenBack = new Error('taken back')
  try {
    environment.transactionSync(() => {
      for (const { key, value } of [...environment.getRange({ start: ' ' })]) {
        environment.removeSync(key)
        environment.putSync(key, value)
      }
      throw takenBack
    })
  } catch (error) {
    if (error !== takenBack) throw error
  }
}

function openEnvironment(directory: string): Environment {
  return open<Buffer, string>({
    path: directory,
    // Without it a directory whose name has a dot would be taken for a file.
    noSubdir: false,
    encoding: 'binary',
    // With it lmdb-js may commit a transaction before it is on stable storage.
    overlappingSync: false,
    maxDbs: 1,
  })
}

/** @throws {KVError} CONFLICT, CORRUPT; the caller's transaction is then aborted */
function applyWrites(environment: Environment, writes: readonly RecordWrite[]): number {
  const header = readHeader(environment)
  for (const { table, key, expectedRevision } of writes) {
    const revision = readEntry(environment, entryKey(table, key))?.revision ?? 0
    if (expectedRevision === null || expectedRevision === revision) continue
    throw new KVError(
      'CONFLICT',
      `${table} ${key} is at revision ${revision} in the store and the change expects ${expectedRevision}: ` +
        'read it again, then repeat',
      { outcome: 'NOT_APPLIED' },
    )
  }
  header.revision++
  for (const { table, key, value } of writes) {
    const storeKey = entryKey(table, key)
    const tally = header.tables[table]
    const former = readEntry(environment, storeKey)
    if (former !== null) tallyEntry(tally, former, -1)
    if (value === null) {
      environment.removeSync(storeKey)
    } else {
      const bytes = encodeEntry(storeKey, header.revision, value)
      environment.putSync(storeKey, bytes)
      tallyEntry(tally, decodeEntry(storeKey, bytes), 1)
    }
  }
  environment.putSync(HEADER_KEY, encodeHeader(header))
  return header.revision
}

/** @throws {KVError} CORRUPT naming up to ten damaged records, or saying that some are missing */
function readTable(environment: Environment, table: MetaTable, header: StoreHeader): StoredRecord[] {
  const { start, end } = tableRange(table)
  const records: StoredRecord[] = []
  const damagedKeys: string[] = []
  const tally = emptyTally()
  for (const { key, value } of environment.getRange({ start, end })) {
    try {
      const entry = decodeEntry(key, value)
      tallyEntry(tally, entry, 1)
      records.push({ key: key.slice(start.length), value: entry.text, revision: entry.revision })
    } catch {
      damagedKeys.push(key)
    }
  }
  if (damagedKeys.length === 0) checkTally(table, tally, header)
  else throw new KVError('CORRUPT', damageMessage(damagedKeys))
  return records
}

function damageMessage(keys: readonly string[]): string {
  const named = keys.slice(0, 10).join(', ')
  const more = keys.length > 10 ? ` and ${keys.length - 10} more` : ''
  return `its records ${named}${more} are damaged: restore it from a backup`
}

function readEntry(environment: Environment, key: string): StoreEntry | null {
  const bytes = environment.get(key)
  return bytes === undefined ? null : decodeEntry(key, bytes)
}

function readHeader(environment: Environment): StoreHeader {
  return decodeHeader(environment.get(HEADER_KEY))
}

/** `/` is followed by `0`, so the end stands just behind every key of the table. */
function tableRange(table: MetaTable): { start: string; end: string } {
  return { start: `${table}/`, end: `${table}0` }
}

/**
 * Writes this process down as the one that has the store open.
 * @param wasClosed the store was closed by whoever is written down now
 * @throws {KVError} UNAVAILABLE when another one has it open, FAILED_PRECONDITION for a newer format
 */
function claimStore(environment: Environment, wasClosed: boolean): void {
  const identity = identityOf(process.pid)
  assert(identity !== null, 'this process is not in /proc')
  environment.transactionSync(() => {
    readHeader(environment)
    const present = wasClosed ? null : readOwner(environment)
    if (present !== null && isAlive(present)) {
      throw new KVError(
        'UNAVAILABLE',
        `process ${present.pid} has it open: stop that one or choose another directory`,
      )
    }
    environment.putSync(OWNER_KEY, encodeEntry(OWNER_KEY, 0, JSON.stringify(identity)))
  })
}

function readOwner(environment: Environment): ProcessIdentity | null {
  const entry = readEntry(environment, OWNER_KEY)
  // Its CRC is right, so it is what claimStore wrote.
  return entry === null ? null : (JSON.parse(entry.text) as ProcessIdentity)
}

/**
 * Beside its place and then renamed, so that a store that exists is whole and an empty data file is always
 * damage.
 */
async function createStore(directory: string): Promise<void> {
  const beside = makeBeside(directory)
  const environment = openEnvironment(beside)
  environment.putSync(HEADER_KEY, encodeHeader(emptyHeader()))
  await environment.close()
  putInPlace(beside, directory)
}

function storeName(directory: string): string {
  return `metastore ${directory}`
}

/** Says which store it is about; what is not ours came from LMDB or the file system. */
function named(name: string, error: unknown): KVError {
  if (error instanceof KVError) {
    const outcome = error.outcome === undefined ? {} : { outcome: error.outcome }
    return new KVError(error.code, `${name}: ${error.message}`, { ...outcome, cause: error })
  }
  const reason = error instanceof Error ? error.message : String(error)
  const message = `${name} cannot be used (${reason}): check the disk and the permissions`
  return new KVError('UNAVAILABLE', message, { cause: error })
}
