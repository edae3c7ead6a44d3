/** Generated writes of HBase clients' first gateway: puts and deletions of rows, counters, appends and conditions. */
import fc from 'fast-check'
import * as one from '../../src/thrift/generated/hbase1.js'
import {
  type Draft,
  TABLE,
  bytes,
  column,
  columnOrFamily,
  keyIn,
  row1,
  rowName,
  time,
  value,
} from './hbase-calls.js'

const mutation = fc.record({
  isDelete: fc.boolean(),
  column: columnOrFamily,
  value: fc.option(value),
  writeToWAL: fc.boolean(),
})

/** As the codecs write them: every field, absent ones null. */
function toMutation({ isDelete, column: name, value: text, writeToWAL }: MutationDraft): one.Mutation {
  return { isDelete, column: bytes(name), value: text === null ? null : bytes(text), writeToWAL }
}

interface MutationDraft {
  readonly isDelete: boolean
  readonly column: string
  readonly value: string | null
  readonly writeToWAL: boolean
}

/** With the server's clock a call changes or removes, because HBase does one after the other within a millisecond. */
const stamped = fc
  .tuple(fc.boolean(), fc.array(mutation, { minLength: 1, maxLength: 3 }))
  .map(([isDelete, all]) => all.map((each) => ({ ...each, isDelete })))

export const writes1 = fc.oneof(
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

export const changes1 = fc.oneof(
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
    .record({ row: rowName, column: columnOrFamily, ammount: fc.constantFrom(0n, -2n, 2n ** 63n - 1n) })
    .map(({ row, column: name, ammount }): Draft => ({
      method: 'increment',
      isStamped: true,
      args: (prefix) => ({
        increment: one.makeTIncrement({
          table: TABLE,
          row: keyIn(prefix, row),
          column: bytes(name),
          ammount,
        }),
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
