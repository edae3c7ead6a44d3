/**
 * HBase's second Thrift gateway (THBaseService, port 9091), its calls on rows. What it does is copied from HBase 2.5
 * (thrift2/ThriftHBaseServiceHandler and ThriftUtilities): a row that is not there is a result without a row, a deletion of
 * columns takes all their versions unless told otherwise, deleteMultiple answers an empty list.
 */
import { type KVError, toKVError } from '../../src/base/errors.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { MutateRequest } from '../../src/model/request.js'
import { columnsNamed } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/hbase2.js'
import type { ThriftCall, ThriftService } from '../../src/thrift/protocol.js'
import { checkedRow } from './hbase-columns.js'
import { DO_NOT_RETRY, asBatch, binaryText, remoteFault, runtime } from './hbase-errors.js'
import { HBaseHost, type HBaseOptions } from './hbase-host.js'
import { answer, refuse, serve, toResult, tooLargeOf } from './hbase-thrift2-answers.js'
import { given, readCalls } from './hbase-thrift2-reads.js'
import { scannerCalls } from './hbase-thrift2-scans.js'
import { tableCalls } from './hbase-thrift2-tables.js'
import {
  checkVisible,
  comparisonOf,
  deletionsOf,
  durabilityOf,
  mutationsOf,
  putsOf,
  rowOf,
} from './hbase-thrift2-translate.js'
import type { Table } from './hbase-tables.js'
import { type SharedColumns, sharedColumns } from './hbase-puts.js'
import { expectation, requestOf, ttlOf, ttlOfChange } from './hbase-writes.js'
import { toLocalKey } from './mapping.js'

type Handlers<K extends keyof wire.THBaseServiceHandler> = Pick<wire.THBaseServiceHandler, K>

/** The service as the thrift server takes it. */
export function createHBase2Service(kvstore: KVStore, options: HBaseOptions): ThriftService {
  const host = new HBaseHost(kvstore, 'hbase2', options)
  const handler: wire.THBaseServiceHandler = {
    ...readCalls(host),
    ...writeCalls(host),
    ...changeCalls(host),
    ...checkCalls(host),
    ...scannerCalls(host),
    ...tableCalls(host),
  }
  return { ...wire.bindTHBaseService(handler), tooLarge: tooLargeOf }
}

function writeCalls(
  host: HBaseHost,
): Handlers<'put' | 'putMultiple' | 'deleteSingle' | 'deleteMultiple' | 'mutateRow'> {
  const one = (
    call: ThriftCall<null, wire.TIOError>,
    name: Buffer | null,
    requestIn: (table: Table) => MutateRequest | null,
  ): void => {
    serve(call, () => {
      const request = requestIn(host.tables.open(name))
      if (request === null) call.reply(null)
      else
        host.mutate(
          request,
          answer(call, () => null),
        )
    })
  }
  const many = <W, R>(
    call: ThriftCall<R, wire.TIOError>,
    name: Buffer | null,
    given: {
      readonly writes: readonly W[]
      readonly requestOf: (table: Table, write: W) => MutateRequest | null
      readonly reply: () => R
    },
  ): void => {
    serve(call, () => {
      const table = host.tables.open(name)
      const requests = given.writes
        .map((write) => attempt(() => given.requestOf(table, write)))
        .filter((request) => request !== null)
      host.mutateAll(requests, (failure) => {
        if (failure === null) call.reply(given.reply())
        else refuse(call, failure)
      })
    })
  }
  return {
    put: ({ table, tput }, call) => one(call, table, (found) => putRequests(host, call)(found, given(tput))),
    putMultiple: ({ table, tputs }, call) =>
      many(call, table, { writes: tputs ?? [], requestOf: putRequests(host, call), reply: () => null }),
    deleteSingle: ({ table, tdelete }, call) =>
      one(call, table, (found) => deletionRequest(host, call)(found, given(tdelete))),
    deleteMultiple: ({ table, tdeletes }, call) =>
      many(call, table, { writes: tdeletes ?? [], requestOf: deletionRequest(host, call), reply: () => [] }),
    mutateRow: ({ table, trowMutations }, call) =>
      one(call, table, (found) => {
        const wish = given(trowMutations)
        const row = rowOf(wish)
        const mutations = asBatch(wish.mutations?.length ?? 0, () => mutationsOf(found, wish, host.now))
        if (mutations.length === 0) return null
        return requestOf(found, { row, mutations, durability: null }, host.contextOf(call))
      }),
  }
}

/** How puts of one call become requests. */
function putRequests(host: HBaseHost, call: ThriftCall<never, never>) {
  // All of them are to one table.
  let shared: SharedColumns | null = null
  const context = host.contextOf(call)
  return (table: Table, put: wire.TPut): MutateRequest | null => {
    const row = checkedRow(put.row)
    shared ??= sharedColumns(table)
    const mutations = putsOf(table, put, host.now, shared)
    if (mutations.length === 0) return null
    return requestOf(table, { row, mutations, durability: durabilityOf(put.durability) }, context)
  }
}

/** How a deletion becomes a request. */
function deletionRequest(host: HBaseHost, call: ThriftCall<never, never>) {
  return (table: Table, remove: wire.TDelete): MutateRequest => {
    const row = checkedRow(remove.row)
    const write = { row, mutations: deletionsOf(table, remove), durability: durabilityOf(remove.durability) }
    return requestOf(table, write, host.contextOf(call))
  }
}

/** What fails for a row alone is its own; what the handler itself would throw is the call's. */
function attempt(request: () => MutateRequest | null): MutateRequest | KVError | null {
  try {
    return request()
  } catch (error) {
    const failure = toKVError(error, 'write')
    if ('faultKind' in failure && failure.faultKind !== 'io') throw failure
    return failure
  }
}

function changeCalls(host: HBaseHost): Handlers<'increment' | 'append'> {
  return {
    increment: ({ table: name, tincrement }, call) => {
      serve(call, () => {
        const wish = given(tincrement)
        checkVisible(wish)
        const untimed = host.untimed(ttlOf(wish.attributes))
        const table = host.tables.open(name)
        const row = checkedRow(wish.row)
        const deltas = (wish.columns ?? []).map(({ family, qualifier, amount }) => ({
          localKey: localKeyOf(table, family, qualifier),
          delta: amount,
          ttlSeconds: ttlOfChange(table, family ?? NO_BYTES, untimed),
          wraps: true as const,
        }))
        if (deltas.length === 0) throw runtime('an increment of no columns')
        const mutations = [{ kind: 'INCREMENT', deltas } as const]
        runAndAnswer(host, call, table, {
          row,
          mutations,
          durability: durabilityOf(wish.durability),
          keys: deltas.map(({ localKey }) => localKey),
          isSilent: wish.returnResults === false,
        })
      })
    },
    append: ({ table: name, tappend }, call) => {
      serve(call, () => {
        const wish = given(tappend)
        checkVisible(wish)
        const untimed = host.untimed(ttlOf(wish.attributes))
        const table = host.tables.open(name)
        const row = checkedRow(wish.row)
        const cells = (wish.columns ?? []).map(({ family, qualifier, value }) => ({
          localKey: localKeyOf(table, family, qualifier),
          value: value ?? NO_BYTES,
          timestamp: null,
          ttlSeconds: ttlOfChange(table, family ?? NO_BYTES, untimed),
        }))
        if (cells.length === 0) throw runtime('an append of no columns')
        const mutations = [{ kind: 'APPEND', cells } as const]
        runAndAnswer(host, call, table, {
          row,
          mutations,
          durability: durabilityOf(wish.durability),
          keys: cells.map(({ localKey }) => localKey),
          isSilent: wish.returnResults === false,
        })
      })
    },
  }
}

function localKeyOf(table: Table, family: Buffer | null, qualifier: Buffer | null): Buffer {
  const name = family ?? NO_BYTES
  table.checkFamily(name)
  return toLocalKey({ family: name, qualifier: qualifier ?? NO_BYTES })
}

interface Change {
  readonly row: Buffer
  readonly mutations: MutateRequest['mutations']
  readonly durability: MutateRequest['durability']
  readonly keys: readonly Buffer[]
  /** The client asked for no result: it gets one without a row. */
  readonly isSilent: boolean
}

function runAndAnswer(
  host: HBaseHost,
  call: ThriftCall<wire.TResult, wire.TIOError>,
  table: Table,
  { keys, isSilent, ...write }: Change,
): void {
  const distinct = new Map(keys.map((key) => [key.toString('latin1'), key]))
  const sorted = [...distinct.values()].sort((a, b) => a.compare(b))
  const extra = isSilent ? {} : { returnAfter: columnsNamed(sorted) }
  const request = requestOf(table, write, host.contextOf(call), extra)
  host.mutate(
    request,
    answer(call, ({ row }) => toResult(write.row, isSilent ? null : (row?.cells ?? null))),
  )
}

function checkCalls(host: HBaseHost): Handlers<'checkAndPut' | 'checkAndDelete' | 'checkAndMutate'> {
  const check = (
    call: ThriftCall<boolean, wire.TIOError>,
    args: Pick<wire.THBaseServiceCheckAndPutArgs, 'table' | 'row' | 'family' | 'qualifier' | 'value'>,
    given: {
      readonly operator: wire.TCompareOperator | null
      /** Of what is done where the condition holds. */
      readonly rowOf: () => Buffer | null
      /** How many HBase sends as a batch; null: it sends none. */
      readonly batch: number | null
      readonly mutationsOf: (table: Table) => MutateRequest['mutations']
    },
  ): void => {
    serve(call, () => {
      const table = host.tables.open(args.table)
      const row = checkedRow(args.row)
      const { batch, operator } = given
      const inBatch = <T>(run: () => T): T => (batch === null ? run() : asBatch(batch, run))
      const other = checkedRow(given.rowOf())
      inBatch(() => checkSameRow(other, row))
      const localKey = inBatch(() => localKeyOf(table, args.family, args.qualifier))
      const isPlain = args.value === null || operator === null
      const conditions = isPlain
        ? [expectation(localKey, args.value)]
        : comparisonOf(localKey, operator, args.value)
      const mutations = inBatch(() => given.mutationsOf(table))
      const write = { row, mutations, durability: null }
      const request = requestOf(table, write, host.contextOf(call), { conditions })
      host.mutate(
        request,
        answer(call, ({ isApplied }) => isApplied),
      )
    })
  }
  return {
    checkAndPut: (args, call) =>
      check(call, args, {
        operator: null,
        rowOf: () => given(args.tput).row,
        batch: null,
        mutationsOf: (table) => putsOf(table, given(args.tput), host.now),
      }),
    checkAndDelete: (args, call) =>
      check(call, args, {
        operator: null,
        rowOf: () => given(args.tdelete).row,
        batch: null,
        mutationsOf: (table) => deletionsOf(table, given(args.tdelete)),
      }),
    checkAndMutate: (args, call) =>
      check(call, args, {
        // Whether the number is one that is known is for what uses it to say.
        operator: (args.compareOperator ?? wire.TCompareOperator.EQUAL) as wire.TCompareOperator,
        rowOf: () => rowOf(given(args.rowMutations)),
        batch: args.rowMutations?.mutations?.length ?? 0,
        mutationsOf: (table) => mutationsOf(table, given(args.rowMutations), host.now),
      }),
  }
}

/** CheckAndMutate.Builder.preCheck: a condition guards its own row. @throws {KVError} */
function checkSameRow(action: Buffer, row: Buffer): void {
  if (action.equals(row)) return
  const [theirs, ours] = [binaryText(action), binaryText(row)]
  const text = `The row of the action <${theirs}> doesn't match the original one <${ours}>`
  throw remoteFault(DO_NOT_RETRY, text)
}

const NO_BYTES = Buffer.alloc(0)
