/**
 * Copies of rows and reads that outlive their answer. Their bytes may be views into much more (a socket's chunk, a frame,
 * the answer to a whole gathering): to keep a view would keep all of it, and the bound on what is kept would mean nothing.
 */
import { KVError } from '../base/errors.js'
import type { ReadRequest } from '../model/request.js'
import type { Cell, CellPosition, CellSelector, RowOutcome } from '../model/row.js'

/** What a row, a cell and a name hold beside their bytes, roughly. */
const BYTES_PER_ROW = 64
const BYTES_PER_CELL = 160
const BYTES_PER_NAME = 64

type CopyBytes = (bytes: Buffer) => Buffer

/** What a copy will hold. */
export function keptBytes(rows: readonly RowOutcome[]): number {
  let bytes = 0
  for (const row of rows) {
    bytes += BYTES_PER_ROW
    if (row === null || row instanceof KVError) continue
    for (const { localKey, value } of row.cells) bytes += BYTES_PER_CELL + localKey.length + value.length
    bytes += lengthOfPosition(row.next)
  }
  return bytes
}

/** What names of differences hold, a byte a character. */
export function keptNameBytes(names: ReadonlySet<string>): number {
  let bytes = 0
  for (const { length } of names) bytes += BYTES_PER_NAME + length
  return bytes
}

/** What a copy of a read's keys and selection will hold. */
export function keptRequestBytes({ rowKeys, selector, selectorsByKey, position }: AskedRows): number {
  let bytes = rowKeys.length * BYTES_PER_NAME + selectorNames(selector) * BYTES_PER_NAME
  for (const one of selectorsByKey ?? NO_SELECTORS) bytes += selectorNames(one) * BYTES_PER_NAME
  return bytes + requestLength({ rowKeys, selector, selectorsByKey, position })
}

/** The same read with bytes of its own: each of them may be a view into another frame, which would be kept whole. */
export function copyRequest(request: ReadRequest): ReadRequest {
  const { rowKeys, selector, selectorsByKey, position } = request
  const copy = ownBytes(requestLength(request))
  return {
    ...request,
    rowKeys: rowKeys.map(copy),
    selector: copySelector(selector, copy),
    selectorsByKey: selectorsByKey?.map((one) => copySelector(one, copy)) ?? null,
    position: copyPosition(position, copy),
  }
}

type AskedRows = Pick<ReadRequest, 'rowKeys' | 'selector' | 'selectorsByKey' | 'position'>

const NO_SELECTORS: readonly null[] = []

function requestLength({ rowKeys, selector, selectorsByKey, position }: AskedRows): number {
  let length = selectorLength(selector) + lengthOfPosition(position)
  for (const key of rowKeys) length += key.length
  for (const one of selectorsByKey ?? NO_SELECTORS) length += selectorLength(one)
  return length
}

function selectorNames(selector: CellSelector | null): number {
  return selector === null ? 0 : selector.localKeys.length + selector.ranges.length
}

function selectorLength(selector: CellSelector | null): number {
  if (selector === null) return 0
  let length = 0
  for (const localKey of selector.localKeys) length += localKey.length
  for (const { from, to } of selector.ranges) length += from.length + (to?.length ?? 0)
  return length
}

export function copyRows(rows: readonly RowOutcome[]): readonly RowOutcome[] {
  let size = 0
  for (const row of rows) {
    if (row === null || row instanceof KVError) continue
    for (const { localKey, value } of row.cells) size += localKey.length + value.length
    size += lengthOfPosition(row.next)
  }
  const copy = ownBytes(size)
  return rows.map((row) => {
    if (row === null || row instanceof KVError) return row
    const cells = row.cells.map((cell): Cell => {
      return { ...cell, localKey: copy(cell.localKey), value: copy(cell.value) }
    })
    return { cells, next: copyPosition(row.next, copy) }
  })
}

/** Copies, one after the other, into memory that nobody else has. */
function ownBytes(size: number): CopyBytes {
  const bytes = Buffer.allocUnsafeSlow(size)
  let at = 0
  return (from) => {
    const start = at
    at += from.copy(bytes, at)
    return bytes.subarray(start, at)
  }
}

function copyPosition(position: CellPosition | null, copy: CopyBytes): CellPosition | null {
  if (position === null) return null
  const { localKey, originToken } = position
  return {
    ...position,
    localKey: localKey === null ? null : copy(localKey),
    ...(originToken !== undefined && { originToken: copy(originToken) }),
  }
}

function copySelector(selector: CellSelector | null, copy: CopyBytes): CellSelector | null {
  if (selector === null) return null
  const { localKeys, ranges } = selector
  return {
    ...selector,
    localKeys: localKeys.map((localKey) => copy(localKey)),
    ranges: ranges.map(({ from, to }) => ({ from: copy(from), to: to === null ? null : copy(to) })),
  }
}

function lengthOfPosition(position: CellPosition | null): number {
  if (position === null) return 0
  return (position.localKey?.length ?? 0) + (position.originToken?.length ?? 0)
}
