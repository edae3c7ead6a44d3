import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FilterWork } from '../../../shims/usermetastore/filter-work.js'
import type { HBaseRow } from '../../../shims/usermetastore/hbase-ready-rows.js'
import { NEWEST } from '../../../shims/usermetastore/hbase-columns.js'
import { rangeOf } from '../../../shims/usermetastore/hbase-scan-range.js'
import { Scanners } from '../../../shims/usermetastore/hbase-scanner-ids.js'
import type { ScanWish } from '../../../shims/usermetastore/hbase-scanners.js'
import { type Done, KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import type { ScanRequest, ScanResult } from '../../../src/model/scan.js'
import {
  CONTEXT,
  Everything,
  Rows,
  bytes,
  filteredBy,
  hostOver,
  next,
  scannerOver,
  tableWith,
} from '../../support/hbase-scans.js'

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

  test('of no versions reads nothing', async () => {
    const rows = new Rows(4)
    const versions = { ...NEWEST, count: 0 }
    assert.deepEqual(await next(scannerOver(rows, { versions }), 3), [])
    assert.equal(rows.requests.length, 0)
  })

  test('that finds nothing is refused all the same for a family that is not there', async () => {
    const columns = [{ family: bytes('zz'), qualifier: null }]
    const table = tableWith({ families: [{ name: 'a', maxVersions: 1 }] })
    const nothing: Partial<ScanWish>[] = [
      { range: { from: bytes('b'), to: bytes('a') } },
      { versions: { ...NEWEST, count: 0 } },
    ]
    for (const wish of nothing)
      await assert.rejects(
        next(scannerOver(new Rows(4), { ...wish, table, columns }), 3),
        /family zz does not exist/,
      )
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
