/** Values of system tables as CQL serialises them. */
import { createHash } from 'node:crypto'
import { KVError } from '../../../src/base/errors.js'
import { parseAddress } from '../cql/values/addresses.js'
import { packEntries, packItems } from '../cql/values/collections.js'

export function text(value: string): Buffer {
  return Buffer.from(value, 'utf8')
}

export function int(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value, 0)
  return bytes
}

export function double(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleBE(value, 0)
  return bytes
}

export function boolean(value: boolean): Buffer {
  return Buffer.of(value ? 1 : 0)
}

/** Microseconds to CQL's milliseconds. */
export function timestamp(microseconds: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64BE(microseconds / 1_000n, 0)
  return bytes
}

/** With dashes or without. */
export function uuid(value: string): Buffer {
  return Buffer.from(value.replaceAll('-', ''), 'hex')
}

export function list(values: readonly string[]): Buffer {
  return packItems(values.map(text))
}

export function set(values: readonly string[]): Buffer {
  const items = values.map(text)
  return packItems(items.sort((a, b) => a.compare(b)))
}

export function map(entries: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(entries).map(([key, value]) => [text(key), text(value)] as const)
  pairs.sort(([a], [b]) => a.compare(b))
  return packEntries(pairs.flat())
}

/** 4 or 16 bytes. @throws {KVError} INTERNAL: addresses come from a checked configuration */
export function inet(address: string): Buffer {
  const bytes = parseAddress(address)
  if (bytes === null) throw new KVError('INTERNAL', `${address} is no IP address`)
  return bytes
}

/** A UUID of version 3: the same for the same name, as Java's UUID.nameUUIDFromBytes. */
export function namedUuid(name: Uint8Array): Buffer {
  const digest = createHash('md5').update(name).digest()
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x30
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
  return digest
}
