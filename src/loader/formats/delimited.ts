/**
 * CSV (RFC 4180) and TSV -> rows. One tokeniser for both: fields between commas or tabs, records between line ends (LF or
 * CRLF), a field that begins with a quote goes on to the next lone quote, whatever is between.
 *
 * A line with more or fewer fields than the header, text behind a closing quote, or text that is not UTF-8 makes a bad
 * line. A quote that is never closed fails the file: nobody can tell any more which lines are rows. An empty field is
 * an absent column, a pair of quotes an empty value.
 *
 * Own code instead of csv-parse, which is the peer in its tests: that took 15 to 30 us a row, as much as all the rest of a
 * load, and after one bad quote it swallowed good rows (test/unit/loader/delimited.test.ts).
 */
import { isUtf8 } from 'node:buffer'
import { KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Cell } from '../../model/row.js'
import { BadLineError } from '../json-text.js'
import type { SourceRow } from '../load-source.js'
import { cellOf, checkedCells, checkedKey, rowShape, type RowShape } from './columns.js'
import { PartReader, type ReadOptions } from './part-reader.js'

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d
const QUOTE = 0x22
const TWO_QUOTES = '""'

export type Delimiter = ',' | '\t'

/** A record of the file. */
interface RecordBounds {
  /** Behind its line end. */
  readonly next: number
  /** Lines that it covers. */
  readonly lines: number
}

export class DelimitedReader extends PartReader {
  readonly #content: AsyncIterable<Buffer>
  readonly #delimiter: number
  readonly #fields = new Fields()
  #shape: RowShape | null = null
  #fieldCount = 0
  /** Line that the next record begins on. */
  #line = 1

  /** The content begins without a byte order mark. */
  constructor(url: string, content: AsyncIterable<Buffer>, delimiter: Delimiter, options: ReadOptions) {
    super(url, options)
    this.#content = content
    this.#delimiter = delimiter.charCodeAt(0)
    if (options.header !== null) this.#learnShape(options.header)
  }

  protected override async *batches(): AsyncGenerator<readonly SourceRow[]> {
    let parts: Buffer[] = []
    let size = 0
    // A record that is not whole is looked at again only when twice as much is there, so that a long one costs no square.
    let enough = 0
    for await (const piece of this.#content) {
      parts.push(piece)
      size += piece.length
      if (size < enough) continue
      const buffer = parts.length === 1 ? piece : Buffer.concat(parts)
      const rows: SourceRow[] = []
      const end = this.#takeRecords(buffer, false, rows)
      const rest = buffer.subarray(end)
      this.#refuseEndless(rest.length)
      parts = rest.length === 0 ? [] : [rest]
      size = rest.length
      enough = Math.min(size * 2, limits.maxLoadLineBytes + 1)
      yield rows
    }
    const rows: SourceRow[] = []
    this.#takeRecords(Buffer.concat(parts), true, rows)
    if (this.#shape === null) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `${this.url} is empty: it has no line with the names of its fields`,
      )
    }
    yield rows
  }

  /** Answers where the first record begins that is not whole. */
  #takeRecords(buffer: Buffer, isLast: boolean, rows: SourceRow[]): number {
    let at = 0
    while (at < buffer.length) {
      const record = this.#findRecord(buffer, at, isLast)
      if (record === null) return at
      this.#takeRecord(buffer, at, record, rows)
      this.#line += record.lines
      at = record.next
    }
    return at
  }

  /** Null: its end is not there yet. */
  #findRecord(buffer: Buffer, start: number, isLast: boolean): RecordBounds | null {
    const fields = this.#fields
    fields.begin()
    let lines = 1
    let at = start
    for (;;) {
      if (buffer[at] === QUOTE) {
        const close = closingQuote(buffer, at + 1)
        if (close === -1) {
          if (isLast) throw this.#unclosed()
          return null
        }
        // What follows a quote that is the last byte may be its other half.
        if (close + 1 >= buffer.length && !isLast) return null
        for (let line = buffer.indexOf(NEWLINE, at); line !== -1 && line < close; lines++) {
          line = buffer.indexOf(NEWLINE, line + 1)
        }
        fields.add(at + 1, close, true)
        at = close + 1
      } else {
        const from = at
        while (at < buffer.length && buffer[at] !== this.#delimiter && buffer[at] !== NEWLINE) at++
        fields.add(from, at, false)
      }
      if (fields.isLastQuoted && buffer[at] === CARRIAGE_RETURN) {
        if (buffer[at + 1] === NEWLINE || (isLast && at + 1 === buffer.length)) at++
      }
      if (at < buffer.length && buffer[at] === this.#delimiter) {
        at++
        continue
      }
      if (at >= buffer.length) return isLast ? { next: at, lines } : null
      if (buffer[at] === NEWLINE) return { next: at + 1, lines }
      fields.isFaulty = true
      const end = buffer.indexOf(NEWLINE, at)
      if (end === -1) return isLast ? { next: buffer.length, lines } : null
      return { next: end + 1, lines }
    }
  }

  #takeRecord(buffer: Buffer, start: number, { next }: RecordBounds, rows: SourceRow[]): void {
    const fields = this.#fields
    fields.endLine(buffer)
    if (fields.isBlank) return
    const line = this.#line
    if (this.#shape === null) {
      this.#learnShape(this.#headerOf(buffer, start, next))
      return
    }
    const shape = this.#shape
    const row = this.rowOrNull(line, () => {
      if (next - start > limits.maxLoadLineBytes) {
        throw new BadLineError(`longer than ${limits.maxLoadLineBytes} bytes`)
      }
      if (fields.isFaulty) throw new BadLineError('text behind a closing quote')
      if (fields.count !== this.#fieldCount) {
        throw new BadLineError(`${fields.count} fields, the header has ${this.#fieldCount}`)
      }
      if (!isUtf8(buffer.subarray(start, next))) throw new BadLineError('not UTF-8')
      return this.#toRow(buffer, shape, line)
    })
    if (row === null) return
    this.noteColumns(row.cells)
    rows.push(row)
  }

  #toRow(buffer: Buffer, { keyIndex, columns }: RowShape, line: number): SourceRow {
    const fields = this.#fields
    const cells: Cell[] = []
    for (const column of columns) {
      const value = fields.value(buffer, column.index)
      if (value !== null) cells.push(cellOf(column, value, this.options.maxValueBytes))
    }
    const rowKey = checkedKey(fields.value(buffer, keyIndex) ?? Buffer.alloc(0))
    return { line, rowKey, cells: checkedCells(cells) }
  }

  #headerOf(buffer: Buffer, start: number, next: number): readonly string[] {
    const fields = this.#fields
    if (fields.isFaulty || !isUtf8(buffer.subarray(start, next)) || next - start > limits.maxLoadLineBytes) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `${this.url}:${this.#line}: the line with the names of the fields is bad`,
      )
    }
    return Array.from({ length: fields.count }, (_, index) => fields.value(buffer, index)?.toString() ?? '')
  }

  #learnShape(names: readonly string[]): void {
    this.#fieldCount = names.length
    this.#shape = rowShape(this.url, names, this.options)
  }

  #refuseEndless(size: number): void {
    if (size <= limits.maxLoadLineBytes) return
    throw new KVError(
      'INVALID_ARGUMENT',
      `${this.url}:${this.#line}: the line is longer than ${limits.maxLoadLineBytes} bytes, or a quote in it is never closed; correct it`,
    )
  }

  #unclosed(): KVError {
    return new KVError(
      'INVALID_ARGUMENT',
      `${this.url}:${this.#line}: a quote in the line is never closed; correct it, or double it if it is text`,
    )
  }
}

/** The next quote that is not doubled; -1: there is none. */
function closingQuote(buffer: Buffer, start: number): number {
  let close = buffer.indexOf(QUOTE, start)
  while (close !== -1 && buffer[close + 1] === QUOTE) close = buffer.indexOf(QUOTE, close + 2)
  return close
}

/** Where the fields of one record stand; reused for all. */
class Fields {
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  readonly #areQuoted: boolean[] = []
  count = 0
  isFaulty = false

  begin(): void {
    this.count = 0
    this.isFaulty = false
  }

  add(start: number, end: number, isQuoted: boolean): void {
    this.#starts[this.count] = start
    this.#ends[this.count] = end
    this.#areQuoted[this.count] = isQuoted
    this.count++
  }

  get isLastQuoted(): boolean {
    return this.#areQuoted[this.count - 1] ?? false
  }

  /** A carriage return before the line end is part of that. */
  endLine(buffer: Buffer): void {
    const last = this.count - 1
    const end = this.#ends[last] ?? 0
    if (this.isLastQuoted || end === this.#starts[last]) return
    if (buffer[end - 1] === CARRIAGE_RETURN) this.#ends[last] = end - 1
  }

  get isBlank(): boolean {
    return this.count === 1 && !this.isLastQuoted && this.#starts[0] === this.#ends[0]
  }

  /** Null: an empty field without quotes. */
  value(buffer: Buffer, index: number): Buffer | null {
    const value = buffer.subarray(this.#starts[index], this.#ends[index])
    if (this.#areQuoted[index] !== true) return value.length === 0 ? null : value
    if (!value.includes(QUOTE)) return value
    return Buffer.from(value.toString('latin1').replaceAll(TWO_QUOTES, '"'), 'latin1')
  }
}
