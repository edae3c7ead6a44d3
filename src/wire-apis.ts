/**
 * The code of the wire APIs that a data thread serves, loaded when it is to listen to them: together they are more than all
 * the rest of a data thread, and few gateways serve all. KVStore's own is always there.
 */
import { listenAddress } from './config/checks.js'
import type { Config } from './config/schema.js'

export const wireApis = {
  usermetastore: () => import('../shims/usermetastore/listener.js'),
  hbase1: () => import('../shims/usermetastore/hbase-thrift1.js'),
  hbase2: () => import('../shims/usermetastore/hbase-thrift2.js'),
  terrapin: () => import('../shims/terrapin/listener.js'),
  terrapinInternal: () => import('../shims/terrapin/listener.js'),
  rocksandra: () => import('./threads/cql-thread.js'),
} as const

/** Begins to load those that will be listened to, while other threads and main do their part. */
export function loadWireApis(config: Config): void {
  for (const [name, load] of Object.entries(wireApis) as [keyof typeof wireApis, () => Promise<unknown>][]) {
    // What cannot be loaded is told by whoever listens to it.
    if (listenAddress(config, name) !== null) load().catch(() => undefined)
  }
}
