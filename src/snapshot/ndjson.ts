/**
 * Rows as lines of JSON, without loss:
 *
 *     {"key":bytes,"cells":[[bytes local key, bytes value, "timestamp"] or [..., second in which it expires], ...]}
 *
 * Bytes are text where they are UTF-8 and text is not much longer, else {"base64":"..."}. A timestamp is a decimal number in
 * a text: 64 bits do not fit a number of JSON. A large row takes several lines, one behind the other, with the same key.
 */
import { isUtf8 } from 'node:buffer'
import { KVError } from '../base/errors.js'
import type { RowPiece, SnapshotCell } from './pieces.js'

/** Text of control characters is six times as long as the bytes. */
const MAX_TEXT_FACTOR = 1.5

const MIN_TIMESTAMP = -(2n ** 63n)
const MAX_TIMESTAMP = 2n ** 63n - 1n
const MAX_EXPIRY = 0xffff_ffff

export function encodeLine({ rowKey, cells }: RowPiece): string {
  return `{"key":${bytesToJson(rowKey)},"cells":[${cells.map(cellToJson).join(',')}]}\n`
}

function cellToJson({ localKey, value, timestamp, expiresAt }: SnapshotCell): string {
  const end = expiresAt === null ? '' : `,${expiresAt}`
  return `[${bytesToJson(localKey)},${bytesToJson(value)},"${timestamp}"${end}]`
}

function bytesToJson(bytes: Buffer): string {
  if (isUtf8(bytes)) {
    const text = JSON.stringify(bytes.toString('utf8'))
    if (text.length <= bytes.length * MAX_TEXT_FACTOR + 16) return text
  }
  return `{"base64":"${bytes.toString('base64')}"}`
}

/** @param where the line stands, for the message @throws {KVError} CORRUPT */
export function decodeLine(line: string, where: string): RowPiece {
  const refuse = (what: string, cause?: unknown) =>
    new KVError('CORRUPT', `${where}: ${what}; take the snapshot again`, { cause })
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch (error) {
    throw refuse('the line is no JSON', error)
  }
  if (typeof parsed !== 'object' || parsed === null || !('key' in parsed) || !('cells' in parsed))
    throw refuse('the line is no row')
  if (!Array.isArray(parsed.cells) || parsed.cells.length === 0) throw refuse('the row has no cells')
  return {
    rowKey: jsonToBytes(parsed.key, refuse),
    cells: parsed.cells.map((cell: unknown) => jsonToCell(cell, refuse)),
  }
}

function jsonToCell(json: unknown, refuse: (what: string) => KVError): SnapshotCell {
  if (!Array.isArray(json) || json.length < 3 || json.length > 4) throw refuse('a cell is none')
  const [localKey, value, time, expiry] = json as readonly unknown[]
  if (typeof time !== 'string' || !/^-?\d{1,19}$/.test(time)) throw refuse('a timestamp is none')
  const timestamp = BigInt(time)
  if (timestamp < MIN_TIMESTAMP || timestamp > MAX_TIMESTAMP) throw refuse('a timestamp is beyond 64 bits')
  return {
    localKey: jsonToBytes(localKey, refuse),
    value: jsonToBytes(value, refuse),
    timestamp,
    expiresAt: json.length === 3 ? null : checkedExpiry(expiry, refuse),
  }
}

/** @throws what `refuse` makes unless it is a second that a cell can expire in */
export function checkedExpiry(value: unknown, refuse: (what: string) => KVError): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_EXPIRY) return value
  throw refuse('the second in which a cell expires is none')
}

function jsonToBytes(json: unknown, refuse: (what: string) => KVError): Buffer {
  if (typeof json === 'string') return Buffer.from(json, 'utf8')
  if (typeof json === 'object' && json !== null && 'base64' in json && typeof json.base64 === 'string') {
    const bytes = Buffer.from(json.base64, 'base64')
    // Buffer.from skips what is no base64; what it understood is written back to compare.
    if (bytes.toString('base64') === json.base64) return bytes
  }
  throw refuse('bytes are neither text nor {"base64": text}')
}
