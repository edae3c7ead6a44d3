/**
 * Copies of rows that outlive their answer. The bytes of an answer may be views into much more (a socket's chunk, the answer
 * to a whole gathering): to keep a view would keep all of it, and the bound on what is kept would mean nothing.
 */
import { KVError } from '../base/errors.js'
import type { ReadRequest } from '../model/request.js'
import type { Cell, CellPosition, CellSelector, RowOutcome } from '../model/row.js'

/** What a row, a cell and a name hold beside their bytes, roughly. */
const BYTES_PER_ROW = 64
const BYTES_PER_CELL = 160
const BYTES_PER_NAME = 64

/** libuv's; frames that came in one chunk share it. */
const SOCKET_CHUNK_BYTES = 64 * 1024

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

/**
 * What the keys and the selection of a read hold until it is over: they are views into the frame that it came in, which is
 * kept whole. One that is larger than what is read from a socket at once has its memory for itself, and counts with all that
 * it carried.
 */
export function keptRequestBytes({ rowKeys, selector, selectorsByKey }: AskedRows): number {
  let bytes = selectorBytes(selector)
  for (const { length } of rowKeys) bytes += length
  for (const one of selectorsByKey ?? NO_SELECTORS) bytes += selectorBytes(one)
  const frame = rowKeys[0]?.buffer.byteLength ?? 0
  return frame > SOCKET_CHUNK_BYTES ? Math.max(bytes, frame) : bytes
}

type AskedRows = Pick<ReadRequest, 'rowKeys' | 'selector' | 'selectorsByKey'>

const NO_SELECTORS: readonly null[] = []

function selectorBytes(selector: CellSelector | null): number {
  if (selector === null) return 0
  let bytes = 0
  for (const { length } of selector.localKeys) bytes += BYTES_PER_NAME + length
  for (const { from, to } of selector.ranges) bytes += BYTES_PER_NAME + from.length + (to?.length ?? 0)
  return bytes
}

export function copyRows(rows: readonly RowOutcome[]): readonly RowOutcome[] {
  let size = 0
  for (const row of rows) {
    if (row === null || row instanceof KVError) continue
    for (const { localKey, value } of row.cells) size += localKey.length + value.length
    size += lengthOfPosition(row.next)
  }
  const bytes = Buffer.allocUnsafeSlow(size)
  let at = 0
  const copied = (from: Buffer): Buffer => {
    const start = at
    at += from.copy(bytes, at)
    return bytes.subarray(start, at)
  }
  return rows.map((row) => {
    if (row === null || row instanceof KVError) return row
    const cells = row.cells.map((cell): Cell => {
      return { ...cell, localKey: copied(cell.localKey), value: copied(cell.value) }
    })
    return { cells, next: copyPosition(row.next, copied) }
  })
}

export function copyPosition(position: CellPosition | null, copy: CopyBytes): CellPosition | null {
  if (position === null) return null
  const { localKey, originToken } = position
  return {
    ...position,
    localKey: localKey === null ? null : copy(localKey),
    ...(originToken !== undefined && { originToken: copy(originToken) }),
  }
}

export function copySelector(selector: CellSelector | null, copy: CopyBytes): CellSelector | null {
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
