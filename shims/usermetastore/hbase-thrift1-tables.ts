/** Calls of the first gateway on tables: descriptions from the thread's own map, changes by the main thread. */
import type { KVError } from '../../src/base/errors.js'
import type { ColumnFamily } from '../../src/model/table-call.js'
import * as wire from '../../src/thrift/generated/hbase1.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import { parseColumn } from './hbase-columns.js'
import {
  DO_NOT_RETRY,
  HBaseFault,
  IO_EXCEPTION,
  TABLE_NOT_DISABLED,
  TABLE_NOT_ENABLED,
  TABLE_NOT_FOUND,
  illegal,
  ioFault,
  regionName,
  remoteFault,
} from './hbase-errors.js'
import type { HBaseHost } from './hbase-host.js'
import { type Table, legalName, nameInDefault } from './hbase-tables.js'
import { refuse, serve } from './hbase-thrift1-answers.js'
import {
  checkDisabled,
  checkedVersions,
  familiesOf,
  familyName,
  inOrder,
  isEnabled,
} from './hbase-descriptors.js'

type StateNames = 'enableTable' | 'disableTable' | 'isTableEnabled' | 'createTable' | 'deleteTable'
type ListNames = 'getTableNames' | 'getTableNamesWithIsTableEnabled' | 'getColumnDescriptors'
type RegionNames = 'getTableRegions' | 'getRegionInfo' | 'compact' | 'majorCompact'
type ServerNames = 'getThriftServerType' | 'getClusterId' | 'grant' | 'revoke'

/** HBase's "for ever". */
const NO_TTL = 0x7fff_ffff
/** Names that HBase 2.5 knows; what they mean to its files has no meaning here. */
const BLOOM_FILTERS = ['NONE', 'ROW', 'ROWCOL', 'ROWPREFIX_FIXED_LENGTH']
const COMPRESSIONS = ['none', 'gz', 'lzo', 'snappy', 'lz4', 'bzip2', 'zstd', 'lzma', 'brotli']

export function tableCalls(
  host: HBaseHost,
): Pick<wire.HbaseHandler, StateNames | ListNames | RegionNames | ServerNames> {
  const compact = (call: ThriftCall<null, wire.IOError>, name: Buffer | null): void => {
    serve(call, () => {
      host.tables.find(name)
      call.reply(null)
    })
  }
  const permission = (call: ThriftCall<boolean, wire.IOError>): void => {
    serve(call, () => {
      throw ioFault(
        DO_NOT_RETRY,
        `${call.method} is not offered: access is a matter of the gateway's configuration`,
      )
    })
  }
  return {
    enableTable: ({ tableName }, call) => serve(call, () => enable(host, call, tableName)),
    disableTable: ({ tableName }, call) => serve(call, () => disable(host, call, tableName)),
    isTableEnabled: ({ tableName }, call) =>
      serve(call, () => call.reply(isEnabled(host.tables.find(tableName)))),
    createTable: (args, call) => serve(call, () => create(host, call, args)),
    deleteTable: ({ tableName }, call) => serve(call, () => remove(host, call, tableName)),
    getTableNames: (_args, call) => call.reply(host.tables.list().map(({ name }) => Buffer.from(name))),
    getTableNamesWithIsTableEnabled: (_args, call) =>
      call.reply(host.tables.list().map((table) => [Buffer.from(table.name), isEnabled(table)])),
    getColumnDescriptors: ({ tableName }, call) =>
      serve(call, () => call.reply(descriptorsOf(host.tables.find(tableName)))),
    getTableRegions: ({ tableName }, call) =>
      serve(call, () => {
        legalName(tableName)
        call.reply(host.tables.has(tableName) ? [regionOf(host, host.tables.find(tableName))] : [])
      }),
    getRegionInfo: ({ row }, call) => serve(call, () => call.reply(regionOfRow(host, row))),
    // Files are compacted and old versions purged by themselves.
    compact: (args, call) => compact(call, args.tableNameOrRegionName),
    majorCompact: (args, call) => compact(call, args.tableNameOrRegionName),
    getThriftServerType: (_args, call) => call.reply(wire.TThriftServerType.ONE),
    getClusterId: (_args, call) => call.reply(host.options.clusterId),
    grant: (_args, call) => permission(call),
    revoke: (_args, call) => permission(call),
  }
}

function settle(call: ThriftCall<null, never>): (failure: KVError | null) => void {
  return (failure) => {
    if (failure === null) call.reply(null)
    else refuse(call, failure)
  }
}

type VoidCall = ThriftCall<null, never>

export function enable(host: HBaseHost, call: VoidCall, name: Buffer | null): void {
  const table = host.tables.find(name)
  if (isEnabled(table)) throw ioFault(TABLE_NOT_DISABLED, `tableName=${table.name}, state=ENABLED`)
  changeState(host, call, 'enable', table.name)
}

export function disable(host: HBaseHost, call: VoidCall, name: Buffer | null): void {
  const table = foundRemotely(host, name)
  if (!isEnabled(table)) throw remoteFault(TABLE_NOT_ENABLED, table.name)
  changeState(host, call, 'disable', table.name)
}

function remove(host: HBaseHost, call: VoidCall, name: Buffer | null): void {
  legalName(name)
  if (!host.tables.has(name)) throw ioFault(IO_EXCEPTION, 'table does not exist')
  const table = host.tables.find(name)
  checkDisabled(table)
  changeState(host, call, 'remove', table.name)
}

function changeState(
  host: HBaseHost,
  call: VoidCall,
  action: 'enable' | 'disable' | 'remove',
  table: string,
): void {
  host.changeTable({ action, table, caller: call.connection.remoteAddress }, settle(call))
}

/** The master says it once more. */
function foundRemotely(host: HBaseHost, name: Buffer | null): Table {
  const text = nameInDefault(legalName(name))
  if (!host.tables.has(name)) throw remoteFault(TABLE_NOT_FOUND, text)
  return host.tables.find(name)
}

function create(
  host: HBaseHost,
  call: ThriftCall<null, never> | ThriftCall<null, wire.IOError | wire.IllegalArgument | wire.AlreadyExists>,
  { tableName, columnFamilies }: wire.HbaseCreateTableArgs,
): void {
  const table = nameInDefault(legalName(tableName))
  if (host.tables.has(tableName)) throw new HBaseFault('exists', '', 'table name already in use')
  const families = (columnFamilies ?? []).map(toFamily)
  if (families.length === 0) throw remoteFault(DO_NOT_RETRY, 'Table should have at least one column family.')
  const caller = call.connection.remoteAddress
  host.changeTable({ action: 'create', table, families: inOrder(families), caller }, settle(call))
}

function toFamily(given: wire.ColumnDescriptor): ColumnFamily {
  if (given.name === null || given.name.length === 0)
    throw new HBaseFault('illegal', '', 'column name is empty')
  const { bloomFilterType, compression, maxVersions, timeToLive } = given
  const lower = compression.toLowerCase()
  if (!COMPRESSIONS.includes(lower)) throw illegal(`Unsupported compression algorithm name: ${lower}`)
  if (!BLOOM_FILTERS.includes(bloomFilterType))
    throw illegal(`No enum constant org.apache.hadoop.hbase.regionserver.BloomType.${bloomFilterType}`)
  return {
    name: familyName(parseColumn(given.name).family),
    maxVersions: checkedVersions(maxVersions),
    ttlSeconds: timeToLive > 0 && timeToLive < NO_TTL ? timeToLive : null,
    compression: compression.toUpperCase(),
    bloomFilter: bloomFilterType,
    isInMemory: given.inMemory,
    isBlockCached: given.blockCacheEnabled,
  }
}

function descriptorsOf(table: Table): [Buffer, wire.ColumnDescriptor][] {
  return familiesOf(table).map((family) => {
    const name = Buffer.from(`${family.name}:`)
    const descriptor = wire.makeColumnDescriptor({
      name,
      maxVersions: family.maxVersions,
      compression: family.compression,
      inMemory: family.isInMemory,
      bloomFilterType: family.bloomFilter,
      blockCacheEnabled: family.isBlockCached,
      timeToLive: family.ttlSeconds ?? NO_TTL,
    })
    return [name, descriptor]
  })
}

/** The one region that a table has. */
function regionOf({ options }: HBaseHost, { name, record }: Table): wire.TRegionInfo {
  return {
    startKey: NO_BYTES,
    endKey: NO_BYTES,
    id: BigInt(record.createdAtMs),
    name: Buffer.from(regionName(name)),
    version: 1,
    serverName: Buffer.from(options.address.host),
    port: options.address.port,
  }
}

/** Of a row of HBase's own table of regions, `table,key,id`. */
function regionOfRow(host: HBaseHost, row: Buffer | null): wire.TRegionInfo {
  const name = (row ?? NO_BYTES).toString('latin1').split(',')[0] ?? ''
  const table = Buffer.from(name)
  if (name === '' || !host.tables.has(table)) {
    throw ioFault(IO_EXCEPTION, `Cannot find row in hbase:meta, row=${name.slice(0, 60)}`)
  }
  return regionOf(host, host.tables.find(table))
}

const NO_BYTES = Buffer.alloc(0)
