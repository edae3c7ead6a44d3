/**
 * Generated calls of HBase clients, and what a server answers to each in words that can be compared: bytes as text,
 * times that
 * the server gave as `now`, exceptions by class and first line as far as it does not name machines.
 */
import fc from 'fast-check'
import { KVError } from '../../src/base/errors.js'
import * as one from '../../src/thrift/generated/hbase1.js'
import * as two from '../../src/thrift/generated/hbase2.js'
import { parseFilter } from '../../shims/usermetastore/filter-parse.js'
import { HBaseClient } from '../support/hbase.js'
import { filterBytesOf } from '../support/hbase-filters.js'

export const TABLE = Buffer.from('differential')
export const FAMILIES = ['a', 'a1', 'b']
/** Times below are the generated ones. */
const FIRST_SERVER_TIME = 1_000_000_000n

/** A call, made of plain data so that it can be printed; `gateway` is 1 or 2. */
export interface Operation {
  readonly gateway: 1 | 2
  readonly method: string
  /** Of the row prefix that a sequence has to itself. */
  readonly args: (prefix: string) => Readonly<Record<string, unknown>>
  /** The server's clock decides: the next call must come in another millisecond. */
  readonly isStamped: boolean
  readonly text: string
}

/** What a server answers to operations. */
export class Answering {
  readonly client: HBaseClient

  constructor(ports: { readonly port1: number; readonly port2: number }) {
    this.client = new HBaseClient(ports)
  }

  /** What the call answers, as text. */
  async answer({ gateway, method, args }: Operation, prefix: string): Promise<string> {
    if (method === 'scan') return await this.#scan(gateway, args(prefix))
    return shown(await this.client.call(gateway, method, args(prefix)))
  }

  /** Opens, reads in pieces of two and closes. */
  async #scan(gateway: 1 | 2, args: Readonly<Record<string, unknown>>): Promise<string> {
    const [open, next, close] =
      gateway === 1
        ? (['scannerOpenWithScan', 'scannerGetList', 'scannerClose'] as const)
        : (['openScanner', 'getScannerRows', 'closeScanner'] as const)
    const id = await this.client.call(gateway, open, args)
    if (typeof id !== 'number') return shown(id)
    const found: unknown[] = []
    const ids = gateway === 1 ? { id, nbRows: 2 } : { scannerId: id, numRows: 2 }
    for (;;) {
      const rows = await this.client.call(gateway, next, ids)
      if (!Array.isArray(rows)) return shown(rows)
      if (rows.length === 0) break
      found.push(...(rows as unknown[]))
    }
    const closed = await this.client.call(gateway, close, ids)
    return `${shown(found)} closed ${shown(closed)}`
  }
}

export function shown(answer: unknown): string {
  if (answer instanceof KVError) return fault(answer)
  if (typeof answer === 'object' && answer !== null && 'thriftType' in answer) {
    const { thriftType, message } = answer as unknown as { thriftType: string; message: string | null }
    return `${thriftType}: ${firstLine(message ?? '')}`
  }
  return JSON.stringify(answer, (_key, value: unknown) => plain(value))
}

/** A TApplicationException's text says why with us, and nothing in HBase. */
function fault({ message }: KVError): string {
  return /Internal error processing \w+/.exec(message)?.[0] ?? message
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '')
    .replace(/ in region .*$/, '')
    .replace(/: 1 time, servers with issues.*$/, '')
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value >= FIRST_SERVER_TIME ? 'now' : String(value)
  if (typeof value !== 'object' || value === null) return value
  const { type, data } = value as { type?: unknown; data?: unknown }
  if (type === 'Buffer' && Array.isArray(data)) return Buffer.from(data as number[]).toString('latin1')
  return value
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const rowName = fc.constantFrom('r', 'r0', 'r1', 'r\xff')
const family = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom('a', 'a1', 'b') },
  { weight: 1, arbitrary: fc.constant('zz') },
)
const qualifier = fc.constantFrom('', 'x', 'xy', 'y', '\x00z')
const column = fc.tuple(family, qualifier).map(([f, q]) => `${f}:${q}`)
const columnOrFamily = fc.oneof({ weight: 3, arbitrary: column }, { weight: 1, arbitrary: family })
const value = fc.constantFrom('', '1', '2', '2\n', 'v\xff', '\0\0\0\0\0\0\0\x05')
const time = fc.integer({ min: 0, max: 9 }).map(BigInt)
const mutation = fc.record({
  isDelete: fc.boolean(),
  column: columnOrFamily,
  value,
  writeToWAL: fc.boolean(),
})

interface Draft {
  readonly method: string
  readonly args: Operation['args']
  readonly isStamped?: boolean
}

function operation(gateway: 1 | 2, drafts: fc.Arbitrary<Draft>): fc.Arbitrary<Operation> {
  return drafts.map(({ method, args, isStamped = false }) => ({
    gateway,
    method,
    args,
    isStamped,
    text: `${gateway}.${method} ${shown(args(''))}`,
  }))
}

/** As the codecs write them: every field, absent ones null. */
function toMutation({ isDelete, column: name, value: text, writeToWAL }: MutationDraft): one.Mutation {
  return { isDelete, column: bytes(name), value: bytes(text), writeToWAL }
}

interface MutationDraft {
  readonly isDelete: boolean
  readonly column: string
  readonly value: string
  readonly writeToWAL: boolean
}

const row1 = { tableName: TABLE, attributes: [] }
const keyIn = (prefix: string, name: string): Buffer => bytes(prefix + name)

/** With the server's clock a call changes or removes, because HBase does one after the other within a millisecond. */
const stamped = fc
  .tuple(fc.boolean(), fc.array(mutation, { minLength: 1, maxLength: 3 }))
  .map(([isDelete, all]) => all.map((each) => ({ ...each, isDelete })))

const writes1 = fc.oneof(
  fc.record({ row: rowName, mutations: stamped }).map(({ row, mutations }): Draft => ({
    method: 'mutateRow',
    isStamped: true,
    args: (prefix) => ({ ...row1, row: keyIn(prefix, row), mutations: mutations.map(toMutation) }),
  })),
  fc
    .record({ row: rowName, mutations: fc.array(mutation, { maxLength: 4 }), timestamp: time })
    .map(({ row, mutations, timestamp }): Draft => ({
      method: 'mutateRowTs',
      args: (prefix) => ({
        ...row1,
        timestamp,
        row: keyIn(prefix, row),
        mutations: mutations.map(toMutation),
      }),
    })),
  fc
    .record({
      batches: fc.array(fc.record({ row: rowName, mutations: fc.array(mutation, { maxLength: 3 }) }), {
        maxLength: 3,
      }),
      timestamp: time,
    })
    .map(({ batches, timestamp }): Draft => ({
      method: 'mutateRowsTs',
      args: (prefix) => ({
        ...row1,
        timestamp,
        rowBatches: batches.map(({ row, mutations }) => ({
          row: keyIn(prefix, row),
          mutations: mutations.map(toMutation),
        })),
      }),
    })),
  fc
    .record({ rows: fc.uniqueArray(rowName, { maxLength: 3 }), mutations: stamped })
    .map(({ rows, mutations }): Draft => ({
      method: 'mutateRows',
      isStamped: true,
      args: (prefix) => ({
        ...row1,
        rowBatches: rows.map((row) => ({
          row: keyIn(prefix, row),
          mutations: mutations.map(toMutation),
        })),
      }),
    })),
  fc.record({ row: rowName, column: columnOrFamily }).map(({ row, column: name }): Draft => ({
    method: 'deleteAll',
    isStamped: true,
    args: (prefix) => ({ ...row1, row: keyIn(prefix, row), column: bytes(name) }),
  })),
  fc
    .record({ row: rowName, column: columnOrFamily, timestamp: time })
    .map(({ row, column: name, timestamp }): Draft => ({
      method: 'deleteAllTs',
      args: (prefix) => ({ ...row1, row: keyIn(prefix, row), column: bytes(name), timestamp }),
    })),
  fc.record({ row: rowName, timestamp: time }).map(({ row, timestamp }): Draft => ({
    method: 'deleteAllRowTs',
    args: (prefix) => ({ ...row1, row: keyIn(prefix, row), timestamp }),
  })),
  fc.record({ row: rowName }).map(({ row }): Draft => ({
    method: 'deleteAllRow',
    isStamped: true,
    args: (prefix) => ({ ...row1, row: keyIn(prefix, row) }),
  })),
)

const changes1 = fc.oneof(
  fc
    .record({ row: rowName, column: columnOrFamily, value: fc.constantFrom(0n, 1n, -7n) })
    .map(({ row, column: name, value: amount }): Draft => ({
      method: 'atomicIncrement',
      isStamped: true,
      args: (prefix) => ({ ...row1, row: keyIn(prefix, row), column: bytes(name), value: amount }),
    })),
  fc
    .array(fc.record({ row: rowName, column: columnOrFamily, ammount: fc.constantFrom(0n, 3n) }), {
      minLength: 1,
      maxLength: 2,
    })
    .map((all): Draft => ({
      method: 'incrementRows',
      isStamped: true,
      args: (prefix) => ({
        increments: all.map(({ row, column: name, ammount }) =>
          one.makeTIncrement({ table: TABLE, row: keyIn(prefix, row), column: bytes(name), ammount }),
        ),
      }),
    })),
  fc
    .record({ row: rowName, columns: fc.uniqueArray(columnOrFamily, { maxLength: 2 }), value })
    .map(({ row, columns, value: text }): Draft => ({
      method: 'append',
      isStamped: true,
      args: (prefix) => ({
        append: {
          table: TABLE,
          row: keyIn(prefix, row),
          columns: columns.map(bytes),
          values: columns.map(() => bytes(text)),
        },
      }),
    })),
  fc
    .record({ row: rowName, column, expected: fc.option(value), target: column, value })
    .map(({ row, column: name, expected, target, value: text }): Draft => ({
      method: 'checkAndPut',
      isStamped: true,
      args: (prefix) => ({
        ...row1,
        row: keyIn(prefix, row),
        column: bytes(name),
        value: expected === null ? null : bytes(expected),
        mput: toMutation({ isDelete: false, column: target, value: text, writeToWAL: true }),
      }),
    })),
)

const reads1 = fc.oneof(
  fc.record({ row: rowName, column: columnOrFamily }).map(({ row, column: name }): Draft => ({
    method: 'get',
    args: (prefix) => ({ ...row1, row: keyIn(prefix, row), column: bytes(name) }),
  })),
  fc
    .record({ row: rowName, column: columnOrFamily, numVersions: fc.integer({ min: 0, max: 4 }) })
    .map(({ row, column: name, numVersions }): Draft => ({
      method: 'getVer',
      args: (prefix) => ({ ...row1, row: keyIn(prefix, row), column: bytes(name), numVersions }),
    })),
  fc
    .record({
      row: rowName,
      column: columnOrFamily,
      timestamp: time,
      numVersions: fc.integer({ min: 1, max: 9 }),
    })
    .map(({ row, column: name, ...rest }): Draft => ({
      method: 'getVerTs',
      args: (prefix) => ({ ...row1, row: keyIn(prefix, row), column: bytes(name), ...rest }),
    })),
  fc
    .record({ row: rowName, columns: fc.option(fc.array(columnOrFamily, { maxLength: 3 })) })
    .map(({ row, columns }): Draft => ({
      method: 'getRowWithColumns',
      args: (prefix) => ({ ...row1, row: keyIn(prefix, row), columns: columns?.map(bytes) ?? null }),
    })),
  fc
    .record({
      rows: fc.array(rowName, { maxLength: 4 }),
      columns: fc.array(columnOrFamily, { maxLength: 3 }),
      timestamp: time,
    })
    .map(({ rows, columns, timestamp }): Draft => ({
      method: 'getRowsWithColumnsTs',
      args: (prefix) => ({
        ...row1,
        timestamp,
        rows: rows.map((row) => keyIn(prefix, row)),
        columns: columns.map(bytes),
      }),
    })),
)

const operator = fc.constantFrom('<', '<=', '=', '!=', '>=', '>')
const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
const simpleFilter = fc.oneof(
  fc.constantFrom('KeyOnlyFilter()', 'FirstKeyOnlyFilter()', 'PageFilter(2)', 'TimestampsFilter(1, 3, 5)'),
  fc.constantFrom(
    "ColumnPrefixFilter('x')",
    "MultipleColumnPrefixFilter('y', 'x')",
    'ColumnPaginationFilter(1, 1)',
  ),
  fc.constantFrom("ColumnRangeFilter('x', true, 'y', false)", 'ColumnPaginationFilter(2, 0)'),
  fc.tuple(operator, value).map(([o, v]) => `ValueFilter(${o}, ${quoted(`binary:${v}`)})`),
  fc.tuple(operator, qualifier).map(([o, q]) => `QualifierFilter(${o}, ${quoted(`binary:${q}`)})`),
  fc.tuple(operator, family).map(([o, f]) => `FamilyFilter(${o}, ${quoted(`binary:${f}`)})`),
  fc
    .tuple(operator, family, qualifier, value, fc.boolean(), fc.boolean())
    .map(
      ([o, f, q, v, missing, latest]) =>
        `SingleColumnValueFilter(${quoted(f)}, ${quoted(q)}, ${o}, ${quoted(`binary:${v}`)}, ${missing}, ${latest})`,
    ),
  fc
    .tuple(operator, family, qualifier, value)
    .map(([o, f, q, v]) => `ColumnValueFilter(${quoted(f)}, ${quoted(q)}, ${o}, ${quoted(`binary:${v}`)})`),
  fc
    .tuple(family, qualifier, fc.boolean())
    .map(([f, q, drop]) => `DependentColumnFilter(${quoted(f)}, ${quoted(q)}, ${drop})`),
  fc.constantFrom(
    "RowFilter(=, 'substring:R1')",
    "RowFilter(!=, 'regexstring:r[0-9]$')",
    "ValueFilter(=, 'regexstring:^[12]$')",
  ),
)
const filter = fc.oneof(
  { weight: 4, arbitrary: simpleFilter },
  { weight: 2, arbitrary: fc.tuple(simpleFilter, simpleFilter).map(([f, g]) => `${f} AND ${g}`) },
  { weight: 2, arbitrary: fc.tuple(simpleFilter, simpleFilter).map(([f, g]) => `(${f} OR ${g})`) },
  { weight: 1, arbitrary: simpleFilter.map((f) => `SKIP ${f}`) },
  { weight: 1, arbitrary: simpleFilter.map((f) => `WHILE ${f}`) },
)

const scans1 = fc
  .record({
    from: rowName,
    columns: fc.array(columnOrFamily, { maxLength: 2 }),
    timestamp: fc.option(time),
    filter: fc.option(filter),
    batchSize: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 1 }),
    isReversed: fc.boolean(),
    sortColumns: fc.boolean(),
  })
  .map((wish): Draft => ({
    method: 'scan',
    args: (prefix) => {
      const [low, high] = [bytes(prefix + wish.from), bytes(`${prefix}s`)]
      return {
        ...row1,
        scan: one.makeTScan({
          startRow: wish.isReversed ? high : low,
          stopRow: wish.isReversed ? low : high,
          columns: wish.columns.map(bytes),
          timestamp: wish.timestamp,
          filterString: wish.filter === null ? null : bytes(wish.filter),
          // HBase refuses it beside most filters.
          batchSize: wish.filter === null ? wish.batchSize : null,
          reversed: wish.isReversed,
          sortColumns: wish.sortColumns,
        }),
      }
    },
  }))

const column2 = fc
  .record({ family, qualifier: fc.option(qualifier), timestamp: fc.option(time) })
  .map((each): two.TColumn => ({
    family: bytes(each.family),
    qualifier: each.qualifier === null ? null : bytes(each.qualifier),
    timestamp: each.timestamp,
  }))
const cell2 = fc.record({ family, qualifier, value, timestamp: time }).map((each) =>
  two.makeTColumnValue({
    family: bytes(each.family),
    qualifier: bytes(each.qualifier),
    value: bytes(each.value),
    timestamp: each.timestamp,
  }),
)
const put2 = fc.array(cell2, { minLength: 1, maxLength: 3 })
/** With a time each: what a deletion without one takes depends on the server's clock. */
const delete2 = fc.record({
  columns: fc.option(fc.array(fc.tuple(column2, time), { minLength: 1, maxLength: 2 })),
  deleteType: fc.integer({ min: 0, max: 3 }),
  timestamp: time,
})
/** By the server's clock; a family's version has a time or is refused. */
const stampedDelete2 = fc.record({
  columns: fc.option(fc.array(fc.tuple(column2, fc.constant(null)), { maxLength: 2 })),
  deleteType: fc.integer({ min: 0, max: 3 }),
  timestamp: fc.constant(null),
})

interface DeleteWish {
  readonly columns: readonly (readonly [two.TColumn, bigint | null])[] | null
  readonly deleteType: number
  readonly timestamp: bigint | null
}

function toDelete(row: Buffer, wish: DeleteWish): two.TDelete {
  const columns = wish.columns?.map(([each, timestamp]) => ({ ...each, timestamp })) ?? null
  return two.makeTDelete({ row, columns, deleteType: wish.deleteType, timestamp: wish.timestamp })
}

const get2 = fc
  .record({
    columns: fc.option(fc.array(column2, { minLength: 1, maxLength: 2 })),
    timestamp: fc.option(time, { freq: 1 }),
    timeRange: fc.option(fc.tuple(time, time)),
    maxVersions: fc.option(fc.integer({ min: 1, max: 5 })),
    storeLimit: fc.option(fc.integer({ min: 0, max: 3 }), { freq: 1 }),
    storeOffset: fc.option(fc.integer({ min: 0, max: 2 }), { freq: 1 }),
    filter: fc.option(filter),
    /** As Java clients send it. */
    isInBytes: fc.boolean(),
  })
  .map((wish) => ({
    columns: wish.columns,
    timestamp: wish.timestamp,
    timeRange: wish.timeRange === null ? null : { minStamp: wish.timeRange[0], maxStamp: wish.timeRange[1] },
    maxVersions: wish.maxVersions,
    storeLimit: wish.storeLimit,
    storeOffset: wish.storeOffset,
    filterString: wish.filter === null || wish.isInBytes ? null : bytes(wish.filter),
    filterBytes:
      wish.filter === null || !wish.isInBytes ? null : filterBytesOf(parseFilter(bytes(wish.filter))),
  }))

const calls2 = fc.oneof(
  fc
    .record({ row: rowName, get: get2, method: fc.constantFrom('get', 'exists') })
    .map(({ row, get, method }): Draft => ({
      method,
      args: (prefix) => ({ table: TABLE, tget: two.makeTGet({ row: keyIn(prefix, row), ...get }) }),
    })),
  fc.record({ row: rowName, cells: put2 }).map(({ row, cells }): Draft => ({
    method: 'put',
    args: (prefix) => ({
      table: TABLE,
      tput: two.makeTPut({ row: keyIn(prefix, row), columnValues: cells }),
    }),
  })),
  fc.record({ row: rowName, remove: delete2 }).map(({ row, remove }): Draft => ({
    method: 'deleteSingle',
    args: (prefix) => ({ table: TABLE, tdelete: toDelete(keyIn(prefix, row), remove) }),
  })),
  fc.record({ row: rowName, remove: stampedDelete2 }).map(({ row, remove }): Draft => ({
    method: 'deleteSingle',
    isStamped: true,
    args: (prefix) => ({ table: TABLE, tdelete: toDelete(keyIn(prefix, row), remove) }),
  })),
  fc.array(fc.record({ row: rowName, remove: delete2 }), { maxLength: 3 }).map((all): Draft => ({
    method: 'deleteMultiple',
    args: (prefix) => ({
      table: TABLE,
      tdeletes: all.map(({ row, remove }) => toDelete(keyIn(prefix, row), remove)),
    }),
  })),
  fc.array(fc.record({ row: rowName, get: get2 }), { maxLength: 3 }).map((gets): Draft => ({
    method: 'existsAll',
    args: (prefix) => ({
      table: TABLE,
      tgets: gets.map(({ row, get }) => two.makeTGet({ row: keyIn(prefix, row), ...get })),
    }),
  })),
  fc
    .record({ row: rowName, family, qualifier, expected: fc.option(value), cells: put2, remove: delete2 })
    .chain((wish) =>
      fc.constantFrom('checkAndPut', 'checkAndDelete').map((method): Draft => ({
        method,
        args: (prefix) => {
          const row = keyIn(prefix, wish.row)
          return {
            table: TABLE,
            row,
            family: bytes(wish.family),
            qualifier: bytes(wish.qualifier),
            value: wish.expected === null ? null : bytes(wish.expected),
            ...(method === 'checkAndPut'
              ? { tput: two.makeTPut({ row, columnValues: wish.cells }) }
              : { tdelete: toDelete(row, wish.remove) }),
          }
        },
      })),
    ),
  fc
    .record({ row: rowName, family, qualifier, value, returnResults: fc.option(fc.boolean()) })
    .map((wish): Draft => ({
      method: 'append',
      isStamped: true,
      args: (prefix) => ({
        table: TABLE,
        tappend: two.makeTAppend({
          row: keyIn(prefix, wish.row),
          columns: [
            two.makeTColumnValue({
              family: bytes(wish.family),
              qualifier: bytes(wish.qualifier),
              value: bytes(wish.value),
            }),
          ],
          returnResults: wish.returnResults,
        }),
      }),
    })),
  fc
    .record({ row: rowName, cells: put2, remove: delete2, isDeleteFirst: fc.boolean() })
    .map((wish): Draft => ({
      method: 'mutateRow',
      args: (prefix) => {
        const row = keyIn(prefix, wish.row)
        const mutations = [
          { put: two.makeTPut({ row, columnValues: wish.cells }), deleteSingle: null },
          { put: null, deleteSingle: toDelete(row, wish.remove) },
        ]
        if (wish.isDeleteFirst) mutations.reverse()
        return { table: TABLE, trowMutations: { row, mutations } }
      },
    })),
  fc.array(fc.record({ row: rowName, cells: put2 }), { maxLength: 3 }).map((rows): Draft => ({
    method: 'putMultiple',
    args: (prefix) => ({
      table: TABLE,
      tputs: rows.map(({ row, cells }) => two.makeTPut({ row: keyIn(prefix, row), columnValues: cells })),
    }),
  })),
  fc.array(fc.record({ row: rowName, get: get2 }), { maxLength: 3 }).map((gets): Draft => ({
    method: 'getMultiple',
    args: (prefix) => ({
      table: TABLE,
      tgets: gets.map(({ row, get }) => two.makeTGet({ row: keyIn(prefix, row), ...get })),
    }),
  })),
  fc
    .record({
      row: rowName,
      family,
      qualifier,
      operator: fc.integer({ min: 0, max: 5 }),
      expected: fc.option(value),
      cells: put2,
    })
    .map((wish): Draft => ({
      method: 'checkAndMutate',
      args: (prefix) => {
        const row = keyIn(prefix, wish.row)
        return {
          table: TABLE,
          row,
          family: bytes(wish.family),
          qualifier: bytes(wish.qualifier),
          compareOperator: wish.operator,
          value: wish.expected === null ? null : bytes(wish.expected),
          rowMutations: {
            row,
            mutations: [{ put: two.makeTPut({ row, columnValues: wish.cells }), deleteSingle: null }],
          },
        }
      },
    })),
  fc.record({ row: rowName, family, qualifier, amount: fc.constantFrom(1n, -3n) }).map((wish): Draft => ({
    method: 'increment',
    isStamped: true,
    args: (prefix) => ({
      table: TABLE,
      tincrement: two.makeTIncrement({
        row: keyIn(prefix, wish.row),
        columns: [{ family: bytes(wish.family), qualifier: bytes(wish.qualifier), amount: wish.amount }],
      }),
    }),
  })),
  fc
    .record({
      get: get2,
      from: rowName,
      isReversed: fc.boolean(),
      limit: fc.option(fc.integer({ min: 1, max: 3 })),
      batchSize: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 1 }),
      numRows: fc.integer({ min: 0, max: 3 }),
      method: fc.constantFrom('scan', 'scan', 'getScannerResults'),
    })
    .map(({ get, from, isReversed, limit, batchSize, numRows, method }): Draft => ({
      method,
      args: (prefix) => {
        const [low, high] = [bytes(prefix + from), bytes(`${prefix}s`)]
        return {
          table: TABLE,
          numRows,
          tscan: two.makeTScan({
            startRow: isReversed ? high : low,
            stopRow: isReversed ? low : high,
            columns: get.columns,
            timeRange: get.timeRange,
            maxVersions: get.maxVersions ?? 1,
            filterString: get.filterString,
            filterBytes: get.filterBytes,
            batchSize: get.filterString === null && get.filterBytes === null ? batchSize : null,
            reversed: isReversed,
            limit,
          }),
        }
      },
    })),
)

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 5, arbitrary: operation(1, writes1) },
  { weight: 2, arbitrary: operation(1, changes1) },
  { weight: 3, arbitrary: operation(1, reads1) },
  { weight: 3, arbitrary: operation(1, scans1) },
  { weight: 6, arbitrary: operation(2, calls2) },
)
