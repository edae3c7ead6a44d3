/**
 * Where a page ended, as the client carries it to the next one. The listener authenticates it. It is good for the table, and
 * for the direction, that it was made for, because a place in one is none in another.
 *
 *     u8 format (2) | u32 source | i32 remaining | i32 remainingInPartition | u32 offset | u8 hasMark | u16 keySize
 *     key | mark
 */
import { crc32 } from 'node:zlib'
import { limits } from '../../../src/base/limits.js'
import { CqlError, invalid } from '../cql/errors.js'
import type { TableSchema } from './schema.js'

export interface PagePosition {
  /** Rows that LIMIT still allows. */
  readonly remaining: number
  /** Of the partition, by PER PARTITION LIMIT. */
  readonly remainingInPartition: number
  /** Virtual tables: rows that were answered; 0 otherwise. */
  readonly offset: number
  readonly rowKey: Buffer
  /** What the last row's local keys begin with; null: the partition is through. */
  readonly mark: Buffer | null
}

const FORMAT = 2
const HEAD_SIZE = 20

/** What a page is of, as a number: a table made anew under its name is another one. */
export function pageSource(
  { keyspace, name, id }: Pick<TableSchema, 'keyspace' | 'name' | 'id'>,
  isReversed: boolean,
): number {
  return crc32(`${keyspace}.${name} ${id} ${isReversed ? 'DESC' : 'ASC'}`)
}

export function encodePaging(
  { remaining, remainingInPartition, offset, rowKey, mark }: PagePosition,
  source: number,
): Buffer {
  const head = Buffer.allocUnsafe(HEAD_SIZE)
  head[0] = FORMAT
  head.writeUInt32BE(source, 1)
  head.writeInt32BE(remaining, 5)
  head.writeInt32BE(remainingInPartition, 9)
  head.writeUInt32BE(offset, 13)
  head[17] = mark === null ? 0 : 1
  head.writeUInt16BE(rowKey.length, 18)
  return mark === null ? Buffer.concat([head, rowKey]) : Buffer.concat([head, rowKey, mark])
}

/** @throws {CqlError} PROTOCOL_ERROR */
export function decodePaging(state: Buffer, source: number): PagePosition {
  const keyEnd = state.length < HEAD_SIZE ? 0 : HEAD_SIZE + state.readUInt16BE(18)
  const isWhole = state.length >= HEAD_SIZE && state[0] === FORMAT && state.length >= keyEnd
  if (!isWhole || state.readUInt32BE(1) !== source) {
    throw new CqlError('PROTOCOL_ERROR', 'Invalid value for the paging state')
  }
  return {
    remaining: state.readInt32BE(5),
    remainingInPartition: state.readInt32BE(9),
    offset: state.readUInt32BE(13),
    rowKey: state.subarray(HEAD_SIZE, keyEnd),
    mark: state[17] === 1 ? state.subarray(keyEnd) : null,
  }
}

/** A page that is larger ends with the row that made it so. */
const PAGE_BYTES = 16 * 1024 * 1024

/** What an answer holds: cut at a page where there are pages, refused where there are none. */
export class PageBytes {
  #bytes = 0

  /** @throws {CqlError} INVALID */
  add(values: readonly (Buffer | null)[]): void {
    for (const value of values) this.#bytes += 4 + (value?.length ?? 0)
    if (this.#bytes > limits.maxCqlFrameBytes) {
      throw invalid(`the answer has more than ${limits.maxCqlFrameBytes} bytes: ask for it in smaller pages`)
    }
  }

  get isFull(): boolean {
    return this.#bytes >= PAGE_BYTES
  }
}
