/** Internet addresses as text. Names are not looked up: Cassandra would ask its resolver, a gateway must not wait. */
import { isIPv4, isIPv6 } from 'node:net'

/** 4 or 16 bytes, or null for what is no address. An IPv4 address in IPv6 is its 4 bytes, as Java has it. */
export function parseAddress(text: string): Buffer | null {
  if (isIPv4(text)) return ipv4(text)
  return isIPv6(text) && !text.includes('%') ? ipv6(text) : null
}

function ipv4(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number))
}

function ipv6(text: string): Buffer {
  const [head = '', tail] = text.split('::')
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const zeros = new Array<number>(16 - left.length - right.length).fill(0)
  const bytes = Buffer.from([...left, ...zeros, ...right])
  const isMapped = bytes.subarray(0, 12).equals(MAPPED)
  return isMapped ? Buffer.from(bytes.subarray(12)) : bytes
}

const MAPPED = Buffer.from('00000000000000000000ffff', 'hex')

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return [...ipv4(group)]
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/** As Java's getHostAddress: IPv6 in eight groups, none left out. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.')
  const all: string[] = []
  for (let at = 0; at + 1 < bytes.length; at += 2) all.push(bytes.readUInt16BE(at).toString(16))
  return all.join(':')
}
