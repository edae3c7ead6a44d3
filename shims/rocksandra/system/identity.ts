/** What this gateway tells drivers that it is: a node of Cassandra 3.0.15, as Rocksandra was. */

/** Drivers choose by it what they ask: from 4.0 on for tables that 3.0 has not. */
export const RELEASE_VERSION = '3.0.15'
export const CQL_VERSION = '3.4.0'
export const NATIVE_PROTOCOL_VERSION = '4'
export const THRIFT_VERSION = '20.2.0'
export const PARTITIONER = 'org.apache.cassandra.dht.Murmur3Partitioner'

/** Answer to OPTIONS. Cassandra 3.0 has the first two, the third is harmless and said by later ones. */
export const SUPPORTED_OPTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ['CQL_VERSION', [CQL_VERSION]],
  ['COMPRESSION', ['snappy', 'lz4']],
  ['PROTOCOL_VERSIONS', ['3/v3', '4/v4']],
])
