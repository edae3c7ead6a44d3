/** Writes of the first gateway: puts and deletions of rows, counters, appends, and a put behind a condition. */
import { type Done, KVError } from '../../src/base/errors.js'
import type { Mutation } from '../../src/model/mutation.js'
import { type Cell, columnsNamed } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/hbase1.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import { type ColumnName, checkedRow, parseColumn } from './hbase-columns.js'
import { IO_EXCEPTION, illegal, ioFault, runtime } from './hbase-errors.js'
import type { HBaseHost } from './hbase-host.js'
import { answer, refuse, serve, toTCell } from './hbase-thrift1-answers.js'
import type { Table } from './hbase-tables.js'
import { WrittenColumns, putsOfRow, sharedColumns } from './hbase-puts.js'
import { deletesOf, gather, requestsOfBatches } from './hbase-row-batches.js'
import { deleteRow, deleteUpTo, expectation, requestOf, ttlOf, ttlOfChange } from './hbase-writes.js'
import { toLocalKey } from './mapping.js'

type Handlers<K extends keyof wire.HbaseHandler> = Pick<wire.HbaseHandler, K>

type WriteNames = 'mutateRow' | 'mutateRowTs' | 'mutateRows' | 'mutateRowsTs'
type DeleteNames = 'deleteAll' | 'deleteAllTs' | 'deleteAllRow' | 'deleteAllRowTs'

export function writeCalls(host: HBaseHost): Handlers<WriteNames | DeleteNames> {
  const one = (
    call: ThriftCall<null, wire.IOError | wire.IllegalArgument>,
    args: Omit<wire.HbaseMutateRowTsArgs, 'timestamp'>,
    timestamp: bigint | null,
  ): void => {
    serve(call, () => {
      const table = host.tables.open(args.tableName)
      const row = checkedRow(args.row, illegal)
      const times = { timestamp, ttlMs: ttlOf(args.attributes), now: host.now }
      const { names, columns } = sharedColumns(table)
      const { removed, cells, durability } = gather(args.mutations ?? [], names)
      const deletes = deletesOf(table, removed, timestamp)
      const mutations = [...deletes, ...putsOfRow(row, cells, { ...times, columns })]
      if (mutations.length === 0) call.reply(null)
      else {
        const request = requestOf(table, { row, mutations, durability }, host.contextOf(call))
        host.mutate(
          request,
          answer(call, () => null),
        )
      }
    })
  }
  const many = (
    call: ThriftCall<null, wire.IOError | wire.IllegalArgument>,
    args: Omit<wire.HbaseMutateRowsTsArgs, 'timestamp'>,
    timestamp: bigint | null,
  ): void => {
    serve(call, () => {
      const times = { timestamp, ttlMs: ttlOf(args.attributes), now: host.now }
      const requests = requestsOfBatches(host, args, { ...times, context: host.contextOf(call) })
      host.mutateAll(requests, (failure) => {
        if (failure === null) call.reply(null)
        else refuse(call, failure)
      })
    })
  }
  return {
    mutateRow: (args, call) => one(call, args, null),
    mutateRowTs: (args, call) => one(call, args, args.timestamp),
    mutateRows: (args, call) => many(call, args, null),
    mutateRowsTs: (args, call) => many(call, args, args.timestamp),
    ...deleteCalls(host),
  }
}

function deleteCalls(host: HBaseHost): Handlers<DeleteNames> {
  const remove = (
    call: ThriftCall<null, wire.IOError>,
    args: { tableName: Buffer | null; row: Buffer | null },
    mutationOf: (table: Table) => Mutation,
  ): void => {
    serve(call, () => {
      const table = host.tables.open(args.tableName)
      const row = checkedRow(args.row)
      const write = { row, mutations: [mutationOf(table)], durability: null }
      host.mutate(
        requestOf(table, write, host.contextOf(call)),
        answer(call, () => null),
      )
    })
  }
  return {
    deleteAll: (args, call) =>
      remove(call, args, (table) => deleteUpTo(table, [parseColumn(args.column)], null)),
    deleteAllTs: (args, call) =>
      remove(call, args, (table) => deleteUpTo(table, [parseColumn(args.column)], args.timestamp)),
    deleteAllRow: (args, call) => remove(call, args, () => deleteRow(null)),
    deleteAllRowTs: (args, call) => remove(call, args, () => deleteRow(args.timestamp)),
  }
}

type ChangeNames = 'atomicIncrement' | 'increment' | 'incrementRows' | 'append' | 'checkAndPut'

export function changeCalls(host: HBaseHost): Handlers<ChangeNames> {
  const add = (
    call: ThriftCall<never, never>,
    given: { table: Buffer | null; row: Buffer; column: ColumnName; amount: bigint },
    done: Done<bigint>,
  ): void => {
    const table = host.tables.open(given.table)
    table.checkFamily(given.column.family)
    const localKey = toLocalKey({ ...given.column, qualifier: given.column.qualifier ?? NO_BYTES })
    const ttlSeconds = ttlOfChange(table, given.column.family, host.untimed(null))
    const deltas = [{ localKey, delta: given.amount, ttlSeconds, wraps: true } as const]
    const write = { row: given.row, mutations: [{ kind: 'INCREMENT', deltas } as const], durability: null }
    host.mutate(requestOf(table, write, host.contextOf(call)), (outcome) => {
      done(outcome instanceof KVError ? outcome : (outcome.counters[0]?.value ?? 0n))
    })
  }
  const increment = (call: ThriftCall<never, never>, one: wire.TIncrement, done: Done<bigint>): void => {
    if ((one.row?.length ?? 0) === 0 || (one.table?.length ?? 0) === 0)
      throw runtime("Must supply a table and a row key; can't increment")
    const column = parseColumn(one.column)
    if (column.qualifier === null) throw runtime('a column without a qualifier is not incremented')
    add(call, { table: one.table, row: checkedRow(one.row), column, amount: one.ammount ?? 0n }, done)
  }
  return {
    atomicIncrement: (args, call) => {
      serve(call, () => {
        const row = checkedRow(args.row, (text) => ioFault(IO_EXCEPTION, text))
        const column = parseColumn(args.column)
        const given = { table: args.tableName, row, column, amount: args.value ?? 0n }
        add(
          call,
          given,
          answer(call, (value: bigint) => value),
        )
      })
    },
    increment: (args, call) => {
      serve(call, () => {
        const one = args.increment ?? wire.makeTIncrement()
        increment(
          call,
          one,
          answer(call, () => null),
        )
      })
    },
    // One after the other; what stands behind one that fails is not done.
    incrementRows: (args, call) => {
      const all = args.increments ?? []
      const next = (index: number): void => {
        const one = all[index]
        if (one === undefined) {
          call.reply(null)
          return
        }
        serve(call, () => {
          increment(call, one, (outcome) => {
            if (outcome instanceof KVError) refuse(call, outcome)
            else next(index + 1)
          })
        })
      }
      next(0)
    },
    append: (args, call) => serve(call, () => append(host, args, call)),
    checkAndPut: (args, call) => serve(call, () => checkAndPut(host, args, call)),
  }
}

function append(
  host: HBaseHost,
  { append: wish }: wire.HbaseAppendArgs,
  call: ThriftCall<readonly wire.TCell[], wire.IOError>,
): void {
  const { columns, values, row, table: name } = wish ?? wire.makeTAppend()
  if ((row?.length ?? 0) === 0 || (name?.length ?? 0) === 0)
    throw runtime("Must supply a table and a row key; can't append")
  if ((columns ?? []).length !== (values ?? []).length)
    throw runtime('Sizes of columns and values in tappend object are not matching')
  const table = host.tables.open(name)
  const names = (columns ?? []).map(parseColumn)
  if (names.some(({ qualifier }) => qualifier === null))
    throw runtime('a column without a qualifier is not appended to')
  const cells = names.map(({ family, qualifier }, index): Cell => {
    table.checkFamily(family)
    const localKey = toLocalKey({ family, qualifier: qualifier ?? NO_BYTES })
    const ttlSeconds = ttlOfChange(table, family, host.untimed(null))
    return { localKey, value: values?.[index] ?? NO_BYTES, timestamp: null, ttlSeconds }
  })
  if (cells.length === 0) throw runtime('an append of no columns')
  const keys = cells.map(({ localKey }) => localKey).sort((a, b) => a.compare(b))
  const write = { row: checkedRow(row), mutations: [{ kind: 'APPEND', cells } as const], durability: null }
  const request = requestOf(table, write, host.contextOf(call), { returnAfter: columnsNamed(keys) })
  host.mutate(
    request,
    answer(call, (result) => (result.row?.cells ?? []).map(toTCell)),
  )
}

function checkAndPut(
  host: HBaseHost,
  args: wire.HbaseCheckAndPutArgs,
  call: ThriftCall<boolean, wire.IOError | wire.IllegalArgument>,
): void {
  const row = checkedRow(args.row, illegal)
  const target = parseColumn(args.mput?.column ?? null)
  const checked = parseColumn(args.column)
  if (target.qualifier === null || checked.qualifier === null)
    throw runtime('a column without a qualifier is neither compared nor put')
  const table = host.tables.open(args.tableName)
  table.checkFamily(checked.family)
  const cells = [{ column: target, value: args.mput?.value ?? null, timestamp: null }]
  const times = host.untimed(ttlOf(args.attributes))
  const mutations = putsOfRow(row, cells, { ...times, columns: new WrittenColumns(table) })
  const durability = args.mput?.writeToWAL === false ? ('LOG' as const) : null
  const localKey = toLocalKey({ family: checked.family, qualifier: checked.qualifier })
  const write = { row, mutations, durability }
  const conditions = [expectation(localKey, args.value)]
  const request = requestOf(table, write, host.contextOf(call), { conditions })
  host.mutate(
    request,
    answer(call, (result) => result.isApplied),
  )
}

const NO_BYTES = Buffer.alloc(0)
