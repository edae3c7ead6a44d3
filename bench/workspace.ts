/** Loaded data, shared by the benches of one run: built once, through the ordinary load path, when first asked for. */
import { closeSync, cpSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { databaseDirectory } from '../src/leaf/rocksdb/store/shard-files.js'
import { WIDE_COLUMNS, WIDE_COLUMN_SIZE, rowKey, rowValue, wideColumn } from './dataset.js'
import { createDataset, loadDataset, startGateway } from './gateway.js'
import type { BenchContext } from './harness.js'
import { encodeStruct, types } from './stock-thrift.js'

/** Datasets of the loaded folder. */
export const NARROW = 'narrow'
export const WIDE = 'wide'
export const BLOB = 'blob'
export const MUTABLE = 'mutable'

/** Rows of 64 KB: few, because 2 columns of a warm row are what is asked about. */
export const WIDE_ROWS = 1_000

let loaded: Promise<string> | null = null

/** A folder whose `data` is that of a stopped gateway with all four datasets. Not to be started: copy it. */
export function loadedFolder(context: BenchContext): Promise<string> {
  loaded ??= load(context)
  return loaded
}

/** A folder of its own with the same data. */
export async function copyOfLoaded(context: BenchContext, name: string): Promise<string> {
  const folder = join(context.folder, name)
  cpSync(join(await loadedFolder(context), 'data'), join(folder, 'data'), { recursive: true })
  return folder
}

/** The DB of the loaded narrow rows, for peers to copy. Found by its row count, whatever the layout above it is. */
export async function narrowDatabase(context: BenchContext): Promise<string> {
  const folder = await loadedFolder(context)
  const found = sealedShards(folder).find((directory) => sealOf(directory).rows === context.rows)
  if (found === undefined) throw new Error(`no shard of ${context.rows} rows below ${folder}`)
  return databaseDirectory(found)
}

/** The DB of the loaded wide rows: of the two of as many rows the one with more entries, whose keys take bytes. */
export async function wideDatabase(context: BenchContext): Promise<string> {
  const [found] = sealedShards(await loadedFolder(context))
    .filter((directory) => sealOf(directory).rows === WIDE_ROWS)
    .sort((a, b) => sealOf(b).bytes - sealOf(a).bytes)
  if (found === undefined) throw new Error(`no shard of ${WIDE_ROWS} rows was loaded`)
  return databaseDirectory(found)
}

/** Directories of all sealed shards below a gateway's folder. */
export function sealedShards(folder: string): string[] {
  return shardsWith(folder, 'SEALED.json')
}

/** Directories of all shards below a gateway's folder that can be written. */
export function writableShards(folder: string): string[] {
  return shardsWith(folder, 'WATERMARK.json')
}

function shardsWith(folder: string, file: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => basename(name) === file)
    .map((name) => join(folder, dirname(name)))
}

/** Written by src/leaf/rocksdb/store/shard-files.ts. */
function sealOf(shardDirectory: string): { readonly rows: number; readonly bytes: number } {
  return JSON.parse(readFileSync(join(shardDirectory, 'SEALED.json'), 'utf8')) as {
    rows: number
    bytes: number
  }
}

async function load(context: BenchContext): Promise<string> {
  context.log('loading the datasets')
  const folder = join(context.folder, 'loaded')
  const gateway = await startGateway({ folder, dataThreads: 1, core: null })
  const files = [
    [NARROW, narrowFile(context, context.rows)],
    [WIDE, linesFile(context, WIDE, WIDE_ROWS, wideLine)],
    [BLOB, linesFile(context, BLOB, WIDE_ROWS, blobLine)],
  ] as const
  for (const [name, path] of files) {
    await createDataset(gateway, name, 'BATCH')
    await loadDataset(gateway, name, path)
  }
  await createDataset(gateway, MUTABLE, 'READ_WRITE')
  await gateway.stop()
  return folder
}

/** NDJSON of the rows that most benches read. */
export function narrowFile(context: BenchContext, rows: number): string {
  return linesFile(context, `${NARROW}-${rows}`, rows, narrowLine)
}

/** Field `""` is the unnamed value. Keys and values are letters and digits, so that nothing has to be escaped. */
export function narrowLine(row: number): string {
  return `{"key":"${rowKey(row).toString('latin1')}","":"${rowValue(row).toString('latin1')}"}`
}

/** Column and value, in the order of the columns. */
export function wideCells(row: number): [string, Buffer][] {
  return Array.from({ length: WIDE_COLUMNS }, (_, column) => [
    wideColumn(column),
    rowValue(row * WIDE_COLUMNS + column, WIDE_COLUMN_SIZE),
  ])
}

export function wideLine(row: number): string {
  const cells = wideCells(row).map(([name, value]) => [name, value.toString('latin1')])
  return JSON.stringify({ key: rowKey(row).toString('latin1'), ...(Object.fromEntries(cells) as object) })
}

/** The same row as one value: a thrift struct as the old stores hold it. All its bytes are below 0x80, so it is text. */
function blobLine(row: number): string {
  const cells = wideCells(row).map(([name, value]) => new types.Cell({ localKey: Buffer.from(name), value }))
  const blob = encodeStruct(new types.RowResult({ cells }))
  return JSON.stringify({ key: rowKey(row).toString('latin1'), '': blob.toString('latin1') })
}

const made = new Set<string>()

/** An NDJSON file of the first rows; written once a run. */
export function linesFile(
  context: BenchContext,
  name: string,
  rows: number,
  lineOf: (row: number) => string,
): string {
  const path = join(context.folder, `${name}.ndjson`)
  if (made.has(path)) return path
  made.add(path)
  const file = openSync(path, 'w')
  for (let row = 0; row < rows;) {
    const lines: string[] = []
    for (const end = Math.min(rows, row + 1000); row < end; row++) lines.push(lineOf(row))
    writeSync(file, `${lines.join('\n')}\n`)
  }
  closeSync(file)
  return path
}
