/** Files that other programs wrote, with their rows beside them (test/interop/python/load_files.py). */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LOAD_FORMATS, type LoadFormat } from '../../src/model/load.js'
import { openSource } from '../../src/loader/open-source.js'
import { MemoryObjects } from './memory-objects.js'

const ROWS = '.rows.json'

/** Key, and value by column, all in base64. */
type EncodedRow = readonly [rowKey: string, columns: Readonly<Record<string, string>>]

export interface LoadFile {
  readonly name: string
  readonly format: LoadFormat
  readonly content: Buffer
  readonly rows: readonly EncodedRow[]
}

export function loadFilesIn(folder: string): readonly LoadFile[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(ROWS))
  return names.map((rowsName) => {
    const name = rowsName.slice(0, -ROWS.length)
    const format = LOAD_FORMATS.find((one) => name.split('.').includes(one))
    assert.ok(format !== undefined, name)
    // What load_files.py writes.
    const rows = JSON.parse(readFileSync(join(folder, rowsName), 'utf8')) as EncodedRow[]
    return { name, format, content: readFileSync(join(folder, name)), rows }
  })
}

/** All rows, as they stand in the file's rows; those of bad lines are missing. */
export async function readLoadFile(
  file: Pick<LoadFile, 'format' | 'content'>,
  { pieceBytes = 64 * 1024, maxBadLines = 0 } = {},
): Promise<EncodedRow[]> {
  const url = 'file:///made'
  const objects = new MemoryObjects(pieceBytes).put(url, file.content)
  const source = openSource(objects, {
    from: url,
    format: file.format,
    keyField: 'id',
    columns: null,
    header: null,
    maxValueBytes: 1 << 20,
    maxBadLines,
  })
  const rows: EncodedRow[] = []
  for (const part of await source.parts()) {
    for await (const batch of source.rows(part)) {
      for (const { rowKey, cells } of batch) {
        const columns = cells.map(
          ({ localKey, value }) => [localKey.toString(), value.toString('base64')] as const,
        )
        rows.push([rowKey.toString('base64'), Object.fromEntries(columns)])
      }
    }
  }
  return rows
}

/** Row by row, so that a difference shows itself and not the file. */
export function assertSameRows(found: readonly EncodedRow[], expected: readonly EncodedRow[]): void {
  for (const [index, row] of expected.entries())
    assert.deepEqual(decoded(found[index]), decoded(row), `row ${index}`)
  assert.equal(found.length, expected.length)
}

function decoded(row: EncodedRow | undefined): unknown {
  if (row === undefined) return null
  const [rowKey, columns] = row
  const texts = Object.entries(columns).map(([name, value]) => [
    name,
    Buffer.from(value, 'base64').toString('latin1'),
  ])
  return [Buffer.from(rowKey, 'base64').toString(), Object.fromEntries(texts)]
}
