/**
 * What a load has done for good, as lines `crc32 json`, appended and synced one by one. What stands in it survives a
 * crash; the first line that is not whole, and all behind it, does not count and is cut off.
 */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { onLoadDisk } from './load-disk.js'

const CRC_DIGITS = 8

export class Journal {
  /** What was in it when it was opened, in order. */
  readonly records: readonly unknown[]
  readonly #path: string
  readonly #file: number

  private constructor(path: string, file: number, records: readonly unknown[]) {
    this.#path = path
    this.#file = file
    this.records = records
  }

  /** Opens it, or makes it. @throws {KVError} UNAVAILABLE when the disk fails */
  static open(path: string): Journal {
    return onLoadDisk('opening', path, () => {
      const file = openSync(path, 'a+', 0o600)
      const { records, size } = wholeLines(readFileSync(path))
      ftruncateSync(file, size)
      return new Journal(path, file, records)
    })
  }

  /** Durable when it returns. @throws {KVError} UNAVAILABLE when the disk is full or fails */
  append(record: object): void {
    onLoadDisk('writing', this.#path, () => {
      const line = lineOf(record)
      for (let from = 0; from < line.length;) from += writeSync(this.#file, line, from)
      fdatasyncSync(this.#file)
    })
  }

  close(): void {
    closeSync(this.#file)
  }
}

function lineOf(record: object): Buffer {
  const json = JSON.stringify(record)
  return Buffer.from(`${crcOf(json)} ${json}\n`, 'utf8')
}

function crcOf(json: string): string {
  return crc32(json).toString(16).padStart(CRC_DIGITS, '0')
}

function wholeLines(bytes: Buffer): { records: unknown[]; size: number } {
  const records: unknown[] = []
  let size = 0
  for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, size)) {
    const line = bytes.toString('utf8', size, end)
    const json = line.slice(CRC_DIGITS + 1)
    if (line !== `${crcOf(json)} ${json}`) break
    records.push(JSON.parse(json))
    size = end + 1
  }
  return { records, size }
}
