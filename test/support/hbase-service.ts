/** What services of HBase's gateways are made with where there is no gateway: tables are those of a map. */
import { systemClock } from '../../src/base/clock.js'
import type { HBaseOptions } from '../../shims/usermetastore/hbase-host.js'
import type { ClusterMap } from '../../src/model/cluster-map.js'

/** Changes of tables are the main thread's, which is not there: they are never answered. */
export function serviceOptions(map: ClusterMap): HBaseOptions {
  return {
    clock: systemClock,
    datasets: { find: (name) => map.datasets.get(name), list: () => map.datasets.values() },
    changeTable: () => new Promise(() => undefined),
    thread: 0,
    threads: 1,
    address: { host: 'localhost', port: 1 },
    clusterId: 'c',
  }
}
