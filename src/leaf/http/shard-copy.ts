/**
 * A shard's directory as files that travel: which they are, how large, and their SHA-256. The same on both sides. Sealed
 * shards do not change, but opening one renews RocksDB's small files and may compact: a copy that was made meanwhile does
 * not fit its list, is refused by the leaf, and is made again.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { listOrNull, onDisk } from '../disk.js'

/** Number of the list's form. Never renumber. */
const FORMAT = 1

/** In the shard's directory, or in `db` below it. */
const FILE_PATH = /^(db\/)?[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$/

/**
 * RocksDB's lock, diary and list of options, and what a leaf writes beside a copy: of no use elsewhere. Its logs hold
 * nothing in a sealed shard, which the sequence number proves when the copy is opened; each opening renews them.
 */
const LEFT_OUT = /^(db\/(LOCK|LOG(\..*)?|OPTIONS-.*|\d+\.(log|dbtmp))|COPY\.json)$/

export interface CopiedFile {
  readonly path: string
  readonly size: number
  /** Hex. */
  readonly sha256: string
}

export interface ShardFiles {
  readonly files: readonly CopiedFile[]
}

/** Reads every file once. @throws {KVError} UNAVAILABLE, FAILED_PRECONDITION when there is no sealed shard */
export async function describeShard(directory: string): Promise<ShardFiles> {
  const paths = await pathsIn(directory)
  if (paths === null || !paths.includes('SEALED.json')) {
    throw new KVError('FAILED_PRECONDITION', `${directory} holds no sealed shard`)
  }
  const files: CopiedFile[] = []
  for (const path of paths) files.push({ path, ...(await digestOf(join(directory, path))) })
  return { files }
}

/**
 * Whether two lists of one shard cannot both be right: a table file, which is never written again, differs. Compaction makes
 * files of other names, which says nothing.
 */
export function doTablesDiffer(one: ShardFiles, other: ShardFiles): boolean {
  const known = new Map(one.files.map(({ path, sha256 }) => [path, sha256]))
  return other.files.some(({ path, sha256 }) => {
    const expected = path.endsWith('.sst') ? known.get(path) : undefined
    return expected !== undefined && expected !== sha256
  })
}

/** Null: there is no such directory. */
async function pathsIn(directory: string): Promise<string[] | null> {
  const names = await listOrNull(directory)
  if (names === null) return null
  const below = (await listOrNull(join(directory, 'db'))) ?? []
  return [...names.filter((name) => name !== 'db'), ...below.map((name) => `db/${name}`)].filter(
    isFileOfShard,
  )
}

async function digestOf(path: string): Promise<Pick<CopiedFile, 'size' | 'sha256'>> {
  return onDisk('reading', path, async () => {
    const hash = createHash('sha256')
    let size = 0
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(chunk)
      size += chunk.length
    }
    return { size, sha256: hash.digest('hex') }
  })
}

export function encodeShardFiles({ files }: ShardFiles): string {
  return JSON.stringify({ format: FORMAT, files })
}

/** @throws {KVError} INVALID_ARGUMENT when the text is no such list */
export function decodeShardFiles(text: string): ShardFiles {
  const refuse = (what: string): never => {
    throw new KVError('INVALID_ARGUMENT', `the list of a shard's files is wrong: ${what}`)
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return refuse('it is not json')
  }
  if (!isObject(parsed) || parsed['format'] !== FORMAT) return refuse(`it is not of format ${FORMAT}`)
  const listed = parsed['files']
  if (!Array.isArray(listed) || listed.length > limits.maxFilesPerShard)
    return refuse('files is no list, or too long')
  const files = listed.map((file: unknown): CopiedFile => {
    if (!isObject(file)) return refuse('a file is no object')
    const { path, size, sha256 } = file
    if (typeof path !== 'string' || !isFileOfShard(path)) return refuse('the path of a file')
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
      return refuse(`the size of ${path}`)
    if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return refuse(`the checksum of ${path}`)
    return { path, size, sha256 }
  })
  if (new Set(files.map(({ path }) => path)).size !== files.length) return refuse('a file stands twice in it')
  return { files }
}

/** Whether a path names a file that a copy may hold. */
export function isFileOfShard(path: string): boolean {
  return FILE_PATH.test(path) && !LEFT_OUT.test(path)
}

/** Bytes of all files together. */
export function sizeOf({ files }: ShardFiles): number {
  return files.reduce((sum, { size }) => sum + size, 0)
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
