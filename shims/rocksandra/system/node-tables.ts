/** Rows of system.local and system.peers: this gateway, and the others as its peers. */
import {
  CQL_VERSION,
  NATIVE_PROTOCOL_VERSION,
  PARTITIONER,
  RELEASE_VERSION,
  THRIFT_VERSION,
} from './identity.js'
import type { Ring, RingSettings } from './ring.js'
import { inet, int, set, text, uuid } from './values.js'

/** A row, by column; what is absent is null. */
export type Fields = Readonly<Record<string, Buffer>>

/** Cassandra's is the second in which gossip began; drivers look whether it is there. */
const GOSSIP_GENERATION = 1

export function localRow(settings: RingSettings, { local }: Ring, schemaVersion: string): Fields {
  const address = inet(local.address)
  return {
    key: text('local'),
    bootstrapped: text('COMPLETED'),
    broadcast_address: address,
    cluster_name: text(settings.clusterName),
    cql_version: text(CQL_VERSION),
    data_center: text(settings.dataCenter),
    gossip_generation: int(GOSSIP_GENERATION),
    host_id: local.hostId,
    listen_address: address,
    native_protocol_version: text(NATIVE_PROTOCOL_VERSION),
    partitioner: text(PARTITIONER),
    rack: text(settings.rack),
    release_version: text(RELEASE_VERSION),
    rpc_address: address,
    schema_version: uuid(schemaVersion),
    thrift_version: text(THRIFT_VERSION),
    tokens: set(local.tokens),
  }
}

/** Drivers leave out a peer that lacks anything; all gateways of a deployment have one schema. */
export function peerRows(settings: RingSettings, { peers }: Ring, schemaVersion: string): Fields[] {
  return peers.map(({ address, hostId, tokens }) => ({
    peer: inet(address),
    data_center: text(settings.dataCenter),
    host_id: hostId,
    rack: text(settings.rack),
    release_version: text(RELEASE_VERSION),
    rpc_address: inet(address),
    schema_version: uuid(schemaVersion),
    tokens: set(tokens),
  }))
}
