/** Rows larger than a page: read on page by page, whole or in pieces, and what they may take of memory. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Done, KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import type { ReadRequest, ReadResult } from '../../../src/model/request.js'
import type { Cell } from '../../../src/model/row.js'
import type { ScanRequest, ScanResult } from '../../../src/model/scan.js'
import {
  Everything,
  Long,
  Rows,
  bytes,
  cellsOf,
  filteredBy,
  hostOver,
  next,
  scannerOver,
  tableWith,
} from '../../support/hbase-scans.js'

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
    const table = tableWith({ families: [{ name: 'a', maxVersions: 3 }] }, 9)
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
