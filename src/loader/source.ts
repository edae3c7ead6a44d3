/**
 * NDJSON file -> rows. Reads in large pieces, cuts lines of bounded size, turns each into a row key and its cells.
 *
 * Guarantees: an integer that JSON cannot hold exactly, text that is not Unicode, a key or value over its limit makes
 * its line a bad line, and so does a row without any column; nothing of that is changed silently. Fractions become the
 * shortest decimal of their double. Bad lines are counted, the first are reported by number and reason, and reasons
 * never quote the line. Of a field given twice the last one counts, as in JSON.parse.
 */
import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { BadLine } from '../model/operations.js'
import type { Cell } from '../model/row.js'
import { BadLineError, valueToText, wellFormed } from './json-text.js'

export interface SourceRow {
  /** From 1. */
  readonly line: number
  readonly rowKey: Buffer
  /** Distinct local keys, in byte order. */
  readonly cells: readonly Cell[]
}

export interface SourceOptions {
  readonly keyField: string
  /** Null: every field but the key. */
  readonly columns: readonly string[] | null
  readonly maxValueBytes: number
  readonly maxBadLines: number
}

// Small enough that the rows of one piece die young: a megabyte costs a third more.
const READ_BYTES = 128 * 1024
const NEWLINE = 0x0a
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

interface Column {
  readonly name: string
  readonly localKey: Buffer
}

/** One pass over one file. */
export class NdjsonSource {
  readonly #path: string
  readonly #options: SourceOptions
  readonly #namedColumns: readonly Column[]
  readonly #unseenColumns: Set<string>
  readonly #badLines: BadLine[] = []
  #lastNames: readonly string[] = []
  #lastColumns: readonly Column[] = []
  #badLineCount = 0
  #line = 0
  #readBytes = 0

  constructor(path: string, options: SourceOptions) {
    this.#path = path
    this.#options = options
    this.#namedColumns = columnsInOrder([...new Set(options.columns)])
    this.#unseenColumns = new Set(options.columns)
  }

  get readBytes(): number {
    return this.#readBytes
  }

  get badLineCount(): number {
    return this.#badLineCount
  }

  get badLines(): readonly BadLine[] {
    return this.#badLines
  }

  /**
   * The rows in the file's order, those of one piece of input at a time; lines that fail are left out.
   * @throws {KVError} INVALID_ARGUMENT when more lines are bad than allowed, or a named column is in no line;
   * UNAVAILABLE when the file cannot be read
   */
  async *batches(): AsyncGenerator<readonly SourceRow[]> {
    for await (const lines of this.#linesOfPieces()) {
      const rows: SourceRow[] = []
      for (const line of lines) {
        const row = this.#rowOrNull(line)
        if (row !== null) rows.push(row)
      }
      this.#stopWhenHopeless()
      if (rows.length > 0) yield rows
    }
    this.#checkAtEnd()
  }

  /** Whole lines without their newline; null for one that was too long. */
  async *#linesOfPieces(): AsyncGenerator<readonly (Buffer | null)[]> {
    const pending = new PendingLine()
    for await (const piece of this.#pieces()) {
      this.#readBytes += piece.length
      const lines: (Buffer | null)[] = []
      let start = 0
      for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, start)) {
        lines.push(pending.finish(piece.subarray(start, end)))
        start = end + 1
      }
      pending.add(piece.subarray(start))
      if (lines.length > 0) yield lines
    }
    if (!pending.isEmpty) yield [pending.finish(Buffer.alloc(0))]
  }

  async *#pieces(): AsyncGenerator<Buffer> {
    try {
      const stream: AsyncIterable<unknown> = createReadStream(this.#path, { highWaterMark: READ_BYTES })
      for await (const piece of stream) if (Buffer.isBuffer(piece)) yield piece
    } catch (error) {
      if (error instanceof KVError) throw error
      const reason = error instanceof Error ? error.message : String(error)
      throw new KVError('UNAVAILABLE', `${this.#path} cannot be read: ${reason}`, { cause: error })
    }
  }

  #rowOrNull(line: Buffer | null): SourceRow | null {
    this.#line++
    try {
      if (line === null) throw new BadLineError(`longer than ${limits.maxLoadLineBytes} bytes`)
      const content = this.#line === 1 ? withoutByteOrderMark(line) : line
      return isBlank(content) ? null : this.#toRow(content)
    } catch (error) {
      if (!(error instanceof BadLineError)) throw error
      this.#badLineCount++
      if (this.#badLines.length < limits.maxReportedBadLines) {
        this.#badLines.push({ line: this.#line, reason: error.message })
      }
      return null
    }
  }

  #toRow(line: Buffer): SourceRow {
    if (!isUtf8(line)) throw new BadLineError('not UTF-8')
    const text = line.toString('utf8')
    const hasEscapes = text.includes('\\u')
    const fields = parseObject(text)
    const { keyField, columns } = this.#options
    if (!Object.hasOwn(fields, keyField))
      throw new BadLineError(`no field "${shortName(keyField)}" for the key`)
    const cells: Cell[] = []
    for (const { name, localKey } of columns === null ? this.#columnsOf(fields) : this.#namedColumns) {
      if (columns !== null && !Object.hasOwn(fields, name)) continue
      const value = valueToText(fields[name], hasEscapes)
      if (value === null) continue
      cells.push({ localKey, value: this.#valueBytes(name, value), timestamp: null, ttlSeconds: null })
    }
    if (cells.length === 0) throw new BadLineError('no column with a value')
    if (this.#unseenColumns.size > 0)
      for (const { localKey } of cells) this.#unseenColumns.delete(localKey.toString())
    return { line: this.#line, rowKey: rowKeyOf(fields[keyField], hasEscapes), cells }
  }

  #valueBytes(name: string, text: string): Buffer {
    const value = Buffer.from(text, 'utf8')
    const { maxValueBytes } = this.#options
    if (value.length <= maxValueBytes) return value
    const sizes = `${value.length} bytes, the dataset takes ${maxValueBytes}`
    throw new BadLineError(`the value of "${shortName(name)}" has ${sizes}`)
  }

  /** Every field but the key. Lines of one shape follow each other, so the last line's answer is kept. */
  #columnsOf(fields: Readonly<Record<string, unknown>>): readonly Column[] {
    const names = Object.keys(fields)
    const last = this.#lastNames
    if (names.length !== last.length || names.some((name, index) => name !== last[index])) {
      this.#lastColumns = columnsInOrder(names.filter((name) => name !== this.#options.keyField))
      this.#lastNames = names
    }
    return this.#lastColumns
  }

  /** Reads on past the allowed number, so that the operator sees several faults at once, but not to the end. */
  #stopWhenHopeless(): void {
    if (this.#badLineCount >= this.#options.maxBadLines + limits.maxReportedBadLines) this.#failForBadLines()
  }

  #checkAtEnd(): void {
    if (this.#badLineCount > this.#options.maxBadLines) this.#failForBadLines()
    const [unseen] = this.#unseenColumns
    if (unseen !== undefined) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `column "${shortName(unseen)}" has a value in no line of ${this.#path}; correct its name or leave it out`,
      )
    }
  }

  #failForBadLines(): never {
    const [first] = this.#badLines
    const example = first === undefined ? '' : `, the first at ${this.#path}:${first.line}: ${first.reason}`
    const count = this.#badLineCount === 1 ? '1 bad line' : `${this.#badLineCount} bad lines`
    throw new KVError(
      'INVALID_ARGUMENT',
      `${count}, ${this.#options.maxBadLines} allowed${example}; correct the file or allow more`,
    )
  }
}

/** The part of a line that earlier pieces held. A line over the limit is dropped as it comes, not gathered. */
class PendingLine {
  #parts: Buffer[] = []
  #size = 0

  get isEmpty(): boolean {
    return this.#size === 0
  }

  add(part: Buffer): void {
    this.#size += part.length
    if (this.#size > limits.maxLoadLineBytes) this.#parts = []
    else if (part.length > 0) this.#parts.push(part)
  }

  finish(last: Buffer): Buffer | null {
    if (this.#size === 0 && last.length <= limits.maxLoadLineBytes) return last
    this.add(last)
    const line = this.#size > limits.maxLoadLineBytes ? null : Buffer.concat(this.#parts)
    this.#parts = []
    this.#size = 0
    return line
  }
}

function withoutByteOrderMark(line: Buffer): Buffer {
  return line.subarray(0, 3).equals(BYTE_ORDER_MARK) ? line.subarray(3) : line
}

/** Space, tab and carriage return only. */
function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false
  return true
}

/** Columns sorted by the bytes of their names. */
function columnsInOrder(names: readonly string[]): readonly Column[] {
  if (names.length > limits.maxCellsPerRow)
    throw new BadLineError(`more than ${limits.maxCellsPerRow} columns`)
  const columns = names.map((name) => ({ name, localKey: Buffer.from(wellFormed(name), 'utf8') }))
  if (columns.some(({ localKey }) => localKey.length > limits.maxLocalKeyBytes)) {
    throw new BadLineError(`the name of a column has more than ${limits.maxLocalKeyBytes} bytes`)
  }
  return columns.sort((one, other) => Buffer.compare(one.localKey, other.localKey))
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
  const rowKey = Buffer.from(valueToText(value, hasEscapes) ?? '', 'utf8')
  if (rowKey.length === 0) throw new BadLineError('the key is empty')
  if (rowKey.length > limits.maxRowKeyBytes) {
    throw new BadLineError(`the key has ${rowKey.length} bytes, ${limits.maxRowKeyBytes} are allowed`)
  }
  return rowKey
}

/** A field's name in a message: names are the schema's, not data, but may be of any size. */
function shortName(name: string): string {
  return name.length > 60 ? `${name.slice(0, 57)}...` : name
}
