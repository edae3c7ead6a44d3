/** What SELECT asks the store for, and that its short ways answer what the long ones do: over a store in memory. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import type { ClusterMap } from '../../../src/model/cluster-map.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { ReadRequest } from '../../../src/model/request.js'
import type { ByteRange, Cell, CellSelector, Row } from '../../../src/model/row.js'
import type { CqlColumnKind, CqlTable } from '../../../src/model/table-call.js'
import type { CqlResult, RowsResult } from '../../../shims/rocksandra/engine/contract.js'
import { GatewayCqlEngine } from '../../../shims/rocksandra/engine/engine.js'
import { columnKey, rowPrefix } from '../../../shims/rocksandra/engine/mapping.js'

const SESSION = { keyspace: 'ks', user: null, caller: null, address: '' }
const OPTIONS = {
  ...{ consistency: 1, serialConsistency: null, values: [], names: null, timestamp: null },
  deadline: Number.POSITIVE_INFINITY,
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function column(name: string, type: string, kind: CqlColumnKind, position = -1) {
  return { name, type, kind, position, isReversed: false }
}

const KEY = [column('k', 'int', 'partition_key', 0)]
const VALUES = [column('v', 'text', 'regular'), column('w', 'text', 'regular')]
const AROUND = { keyspace: 'ks', isCompact: false, options: {}, indexes: [], dropped: [] }
const TABLES = [
  { ...AROUND, name: 'points', id: '1', columns: [...KEY, ...VALUES] },
  { ...AROUND, name: 'slices', id: '2', columns: [...KEY, column('c', 'int', 'clustering', 0), ...VALUES] },
] as unknown as readonly CqlTable[] // what these tests need of them

/** Cells by row, and what was asked. A read with a page is cut behind so many cells. */
class Store {
  readonly asked: CellSelector[] = []
  readonly engine: GatewayCqlEngine
  cutAt = Number.POSITIVE_INFINITY
  readonly #rows = new Map<string, Cell[]>()

  constructor() {
    const keyspace = { name: 'ks', replication: {}, durableWrites: true, types: [], revision: 1 }
    // What the engine needs of a map, and of a store.
    const map = { cql: { keyspaces: [keyspace], tables: TABLES } } as unknown as ClusterMap
    const read: KVStore['read'] = (request, done) => done(this.#read(request))
    const kvstore = { read } as unknown as KVStore
    this.engine = new GatewayCqlEngine({
      ...{ kvstore, clock: systemClock, mapOf: () => map, virtualTables: [] },
      ...{ batchSizes: { warnBytes: 5_120, failBytes: 51_200 }, batchLog: null },
      changeSchema: () => Promise.resolve(null),
    })
  }

  /** A row of a table: its marker where the name is empty. */
  put(table: 'points' | 'slices', key: readonly number[], cells: Readonly<Record<string, string>>): void {
    const schema = this.engine.schema().keyspaces.get('ks')?.tables.get(table)
    assert.ok(schema)
    const [k = 0, ...clustering] = key
    const prefix = rowPrefix(schema, clustering.map(int))
    const row = this.#rows.get(`ks.${table} ${k}`) ?? []
    this.#rows.set(`ks.${table} ${k}`, row)
    for (const [name, value] of Object.entries(cells)) {
      const found = schema.byName.get(name)
      const localKey = found === undefined ? prefix : columnKey(prefix, found)
      row.push({ localKey, value: Buffer.from(value), timestamp: null, ttlSeconds: null })
    }
    row.sort((a, b) => a.localKey.compare(b.localKey))
  }

  #read({ dataset, rowKeys, selector, pageBytes }: ReadRequest) {
    assert.ok(selector !== null && selector.localKeys.length + selector.ranges.length > 0)
    this.asked.push(selector)
    const rows = rowKeys.map((key): Row | null => {
      const all = this.#rows.get(`${dataset} ${key.readInt32BE(0)}`) ?? []
      const wanted = all.filter(({ localKey }) => isSelected(localKey, selector))
      if (selector.isReversed) wanted.reverse()
      const cells = wanted.slice(0, selector.limit ?? undefined)
      if (cells.length === 0) return null
      const [last] = cells.slice(0, this.cutAt).slice(-1)
      if (pageBytes === null || cells.length <= this.cutAt || last === undefined) return { cells, next: null }
      return {
        cells: cells.slice(0, this.cutAt),
        next: { localKey: last.localKey, timestamp: null, columns: 0 },
      }
    })
    return { rows, datasetVersion: null }
  }

  async page(text: string, pageSize: number | null, paging: Buffer | null): Promise<RowsResult> {
    const outcome = await new Promise<CqlResult | Error>((resolve) => {
      this.engine.query(text, SESSION, { ...OPTIONS, pageSize, paging }, resolve)
    })
    assert.ok(!(outcome instanceof KVError) && !(outcome instanceof Error) && outcome.kind === 'rows')
    return outcome
  }

  /** The first values of the rows of each page. */
  async pages(text: string, pageSize: number | null): Promise<number[][]> {
    const pages: number[][] = []
    let paging: Buffer | null = null
    do {
      const page: RowsResult = await this.page(text, pageSize, paging)
      pages.push(page.rows.map(([first]) => first?.readInt32BE(0) ?? Number.NaN))
      paging = page.paging
    } while (paging !== null)
    return pages
  }

  async texts(text: string): Promise<(string | null)[][]> {
    const { rows } = await this.page(text, null, null)
    return rows.map((row) => row.map((value) => value?.toString() ?? null))
  }
}

function isSelected(localKey: Buffer, { localKeys, ranges }: CellSelector): boolean {
  const isWithin = ({ from, to }: ByteRange) =>
    localKey.compare(from) >= 0 && (to === null || localKey.compare(to) < 0)
  return localKeys.some((key) => key.equals(localKey)) || ranges.some(isWithin)
}

describe('a row by its key', () => {
  test('is read by the columns that are looked at, once', async () => {
    const store = new Store()
    store.put('points', [1], { '': '', v: 'one', w: 'two' })
    assert.deepEqual(await store.texts('SELECT v FROM points WHERE k = 1'), [['one']])
    assert.deepEqual(await store.texts("SELECT v FROM points WHERE k = 1 AND w = 'two' ALLOW FILTERING"), [
      ['one'],
    ])
    const names = store.asked.map(({ localKeys }) => localKeys.map(String))
    assert.deepEqual(names, [['v'], ['v', 'w']])
  })

  test('without a value in these is there by another column or by its marker, which are read then', async () => {
    const store = new Store()
    store.put('points', [1], { '': '' })
    store.put('points', [2], { w: 'two' })
    for (const [k, rows] of [
      [1, [[null]]],
      [2, [[null]]],
      [3, []],
    ] as const) {
      // prettier-ignore
      assert.deepEqual(await store.texts(`SELECT v FROM points WHERE k = ${k}`), rows)
      const [first, second, ...more] = store.asked.splice(0)
      assert.deepEqual(first?.localKeys.map(String), ['v'])
      assert.deepEqual(second?.localKeys.map(String), ['', 'v', 'w'])
      assert.deepEqual(more, [])
    }
  })

  test('of several some may be there, in the order of their keys', async () => {
    const store = new Store()
    for (const c of [1, 3]) store.put('slices', [1, c], { '': '', v: `v${c}` })
    store.put('slices', [1, 2], { w: 'w' })
    store.put('slices', [2, 1], { v: 'other' })
    const select = 'SELECT v FROM slices WHERE k IN (1, 2, 3) AND c IN (3, 2, 1)'
    assert.deepEqual(await store.texts(select), [['v1'], [null], ['v3'], ['other']])
  })

  test('is read whole when no column of it is asked for', async () => {
    const store = new Store()
    store.put('points', [1], { '': '' })
    assert.deepEqual(await store.pages('SELECT k FROM points WHERE k = 1', null), [[1]])
    assert.deepEqual(store.asked[0]?.localKeys.map(String), ['', 'v', 'w'])
  })
})

describe('rows of one partition', () => {
  /** Rows of one to three cells; every fifth has no marker. */
  function filled(rows: number): Store {
    const store = new Store()
    for (let c = 0; c < rows; c++) {
      const marker = c % 5 === 0 ? {} : { '': '' }
      const w = c % 3 === 0 ? { w: `w${c % 2}` } : {}
      store.put('slices', [1, c], { ...marker, v: `v${c % 2}`, ...w })
    }
    return store
  }

  const cases = [
    { where: '', rows: (c: number) => c >= 0, order: '' },
    { where: 'AND c >= 7', rows: (c: number) => c >= 7, order: '' },
    { where: 'AND c > 3 AND c < 20', rows: (c: number) => c > 3 && c < 20, order: '' },
    { where: 'AND c <= 20', rows: (c: number) => c <= 20, order: 'ORDER BY c DESC' },
    { where: "AND v = 'v1'", rows: (c: number) => c % 2 === 1, order: '' },
    { where: 'AND c > 9 AND c < 3', rows: () => false, order: '' },
  ]
  for (const { where, rows, order } of cases) {
    test(`are the same however they are read and paged: ${where} ${order}`, async () => {
      const store = filled(30)
      const all = Array.from({ length: 30 }, (_, c) => c).filter(rows)
      if (order !== '') all.reverse()
      for (const limit of [1, 4, 100]) {
        for (const perPartition of [2, 100]) {
          const expected = all.slice(0, Math.min(limit, perPartition))
          const bounds = `${order} PER PARTITION LIMIT ${perPartition} LIMIT ${limit} ALLOW FILTERING`
          for (const cutAt of [Number.POSITIVE_INFINITY, 1, 7]) {
            store.cutAt = cutAt
            for (const pageSize of [null, 1, 3, 5_000]) {
              const pages = await store.pages(`SELECT c FROM slices WHERE k = 1 ${where} ${bounds}`, pageSize)
              assert.deepEqual(pages.flat(), expected, `${bounds} cut at ${cutAt}, pages of ${pageSize}`)
              assert.ok(pages.slice(0, -1).every(({ length }) => length === pageSize))
            }
          }
        }
      }
    })
  }

  test('that end within what was read first take one read, of no more cells than they may have', async () => {
    const store = filled(30)
    assert.equal((await store.pages('SELECT c FROM slices WHERE k = 1 LIMIT 20', null))[0]?.length, 20)
    assert.equal((await store.pages('SELECT c FROM slices WHERE k = 1 AND c >= 20', 5_000))[0]?.length, 10)
    assert.equal(store.asked.length, 2)
    assert.equal(store.asked[0]?.limit, 20 * 3 + 1)
  })
})
