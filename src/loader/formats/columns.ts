/** Names of fields -> columns of rows, and the checks of keys and values that all formats share. */
import { KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Cell } from '../../model/row.js'
import { BadLineError, wellFormed } from '../json-text.js'

export interface Column {
  readonly name: string
  readonly localKey: Buffer
}

/** A column of a file whose rows all have the same fields. */
export interface PlacedColumn extends Column {
  /** Position of its field. */
  readonly index: number
}

/** Where the key and the columns of each row of one file stand. */
export interface RowShape {
  readonly keyIndex: number
  /** In the byte order of their local keys. */
  readonly columns: readonly PlacedColumn[]
}

/** Columns sorted by the bytes of their names. @throws {BadLineError} when there are too many, or a name is too long */
export function columnsInOrder(names: readonly string[]): readonly Column[] {
  if (names.length > limits.maxCellsPerRow)
    throw new BadLineError(`more than ${limits.maxCellsPerRow} columns`)
  const columns = names.map((name) => ({ name, localKey: Buffer.from(wellFormed(name), 'utf8') }))
  if (columns.some(({ localKey }) => localKey.length > limits.maxLocalKeyBytes)) {
    throw new BadLineError(`the name of a column has more than ${limits.maxLocalKeyBytes} bytes`)
  }
  return columns.sort((one, other) => Buffer.compare(one.localKey, other.localKey))
}

/**
 * The shape of a file that names its fields once.
 * @throws {KVError} INVALID_ARGUMENT when a field is missing, or there twice
 */
export function rowShape(
  url: string,
  names: readonly string[],
  wanted: { readonly keyField: string; readonly columns: readonly string[] | null },
): RowShape {
  const { keyField } = wanted
  const indexes = new Map<string, number>()
  for (const [index, name] of names.entries()) {
    if (indexes.has(name)) throw invalid(url, `has the field "${shortName(name)}" twice; name each once`)
    indexes.set(name, index)
  }
  const keyIndex = indexes.get(keyField)
  const all = () => [...indexes.keys()].slice(0, 20).map(shortName).join(', ')
  if (keyIndex === undefined) {
    throw invalid(url, `has no field "${shortName(keyField)}" for the key; it has ${all()}`)
  }
  const columnNames = [...new Set(wanted.columns ?? names.filter((name) => name !== keyField))]
  const missing = columnNames.find((name) => !indexes.has(name))
  if (missing !== undefined) {
    throw invalid(
      url,
      `has no field "${shortName(missing)}"; correct the name or leave it out; it has ${all()}`,
    )
  }
  try {
    const columns = columnsInOrder(columnNames)
    return { keyIndex, columns: columns.map((one) => ({ ...one, index: indexes.get(one.name) ?? 0 })) }
  } catch (error) {
    if (error instanceof BadLineError) throw invalid(url, `cannot be loaded: ${error.message}`)
    throw error
  }
}

/** @throws {BadLineError} when it cannot be a key */
export function checkedKey(rowKey: Buffer): Buffer {
  if (rowKey.length === 0) throw new BadLineError('the key is empty')
  if (rowKey.length > limits.maxRowKeyBytes) {
    throw new BadLineError(`the key has ${rowKey.length} bytes, ${limits.maxRowKeyBytes} are allowed`)
  }
  return rowKey
}

/** @throws {BadLineError} when the dataset does not take so large a value */
export function cellOf({ name, localKey }: Column, value: Buffer, maxValueBytes: number): Cell {
  if (value.length > maxValueBytes) {
    const sizes = `${value.length} bytes, the dataset takes ${maxValueBytes}`
    throw new BadLineError(`the value of "${shortName(name)}" has ${sizes}`)
  }
  return { localKey, value, timestamp: null, ttlSeconds: null }
}

/** @throws {BadLineError} a row without any column would not be there */
export function checkedCells(cells: readonly Cell[]): readonly Cell[] {
  if (cells.length === 0) throw new BadLineError('no column with a value')
  return cells
}

/** A field's name in a message: names are the schema's, not data, but may be of any size. */
export function shortName(name: string): string {
  return name.length > 60 ? `${name.slice(0, 57)}...` : name
}

function invalid(url: string, what: string): KVError {
  return new KVError('INVALID_ARGUMENT', `${url} ${what}`)
}
