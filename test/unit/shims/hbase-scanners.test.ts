import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type FilteredCell, RowFilter, type Verdict } from '../../../shims/usermetastore/filter-rules.js'
import { FilterWork } from '../../../shims/usermetastore/filter-work.js'
import type { HBaseRow } from '../../../shims/usermetastore/hbase-ready-rows.js'
import { rangeOf } from '../../../shims/usermetastore/hbase-scan-range.js'
import { Scanners } from '../../../shims/usermetastore/hbase-scanner-ids.js'
import { type ScanWish, Scanner, type ScannerHost } from '../../../shims/usermetastore/hbase-scanners.js'
import { Table } from '../../../shims/usermetastore/hbase-tables.js'
import { NEWEST } from '../../../shims/usermetastore/hbase-columns.js'
import { type Done, KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import type { DatasetRecord } from '../../../src/model/dataset.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { ReadRequest, ReadResult, RequestContext } from '../../../src/model/request.js'
import type { Cell } from '../../../src/model/row.js'
import type { ScanRequest, ScanResult, ScannedRow } from '../../../src/model/scan.js'

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
    const behind = request.position?.localKey ?? bytes('')
    const cells = cellsOf(3).filter(({ localKey }) => localKey.compare(behind) > 0)
    const rows = request.rowKeys.map(() => ({ cells, next: null }))
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

function filteredBy(judge: RowFilter, work = new FilterWork()): Pick<ScanWish, 'filter'> {
  return { filter: { tree: { kind: 'and', parts: [] }, judge, work, questions: 1 } }
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

  test('that meets its deadline says so, and the next call goes on where it was', async () => {
    class Slow extends Rows {
      #isLate = false

      override scan(request: ScanRequest, done: Done<ScanResult>): void {
        if (this.requests.length !== 2 || this.#isLate) super.scan(request, done)
        else {
          this.#isLate = true
          queueMicrotask(() => done(new KVError('DEADLINE_EXCEEDED', 'the deadline had passed')))
        }
      }
    }
    const scanner = scannerOver(new Slow(9))
    await assert.rejects(next(scanner, 9), /the deadline had passed/)
    assert.deepEqual(await next(scanner, 2), ['r0/3', 'r1/3'])
    assert.deepEqual(await next(scanner, 9), ['r2/3', 'r3/3', 'r4/3', 'r5/3', 'r6/3', 'r7/3', 'r8/3'])
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
    const work = new FilterWork()
    const slow = new Everything(() => {
      for (let count = 0; count < limits.filterSliceMs; count++) host.clock.monotonicMs()
      work.spend(1_000_000)
    })
    const scanner = scannerOver(rows, filteredBy(slow, work), host)
    const late = new Promise((resolve) => {
      scanner.next(9, { ...CONTEXT, deadline: 20 }, resolve)
    })
    const failure = await late
    assert.ok(failure instanceof KVError && failure.code === 'DEADLINE_EXCEEDED', String(failure))
    assert.deepEqual(await next(scanner, 9), ['r0/3', 'r1/3'], 'nothing is lost and nothing twice')
  })

  test('that fails answers so from then on, and holds nothing, not even the rows before', async () => {
    let seen = 0
    const broken = new Everything(() => {
      seen += 1
      if (seen > 3) throw new KVError('INVALID_ARGUMENT', 'it met 3 bytes')
    })
    const rows = new Rows(4)
    const host = hostOver(rows)
    const scanner = scannerOver(rows, filteredBy(broken), host)
    await assert.rejects(next(scanner, 2), /it met 3 bytes/)
    assert.equal(host.ready.bytes, 0)
    await assert.rejects(next(scanner, 2), /it met 3 bytes/)
    assert.equal(seen, 4)
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
    readonly heldBytes: number
    close(): void
  }

  const named = (name: string, close = (): void => undefined): Named => ({ name, heldBytes: 1_000, close })

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

  test('are refused where what open ones hold is too much, until one of them ends', () => {
    const { all } = scanners()
    const large = (): Named => ({ ...named('large'), heldBytes: limits.maxScannerHeldBytes / 2 })
    const [first] = [all.open(large()), all.open(large())]
    assert.throws(() => all.open(named('')), /hold columns and filters of \d+ bytes: close those/)
    all.close(first)
    all.open(named(''))
  })
})

/** One row of many cells, 100 a page, behind those that are given. */
class Long extends Rows {
  readonly reads: ReadRequest[] = []
  readonly #cells: readonly Cell[]
  readonly #before: readonly ScannedRow[]

  constructor(count: number, valueBytes = 1, before: readonly ScannedRow[] = []) {
    super(2)
    this.#before = before
    const value = Buffer.alloc(valueBytes, 'v')
    this.#cells = Array.from({ length: count }, (_, index) => ({
      localKey: bytes(`a\0${String(index).padStart(6, '0')}`),
      value,
      timestamp: 1n,
      ttlSeconds: null,
    }))
  }

  override scan(request: ScanRequest, done: Done<ScanResult>): void {
    this.requests.push(request)
    const isFirst = request.position === null
    const rows = isFirst ? [...this.#before, { rowKey: bytes('r0'), row: this.#part(0) }] : []
    const next = isFirst ? { token: { high: 0, low: 0 }, rowKey: bytes('r0') } : null
    queueMicrotask(() => done({ rows, next, datasetVersion: 7, side: 'TARGET' }))
  }

  override read(request: ReadRequest, done: Done<ReadResult>): void {
    this.reads.push(request)
    const { localKey } = request.position ?? { localKey: null }
    const at = localKey === null ? 0 : Number(localKey.toString().slice(2)) + 1
    queueMicrotask(() => done({ rows: [this.#part(at)], datasetVersion: 7, side: 'TARGET' }))
  }

  #part(from: number) {
    const cells = this.#cells.slice(from, from + 100)
    const last = cells.at(-1)
    if (last === undefined || from + 100 >= this.#cells.length) return { cells, next: null }
    return { cells, next: { localKey: last.localKey, timestamp: 1n, columns: from + 100 } }
  }
}

describe('a row that a page cuts', () => {
  test('comes whole without a batch size, and in pieces of it with one', async () => {
    assert.deepEqual(await next(scannerOver(new Long(250)), 9), ['r0/250'])
    const scanner = scannerOver(new Long(250), { batch: 60 })
    assert.deepEqual(await next(scanner, 2), ['r0/60+', 'r0/60+'])
    assert.deepEqual(await next(scanner, 9), ['r0/60+', 'r0/60+', 'r0/10'])
    assert.deepEqual(await next(scanner, 9), [])
  })

  test('is read no further than pieces are asked for, and what was read is counted and given up', async () => {
    const rows = new Long(1_000)
    const host = hostOver(rows)
    const scanner = scannerOver(rows, { batch: 10 }, host)
    await next(scanner, 1)
    assert.equal(rows.reads.length, 0)
    await next(scanner, 10)
    assert.equal(rows.reads.length, 1)
    assert.ok(host.ready.bytes > 0)
    scanner.close()
    assert.equal(host.ready.bytes, 0)
  })

  test('is judged whole by a filter', async () => {
    let seen = 0
    const scanner = scannerOver(new Long(250), filteredBy(new Everything(() => (seen += 1))))
    assert.deepEqual(await next(scanner, 9), ['r0/250'])
    assert.equal(seen, 250)
  })

  test('is read on from the version and the side that answered its page', async () => {
    const rows = new Long(250)
    await next(scannerOver(rows), 9)
    const asked = [...rows.requests, ...rows.reads].map(({ datasetVersion, side }) => [datasetVersion, side])
    assert.deepEqual(asked, [
      [null, undefined],
      [7, 'TARGET'],
      [7, 'TARGET'],
      [7, 'TARGET'],
    ])
  })

  test('is refused by name where it takes too much memory, and not in pieces', async () => {
    const valueBytes = limits.maxScannedRowBytes / 300
    await assert.rejects(next(scannerOver(new Long(500, valueBytes)), 9), /a scan with a batch size reads it/)
    const scanner = scannerOver(new Long(500, valueBytes), { batch: 100 })
    const pieces: string[] = []
    for (let some = await next(scanner, 9); some.length > 0; some = await next(scanner, 9))
      pieces.push(...some)
    assert.equal(pieces.length, 5)
  })

  test('that takes too much memory is answered behind the rows before it, and is not held', async () => {
    const before = [{ rowKey: bytes('q'), row: { cells: cellsOf(3), next: null } }]
    const rows = new Long(500, limits.maxScannedRowBytes / 300, before)
    const host = hostOver(rows)
    const scanner = scannerOver(rows, {}, host)
    assert.deepEqual(await next(scanner, 9), ['q/3'])
    assert.equal(host.ready.bytes, 0)
    const reads = rows.reads.length
    for (let times = 0; times < 2; times++)
      await assert.rejects(next(scanner, 9), /a scan with a batch size reads it/)
    assert.deepEqual([rows.reads.length, host.ready.bytes], [reads, 0], 'it is read no further')
    // Who asks once would take the rows before it for all that there are.
    await assert.rejects(next(scannerOver(rows, { isOnce: true }), 9), /a scan with a batch size reads it/)
  })

  test('keeps as many versions of a column as its family, over pages, too', async () => {
    class Versions extends Rows {
      override scan(_request: ScanRequest, done: Done<ScanResult>): void {
        const row = { cells: versionsOf(9, 8), next: { localKey: bytes('a\0x'), timestamp: 8n, columns: 1 } }
        queueMicrotask(() => done({ rows: [{ rowKey: bytes('r'), row }], next: null, datasetVersion: null }))
      }

      override read(_request: ReadRequest, done: Done<ReadResult>): void {
        queueMicrotask(() => done({ rows: [{ cells: versionsOf(7, 6), next: null }], datasetVersion: null }))
      }
    }
    const versionsOf = (...times: number[]): Cell[] =>
      times.map((time) => ({
        localKey: bytes('a\0x'),
        value: bytes('v'),
        timestamp: BigInt(time),
        ttlSeconds: null,
      }))
    const families = [{ name: 'a', maxVersions: 3 }]
    const table = new Table({
      name: 't',
      maxCellVersions: 9,
      table: { families },
    } as unknown as DatasetRecord)
    assert.deepEqual(await next(scannerOver(new Versions(1), { table }), 9), ['r/3'])
  })
})

describe('half of a row that a page cut', () => {
  /** What other scanners hold where two pages of the row, of 25,900 bytes each, are still not too much. */
  const others = limits.maxScannerReadyBytes - 60_000

  test('is counted while it is gathered; where it is too much the next call begins it again', async () => {
    const rows = new Long(450)
    const host = hostOver(rows)
    const scanner = scannerOver(rows, {}, host)
    host.ready.bytes = others
    await assert.rejects(next(scanner, 9), /close some/)
    assert.equal(rows.reads.length, 2)
    assert.equal(host.ready.bytes, others, 'it is given up')
    host.ready.bytes = 0
    assert.deepEqual(await next(scanner, 9), ['r0/450'])
    assert.equal(host.ready.bytes, 0)
    const places = rows.reads.map(({ position }) => position?.columns)
    assert.deepEqual(places, [100, 200, 0, 100, 200, 300, 400])
    const [again] = rows.reads.slice(2)
    assert.deepEqual(again?.position, { localKey: null, timestamp: null, columns: 0 })
    assert.deepEqual([again.datasetVersion, again.side], [7, 'TARGET'])
  })

  test('is counted once when it is whole', async () => {
    const rows = new Long(250)
    const host = hostOver(rows)
    host.ready.bytes = limits.maxScannerReadyBytes - 70_000
    assert.deepEqual(await next(scannerOver(rows, {}, host), 9), ['r0/250'])
    assert.equal(rows.requests.length, 2, 'there is room to look for more rows')
  })

  test('begins again for a filter, too, which sees the whole row', async () => {
    let seen = 0
    const rows = new Long(450)
    const host = hostOver(rows)
    const scanner = scannerOver(rows, filteredBy(new Everything(() => (seen += 1))), host)
    host.ready.bytes = others
    await assert.rejects(next(scanner, 9), /close some/)
    host.ready.bytes = 0
    assert.deepEqual(await next(scanner, 9), ['r0/450'])
    assert.deepEqual([seen, host.ready.bytes], [450, 0])
  })

  test('is answered as a shorter piece where rows come in pieces', async () => {
    const rows = new Long(450)
    const host = hostOver(rows)
    const scanner = scannerOver(rows, { batch: 1_000 }, host)
    host.ready.bytes = others
    assert.deepEqual(await next(scanner, 9), ['r0/300+'])
    assert.equal(host.ready.bytes, others)
    assert.deepEqual(await next(scanner, 9), ['r0/150'])
    assert.deepEqual(await next(scanner, 9), [])
    assert.equal(host.ready.bytes, others)
    const once = scannerOver(rows, { batch: 1_000, isOnce: true }, host)
    await assert.rejects(next(once, 9), /close some/, 'who asks once would take it for all')
  })

  test('that was answered as a piece counts as a row where nothing follows', async () => {
    class Ending extends Long {
      override read(request: ReadRequest, done: Done<ReadResult>): void {
        if (request.position?.columns !== 300) super.read(request, done)
        else queueMicrotask(() => done({ rows: [null], datasetVersion: 7, side: 'TARGET' }))
      }
    }
    const rows = new Ending(450)
    const host = hostOver(rows)
    const scanner = scannerOver(rows, { batch: 1_000, limit: 1 }, host)
    host.ready.bytes = others
    assert.deepEqual(await next(scanner, 9), ['r0/300+'])
    assert.deepEqual(await next(scanner, 9), [])
    assert.equal(rows.requests.length, 1, 'the scan is at its limit')
  })

  test('makes way for those of other scanners, which are not refused for ever', async () => {
    class Late extends Long {
      #late = 2

      override read(request: ReadRequest, done: Done<ReadResult>): void {
        if (request.position?.columns !== 200 || this.#late === 0) super.read(request, done)
        else {
          this.#late -= 1
          queueMicrotask(() => done(new KVError('DEADLINE_EXCEEDED', 'the deadline had passed')))
        }
      }
    }
    const rows = new Late(250)
    const host = hostOver(rows)
    const [one, other] = [scannerOver(rows, {}, host), scannerOver(rows, {}, host)]
    for (const scanner of [one, other]) await assert.rejects(next(scanner, 9), /the deadline had passed/)
    host.ready.bytes += others
    await assert.rejects(next(one, 9), /close some/)
    assert.deepEqual(await next(other, 9), ['r0/250'])
    assert.deepEqual(await next(one, 9), ['r0/250'])
    assert.equal(host.ready.bytes, others)
  })
})

test('what stays ready is no view of the page that it came in', async () => {
  const page = Buffer.alloc(1_000_000)
  class Views extends Rows {
    override scan(_request: ScanRequest, done: Done<ScanResult>): void {
      const rows = [0, 1].map((index) => ({
        rowKey: page.subarray(index, index + 1),
        row: {
          cells: [
            { localKey: page.subarray(0, 3), value: page.subarray(3, 9), timestamp: 1n, ttlSeconds: null },
          ],
          next: null,
        },
      }))
      queueMicrotask(() => done({ rows, next: null, datasetVersion: null }))
    }
  }
  const scanner = scannerOver(new Views(2))
  const taken = (): Promise<readonly HBaseRow[]> =>
    new Promise((resolve, reject) => {
      scanner.next(1, CONTEXT, (outcome) => (outcome instanceof KVError ? reject(outcome) : resolve(outcome)))
    })
  await taken()
  const [kept] = await taken()
  const [cell] = kept?.cells ?? []
  for (const one of [kept?.rowKey, cell?.localKey, cell?.value]) assert.notEqual(one?.buffer, page.buffer)
})
