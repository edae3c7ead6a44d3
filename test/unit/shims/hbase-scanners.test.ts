import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type FilteredCell, RowFilter, type Verdict } from '../../../shims/usermetastore/filter-rules.js'
import {
  type HBaseRow,
  type ScanWish,
  Scanner,
  type ScannerHost,
  Scanners,
  rangeOf,
} from '../../../shims/usermetastore/hbase-scanners.js'
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

/** The time goes on by a millisecond with every look at it. */
function hostOver(rows: Rows): ScannerHost {
  let now = 0
  const clock = { nowMs: () => now, nowUs: () => 0n, monotonicMs: () => (now += 1) }
  return { kvstore: rows as unknown as KVStore, clock, ready: { bytes: 0 } }
}

const WISH = {
  table: TABLE,
  columns: [],
  versions: NEWEST,
  range: null,
  isReversed: false,
  filter: null,
  batch: null,
  limit: null,
} as const

function scannerOver(rows: Rows, wish: Partial<ScanWish> = {}, host = hostOver(rows)): Scanner {
  return new Scanner(host, { ...WISH, ...wish })
}

/** What every row passes, and what is told of each. */
class Everything extends RowFilter {
  readonly #see: (cell: FilteredCell) => void

  constructor(see: (cell: FilteredCell) => void = () => undefined) {
    super()
    this.#see = see
  }

  take(cell: FilteredCell): Verdict {
    this.#see(cell)
    return 'INCLUDE'
  }
}

function filteredBy(judge: RowFilter): Pick<ScanWish, 'filter'> {
  return { filter: { tree: { kind: 'and', parts: [] }, judge } }
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
    const scanner = scannerOver(rows, { range: { from: bytes('b'), to: bytes('a') } })
    assert.deepEqual(await next(scanner, 3), [])
    assert.equal(rows.requests.length, 0)
  })
})

describe('a scanner with a filter', () => {
  test('reads pages that grow until it has what is wanted', async () => {
    class Third extends Everything {
      override dropsKey(rowKey: Buffer): boolean {
        return Number(rowKey.toString().slice(1)) % 3 !== 2
      }
    }
    const rows = new Rows(9)
    const scanner = scannerOver(rows, filteredBy(new Third()))
    assert.deepEqual(await next(scanner, 1), ['r2/3'])
    assert.deepEqual(
      rows.requests.map(({ pageRows }) => pageRows),
      [1, 2],
    )
  })

  test('lets others have their turn while it judges, and ends at its deadline', async () => {
    class Rows1000 extends Rows {
      override scan(request: ScanRequest, done: Done<ScanResult>): void {
        super.scan({ ...request, pageRows: 2 }, done)
      }
    }
    const rows = new Rows1000(2)
    const host = hostOver(rows)
    const slow = new Everything(() => {
      for (let count = 0; count < limits.filterSliceMs; count++) host.clock.monotonicMs()
    })
    const scanner = scannerOver(rows, filteredBy(slow), host)
    const late = new Promise((resolve) => {
      scanner.next(9, { ...CONTEXT, deadline: 20 }, resolve)
    })
    const failure = await late
    assert.ok(failure instanceof KVError && failure.code === 'DEADLINE_EXCEEDED', String(failure))
    assert.deepEqual(await next(scanner, 9), ['r0/3', 'r1/3'], 'nothing is lost and nothing twice')
  })

  test('that fails answers so from then on', async () => {
    const broken = new Everything(() => {
      throw new KVError('INVALID_ARGUMENT', 'it met 3 bytes')
    })
    const scanner = scannerOver(new Rows(4), filteredBy(broken))
    await assert.rejects(next(scanner, 2), /it met 3 bytes/)
    await assert.rejects(next(scanner, 2), /it met 3 bytes/)
  })
})

describe('what scanners have read and nobody asked for', () => {
  test('is counted over all of them, and given up when one is closed', async () => {
    const rows = new Rows(4)
    const host = hostOver(rows)
    const scanner = scannerOver(rows, { batch: 1 }, host)
    await next(scanner, 1)
    assert.ok(host.ready.bytes > 0)
    scanner.close()
    assert.equal(host.ready.bytes, 0)
    assert.deepEqual(await next(scanner, 9), [])
    assert.equal(rows.requests.length, 1)
  })

  test('keeps all of them from reading more when it is too much, until it is asked for', async () => {
    const rows = new Rows(4)
    const host = hostOver(rows)
    const [full, other] = [scannerOver(rows, { batch: 1 }, host), scannerOver(rows, {}, host)]
    await next(full, 1)
    host.ready.bytes += limits.maxScannerReadyBytes
    await assert.rejects(next(other, 1), /close some/)
    assert.deepEqual(await next(full, 9), ['r0/1+', 'r0/1'], 'what is ready is answered')
    host.ready.bytes = 0
    assert.deepEqual(await next(other, 1), ['r0/3'])
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
    return { all: new Scanners<Named>({ clock, first: 1, step: 3 }), time }
  }

  interface Named {
    readonly name: string
    close(): void
  }

  const named = (name: string, close = (): void => undefined): Named => ({ name, close })

  test('are given by no other thread', () => {
    const { all } = scanners()
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => all.open(named(name))),
      [1, 4, 7],
    )
  })

  test('end when they are closed, and when nobody has used them for two minutes', () => {
    const { all, time } = scanners()
    const ended: string[] = []
    const [used = 0, idle = 0, closed = 0] = ['used', 'idle', 'closed'].map((name) => {
      return all.open(named(name, () => ended.push(name)))
    })
    all.close(closed)
    time.now = limits.scannerIdleMs - 1
    assert.equal(all.use(used).name, 'used')
    time.now = limits.scannerIdleMs + 1
    assert.equal(all.use(used).name, 'used')
    for (const id of [idle, closed, 999]) assert.throws(() => all.use(id), /scanner ID is invalid/)
    assert.throws(() => all.close(idle), /scanner ID is invalid/)
    assert.equal(all.size, 1)
    assert.deepEqual(ended, ['closed', 'idle'], 'they give up what they hold')
  })

  test('are refused beyond the limit', () => {
    const { all } = scanners()
    for (let count = 0; count < limits.maxScannersPerThread; count++) all.open(named(''))
    assert.throws(
      () => all.open(named('')),
      (error: unknown) => error instanceof KVError && error.code === 'OVERLOADED',
    )
  })
})
