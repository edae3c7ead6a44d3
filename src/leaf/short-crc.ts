/**
 * CRC-32 (IEEE) of a few bytes, as zlib.crc32 has it. For keys of 25 bytes half of what the call into native code
 * costs; from about 100 bytes on that is cheaper (bench bulk-load).
 */
import { crc32 } from 'node:zlib'

const MAX_SHORT_SIZE = 64
const POLYNOMIAL = 0xedb88320
const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL
  return crc
})

/** @param start the CRC of what comes before */
export function shortCrc32(bytes: Buffer, start: number): number {
  if (bytes.length > MAX_SHORT_SIZE) return crc32(bytes, start)
  let crc = ~start
  for (let at = 0; at < bytes.length; at++) crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0)
  return ~crc >>> 0
}
