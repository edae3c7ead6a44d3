/**
 * A sealed shard that nothing else has open: linked from a served version (shard-links.ts), put back from an archive, or
 * just arrived at a leaf. Read from end to end, to check it against its seal or to compare it with another. In a child
 * process, or gently in a leaf, never in the gateway.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { KVError } from '../../../base/errors.js'
import type { KeyOrder } from '../../../model/dataset.js'
import type { VersionFigures } from '../../../model/metastore.js'
import type { Cell } from '../../../model/row.js'
import { isSealedHeadKey, sealedChunkKey } from '../../row-codec.js'
import { checkCrc, SealedHead, storedCrc } from '../../sealed-row.js'
import { OwnedDatabase } from '../store/binding.js'
import { syncDirectory, syncFile } from '../store/files.js'
import { SEALED_OPTIONS } from '../store/options.js'
import { rowOfHead } from '../scan/sealed-scan.js'
import { ContentSum } from './sealed-writer.js'
import { checkFormat, databaseDirectory, readSeal, type SealRecord } from '../store/shard-files.js'

/** All heads lie between these. */
const FIRST_HEAD = Buffer.from([0x01])
const BEHIND_HEADS = Buffer.from([0x02])

const ROWS_PER_STEP = 500

/** Chunks of one MultiGet; up to 16 KB each, and rarely more. */
const CHUNKS_PER_STEP = 256

/** With a clock at the beginning nothing has expired, and what is left of a TTL is the second of its end. */
const AT_THE_BEGINNING = 0

/** A row as it is stored. */
export interface SealedEntry {
  /** Orders rows, and is equal for equal rows of two versions. */
  readonly key: Buffer
  readonly stored: Buffer
}

/** Files of a shard that a copy needs; the rest (logs, the lock) a DB makes anew. */
const KEPT_FILE = /^(CURRENT|IDENTITY|MANIFEST-\d+|OPTIONS-\d+|\d+\.sst)$/

/** Number of the sealed format that this program writes and reads. */
export const SEALED_FORMAT_NUMBER = SEALED_OPTIONS.formatNumber

export class SealedCopy {
  readonly directory: string
  readonly seal: SealRecord
  readonly #database: OwnedDatabase
  readonly #keyOrder: KeyOrder

  private constructor(
    directory: string,
    database: OwnedDatabase,
    of: { seal: SealRecord; keyOrder: KeyOrder },
  ) {
    this.directory = directory
    this.seal = of.seal
    this.#database = database
    this.#keyOrder = of.keyOrder
  }

  /** @throws {KVError} CORRUPT, FAILED_PRECONDITION (another or a newer format), UNAVAILABLE */
  static async open(directory: string, keyOrder: KeyOrder): Promise<SealedCopy> {
    checkFormat(directory, 'sealed')
    const seal = readSeal(directory)
    const database = await OwnedDatabase.open(databaseDirectory(directory), SEALED_OPTIONS)
    if (database.sequence !== seal.sequence) {
      const { sequence } = database
      await database.close()
      throw new KVError('CORRUPT', `${directory} is at sequence ${sequence}, sealed at ${seal.sequence}`)
    }
    return new SealedCopy(directory, database, { seal, keyOrder })
  }

  /**
   * Reads every entry; answers the figures that the seal says, too.
   * @param onRead is told of bytes that were read
   * @throws {KVError} CORRUPT when the content is not what was sealed
   */
  verify(onRead: (bytes: number) => void): VersionFigures {
    const steps = this.#verifying()
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
      onRead(value)
    }
  }

  /** The same, in steps of a few milliseconds between which others have their turn. @throws {KVError} CORRUPT */
  async verifyGently(): Promise<VersionFigures> {
    const steps = this.#verifying()
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  /** Says after each step how many bytes it read. */
  *#verifying(): Generator<number, VersionFigures> {
    const sum = new ContentSum()
    let rows = 0
    let bytes = 0
    for (const entries of this.#database.scan()) {
      const before = bytes
      for (let i = 0; i + 1 < entries.length; i += 2) {
        const key = entries[i]
        const value = entries[i + 1]
        if (key === undefined || value === undefined) continue
        const isHead = isSealedHeadKey(key)
        if (isHead) rows++
        checkCrc(value, isHead ? 'head' : 'chunk')
        sum.add(key, storedCrc(value))
        bytes += key.length + value.length
      }
      yield bytes - before
    }
    const { seal } = this
    if (rows !== seal.rows || bytes !== seal.bytes || sum.hex() !== seal.checksum) {
      throw new KVError(
        'CORRUPT',
        `${this.directory} holds ${rows} rows of ${bytes} bytes, checksum ${sum.hex()}; its seal says ${seal.rows}, ${seal.bytes}, ${seal.checksum}`,
      )
    }
    return { rows, bytes, checksum: seal.checksum }
  }

  /** Rows in order, some at a time. */
  *rows(): Generator<readonly SealedEntry[]> {
    const cursor = this.#database.openCursor({
      from: FIRST_HEAD,
      to: BEHIND_HEADS,
      isReversed: false,
      fillsCache: false,
    })
    try {
      while (!cursor.isDone) {
        const flat = cursor.next(ROWS_PER_STEP)
        const entries: SealedEntry[] = []
        for (let i = 0; i + 1 < flat.length; i += 2) {
          const key = flat[i]
          const stored = flat[i + 1]
          if (key !== undefined && stored !== undefined) entries.push({ key, stored })
        }
        if (entries.length > 0) yield entries
      }
    } finally {
      cursor.close()
    }
  }

  rowKeyOf({ key }: SealedEntry): Buffer {
    return rowOfHead(this.#keyOrder, key).rowKey
  }

  /** Whether values of it lie beside its head. */
  isChunked({ stored }: SealedEntry): boolean {
    const head = new SealedHead(stored)
    return head.chunksFor(null).length > 0
  }

  /** Every cell in the order of local keys; as TTL the second in which it expires, since 1970. @throws {KVError} CORRUPT */
  cellsOf({ key, stored }: SealedEntry): readonly Cell[] {
    const head = new SealedHead(stored)
    const { token, rowKey } = rowOfHead(this.#keyOrder, key)
    const chunks = new Map<number, Buffer>()
    const needed = head.chunksFor(null)
    for (let from = 0; from < needed.length; from += CHUNKS_PER_STEP) {
      const part = needed.slice(from, from + CHUNKS_PER_STEP)
      const keys = part.map((chunk) => sealedChunkKey(this.#keyOrder, token, rowKey, chunk))
      for (const [i, value] of this.#database.getMany(keys).entries()) {
        if (value === null)
          throw new KVError('TOO_LARGE', `chunks of a row of ${this.directory} are too large`)
        if (value === undefined) continue
        checkCrc(value, 'chunk')
        chunks.set(part[i] ?? 0, value)
      }
    }
    const indexes = Array.from({ length: head.count }, (_, index) => index)
    const options = { withTimestamps: true, withTtl: true, nowSeconds: AT_THE_BEGINNING, keysOnly: false }
    return head.cellsAt(indexes, options, chunks)
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}

/**
 * Reads a shard that nothing has open from end to end, gently, and holds it against its seal.
 * @throws {KVError} CORRUPT, FAILED_PRECONDITION (another or a newer format), UNAVAILABLE
 */
export async function checkSealed(directory: string): Promise<void> {
  // Which order does not matter to what is only counted and summed up.
  const copy = await SealedCopy.open(directory, 'HASHED')
  try {
    await copy.verifyGently()
  } finally {
    await copy.close()
  }
}

/** Paths of the files that a copy of a closed shard needs, from its directory. */
export async function filesOfSealed(directory: string): Promise<string[]> {
  const names = await readdir(databaseDirectory(directory))
  return [
    'FORMAT.json',
    'SEALED.json',
    ...names.filter((name) => KEPT_FILE.test(name)).map((name) => `db/${name}`),
  ]
}

/** Content and names of a shard's files survive power loss when it resolves. */
export async function syncShard(directory: string): Promise<void> {
  for (const name of await filesOfSealed(directory)) await syncFile(join(directory, name))
  await syncDirectory(databaseDirectory(directory))
  await syncDirectory(directory)
}
