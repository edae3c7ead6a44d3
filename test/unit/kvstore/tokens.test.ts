import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import { digestOfRow, digestOfScan } from '../../../src/kvstore/digest.js'
import { AnswerTokens } from '../../../src/kvstore/pages.js'
import { scanToRequest } from '../../../src/kvstore/scans.js'
import { Tokens } from '../../../src/kvstore/tokens.js'
import { columnsNamed } from '../../../src/model/row.js'
import * as wire from '../../../src/thrift/generated/kvstore.js'
import { datasetEntry, readRequest } from '../../support/datasets.js'
import { codeOf } from './refusals.js'

/** Records as object literals make them. */
const PLAIN = { noNullPrototype: true } as const

const KEY = Buffer.alloc(32, 7)
const tokens = new Tokens(KEY)
const home = { datasetId: 'd1', side: '' }
const question = {
  dataset: 'cities',
  rowKey: Buffer.from('k'),
  selector: null,
  withTimestamps: false,
  withTtl: false,
}
const request = digestOfRow(question)
const position = { localKey: Buffer.from('col'), timestamp: -5n, columns: 3 }
const sealed = tokens.sealRowPage({ ...home, version: 9, request }, position)
const scanPosition = { token: { high: -1, low: 5 }, rowKey: Buffer.from('row') }

suite('page tokens', () => {
  test('give back what they were made with', () => {
    assert.deepEqual(tokens.openRowPage(sealed, home, request), { version: 9, position })
    const anyBytes = fc.uint8Array({ maxLength: 40 }).map((one) => Buffer.from(one))
    const cellPosition = fc.record(
      {
        localKey: fc.option(anyBytes),
        timestamp: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
        columns: fc.nat(),
      },
      PLAIN,
    )
    fc.assert(
      fc.property(cellPosition, fc.nat(), (one, version) => {
        const token = tokens.sealRowPage({ ...home, version, request }, one)
        assert.deepEqual(tokens.openRowPage(token, home, request), { version, position: one })
      }),
    )
    const rowPosition = fc.record(
      {
        token: fc.record({ high: fc.integer(), low: fc.integer() }, PLAIN),
        rowKey: anyBytes,
      },
      PLAIN,
    )
    fc.assert(
      fc.property(rowPosition, fc.option(fc.nat()), fc.boolean(), (one, rowsLeft, isBefore) => {
        const body = { position: isBefore ? { ...one, isBefore } : one, rowsLeft }
        const token = tokens.sealScanPage({ ...home, version: 1, request }, body)
        assert.deepEqual(tokens.openScanPage(token, home, request), { version: 1, ...body })
      }),
    )
  })

  test('carry the token of an origin, and keys of any bytes', () => {
    const originToken = Buffer.from([0, 255, 1])
    const cut = { localKey: null, timestamp: null, columns: 0, originToken }
    const token = tokens.sealRowPage({ ...home, version: 0, request }, cut)
    assert.deepEqual(tokens.openRowPage(token, home, request).position, cut)
    const body = { position: { ...scanPosition, originToken }, rowsLeft: null }
    const scan = tokens.sealScanPage({ ...home, version: 0, request }, body)
    assert.deepEqual(tokens.openScanPage(scan, home, request).position.originToken, originToken)
  })

  test('with any bit changed, cut or made longer are BAD_PAGE_TOKEN', () => {
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const forged = Buffer.from(sealed)
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.equal(
        codeOf(() => tokens.openRowPage(forged, home, request)),
        'BAD_PAGE_TOKEN',
      )
    }
    for (let size = 0; size < sealed.length; size += 1) {
      assert.equal(
        codeOf(() => tokens.openRowPage(sealed.subarray(0, size), home, request)),
        'BAD_PAGE_TOKEN',
      )
    }
    const longer = Buffer.concat([sealed, Buffer.of(0)])
    assert.equal(
      codeOf(() => tokens.openRowPage(longer, home, request)),
      'BAD_PAGE_TOKEN',
    )
  })

  test('any bytes at all are BAD_PAGE_TOKEN and nothing worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (given) => {
        const token = Buffer.from(given)
        assert.equal(
          codeOf(() => tokens.openRowPage(token, home, request)),
          'BAD_PAGE_TOKEN',
        )
        assert.equal(
          codeOf(() => tokens.openScanPage(token, home, request)),
          'BAD_PAGE_TOKEN',
        )
        assert.equal(
          codeOf(() => tokens.openSession(token, 'd1')),
          'BAD_SESSION_TOKEN',
        )
      }),
    )
  })

  test('of another key, dataset, request or method are BAD_PAGE_TOKEN', () => {
    const foreign = new Tokens(Buffer.alloc(32, 8))
    const other = digestOfRow({ ...question, withTtl: true })
    assert.equal(
      codeOf(() => foreign.openRowPage(sealed, home, request)),
      'BAD_PAGE_TOKEN',
    )
    assert.equal(
      codeOf(() => tokens.openRowPage(sealed, { ...home, datasetId: 'd2' }, request)),
      'BAD_PAGE_TOKEN',
    )
    assert.equal(
      codeOf(() => tokens.openRowPage(sealed, home, other)),
      'BAD_PAGE_TOKEN',
    )
    assert.equal(
      codeOf(() => tokens.openScanPage(sealed, home, request)),
      'BAD_PAGE_TOKEN',
    )
    assert.equal(
      codeOf(() => tokens.openRowPage(tokens.sealSession('d1', 1), home, request)),
      'BAD_PAGE_TOKEN',
    )
  })

  test('of a side that does not answer any more are VERSION_NOT_FOUND', () => {
    assert.equal(
      codeOf(() => tokens.openRowPage(sealed, { ...home, side: 'west' }, request)),
      'VERSION_NOT_FOUND',
    )
  })

  test('name neither the dataset nor the side', () => {
    const token = tokens.sealRowPage(
      { datasetId: 'directory-name', side: 'west', version: 1, request },
      position,
    )
    assert.equal(token.includes('directory-name'), false)
    assert.equal(token.includes('west'), false)
  })
})

suite('session tokens', () => {
  const session = tokens.sealSession('d1', 4)

  test('give back the generation that was seen', () => {
    assert.equal(tokens.openSession(session, 'd1'), 4)
  })

  test('forged, cut, foreign or of a page are BAD_SESSION_TOKEN', () => {
    const forged = Buffer.from(session)
    forged[17] = (forged[17] ?? 0) ^ 1
    for (const token of [forged, session.subarray(1), session.subarray(0, -1), sealed, Buffer.alloc(0)]) {
      assert.equal(
        codeOf(() => tokens.openSession(token, 'd1')),
        'BAD_SESSION_TOKEN',
      )
    }
    assert.equal(
      codeOf(() => tokens.openSession(session, 'd2')),
      'BAD_SESSION_TOKEN',
    )
  })

  test('of newer data than this server knows are UNAVAILABLE, of older data are met', () => {
    const at = (generation: number) => new AnswerTokens(tokens, datasetEntry({ generation }))
    assert.equal(
      codeOf(() => at(3).checkSession(session)),
      'UNAVAILABLE',
    )
    assert.equal(
      codeOf(() => at(4).checkSession(session)),
      'none',
    )
    assert.equal(
      codeOf(() => at(5).checkSession(session)),
      'none',
    )
  })
})

suite('page sequences', () => {
  const context = { api: 'kvstore', caller: null, deadline: NO_DEADLINE }
  const batch = new AnswerTokens(tokens, datasetEntry({ mode: 'BATCH' }))
  const live = (generation: number) => new AnswerTokens(tokens, datasetEntry({ generation }))
  const read = readRequest(['k'], { pageBytes: 1 })

  test('a sequence of a dataset with two sides stays on the side that began it', () => {
    const record = { mode: 'BATCH', origin: 'west' } as const
    const moving = new AnswerTokens(tokens, datasetEntry({ ...record, migrationState: 'RAMP' }))
    const read = readRequest(['k'])
    const next = { localKey: Buffer.from('c'), timestamp: null, columns: 1 }
    for (const side of ['ORIGIN', 'TARGET'] as const) {
      const token = moving.rowToken(read, 0, next, { datasetVersion: 7, side })
      assert.equal(moving.continueRead(read, token).side, side)
    }
    const token = moving.rowToken(read, 0, next, { datasetVersion: 7, side: 'ORIGIN' })
    const done = new AnswerTokens(tokens, datasetEntry({ ...record, migrationState: 'TARGET_ONLY' }))
    assert.equal(
      codeOf(() => done.continueRead(read, token)),
      'VERSION_NOT_FOUND',
    )
    const before = new AnswerTokens(tokens, datasetEntry({ ...record, migrationState: 'ORIGIN_ONLY' }))
    assert.equal(before.continueRead(read, token).side, undefined)
    assert.equal(moving.info({ datasetVersion: 7, side: 'ORIGIN' }).stalenessMs, null)
    assert.equal(moving.info({ datasetVersion: 7, side: 'TARGET' }).stalenessMs, 0)
  })

  test('stay on the version that they began with', () => {
    const token = batch.rowToken(read, 0, position, { datasetVersion: 1000 })
    assert.equal(batch.continueRead(read, token).datasetVersion, 1000)
    assert.equal(batch.continueRead({ ...read, datasetVersion: 1000 }, token).datasetVersion, 1000)
    assert.equal(
      codeOf(() => batch.continueRead({ ...read, datasetVersion: 999 }, token)),
      'BAD_PAGE_TOKEN',
    )
  })

  test('go on in another generation of live data, where the same rows stand under the same keys', () => {
    const token = live(1).rowToken(read, 0, position, { datasetVersion: null })
    const { position: continued, datasetVersion } = live(2).continueRead(read, token)
    assert.deepEqual([continued, datasetVersion], [position, null])
  })

  test('a row that a multiGet cut goes on in a get of the same columns', () => {
    const selectorsByKey = [null, columnsNamed([Buffer.from('a')])]
    const both = readRequest(['j', 'k'], { selectorsByKey })
    const token = live(1).rowToken(both, 1, position, { datasetVersion: null })
    const get = readRequest(['k'], { selector: columnsNamed([Buffer.from('a')]) })
    assert.deepEqual(live(1).continueRead(get, token).position, position)
    assert.equal(
      codeOf(() => live(1).continueRead(read, token)),
      'BAD_PAGE_TOKEN',
    )
  })

  const scanOf = (fields: Partial<wire.ScanRequest>) => wire.makeScanRequest({ dataset: 'cities', ...fields })
  const scanned = (fields: Partial<wire.ScanRequest>) => scanToRequest(scanOf(fields), context)

  test('a scan keeps what is left of its limit and ends when nothing is', () => {
    const row = { rowKey: Buffer.from('r'), row: { cells: [], next: null } }
    const result = { rows: [row, row], next: scanPosition, datasetVersion: null }
    const token = live(1).scanToken(scanned({ limit: 5 }), result, scanOf({ limit: 5 }))
    assert.ok(token !== null)
    const second = live(1).continueScan(scanned({ limit: 5, pageRows: 7 }), token, null)
    assert.deepEqual([second.limit, second.position, second.pageRows], [3, scanPosition, 7])
    assert.equal(live(1).scanToken({ ...second, limit: 2 }, result, scanOf({ limit: 5 })), null)
    assert.equal(live(1).scanToken(scanned({}), { ...result, next: null }, scanOf({})), null)
  })

  test('a scan’s token fits no other scan: every field but page sizes and context shapes the rows', () => {
    const others: Partial<wire.ScanRequest>[] = [
      { dataset: 'towns' },
      { keys: wire.makeByteRange({ lower: Buffer.from('a') }) },
      { keyPrefix: Buffer.from('a') },
      { cells: wire.makeCellSelector({ keysOnly: true }) },
      { where: [wire.makeCondition({ comparison: 1 })] },
      { where: [wire.makeCondition({ comparison: 1, ifMissing: true })] },
      { limit: 9 },
      { reversed: true },
      { order: wire.ScanOrder.KEY },
      { segment: 0, totalSegments: 2 },
      { segment: 1, totalSegments: 2 },
      { options: wire.makeReadOptions({ withTimestamps: true }) },
      { options: wire.makeReadOptions({ withTtl: true }) },
    ]
    const digest = (fields: Partial<wire.ScanRequest>) =>
      digestOfScan(scanned(fields), fields.limit ?? null, fields.order ?? null).toString('hex')
    assert.equal(new Set([digest({}), ...others.map(digest)]).size, others.length + 1)
    assert.equal(digest({ pageRows: 5, options: wire.makeReadOptions({ pageSizeBytes: 9 }) }), digest({}))
  })
})
