/**
 * Puts of HBase's Thrift gateways as mutations of rows. Rows of one call mostly have the same columns, so that what was
 * worked out of a column is kept for the next row.
 */
import type { PutMutation } from '../../src/model/mutation.js'
import type { Cell } from '../../src/model/row.js'
import { type ColumnName, parseColumn } from './hbase-columns.js'
import { illegal } from './hbase-errors.js'
import type { Table } from './hbase-tables.js'
import { type PutTimes, remainingTtl, stampOf } from './hbase-writes.js'
import { MAX_CELL_BYTES, toLocalKey } from './mapping.js'

/** Bytes of a cell beside row, family, qualifier and value: KeyValue's lengths, timestamp and type. */
const CELL_OVERHEAD = 20

/** Names of a call's columns: one that stands where the row before had it is the same object. */
export class RepeatedColumns {
  readonly #raw: { readonly raw: Buffer; readonly name: ColumnName }[] = []
  readonly #names: ColumnName[] = []

  /** @throws {KVError} as parseColumn */
  parsed(index: number, raw: Buffer | null): ColumnName {
    const known = this.#raw[index]
    if (known !== undefined && raw !== null && isSame(known.raw, raw)) return known.name
    const name = parseColumn(raw)
    if (raw !== null) this.#raw[index] = { raw, name }
    return name
  }

  named(index: number, family: Buffer | null, qualifier: Buffer | null): ColumnName {
    const known = this.#names[index]
    const name = { family: family ?? NO_BYTES, qualifier: qualifier ?? NO_BYTES }
    const isKnown =
      known?.family.equals(name.family) === true && known.qualifier?.equals(name.qualifier) === true
    if (isKnown) return known
    this.#names[index] = name
    return name
  }
}

/** Names are so short mostly that Buffer's own comparison takes longer to be called than to compare. */
const MAX_COMPARED_HERE = 24

function isSame(a: Buffer, b: Buffer): boolean {
  const size = a.length
  if (size !== b.length || size > MAX_COMPARED_HERE) return a.equals(b)
  for (let at = 0; at < size; at++) if (a[at] !== b[at]) return false
  return true
}

interface WrittenColumn {
  readonly localKey: Buffer
  /** Of its family; null: none. */
  readonly ttlSeconds: number | null
}

/** What columns of a table are when they are written. */
export class WrittenColumns {
  readonly #table: Table
  readonly #known = new Map<ColumnName, WrittenColumn>()

  constructor(table: Table) {
    this.#table = table
  }

  /** @throws {KVError} NoSuchColumnFamilyException; INVALID_ARGUMENT, TOO_LARGE */
  of(name: ColumnName): WrittenColumn {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const { family, qualifier } = name
    this.#table.checkFamily(family)
    const localKey = toLocalKey({ family, qualifier: qualifier ?? NO_BYTES })
    const column = { localKey, ttlSeconds: this.#table.settingsOf(family)?.ttlSeconds ?? null }
    this.#known.set(name, column)
    return column
  }
}

/** What all rows of a call share. */
export interface SharedColumns {
  readonly names: RepeatedColumns
  readonly columns: WrittenColumns
}

export function sharedColumns(table: Table): SharedColumns {
  return { names: new RepeatedColumns(), columns: new WrittenColumns(table) }
}

export interface PutCell {
  readonly column: ColumnName
  readonly value: Buffer | null
  /** Null: the row's general one, or the server's clock. */
  readonly timestamp: bigint | null
}

export interface PutOptions extends PutTimes {
  readonly columns: WrittenColumns
}

/**
 * Empty: nothing of it would be visible, because every cell's time to live is over. Versions of one column are mutations of
 * their own, because a mutation names a local key once.
 * @throws {KVError} NoSuchColumnFamilyException; TOO_LARGE; IllegalArgumentException for a negative timestamp
 */
export function putsOfRow(row: Buffer, given: readonly PutCell[], options: PutOptions): PutMutation[] {
  const puts = new RowPuts(options)
  for (const { column, value, timestamp } of given) puts.add(row, column, value, timestamp)
  return puts.take()
}

/** The same of one row after the other: columns that were told apart once are not compared again. */
export class RowPuts {
  readonly #options: PutOptions
  readonly #general: bigint | null
  #cells: Cell[] = []
  /** Of the cells. */
  #columns: WrittenColumn[] = []
  /** Those of the last row that were looked at. */
  #different: readonly WrittenColumn[] = []

  /** @throws {KVError} IllegalArgumentException for a negative timestamp */
  constructor(options: PutOptions) {
    this.#options = options
    this.#general = stampOf(options.timestamp)
  }

  /** @param own null: the row's general one @throws {KVError} as putsOfRow; call `take` before the next row all the same */
  add(row: Buffer, name: ColumnName, value: Buffer | null, own: bigint | null): void {
    const column = this.#options.columns.of(name)
    const { localKey, ttlSeconds: ofFamily } = column
    const bytes = value ?? NO_BYTES
    if (row.length + localKey.length + bytes.length + CELL_OVERHEAD > MAX_CELL_BYTES)
      throw illegal('KeyValue size too large')
    const timestamp = stampOf(own) ?? this.#general
    const ttlSeconds = remainingTtl(ofFamily, timestamp, this.#options)
    if (ttlSeconds !== null && ttlSeconds <= 0) return
    this.#cells.push({ localKey, value: bytes, timestamp, ttlSeconds })
    this.#columns.push(column)
  }

  /** What was added since the last time. */
  take(): PutMutation[] {
    const cells = this.#cells
    if (cells.length === 0) return []
    const columns = this.#columns
    this.#cells = []
    this.#columns = []
    if (!isAlike(columns, this.#different)) {
      if (namesTwice(cells)) return roundsOf(cells).map(toPut)
      this.#different = columns
    }
    return [toPut(cells)]
  }
}

function toPut(cells: readonly Cell[]): PutMutation {
  return { kind: 'PUT', cells, timestamp: null, replaceRow: false }
}

function isAlike(columns: readonly WrittenColumn[], others: readonly WrittenColumn[]): boolean {
  if (columns.length !== others.length) return false
  for (let at = 0; at < columns.length; at++) if (columns[at] !== others[at]) return false
  return true
}

/** So few are compared with each other faster than names are made of them. */
const FEW_CELLS = 16

function namesTwice(cells: readonly Cell[]): boolean {
  if (cells.length > FEW_CELLS)
    return new Set(cells.map(({ localKey }) => localKey.toString('latin1'))).size < cells.length
  return cells.some(({ localKey }, index) => {
    for (let before = 0; before < index; before++) {
      if (cells[before]?.localKey.equals(localKey) === true) return true
    }
    return false
  })
}

/** Of several cells of one column and time the last one stays, in one row's Put as everywhere. */
function roundsOf(cells: readonly Cell[]): Cell[][] {
  const byVersion = new Map<string, Cell>()
  for (const cell of cells)
    byVersion.set(`${cell.localKey.toString('latin1')}\0${cell.timestamp ?? ''}`, cell)
  const rounds: Cell[][] = []
  const versions = new Map<string, number>()
  for (const cell of byVersion.values()) {
    const name = cell.localKey.toString('latin1')
    const version = versions.get(name) ?? 0
    versions.set(name, version + 1)
    ;(rounds[version] ??= []).push(cell)
  }
  return rounds
}

const NO_BYTES = Buffer.alloc(0)
