/**
 * Keeps pages that a browser loaded from elsewhere away. Such a page can reach a loopback port under a name of its own
 * (DNS rebinding); its Host header gives it away, or the Origin header where it kept ours.
 */
import { isIP } from 'node:net'
import { isLoopbackHost } from '../base/hosts.js'

export interface OwnNames {
  /** Where the listener binds. */
  readonly host: string
  readonly allowedHosts: readonly string[]
  readonly scheme: 'http' | 'https'
}

/** Why a request is not for us; null: it is. */
export function refusalOf(
  { host = '', origin }: { readonly host?: string | undefined; readonly origin?: string | undefined },
  names: OwnNames,
): string | null {
  const name = hostName(`http://${host}`)
  if (name === null || !isOurName(name, names)) {
    return 'the Host header names no host of this gateway; add it to listeners.admin.allowedHosts if it does'
  }
  if (origin !== undefined && origin.toLowerCase() !== `${names.scheme}://${host.toLowerCase()}`) {
    return 'requests from pages of another origin are refused'
  }
  return null
}

function isOurName(name: string, { host, allowedHosts }: OwnNames): boolean {
  if (isLoopbackHost(name)) return true
  const names = [host, ...allowedHosts].map((known) => known.toLowerCase())
  if (names.includes(name)) return true
  // Rebinding needs a name; an address is what was asked for when the listener is open to the network.
  return !isLoopbackHost(host) && isIP(name) !== 0
}

function hostName(url: string): string | null {
  if (!URL.canParse(url)) return null
  const { hostname, username, pathname, search } = new URL(url)
  if (username !== '' || pathname !== '/' || search !== '') return null
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}
