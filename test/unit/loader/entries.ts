/** Rows as they go through the sort, for its tests. */
import { murmur3Token } from '../../../src/base/hash.js'
import {
  type EntryCursor,
  entryKey,
  entryPlace,
  entryRow,
  type EntryToWrite,
} from '../../../src/loader/run-entry.js'
import { RunSorter } from '../../../src/loader/run-sorter.js'
import type { KeyOrder } from '../../../src/model/dataset.js'
import { compareRows, NO_TOKEN } from '../../../src/model/row-order.js'

export interface PlainRow {
  readonly key: Buffer
  readonly head: Buffer
  readonly chunks?: readonly Buffer[]
  readonly part?: number
  readonly line: number
}

export function entryOf(
  keyOrder: KeyOrder,
  { key, head, chunks = [], part = 0, line }: PlainRow,
): EntryToWrite {
  const token = keyOrder === 'HASHED' ? murmur3Token(key) : NO_TOKEN
  return { token, rowKey: key, head, chunks, part, line }
}

export function sorterOf(keyOrder: KeyOrder, rows: readonly PlainRow[]): RunSorter {
  const sorter = new RunSorter(keyOrder, 1024 * 1024)
  for (const row of rows) sorter.add(entryOf(keyOrder, row))
  return sorter
}

/** What is left of it, as it was given. */
export function rowsOf(cursor: EntryCursor): Required<PlainRow>[] {
  const rows: Required<PlainRow>[] = []
  while (cursor.next()) rows.push(rowAt(cursor))
  return rows
}

export function rowAt({ bytes, at }: Pick<EntryCursor, 'bytes' | 'at'>): Required<PlainRow> {
  const { head, chunks } = entryRow(bytes, at)
  return {
    key: Buffer.from(entryKey(bytes, at)),
    head: Buffer.from(head),
    chunks: chunks.map((chunk) => Buffer.from(chunk)),
    ...entryPlace(bytes, at),
  }
}

/** By physical key, then by place: what the sort is held against. */
export function inOrder<T extends PlainRow>(keyOrder: KeyOrder, rows: readonly T[]): T[] {
  const positionOf = ({ key }: T) => ({
    token: keyOrder === 'HASHED' ? murmur3Token(key) : NO_TOKEN,
    rowKey: key,
  })
  return [...rows].sort(
    (a, b) => compareRows(positionOf(a), positionOf(b)) || (a.part ?? 0) - (b.part ?? 0) || a.line - b.line,
  )
}
