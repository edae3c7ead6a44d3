import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type HBaseRow, Scanner, Scanners, rangeOf } from '../../../shims/usermetastore/hbase-scanners.js'
import { Table } from '../../../shims/usermetastore/hbase-tables.js'
import { NEWEST } from '../../../shims/usermetastore/hbase-columns.js'
import { type Done, KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import type { DatasetRecord } from '../../../src/model/dataset.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { ReadRequest, ReadResult, RequestContext } from '../../../src/model/request.js'
import type { Cell } from '../../../src/model/row.js'
import type { ScanRequest, ScanResult } from '../../../src/model/scan.js'

const CONTEXT: RequestContext = { api: 'hbase1', caller: null, deadline: Number.POSITIVE_INFINITY }
// A table looks at these fields of its record alone.
const TABLE = new Table({ name: 't', maxCellVersions: 1 } as DatasetRecord)
const bytes = (text: string): Buffer => Buffer.from(text)

function cellsOf(count: number): Cell[] {
  return Array.from({ length: count }, (_, index) => ({
    localKey: bytes(`a\0${index}`),
    value: bytes('v'),
    timestamp: 1n,
    ttlSeconds: null,
  }))
}

/** Rows r0, r1, ... of three cells; a page has two at most, and looks at one in vain in between. */
class Rows {
  readonly requests: ScanRequest[] = []
  readonly #count: number
  readonly #cutRow: number

  constructor(count: number, cutRow = -1) {
    this.#count = count
    this.#cutRow = cutRow
  }

  scan(request: ScanRequest, done: Done<ScanResult>): void {
    this.requests.push(request)
    const from = request.position === null ? 0 : Number(request.position.rowKey.toString().slice(1)) + 1
    const keys = Array.from({ length: this.#count }, (_, index) => index).slice(
      from,
      from + Math.min(2, request.pageRows),
    )
    const rows = keys.map((key) => {
      const isCut = key === this.#cutRow
      const next = isCut ? { localKey: bytes('a\x000'), timestamp: null, columns: 1 } : null
      return { rowKey: bytes(`r${key}`), row: { cells: cellsOf(isCut ? 1 : 3), next } }
    })
    const last = keys.at(-1)
    const next =
      last === undefined || last === this.#count - 1
        ? null
        : { token: { high: 0, low: 0 }, rowKey: bytes(`r${last}`) }
    queueMicrotask(() => done({ rows, next, datasetVersion: null }))
  }

  read(request: ReadRequest, done: Done<ReadResult>): void {
    const rows = request.rowKeys.map(() => ({ cells: cellsOf(3), next: null }))
    queueMicrotask(() => done({ rows, datasetVersion: null }))
  }
}

function scannerOver(rows: Rows, wish: { batch?: number; limit?: number } = {}): Scanner {
  return new Scanner(rows as unknown as KVStore, {
    table: TABLE,
    columns: [],
    versions: NEWEST,
    range: null,
    isReversed: false,
    filter: null,
    batch: wish.batch ?? null,
    limit: wish.limit ?? null,
  })
}

function next(scanner: Scanner, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    scanner.next(count, CONTEXT, (outcome: readonly HBaseRow[] | KVError) => {
      if (outcome instanceof KVError) reject(outcome)
      else
        resolve(
          outcome.map(
            ({ rowKey, cells, isPartial }) => `${rowKey.toString()}/${cells.length}${isPartial ? '+' : ''}`,
          ),
        )
    })
  })
}

describe('a scanner', () => {
  test('answers as many rows as were asked for over as many pages as it takes, then none', async () => {
    const scanner = scannerOver(new Rows(5))
    assert.deepEqual(await next(scanner, 3), ['r0/3', 'r1/3', 'r2/3'])
    assert.deepEqual(await next(scanner, 3), ['r3/3', 'r4/3'])
    assert.deepEqual(await next(scanner, 3), [])
  })

  test('splits rows into pieces of the batch, which count as rows', async () => {
    const scanner = scannerOver(new Rows(2), { batch: 2 })
    assert.deepEqual(await next(scanner, 3), ['r0/2+', 'r0/1', 'r1/2+'])
    assert.deepEqual(await next(scanner, 3), ['r1/1'])
  })

  test('ends at its limit', async () => {
    const scanner = scannerOver(new Rows(5), { limit: 2 })
    assert.deepEqual(await next(scanner, 9), ['r0/3', 'r1/3'])
    assert.deepEqual(await next(scanner, 9), [])
  })

  test('reads a row whole that a page cut, and goes on behind it', async () => {
    const scanner = scannerOver(new Rows(4, 2))
    assert.deepEqual(await next(scanner, 9), ['r0/3', 'r1/3', 'r2/3', 'r3/3'])
  })

  test('answers calls that came together one after the other', async () => {
    const scanner = scannerOver(new Rows(4))
    assert.deepEqual(await Promise.all([next(scanner, 3), next(scanner, 3)]), [
      ['r0/3', 'r1/3', 'r2/3'],
      ['r3/3'],
    ])
  })

  test('without rows between its ends reads nothing', async () => {
    const rows = new Rows(4)
    const scanner = new Scanner(rows as unknown as KVStore, {
      table: TABLE,
      columns: [],
      versions: NEWEST,
      range: { from: bytes('b'), to: bytes('a') },
      isReversed: false,
      filter: null,
      batch: null,
      limit: null,
    })
    assert.deepEqual(await next(scanner, 3), [])
    assert.equal(rows.requests.length, 0)
  })
})

describe('the ends of a scan', () => {
  const range = (start: string, stop: string, isReversed: boolean) => {
    const found = rangeOf(bytes(start), bytes(stop), isReversed)
    return found === null ? null : [found.from.toString(), found.to?.toString() ?? null]
  }
  const cases: readonly [start: string, stop: string, isReversed: boolean, expected: unknown][] = [
    ['', '', false, null],
    ['a', '', false, ['a', null]],
    ['a', 'c', false, ['a', 'c']],
    ['a', 'a', false, ['a', 'a\0']],
    ['c', 'a', true, ['a\0', 'c\0']],
    ['', 'a', true, ['a\0', null]],
    ['c', '', true, ['', 'c\0']],
  ]
  for (const [start, stop, isReversed, expected] of cases) {
    test(`from "${start}" to "${stop}"${isReversed ? ' backwards' : ''}`, () => {
      assert.deepEqual(range(start, stop, isReversed), expected)
    })
  }
})

describe('ids of scanners', () => {
  function scanners() {
    const clock = { nowMs: () => 0, nowUs: () => 0n, monotonicMs: () => time.now }
    const time = { now: 0 }
    return { all: new Scanners<string>({ clock, first: 1, step: 3 }), time }
  }

  test('are given by no other thread', () => {
    const { all } = scanners()
    assert.deepEqual([all.open('a'), all.open('b'), all.open('c')], [1, 4, 7])
  })

  test('end when they are closed, and when nobody has used them for two minutes', () => {
    const { all, time } = scanners()
    const [used, idle, closed] = [all.open('used'), all.open('idle'), all.open('closed')]
    all.close(closed)
    time.now = limits.scannerIdleMs - 1
    assert.equal(all.use(used), 'used')
    time.now = limits.scannerIdleMs + 1
    assert.equal(all.use(used), 'used')
    for (const id of [idle, closed, 999]) assert.throws(() => all.use(id), /scanner ID is invalid/)
    assert.throws(() => all.close(idle), /scanner ID is invalid/)
    assert.equal(all.size, 1)
  })

  test('are refused beyond the limit', () => {
    const { all } = scanners()
    for (let count = 0; count < limits.maxScannersPerThread; count++) all.open('')
    assert.throws(
      () => all.open(''),
      (error: unknown) => error instanceof KVError && error.code === 'OVERLOADED',
    )
  })
})
