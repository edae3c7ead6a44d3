/**
 * The CQL part of a data thread: engine, system tables, prepared statements and the server, put together. Threads tell each
 * other what was prepared, because a driver prepares on one connection and executes on another.
 */
import { BroadcastChannel } from 'node:worker_threads'
import { PasswordAuthenticator } from '../../shims/rocksandra/authentication.js'
import { CqlDispatcher } from '../../shims/rocksandra/dispatcher.js'
import type { AskedChanges } from '../../shims/rocksandra/engine/asked-changes.js'
import { GatewayCqlEngine } from '../../shims/rocksandra/engine/engine.js'
import { CqlServer, type CqlServerEvents } from '../../shims/rocksandra/listener.js'
import { PreparedStatements } from '../../shims/rocksandra/prepared.js'
import { PagingStates } from '../../shims/rocksandra/protocol/paging.js'
import type { RingSettings } from '../../shims/rocksandra/system/ring.js'
import { systemTables } from '../../shims/rocksandra/system/tables.js'
import type { Clock } from '../base/clock.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import { parsePasswordHash } from '../base/passwords.js'
import type { Config } from '../config/schema.js'
import type { ClusterMap } from '../model/cluster-map.js'
import type { KVStore } from '../model/kvstore.js'

export interface CqlOptions {
  readonly config: Config
  /** As in Metastore. */
  readonly tokenKey: Uint8Array
  readonly kvstore: KVStore
  readonly changes: AskedChanges
  readonly clock: Clock
  readonly logger: Logger
  readonly events: CqlServerEvents
  currentMap(): ClusterMap
}

/** What one thread tells the others. */
interface PreparedNews {
  readonly text: string
  readonly keyspace: string | null
}

const CHANNEL = 'godwit-cql-prepared'

export function createCqlServer(options: CqlOptions): CqlServer {
  const { config, tokenKey, clock, logger } = options
  const settings = ringSettings(config)
  const engine: GatewayCqlEngine = new GatewayCqlEngine({
    kvstore: options.kvstore,
    clock,
    mapOf: () => options.currentMap(),
    virtualTables: systemTables({ settings, schema: () => engine.schema() }),
    changeSchema: (call) => options.changes.run(call),
  })
  const channel = new BroadcastChannel(CHANNEL)
  channel.unref()
  const dispatcher = new CqlDispatcher({
    engine,
    prepared: new PreparedStatements(limits),
    pagingStates: new PagingStates(tokenKey),
    authenticator: authenticatorOf(config),
    clock,
    logger,
    onPrepared: (text, keyspace) => channel.postMessage({ text, keyspace } satisfies PreparedNews),
  })
  channel.onmessage = (event) => {
    // Only this file posts there.
    const { text, keyspace } = (event as { data: PreparedNews }).data
    dispatcher.adopt(text, keyspace)
  }
  return new CqlServer({ name: 'rocksandra', engine, dispatcher, logger, clock, events: options.events })
}

function ringSettings({ rocksandra, listeners }: Config): RingSettings {
  const { clusterName, dataCenter, rack, advertisedAddress, peers } = rocksandra
  const { host } = listeners.rocksandra
  const bound = host === 'localhost' ? '127.0.0.1' : host
  return {
    clusterName,
    dataCenter,
    rack,
    peers,
    address: advertisedAddress === '' ? bound : advertisedAddress,
  }
}

function authenticatorOf({ rocksandra: { users } }: Config): PasswordAuthenticator | null {
  const hashes = Object.entries(users).map(
    ([name, { password }]) => [name, parsePasswordHash(password)] as const,
  )
  return hashes.length === 0 ? null : new PasswordAuthenticator(new Map(hashes))
}
