/**
 * The directory of an LMDB store, before LMDB itself may touch it: whether it is ours, whether it is whole,
 * and how a new one comes into being.
 *
 * LMDB has no checksums and trusts what it maps: a damaged page ends the process, at once or at a later
 * change. After a clean close a mark holds the data file's size and CRC, so any damage since then is found
 * before LMDB sees the file. After a kill there is no mark; then another process reads everything first and
 * rewrites it in a transaction that it takes back. What that one can miss is damage in a page's own head that
 * LMDB acts on only at a later transaction.
 *
 * Taking the mark away is also how one process hands the store to the next: whoever removed it knows that
 * nobody has the store open.
 */
import { execFile } from 'node:child_process'
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync } from 'node:fs'
import { readdirSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { KVError } from '../base/errors.js'
import type { ErrorCode } from '../base/errors.js'

const DATA_FILE = 'data.mdb'
/** Is there while the store is closed, unless its process was killed: size and CRC-32 of the data file. */
const MARK_FILE = 'closed.json'

/** A damaged file can also make LMDB walk in circles. */
const EXAMINATION_TIMEOUT_MS = 30_000

/** LMDB, as lmdb-js builds it, begins both meta pages with this number after a page header of 24 bytes. */
const LMDB_MAGIC = 0xbeefc0de
const MAGIC_OFFSET = 24
const META_PAGE_SIZE = 4096

/** A fault as it travels from the examining process. */
export interface StoreFault {
  readonly code: ErrorCode
  readonly message: string
}

/**
 * Whether there is nothing in that place yet.
 * @throws {KVError} FAILED_PRECONDITION when something else is
 */
export function isVacant(directory: string): boolean {
  let names: string[]
  try {
    names = readdirSync(directory)
  } catch (error) {
    if (isMissing(error)) return true
    if (errorCode(error) === 'ENOTDIR')
      throw new KVError('FAILED_PRECONDITION', 'this is a file: choose a directory')
    throw error
  }
  if (names.length > 0 && !names.includes(DATA_FILE)) {
    const seen = names.slice(0, 5).join(', ')
    throw new KVError(
      'FAILED_PRECONDITION',
      `this holds ${seen} and no ${DATA_FILE}, so it is no metastore or lost it: ` +
        'restore it or choose another directory',
    )
  }
  return names.length === 0
}

/** A new directory beside `directory`, on the same file system, in which a store is made. */
export function makeBeside(directory: string): string {
  const parent = dirname(directory)
  mkdirSync(parent, { recursive: true })
  return mkdtempSync(join(parent, `${basename(directory)}.new-`))
}

/** Renames what was made into its place, where nothing or an empty directory is; durable when it returns. */
export function putInPlace(beside: string, directory: string): void {
  syncDirectory(beside)
  renameSync(beside, directory)
  syncDirectory(dirname(directory))
}

/**
 * Checks a store that is there and takes its mark of a clean close away, before LMDB may open it.
 * @returns whether this call took the mark: then nobody has the store open
 * @throws {KVError} FAILED_PRECONDITION when it is not ours or of a newer format, CORRUPT when it is damaged
 */
export async function enterDirectory(directory: string): Promise<boolean> {
  checkMagic(join(directory, DATA_FILE))
  if (hasClosedMark(directory) && takeClosedMark(directory)) return true
  await examineInChild(directory)
  return false
}

/** Writes down what the data file is like, after LMDB has closed it; durable when it returns. */
export function markClosed(directory: string): void {
  const mark = join(directory, MARK_FILE)
  const descriptor = openSync(`${mark}.new`, 'w')
  try {
    writeSync(descriptor, fileSummary(join(directory, DATA_FILE)))
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(`${mark}.new`, mark)
  syncDirectory(directory)
}

/** @throws {KVError} CORRUPT when there is one and the data file is not what it says */
function hasClosedMark(directory: string): boolean {
  let mark: string
  try {
    mark = readFileSync(join(directory, MARK_FILE), 'utf8')
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
  if (mark === fileSummary(join(directory, DATA_FILE))) return true
  throw new KVError(
    'CORRUPT',
    `${DATA_FILE} is not what it was when it was closed (${MARK_FILE}): ` +
      'restore the whole directory from a backup',
  )
}

/** Of processes that try at the same time one succeeds. Durable, so that no mark outlives the next change. */
function takeClosedMark(directory: string): boolean {
  try {
    unlinkSync(join(directory, MARK_FILE))
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
  syncDirectory(directory)
  return true
}

function fileSummary(path: string): string {
  const bytes = readFileSync(path)
  return `${JSON.stringify({ size: bytes.byteLength, crc32: crc32(bytes) })}\n`
}

/** Has another process read the whole store, so that a damaged page crashes that one. */
async function examineInChild(directory: string): Promise<void> {
  const script = fileURLToPath(new URL('./store-lmdb-check.js', import.meta.url))
  const options = { timeout: EXAMINATION_TIMEOUT_MS, killSignal: 'SIGKILL' } as const
  const fault = await new Promise<StoreFault | null>((resolve, reject) => {
    execFile(process.execPath, [script, directory], options, (error, stdout, stderr) => {
      // What examineLmdbStore answered.
      if (error === null) resolve(JSON.parse(stdout) as StoreFault | null)
      else if (error.killed === true)
        reject(new Error('reading it did not end, so it is damaged or the disk hangs'))
      else if (typeof error.signal === 'string') resolve(crashFault(error.signal))
      else reject(new Error(`its examination failed: ${stderr.slice(0, 500) || error.message}`))
    })
  })
  if (fault !== null) throw new KVError(fault.code, fault.message)
}

function crashFault(signal: string): StoreFault {
  return {
    code: 'CORRUPT',
    message: `${DATA_FILE} is damaged (reading it ended with ${signal}): restore it from a backup`,
  }
}

/** Tells another program's file from ours before LMDB, which would crash, sees it. */
function checkMagic(path: string): void {
  const head = Buffer.alloc(2 * META_PAGE_SIZE)
  const descriptor = openSync(path, 'r')
  try {
    const headSize = readSync(descriptor, head)
    if (headSize < head.byteLength) {
      throw new KVError('CORRUPT', `${DATA_FILE} was cut to ${headSize} bytes: restore it from a backup`)
    }
  } finally {
    closeSync(descriptor)
  }
  const hasMagic = [0, META_PAGE_SIZE].some((page) => head.readUInt32LE(page + MAGIC_OFFSET) === LMDB_MAGIC)
  if (hasMagic) return
  throw new KVError(
    'FAILED_PRECONDITION',
    `${DATA_FILE} is not lmdb's, or its beginning is destroyed: restore it or choose another directory`,
  )
}

function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT'
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null
}
