/** Which host names and addresses mean this machine. */
import { isIPv4, isIPv6 } from 'node:net'

function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

/** 127.0.0.0/8, ::1 and localhost: nobody else can reach them. */
export function isLoopbackHost(host: string): boolean {
  const name = withoutBrackets(host).toLowerCase()
  if (isIPv4(name)) return name.startsWith('127.')
  if (isIPv6(name)) return name === '::1' || name === '0:0:0:0:0:0:0:1'
  return name === 'localhost'
}

/** Addresses that stand for every address of the machine. */
export function isWildcardHost(host: string): boolean {
  const name = withoutBrackets(host)
  return name === '0.0.0.0' || name === '::' || name === '0:0:0:0:0:0:0:0'
}

/** Takes `host:port` apart, an IPv6 address in brackets; null: it is none. */
export function parseAddress(text: string): { readonly host: string; readonly port: number } | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9][A-Za-z0-9.-]{0,252})):([1-9]\d{0,4})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host === undefined || port > 65_535 ? null : { host, port }
}
