/**
 * The ring that drivers are shown: gateways as nodes. Every gateway serves every key, so that ownership is no more than a
 * hint how to spread the load; but it must be the same whomever is asked, and no node may lack anything, or drivers leave it
 * out. So all of it follows from the gateways' addresses.
 */
import { addressText } from '../cql/values/addresses.js'
import { inet, namedUuid } from './values.js'

export interface RingSettings {
  readonly clusterName: string
  readonly dataCenter: string
  readonly rack: string
  /** Where drivers reach this gateway: an IP address. */
  readonly address: string
  /** Where they reach the others. */
  readonly peers: readonly string[]
}

export interface RingNode {
  readonly address: string
  readonly hostId: Buffer
  readonly tokens: readonly string[]
}

export interface Ring {
  readonly local: RingNode
  readonly peers: readonly RingNode[]
}

const TOKENS_PER_NODE = 8
const MIN_TOKEN = -(2n ** 63n)

export function ringOf({ address, peers }: Pick<RingSettings, 'address' | 'peers'>): Ring {
  const others = [...new Set(peers)].filter((peer) => !inet(peer).equals(inet(address)))
  const all = [address, ...others].sort((a, b) => inet(a).compare(inet(b)))
  const nodeOf = (own: string): RingNode => ({
    address: own,
    hostId: namedUuid(Buffer.from(`godwit gateway ${addressText(inet(own))}`)),
    tokens: tokensOf(all.indexOf(own), all.length),
  })
  return { local: nodeOf(address), peers: others.map(nodeOf) }
}

/** Evenly over the ring, in turns: each node owns as much as another. */
function tokensOf(index: number, count: number): string[] {
  const step = 2n ** 64n / BigInt(count * TOKENS_PER_NODE)
  return Array.from({ length: TOKENS_PER_NODE }, (_, turn) => {
    return String(MIN_TOKEN + step * BigInt(turn * count + index))
  })
}
