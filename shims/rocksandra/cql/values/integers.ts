/** Big integers as two's complement, big-endian, as short as possible: varint, and the digits of a decimal. */

/** As Java's BigInteger.toByteArray. */
export function varintToBytes(value: bigint): Buffer {
  // What is one less than a negative number's magnitude has the same bits, inverted.
  const isNegative = value < 0n
  const magnitude = isNegative ? ~value : value
  let hex = magnitude.toString(16)
  if (hex.length % 2 !== 0) hex = `0${hex}`
  const digits = Buffer.from(hex, 'hex')
  const bytes = ((digits[0] ?? 0) & 0x80) === 0 ? digits : Buffer.concat([Buffer.of(0), digits])
  if (isNegative) for (let i = 0; i < bytes.length; i++) bytes[i] = ~(bytes[i] ?? 0)
  return bytes
}

/** The number in bytes of any length; of none it is 0. */
export function bytesToVarint(bytes: Buffer): bigint {
  if (bytes.length === 0) return 0n
  if (bytes.length <= 6) return BigInt(bytes.readIntBE(0, bytes.length))
  const unsigned = BigInt(`0x${bytes.toString('hex')}`)
  return BigInt.asIntN(bytes.length * 8, unsigned)
}
