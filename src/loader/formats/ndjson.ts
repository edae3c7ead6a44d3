/**
 * NDJSON -> rows. Cuts lines of bounded size, turns each into a row key and its cells.
 *
 * Guarantees: an integer that JSON cannot hold exactly, text that is not Unicode, a key or value over its limit makes
 * its line a bad line, and so does a row without any column; nothing of that is changed silently. Fractions become the
 * shortest decimal of their double. Bad lines are counted, the first are reported by number and reason, and reasons
 * never quote the line. Of a field given twice the last one counts, as in JSON.parse.
 */
import { isUtf8 } from 'node:buffer'
import { limits } from '../../base/limits.js'
import type { Cell } from '../../model/row.js'
import { BadLineError, valueToText } from '../json-text.js'
import type { SourceRow } from '../load-source.js'
import {
  cellOf,
  checkedCells,
  checkedKey,
  columnsInOrder,
  shortName,
  type Column,
  type PlacedColumn,
} from './columns.js'
import { FlatJson } from './flat-json.js'
import { PartReader, type ReadOptions } from './part-reader.js'
import { PendingLine } from './pending-line.js'

const NEWLINE = 0x0a
const NO_BYTES = Buffer.alloc(0)

/** What is known of lines with the same fields in the same order. */
interface FlatShape {
  readonly keyIndex: number
  readonly columns: readonly PlacedColumn[]
}

export class NdjsonReader extends PartReader {
  readonly #content: AsyncIterable<Buffer>
  readonly #namedColumns: readonly Column[]
  readonly #flat = new FlatJson()
  /** The names that the shape is for; null as a shape: such lines are not for the short way. */
  #flatNames: readonly string[] = []
  #flatShape: FlatShape | null = null
  #lastNames: readonly string[] = []
  #lastColumns: readonly Column[] = []
  #line = 0

  /** The content begins without a byte order mark. */
  constructor(url: string, content: AsyncIterable<Buffer>, options: ReadOptions) {
    super(url, options)
    this.#content = content
    this.#namedColumns = columnsInOrder([...new Set(options.columns)])
  }

  protected override async *batches(): AsyncGenerator<readonly SourceRow[]> {
    const pending = new PendingLine()
    for await (const piece of this.#content) {
      const rows: SourceRow[] = []
      let start = 0
      // Looked at once for the whole piece: the same look line by line costs as much as finding the fields.
      const isText = isUtf8(piece.subarray(piece.indexOf(NEWLINE) + 1, piece.lastIndexOf(NEWLINE) + 1))
      for (let end = lineEnd(piece, start); end !== -1; end = lineEnd(piece, start)) {
        if (start === 0) this.#addLine(pending.finish(piece.subarray(0, end)), rows)
        else this.#addRow(piece, start, end, isText, rows)
        start = end + 1
      }
      pending.add(start === 0 ? piece : piece.subarray(start))
      yield rows
    }
    if (pending.isEmpty) return
    const rows: SourceRow[] = []
    this.#addLine(pending.finish(NO_BYTES), rows)
    yield rows
  }

  /** Null: a line over the limit. */
  #addLine(line: Buffer | null, rows: SourceRow[]): void {
    if (line !== null) this.#addRow(line, 0, line.length, isUtf8(line), rows)
    else this.badLine(++this.#line, `longer than ${limits.maxLoadLineBytes} bytes`)
  }

  #addRow(buffer: Buffer, start: number, end: number, isText: boolean, rows: SourceRow[]): void {
    const line = ++this.#line
    if (isBlank(buffer, start, end)) return
    const row =
      (isText ? this.#flatRow(buffer, start, end, line) : null) ??
      this.rowOrNull(line, () => this.#longRow(buffer.subarray(start, end), line))
    if (row === null) return
    this.noteColumns(row.cells)
    rows.push(row)
  }

  /** The short way; null: the long way decides, and says what is wrong, if anything. */
  #flatRow(buffer: Buffer, start: number, end: number, line: number): SourceRow | null {
    const flat = this.#flat
    if (!flat.scan(buffer, start, end)) return null
    if (flat.names !== this.#flatNames) this.#learnShape(flat.names)
    const shape = this.#flatShape
    if (shape === null) return null
    const { starts, ends, kinds } = flat
    const { maxValueBytes } = this.options
    const cells: Cell[] = []
    for (const { index, localKey } of shape.columns) {
      if (kinds[index] === 'null') continue
      const value = buffer.subarray(starts[index], ends[index])
      if (value.length > maxValueBytes) return null
      cells.push({ localKey, value, timestamp: null, ttlSeconds: null })
    }
    const keyKind = kinds[shape.keyIndex]
    const rowKey = buffer.subarray(starts[shape.keyIndex], ends[shape.keyIndex])
    const isKey = (keyKind === 'text' || keyKind === 'number') && isKeySize(rowKey.length)
    return isKey && cells.length > 0 ? { line, rowKey, cells } : null
  }

  #learnShape(names: readonly string[]): void {
    this.#flatNames = names
    this.#flatShape = null
    const keyIndex = names.indexOf(this.options.keyField)
    if (keyIndex === -1 || new Set(names).size < names.length) return
    const wanted = this.options.columns
    const columnNames = names.filter((name, index) => wanted?.includes(name) ?? index !== keyIndex)
    try {
      const columns = columnsInOrder(columnNames)
      this.#flatShape = {
        keyIndex,
        columns: columns.map((column) => ({ ...column, index: names.indexOf(column.name) })),
      }
    } catch (error) {
      if (!(error instanceof BadLineError)) throw error
    }
  }

  #longRow(line: Buffer, number: number): SourceRow {
    if (!isUtf8(line)) throw new BadLineError('not UTF-8')
    const text = line.toString('utf8')
    const hasEscapes = text.includes('\\u')
    const fields = parseObject(text)
    const { keyField, columns, maxValueBytes } = this.options
    if (!Object.hasOwn(fields, keyField))
      throw new BadLineError(`no field "${shortName(keyField)}" for the key`)
    const cells: Cell[] = []
    for (const column of columns === null ? this.#columnsOf(fields) : this.#namedColumns) {
      if (columns !== null && !Object.hasOwn(fields, column.name)) continue
      const value = valueToText(fields[column.name], hasEscapes)
      if (value !== null) cells.push(cellOf(column, Buffer.from(value, 'utf8'), maxValueBytes))
    }
    const rowKey = rowKeyOf(fields[keyField], hasEscapes)
    return { line: number, rowKey, cells: checkedCells(cells) }
  }

  /** Every field but the key. Lines of one shape follow each other, so the last line's answer is kept. */
  #columnsOf(fields: Readonly<Record<string, unknown>>): readonly Column[] {
    const names = Object.keys(fields)
    const last = this.#lastNames
    if (names.length !== last.length || names.some((name, index) => name !== last[index])) {
      this.#lastColumns = columnsInOrder(names.filter((name) => name !== this.options.keyField))
      this.#lastNames = names
    }
    return this.#lastColumns
  }
}

/** Looking for it costs ten times as much as an empty line. */
function lineEnd(piece: Buffer, start: number): number {
  return piece[start] === NEWLINE ? start : piece.indexOf(NEWLINE, start)
}

function isKeySize(size: number): boolean {
  return size > 0 && size <= limits.maxRowKeyBytes
}

/** Space, tab and carriage return only. A row's first byte says that it is not; 64 MB of blank lines pack to nothing. */
function isBlank(buffer: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = buffer[at]
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false
  }
  return true
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's message quotes the line.
    throw new BadLineError('not JSON')
  }
  if (!isObject(value)) throw new BadLineError('not a JSON object')
  return value
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function rowKeyOf(value: unknown, hasEscapes: boolean): Buffer {
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new BadLineError('the key is neither text nor a number')
  }
  return checkedKey(Buffer.from(valueToText(value, hasEscapes) ?? '', 'utf8'))
}
