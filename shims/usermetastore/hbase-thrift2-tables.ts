/** Calls of the second gateway on tables and namespaces, of which there is one. */
import type { ColumnFamily } from '../../src/model/table-call.js'
import * as wire from '../../src/thrift/generated/hbase2.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import type { KVError } from '../../src/base/errors.js'
import {
  DO_NOT_RETRY,
  NO_NAMESPACE,
  TABLE_EXISTS,
  TABLE_NOT_DISABLED,
  TABLE_NOT_ENABLED,
  ioFault,
  remoteFault,
  runtime,
} from './hbase-errors.js'
import type { HBaseHost } from './hbase-host.js'
import { LinearRegex } from './filter-regex.js'
import { FilterWork } from './filter-work.js'
import { type Table, legalName, nameInDefault } from './hbase-tables.js'
import {
  checkDisabled,
  checkedVersions,
  familiesOf,
  familyName,
  inOrder,
  isEnabled,
} from './hbase-descriptors.js'
import { refuse, serve } from './hbase-thrift2-answers.js'

type StateNames = 'createTable' | 'deleteTable' | 'enableTable' | 'disableTable' | 'tableExists'
type AskNames = 'isTableEnabled' | 'isTableDisabled' | 'isTableAvailable' | 'isTableAvailableWithSplit'
type DescribeNames = 'getTableDescriptor' | 'getTableDescriptors' | 'getTableDescriptorsByPattern'
type ListNames = 'getTableDescriptorsByNamespace' | 'getTableNamesByPattern' | 'getTableNamesByNamespace'
type RefusedNames = 'truncateTable' | 'addColumnFamily' | 'deleteColumnFamily' | 'modifyColumnFamily'
type MoreRefused = 'modifyTable' | 'createNamespace' | 'modifyNamespace' | 'deleteNamespace'
type SpaceNames = 'getNamespaceDescriptor' | 'listNamespaceDescriptors' | 'listNamespaces'
type ServerNames = 'getRegionLocation' | 'getAllRegionLocations' | 'getThriftServerType' | 'getClusterId'
type TableNames = StateNames | AskNames | DescribeNames | ListNames
type OtherNames = RefusedNames | MoreRefused | SpaceNames | ServerNames

const DEFAULT_NAMESPACE = 'default'
const NO_TTL = 0x7fff_ffff

export function tableCalls(host: HBaseHost): Pick<wire.THBaseServiceHandler, TableNames | OtherNames> {
  const ask = (
    call: ThriftCall<boolean, wire.TIOError>,
    name: wire.TTableName | null,
    test: (table: Table) => boolean,
  ): void => serve(call, () => call.reply(test(host.tables.find(nameOf(name)))))
  const refused = (call: ThriftCall<null, wire.TIOError>): void => {
    serve(call, () => {
      throw ioFault(
        DO_NOT_RETRY,
        `${call.method} is not offered: tables are changed by the gateway's operators`,
      )
    })
  }
  const change = (
    call: ThriftCall<null, wire.TIOError>,
    action: 'enable' | 'disable' | 'remove',
    table: Table,
  ) => host.changeTable({ action, table: table.name, caller: call.connection.remoteAddress }, settle(call))
  return {
    createTable: (args, call) => serve(call, () => create(host, call, args)),
    deleteTable: ({ tableName }, call) =>
      serve(call, () => {
        const table = host.tables.find(nameOf(tableName))
        checkDisabled(table)
        change(call, 'remove', table)
      }),
    enableTable: ({ tableName }, call) =>
      serve(call, () => {
        const table = host.tables.find(nameOf(tableName))
        if (isEnabled(table)) throw ioFault(TABLE_NOT_DISABLED, `tableName=${table.name}, state=ENABLED`)
        change(call, 'enable', table)
      }),
    disableTable: ({ tableName }, call) =>
      serve(call, () => {
        const table = host.tables.find(nameOf(tableName))
        if (!isEnabled(table)) throw remoteFault(TABLE_NOT_ENABLED, table.name)
        change(call, 'disable', table)
      }),
    tableExists: ({ tableName }, call) => serve(call, () => call.reply(host.tables.has(nameOf(tableName)))),
    isTableEnabled: ({ tableName }, call) => ask(call, tableName, isEnabled),
    isTableDisabled: ({ tableName }, call) => ask(call, tableName, (table) => !isEnabled(table)),
    isTableAvailable: ({ tableName }, call) => ask(call, tableName, () => true),
    isTableAvailableWithSplit: ({ tableName, splitKeys }, call) =>
      ask(call, tableName, () => (splitKeys ?? []).length === 0),
    ...describeCalls(host),
    truncateTable: (_args, call) => refused(call),
    addColumnFamily: (_args, call) => refused(call),
    deleteColumnFamily: (_args, call) => refused(call),
    modifyColumnFamily: (_args, call) => refused(call),
    modifyTable: (_args, call) => refused(call),
    createNamespace: (_args, call) => refused(call),
    modifyNamespace: (_args, call) => refused(call),
    deleteNamespace: (_args, call) => refused(call),
    getNamespaceDescriptor: ({ name }, call) =>
      serve(call, () => {
        checkNamespace(name)
        call.reply({ name: DEFAULT_NAMESPACE, configuration: null })
      }),
    listNamespaceDescriptors: (_args, call) => call.reply([{ name: DEFAULT_NAMESPACE, configuration: null }]),
    listNamespaces: (_args, call) => call.reply([DEFAULT_NAMESPACE]),
    getRegionLocation: ({ table }, call) =>
      serve(call, () => call.reply(locationOf(host, host.tables.find(table)))),
    getAllRegionLocations: ({ table }, call) =>
      serve(call, () => call.reply([locationOf(host, host.tables.find(table))])),
    getThriftServerType: (_args, call) => call.reply(wire.TThriftServerType.TWO),
    getClusterId: (_args, call) => call.reply(host.options.clusterId),
  }
}

function describeCalls(host: HBaseHost): Pick<wire.THBaseServiceHandler, DescribeNames | ListNames> {
  return {
    getTableDescriptor: ({ table }, call) =>
      serve(call, () => call.reply(descriptorOf(host.tables.find(nameOf(table))))),
    getTableDescriptors: ({ tables }, call) =>
      serve(call, () =>
        call.reply((tables ?? []).map((name) => descriptorOf(host.tables.find(nameOf(name))))),
      ),
    getTableDescriptorsByPattern: ({ regex }, call) =>
      serve(call, () => call.reply(matching(host, regex).map(descriptorOf))),
    getTableDescriptorsByNamespace: ({ name }, call) =>
      serve(call, () => {
        checkNamespace(name)
        call.reply(host.tables.list().map(descriptorOf))
      }),
    getTableNamesByPattern: ({ regex }, call) =>
      serve(call, () => call.reply(matching(host, regex).map(tableNameOf))),
    getTableNamesByNamespace: ({ name }, call) =>
      serve(call, () => {
        checkNamespace(name)
        call.reply(host.tables.list().map(tableNameOf))
      }),
  }
}

function settle(call: ThriftCall<null, wire.TIOError>): (failure: KVError | null) => void {
  return (failure) => {
    if (failure === null) call.reply(null)
    else refuse(call, failure)
  }
}

function create(
  host: HBaseHost,
  call: ThriftCall<null, wire.TIOError>,
  { desc }: wire.THBaseServiceCreateTableArgs,
): void {
  const name = nameOf(desc?.tableName ?? null)
  const table = nameInDefault(legalName(name))
  if (host.tables.has(name)) throw ioFault(TABLE_EXISTS, table)
  const families = inOrder((desc?.columns ?? []).map(toFamily))
  if (families.length === 0) throw remoteFault(DO_NOT_RETRY, 'Table should have at least one column family.')
  host.changeTable({ action: 'create', table, families, caller: call.connection.remoteAddress }, settle(call))
}

function toFamily(given: wire.TColumnFamilyDescriptor): ColumnFamily {
  if (given.name === null || given.name.length === 0) throw runtime('a column family without a name')
  const { timeToLive, compressionType, bloomnFilterType } = given
  return {
    name: familyName(given.name),
    maxVersions: checkedVersions(given.maxVersions ?? 1),
    ttlSeconds: timeToLive !== null && timeToLive > 0 && timeToLive < NO_TTL ? timeToLive : null,
    compression: wire.tCompressionAlgorithmName(compressionType ?? -1) ?? 'NONE',
    bloomFilter: wire.tBloomFilterTypeName(bloomnFilterType ?? -1) ?? 'ROW',
    isInMemory: given.inMemory === true,
    isBlockCached: given.blockCacheEnabled !== false,
  }
}

/** The name with its namespace before a colon, as tables of both gateways are looked for. */
function nameOf(name: wire.TTableName | null): Buffer {
  const qualifier = name?.qualifier ?? NO_BYTES
  const ns = name?.ns ?? NO_BYTES
  if (ns.length === 0) return qualifier
  return Buffer.concat([ns, COLON, qualifier])
}

function tableNameOf({ name }: Table): wire.TTableName {
  return { ns: Buffer.from(DEFAULT_NAMESPACE), qualifier: Buffer.from(name) }
}

function descriptorOf(table: Table): wire.TTableDescriptor {
  const columns = familiesOf(table).map((family) =>
    wire.makeTColumnFamilyDescriptor({
      name: Buffer.from(family.name),
      maxVersions: family.maxVersions,
      timeToLive: family.ttlSeconds ?? NO_TTL,
      inMemory: family.isInMemory,
      blockCacheEnabled: family.isBlockCached,
      bloomnFilterType: numberOf(wire.TBloomFilterType, family.bloomFilter),
      compressionType: numberOf(wire.TCompressionAlgorithm, family.compression),
    }),
  )
  return {
    tableName: tableNameOf(table),
    columns,
    attributes: null,
    durability: wire.TDurability.USE_DEFAULT,
  }
}

function numberOf(names: Readonly<Record<string, number>>, name: string): number | null {
  return names[name] ?? null
}

/** A table's name matches whole. */
function matching(host: HBaseHost, regex: string | null): Table[] {
  const tables = host.tables.list()
  if (regex === null) return tables
  const work = new FilterWork()
  const wanted = new LinearRegex(`^(?:${regex})$`, work)
  return tables.filter(({ name }) => {
    work.beginCell(1)
    return wanted.isFoundIn(name)
  })
}

function checkNamespace(name: string | null): void {
  if (name === DEFAULT_NAMESPACE) return
  throw ioFault(NO_NAMESPACE, name ?? '')
}

function locationOf({ options }: HBaseHost, { name, record }: Table): wire.THRegionLocation {
  const { host, port } = options.address
  return {
    serverName: { hostName: host, port, startCode: BigInt(record.createdAtMs) },
    regionInfo: {
      regionId: BigInt(record.createdAtMs),
      tableName: Buffer.from(name),
      startKey: NO_BYTES,
      endKey: NO_BYTES,
      offline: false,
      split: false,
      replicaId: 0,
    },
  }
}

const NO_BYTES = Buffer.alloc(0)
const COLON = Buffer.from(':')
