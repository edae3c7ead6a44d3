/**
 * The CQL part of a data thread: engine, system tables, prepared statements and the server, put together. Threads tell each
 * other what was prepared, because a driver prepares on one connection and executes on another; and one of them watches the
 * gateways that clients are shown as peers, for all.
 */
import { BroadcastChannel } from 'node:worker_threads'
import { PasswordAuthenticator } from '../../shims/rocksandra/authentication.js'
import { CqlDispatcher } from '../../shims/rocksandra/dispatcher.js'
import type { AskedChanges } from '../../shims/rocksandra/engine/asked-changes.js'
import { BatchLog } from '../../shims/rocksandra/engine/batch-log.js'
import { GatewayCqlEngine } from '../../shims/rocksandra/engine/engine.js'
import { isTableOf } from '../../shims/rocksandra/engine/schema.js'
import { CqlServer, type CqlServerEvents } from '../../shims/rocksandra/listener.js'
import { PreparedStatements } from '../../shims/rocksandra/prepared.js'
import { PagingStates } from '../../shims/rocksandra/protocol/paging.js'
import { PeerWatch, probePeer } from '../../shims/rocksandra/system/peer-watch.js'
import { type RingSettings, ringOf } from '../../shims/rocksandra/system/ring.js'
import { systemTables } from '../../shims/rocksandra/system/tables.js'
import { inet } from '../../shims/rocksandra/system/values.js'
import { type Clock, startSystemTimer } from '../base/clock.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import { parsePasswordHash } from '../base/passwords.js'
import { listenAddress } from '../config/checks.js'
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
  /** This thread does what one of them does for all: it watches the peers and finishes old batches. */
  readonly isFirst: boolean
  currentMap(): ClusterMap
}

/** What one thread tells the others. */
type News =
  | { readonly kind: 'prepared'; readonly text: string; readonly keyspace: string | null }
  | { readonly kind: 'peer'; readonly address: string; readonly isUp: boolean }

const CHANNEL = 'godwit-cql'

export function createCqlServer(options: CqlOptions): CqlServer {
  const { config, tokenKey, clock, logger } = options
  const settings = ringSettings(config)
  const { kvstore } = options
  // Before the thread is told of tables it cannot know that one is gone.
  const isTable = (dataset: string): boolean =>
    options.currentMap().cql === undefined || isTableOf(engine.schema(), dataset)
  const batchLog = new BatchLog({ kvstore, clock, startTimer: startSystemTimer, logger, isTable })
  const engine: GatewayCqlEngine = new GatewayCqlEngine({
    kvstore,
    batchLog,
    clock,
    mapOf: () => options.currentMap(),
    virtualTables: systemTables({ settings, schema: () => engine.schema() }),
    batchSizes: { warnBytes: config.rocksandra.batchWarnBytes, failBytes: config.rocksandra.batchFailBytes },
    changeSchema: (call) => options.changes.run(call),
  })
  if (options.isFirst) batchLog.start(clock.nowMs() - process.uptime() * 1000)
  const channel = new BroadcastChannel(CHANNEL)
  channel.unref()
  const dispatcher = new CqlDispatcher({
    engine,
    prepared: new PreparedStatements(limits),
    pagingStates: new PagingStates(tokenKey),
    authenticator: authenticatorOf(config),
    clock,
    logger,
    onPrepared: (text, keyspace) => channel.postMessage({ kind: 'prepared', text, keyspace } satisfies News),
  })
  const { events } = options
  const server = new CqlServer({ name: 'rocksandra', engine, dispatcher, logger, clock, events })
  const port = listenAddress(config, 'rocksandra')?.port ?? 0
  const tellClients = (address: string, isUp: boolean): void =>
    server.peerHasChanged({ address: inet(address), port, isUp })
  channel.onmessage = (event) => {
    // Only this file posts there.
    const news = (event as { data: News }).data
    if (news.kind === 'prepared') dispatcher.adopt(news.text, news.keyspace)
    else tellClients(news.address, news.isUp)
  }
  if (options.isFirst && port !== 0) {
    watchPeers({ config, settings, logger }, port, (address, isUp) => {
      channel.postMessage({ kind: 'peer', address, isUp } satisfies News)
      tellClients(address, isUp)
    })
  }
  return server
}

function watchPeers(
  { config, settings, logger }: Pick<CqlOptions, 'config' | 'logger'> & { readonly settings: RingSettings },
  port: number,
  onChange: (address: string, isUp: boolean) => void,
): void {
  const peers = ringOf(settings).peers.map(({ address }) => address)
  if (peers.length === 0) return
  const hasTls = config.listeners.rocksandra.tls.certificateFile !== ''
  const intervalMs = limits.cqlPeerProbeMs
  const watch = new PeerWatch({
    peers,
    intervalMs,
    startTimer: startSystemTimer,
    probe: (address) => probePeer(address, { port, hasTls, timeoutMs: intervalMs }),
    onChange: (address, isUp) => {
      logger.info({ address, port }, isUp ? 'a peer serves CQL again' : 'a peer does not serve CQL any more')
      onChange(address, isUp)
    },
  })
  watch.start()
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
