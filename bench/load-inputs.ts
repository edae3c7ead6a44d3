/** Files to load that are like those of other programs: lines, packed lines in order, Parquet in several files. */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { constants, createGzip } from 'node:zlib'
import { CellFileWriter } from '../src/snapshot/parquet.js'
import { EMPTY_BYTES } from '../src/base/bytes.js'
import { rowKey, rowValue } from './dataset.js'
import { narrowLine } from './workspace.js'

const ROWS_AT_ONCE = 1_000

/** What a load is told of its input, and the dataset that it goes to. */
export interface LoadInput {
  readonly name: string
  /** Answers the path. */
  readonly write: (folder: string, rows: number) => Promise<string>
  readonly request: object
  readonly dataset: object
}

export const loadInputs: readonly LoadInput[] = [
  {
    name: 'NDJSON, in no order, 4 shards',
    write: (folder, rows) => Promise.resolve(writeLines(join(folder, 'in.ndjson'), rows)),
    request: { keyField: 'key' },
    dataset: { shardCount: 4 },
  },
  {
    name: 'CSV in gzip, in order, 1 shard',
    write: (folder, rows) => writePackedCsv(join(folder, 'in.csv.gz'), rows),
    request: { keyField: 'key', format: 'csv' },
    dataset: { keyOrder: 'ORDERED' },
  },
  {
    name: 'Parquet, 5 files, in no order, 1 shard',
    write: (folder, rows) => writeParquet(join(folder, 'parquet'), rows, 5),
    request: { keyField: 'row_key', columns: ['value'], format: 'parquet' },
    dataset: {},
  },
]

function writeLines(path: string, rows: number): string {
  const file = openSync(path, 'w')
  for (const part of parts(rows)) writeSync(file, part.map((row) => `${narrowLine(row)}\n`).join(''))
  closeSync(file)
  return path
}

async function writePackedCsv(path: string, rows: number): Promise<string> {
  const packer = createGzip({ level: constants.Z_BEST_SPEED })
  const file = packer.pipe(createWriteStream(path))
  packer.write('key,value\n')
  for (const part of parts(rows)) {
    const lines = part.map((row) => `${String(row).padStart(16, '0')},${rowValue(row).toString('latin1')}\n`)
    if (!packer.write(lines.join(''))) await once(packer, 'drain')
  }
  packer.end()
  await finished(file)
  return path
}

async function writeParquet(folder: string, rows: number, files: number): Promise<string> {
  mkdirSync(folder)
  const perFile = Math.ceil(rows / files)
  for (let index = 0; index < files; index++) {
    const file = openSync(join(folder, `${index}.parquet`), 'w')
    const writer = new CellFileWriter()
    for (const part of parts(Math.min(perFile, rows - index * perFile), index * perFile)) {
      for (const row of part) {
        const cell = { localKey: EMPTY_BYTES, value: rowValue(row), timestamp: 0n, expiresAt: null }
        writer.add({ rowKey: rowKey(row), cells: [cell] })
      }
      writeSync(file, await writer.take())
    }
    writeSync(file, await writer.finish())
    closeSync(file)
  }
  return folder
}

function* parts(rows: number, from = 0): Generator<readonly number[]> {
  for (let first = from; first < from + rows; first += ROWS_AT_ONCE) {
    const count = Math.min(ROWS_AT_ONCE, from + rows - first)
    yield Array.from({ length: count }, (_, index) => first + index)
  }
}
