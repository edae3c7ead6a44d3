/** How much of a partition a refused condition on static cells reads, and what a late write is: over a store in memory. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import type { ClusterMap } from '../../../src/model/cluster-map.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { ReadRequest } from '../../../src/model/request.js'
import type { Cell } from '../../../src/model/row.js'
import type { CqlColumnKind, CqlTable } from '../../../src/model/table-call.js'
import { CqlError } from '../../../shims/rocksandra/cql/errors.js'
import type { CqlResult } from '../../../shims/rocksandra/engine/contract.js'
import { GatewayCqlEngine } from '../../../shims/rocksandra/engine/engine.js'
import { STATIC_PREFIX, columnKey, rowPrefix } from '../../../shims/rocksandra/engine/mapping.js'

const SESSION = { keyspace: 'ks', user: null, caller: null, address: '' }
const OPTIONS = {
  ...{ consistency: 1, serialConsistency: null, values: [], names: null, timestamp: null },
  ...{ deadline: Number.POSITIVE_INFINITY, pageSize: null, paging: null },
}
const ROWS = 100_000

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function column(name: string, kind: CqlColumnKind, position = -1) {
  return { name, type: 'int', kind, position, isReversed: false }
}

const TABLE = {
  ...{ keyspace: 'ks', name: 't', id: '1', isCompact: false, options: {}, indexes: [], dropped: [] },
  columns: [
    column('k', 'partition_key', 0),
    column('c', 'clustering', 0),
    column('s', 'static'),
    column('u', 'static'),
    column('v', 'regular'),
  ],
} as unknown as CqlTable // what these tests need of one

/** One partition, and how many reads and cells of rows were asked of it. */
class Store {
  readonly engine: GatewayCqlEngine
  reads = 0
  cells = 0
  #cells: readonly Cell[] = []

  constructor() {
    const keyspace = { name: 'ks', replication: {}, durableWrites: true, types: [], revision: 1 }
    // What the engine needs of a map, and of a store.
    const map = { cql: { keyspaces: [keyspace], tables: [TABLE] } } as unknown as ClusterMap
    const read: KVStore['read'] = (request, done) => done(this.#read(request))
    const mutate: KVStore['mutate'] = (_request, done) =>
      done(new KVError('DEADLINE_EXCEEDED', 'too late', { outcome: 'UNKNOWN' }))
    this.engine = new GatewayCqlEngine({
      ...{ kvstore: { read, mutate } as unknown as KVStore, clock: systemClock, mapOf: () => map },
      virtualTables: [],
      ...{ batchSizes: { warnBytes: 5_120, failBytes: 51_200 }, batchLog: null },
      changeSchema: () => Promise.resolve(null),
    })
  }

  /** Static cells, and rows of values alone but for one that was inserted. */
  fill(statics: readonly string[], inserted: number | null): void {
    const table = this.engine.schema().keyspaces.get('ks')?.tables.get('t')
    assert.ok(table)
    const cell = (prefix: Buffer, name: string): Cell => {
      const found = table.byName.get(name)
      const localKey = found === undefined ? prefix : columnKey(prefix, found)
      return { localKey, value: name === '' ? Buffer.alloc(0) : int(1), timestamp: 1n, ttlSeconds: null }
    }
    const rows = Array.from({ length: ROWS }, (_, c) => {
      const prefix = rowPrefix(table, [int(c)])
      return c === inserted ? [cell(prefix, ''), cell(prefix, 'v')] : [cell(prefix, 'v')]
    })
    this.#cells = [...statics.map((name) => cell(STATIC_PREFIX, name)), ...rows.flat()]
  }

  #read({ selector }: ReadRequest) {
    const [range] = selector?.ranges ?? []
    assert.ok(selector !== null && range !== undefined)
    const { from, to } = range
    const isOfRows = from[0] !== STATIC_PREFIX[0]
    const wanted = this.#cells.filter(
      ({ localKey }) => localKey.compare(from) >= 0 && (to === null || localKey.compare(to) < 0),
    )
    const cells = wanted.slice(0, selector.limit ?? undefined)
    if (isOfRows) {
      this.reads += 1
      this.cells += cells.length
    }
    return { rows: [cells.length === 0 ? null : { cells, next: null }], datasetVersion: null }
  }

  outcome(text: string): Promise<CqlResult | Error> {
    return new Promise((resolve) => this.engine.query(text, SESSION, OPTIONS, resolve))
  }

  async answer(text: string): Promise<(number | null)[][]> {
    const outcome = await this.outcome(text)
    assert.ok(!(outcome instanceof KVError) && !(outcome instanceof Error) && outcome.kind === 'rows')
    // The flag is one byte.
    return outcome.rows.map((row) =>
      row.map((value) => (value === null ? null : value.readIntBE(0, value.length))),
    )
  }
}

describe('a refused condition on static cells', () => {
  test('reads no row where the static cells are all that is shown', async () => {
    const store = new Store()
    store.fill(['s'], 0)
    assert.deepEqual(await store.answer('UPDATE t SET u = 2 WHERE k = 1 IF s = 2'), [[0, 1]])
    assert.equal(store.reads, 0)
  })

  test('shows the first row that was inserted, as far as it lies before the bound', async () => {
    const store = new Store()
    store.fill([], 100)
    assert.deepEqual(await store.answer('UPDATE t SET s = 2 WHERE k = 1 IF u = 2'), [[0, null]])
    assert.deepEqual(await store.answer('UPDATE t SET s = 2 WHERE k = 1 IF EXISTS'), [
      [0, 1, 100, null, null, null],
    ])
    assert.ok(store.cells < 2 * 300, String(store.cells))
  })

  test('looks at so many rows only where none was inserted', async () => {
    const store = new Store()
    store.fill(['s'], null)
    assert.deepEqual(await store.answer('INSERT INTO t (k, s) VALUES (1, 2) IF NOT EXISTS'), [
      [0, 1, null, 1, null, null],
    ])
    assert.equal(store.reads, 16)
    assert.ok(store.cells < ROWS, String(store.cells))
  })

  test('of a batch that names rows, too, takes the first one', async () => {
    const store = new Store()
    store.fill(['s'], null)
    const text =
      'BEGIN BATCH UPDATE t SET s = 2 WHERE k = 1 IF s = 2; UPDATE t SET v = 2 WHERE k = 1 AND c = 5; APPLY BATCH'
    assert.deepEqual(await store.answer(text), [[0, 1, 0, 1]])
    assert.equal(store.reads, 1)
  })
})

test('a conditional write that comes too late is told from a plain one', async () => {
  const outcome = await new Store().outcome('INSERT INTO t (k, c) VALUES (1, 1) IF NOT EXISTS')
  assert.ok(outcome instanceof CqlError)
  const { consistency, writeType } = outcome.details
  assert.deepEqual([outcome.code, consistency, writeType], ['WRITE_TIMEOUT', 1, 'CAS'])
})
