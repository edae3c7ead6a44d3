/**
 * Differences on disk, by dataset: lines of text in two files that follow each other, so that about the newest half is
 * always there. Written by the main thread, behind the requests; what a crash cuts off is a damaged line, and skipped.
 *
 *     <directory>/<dataset's id>.log, .log.1       the newer and the older half
 *     line                                         CRC-32 of the text in 8 hex digits, a space, JSON (FORMATS.md)
 */
import { appendFile, mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { KVError } from '../base/errors.js'
import { groupBy } from '../base/group-by.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import { DIFFERENCE_KINDS, type Difference } from '../model/difference.js'
import { WaitingDifferences } from './waiting-differences.js'

const FORMAT = 1
const CRC_DIGITS = 8
const NAME = /^(.+)\.log(?:\.1)?$/

export interface DifferenceLogOptions {
  readonly directory: string
  readonly logger: Logger
  /** The dataset's id; null: there is no such dataset. */
  readonly idOf: (dataset: string) => string | null
  readonly maxBytes?: number
}

export interface ReadDifferences {
  readonly differences: readonly Difference[]
  readonly damaged: number
}

export class DifferenceLog {
  readonly #options: DifferenceLogOptions
  readonly #maxFileBytes: number
  /** Those that are in no file yet. */
  readonly #waiting = new WaitingDifferences()
  /** What uses the files, one after the other; never rejects. */
  #turn: Promise<unknown> = Promise.resolve()
  #isWriting = false
  /** The last write failed, and the log says so: a disk stays full for longer than one write. */
  #hasFailed = false
  #lost = 0

  constructor(options: DifferenceLogOptions) {
    this.#options = options
    this.#maxFileBytes = (options.maxBytes ?? limits.maxDifferenceBytes) / 2
  }

  /** Differences that are not on disk, because they were too many or the disk failed. */
  get lost(): number {
    return this.#lost
  }

  /** @param lost found, and not among them */
  add(differences: readonly Difference[], lost: number): void {
    this.#lost += lost
    for (const difference of differences) if (!this.#waiting.add(difference)) this.#lost += 1
    if (this.#isWriting || this.#waiting.length === 0) return
    this.#isWriting = true
    this.#writeWaiting()
  }

  /** Of the dataset, from that moment on, oldest first; and how many lines could not be read. */
  read(dataset: string, fromMs: number): Promise<ReadDifferences> {
    return this.#inTurn(() => this.#read(dataset, fromMs))
  }

  async #read(dataset: string, fromMs: number): Promise<ReadDifferences> {
    await this.#flush()
    const path = this.#pathOf(dataset)
    const differences: Difference[] = []
    let damaged = 0
    for (const one of path === null ? [] : [`${path}.1`, path]) {
      for (const line of (await textOf(one)).split('\n')) {
        if (line === '') continue
        const difference = parseLine(line)
        if (difference === null) damaged += 1
        else if (difference.atMs >= fromMs) differences.push({ ...difference, dataset })
      }
    }
    return { differences, damaged }
  }

  async remove(datasetId: string): Promise<void> {
    const path = join(this.#options.directory, `${datasetId}.log`)
    await this.#inTurn(() => Promise.all([path, `${path}.1`].map((one) => rm(one, { force: true }))))
  }

  /** Removes what was found in datasets that are gone: the process may have ended between the two. Never rejects. */
  async keepOnly(isKnown: (datasetId: string) => boolean): Promise<void> {
    const { directory, logger } = this.#options
    try {
      const ids = new Set((await namesIn(directory)).flatMap((name) => NAME.exec(name)?.[1] ?? []))
      for (const id of ids) if (!isKnown(id)) await this.remove(id)
    } catch (error) {
      logger.warn({ directory, err: error }, 'the differences of datasets that are gone could not be removed')
    }
  }

  async close(): Promise<void> {
    while (this.#isWriting) await this.#turn
    await this.#turn
  }

  /** In a turn of its own: who reads comes between two of them, however many follow. */
  #writeWaiting(): void {
    void this.#inTurn(async () => {
      await this.#flush()
      this.#isWriting = this.#waiting.length > 0
      if (this.#isWriting) this.#writeWaiting()
    })
  }

  async #flush(): Promise<void> {
    const byDataset = groupBy(this.#waiting.take(), ({ dataset }) => dataset)
    for (const [dataset, differences] of byDataset) await this.#write(dataset, differences)
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act)
    this.#turn = done.catch(() => undefined)
    return done
  }

  async #write(dataset: string, differences: readonly Difference[]): Promise<void> {
    const path = this.#pathOf(dataset)
    // It was removed meanwhile.
    if (path === null) return
    try {
      await mkdir(this.#options.directory, { recursive: true })
      // Behind what a crash may have left of a line.
      const text = `\n${differences.map(formatLine).join('\n')}\n`
      const size = await sizeOf(path)
      const isFull = size > 0 && size + Buffer.byteLength(text) > this.#maxFileBytes
      if (isFull) await rename(path, `${path}.1`)
      await appendFile(path, text)
      this.#hasFailed = false
    } catch (error) {
      this.#lost += differences.length
      if (!this.#hasFailed) {
        const text = 'differences cannot be recorded, and are counted as lost until they can be'
        this.#options.logger.warn({ dataset, err: error }, text)
      }
      this.#hasFailed = true
    }
  }

  #pathOf(dataset: string): string | null {
    const id = this.#options.idOf(dataset)
    return id === null ? null : join(this.#options.directory, `${id}.log`)
  }
}

/** Files of datasets carry no name: that stands in the record of the id. */
export function formatLine(difference: Difference): string {
  const text = JSON.stringify({ format: FORMAT, ...difference, dataset: undefined })
  return `${checksumOf(text)} ${text}`
}

/** Null: damaged, or of a newer format. */
export function parseLine(line: string): Omit<Difference, 'dataset'> | null {
  const text = line.slice(CRC_DIGITS + 1)
  if (line[CRC_DIGITS] !== ' ' || line.slice(0, CRC_DIGITS) !== checksumOf(text)) return null
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof given !== 'object' || given === null || !('format' in given) || given.format !== FORMAT)
    return null
  // The checksum says that it is as it was written, and format 1 is written by formatLine alone.
  const known = given as unknown as Omit<Difference, 'dataset'>
  return DIFFERENCE_KINDS.includes(known.kind) ? known : null
}

function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(CRC_DIGITS, '0')
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return ''
    throw new KVError('UNAVAILABLE', `${path} cannot be read: ${reasonOf(error)}`, { cause: error })
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (isMissing(error)) return 0
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
