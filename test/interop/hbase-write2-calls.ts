/** Generated writes of HBase clients' second gateway: puts, deletions, counters, appends and conditions. */
import fc from 'fast-check'
import * as two from '../../src/thrift/generated/hbase2.js'
import {
  type Draft,
  TABLE,
  bytes,
  column2,
  family,
  half,
  keyIn,
  qualifier,
  rowName,
  seldom,
  time,
  value,
} from './hbase-calls.js'

/** One of them is of no level. */
const durability = half(fc.integer({ min: 0, max: 5 }))

type Fields<T> = T extends fc.Arbitrary<infer F> ? F : never

const cell2 = fc.record({ family, qualifier, value, timestamp: time })
const timedCells = fc.array(cell2, { minLength: 1, maxLength: 3 })

function toColumnValue({
  family: name,
  qualifier: rest,
  value: text,
  timestamp,
}: CellWish): two.TColumnValue {
  return two.makeTColumnValue({
    family: bytes(name),
    qualifier: bytes(rest),
    value: bytes(text),
    timestamp,
  })
}

interface CellWish {
  readonly family: string
  readonly qualifier: string
  readonly value: string
  readonly timestamp: bigint | null
}

/** Times of their own or one of all. */
const put2 = fc
  .record({
    cells: fc.array(fc.tuple(cell2, fc.boolean()), { minLength: 1, maxLength: 3 }),
    timestamp: time,
    durability,
  })
  .map(({ cells, ...rest }) => ({
    ...rest,
    cells: cells.map(([cell, isTimed]) => ({ ...cell, timestamp: isTimed ? cell.timestamp : null })),
  }))

/** By the server's clock. */
const stampedPut2 = timedCells.map((cells) => ({
  cells: cells.map((cell) => ({ ...cell, timestamp: null })),
  timestamp: null,
  durability: null,
}))

interface PutWish {
  readonly cells: readonly CellWish[]
  readonly timestamp: bigint | null
  readonly durability: number | null
}

function toPut(row: Buffer, { cells, timestamp, durability: level }: PutWish): two.TPut {
  return two.makeTPut({ row, columnValues: cells.map(toColumnValue), timestamp, durability: level })
}

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

/** The row that an action names where its call names another one. */
const otherRow = seldom(rowName)

/** Puts and deletions of a row, of which some are of another row by mistake. */
const rowMutations2 = fc.record({
  row: otherRow,
  mutations: fc.array(
    fc.oneof(fc.record({ put: put2, row: otherRow }), fc.record({ remove: delete2, row: otherRow })),
    { minLength: 1, maxLength: 3 },
  ),
})

function toRowMutations(prefix: string, name: string, wish: Fields<typeof rowMutations2>): two.TRowMutations {
  const row = keyIn(prefix, wish.row ?? name)
  const mutations = wish.mutations.map((each): two.TMutation => {
    const own = each.row === null ? row : keyIn(prefix, each.row)
    return 'put' in each
      ? { put: toPut(own, each.put), deleteSingle: null }
      : { put: null, deleteSingle: toDelete(own, each.remove) }
  })
  return { row, mutations }
}

const puts2 = fc.oneof(
  fc.record({ row: rowName, put: put2 }).map(({ row, put }): Draft => ({
    method: 'put',
    args: (prefix) => ({ table: TABLE, tput: toPut(keyIn(prefix, row), put) }),
  })),
  fc.record({ row: rowName, put: stampedPut2 }).map(({ row, put }): Draft => ({
    method: 'put',
    isStamped: true,
    args: (prefix) => ({ table: TABLE, tput: toPut(keyIn(prefix, row), put) }),
  })),
  fc.array(fc.record({ row: rowName, put: put2 }), { maxLength: 3 }).map((rows): Draft => ({
    method: 'putMultiple',
    args: (prefix) => ({
      table: TABLE,
      tputs: rows.map(({ row, put }) => toPut(keyIn(prefix, row), put)),
    }),
  })),
  fc.record({ row: rowName, wish: rowMutations2 }).map(({ row, wish }): Draft => ({
    method: 'mutateRow',
    args: (prefix) => ({ table: TABLE, trowMutations: toRowMutations(prefix, row, wish) }),
  })),
)

const deletions2 = fc.oneof(
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
)

const condition2 = fc.record({
  row: rowName,
  family,
  qualifier,
  expected: fc.option(value),
  other: otherRow,
})

function conditionIn(prefix: string, wish: Fields<typeof condition2>) {
  return {
    table: TABLE,
    row: keyIn(prefix, wish.row),
    family: bytes(wish.family),
    qualifier: bytes(wish.qualifier),
    value: wish.expected === null ? null : bytes(wish.expected),
  }
}

const checks2 = fc.oneof(
  fc.record({ check: condition2, put: put2 }).map(({ check, put }): Draft => ({
    method: 'checkAndPut',
    args: (prefix) => ({
      ...conditionIn(prefix, check),
      tput: toPut(keyIn(prefix, check.other ?? check.row), put),
    }),
  })),
  fc.record({ check: condition2, remove: delete2 }).map(({ check, remove }): Draft => ({
    method: 'checkAndDelete',
    args: (prefix) => ({
      ...conditionIn(prefix, check),
      tdelete: toDelete(keyIn(prefix, check.other ?? check.row), remove),
    }),
  })),
  fc
    .record({ check: condition2, wish: rowMutations2, operator: fc.integer({ min: 0, max: 6 }) })
    .map(({ check, wish, operator }): Draft => ({
      method: 'checkAndMutate',
      args: (prefix) => ({
        ...conditionIn(prefix, check),
        compareOperator: operator,
        rowMutations: toRowMutations(prefix, check.row, wish),
      }),
    })),
)

const names2 = fc.uniqueArray(fc.record({ family, qualifier }), {
  minLength: 1,
  maxLength: 2,
  selector: (name) => `${name.family}:${name.qualifier}`,
})
const change2 = fc.record({
  row: rowName,
  names: names2,
  returnResults: fc.option(fc.boolean()),
  durability,
})

const changes2 = fc.oneof(
  fc.record({ change: change2, amount: fc.constantFrom(1n, -3n) }).map(({ change, amount }): Draft => ({
    method: 'increment',
    isStamped: true,
    args: (prefix) => ({
      table: TABLE,
      tincrement: two.makeTIncrement({
        row: keyIn(prefix, change.row),
        columns: change.names.map((name) => ({
          family: bytes(name.family),
          qualifier: bytes(name.qualifier),
          amount,
        })),
        returnResults: change.returnResults,
        durability: change.durability,
      }),
    }),
  })),
  fc.record({ change: change2, value }).map(({ change, value: text }): Draft => ({
    method: 'append',
    isStamped: true,
    args: (prefix) => ({
      table: TABLE,
      tappend: two.makeTAppend({
        row: keyIn(prefix, change.row),
        columns: change.names.map((name) => toColumnValue({ ...name, value: text, timestamp: null })),
        returnResults: change.returnResults,
        durability: change.durability,
      }),
    }),
  })),
)

export const writes2 = fc.oneof(
  { weight: 4, arbitrary: puts2 },
  { weight: 3, arbitrary: deletions2 },
  { weight: 3, arbitrary: checks2 },
  { weight: 2, arbitrary: changes2 },
)
