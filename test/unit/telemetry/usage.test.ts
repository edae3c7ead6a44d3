/** Counting who calls what: in a thread, over all threads, and over restarts. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { RequestContext } from '../../../src/model/request.js'
import { OTHERS, type UsageRow } from '../../../src/base/usage.js'
import { UsageCounter } from '../../../src/telemetry/usage-counter.js'
import { UsageLedger } from '../../../src/telemetry/usage-ledger.js'

const DAY_MS = 24 * 60 * 60 * 1_000

function by(caller: string | null, address = '10.0.0.1', api = 'terrapin'): RequestContext {
  return { api, caller, address, deadline: 0 }
}

describe('a thread', () => {
  test('counts calls by API, method, dataset, caller and address, with the time of the last', () => {
    const counter = new UsageCounter()
    for (let turn = 0; turn < 3; turn++) {
      counter.note(by('a'), 'get', 'pins', 10 + turn)
      counter.note(by('b'), 'get', 'pins', 20 + turn)
      counter.note(by('a', '10.0.0.2'), 'multiGet', 'boards', 30 + turn)
    }
    counter.note(by(null, '10.0.0.1', 'kvstore'), 'get', '', 50)
    const rows = counter
      .take(1_000)
      .map((row) => [row.api, row.method, row.dataset, row.caller, row.count, row.lastSeenAtMs])
    assert.deepEqual(rows, [
      ['terrapin', 'get', 'pins', 'a', 3, 1_012],
      ['terrapin', 'get', 'pins', 'b', 3, 1_022],
      ['kvstore', 'get', '', null, 1, 1_050],
      ['terrapin', 'multiGet', 'boards', 'a', 3, 1_032],
    ])
    assert.deepEqual(counter.take(0), [])
  })

  test('rows of one call count as one', () => {
    const counter = new UsageCounter()
    const context = by('a')
    for (let row = 0; row < 100; row++) counter.note(context, 'multiMutate', 'pins', row)
    counter.note(by('a'), 'multiMutate', 'pins', 100)
    assert.equal(counter.take(0)[0]?.count, 2)
  })

  test('has a bounded number of rows, and loses no call', () => {
    const counter = new UsageCounter(100)
    for (let index = 0; index < 10_000; index++) {
      counter.note(by(`caller ${index}`, `10.0.0.${index % 250}`), 'get', `d${index % 300}`, index)
    }
    const rows = counter.take(0)
    assert.ok(rows.length <= 201, String(rows.length))
    assert.equal(
      rows.reduce((sum, { count }) => sum + count, 0),
      10_000,
    )
    assert.ok(rows.some(({ caller, dataset }) => caller === OTHERS && dataset !== OTHERS))
    assert.ok(rows.some(({ dataset }) => dataset === OTHERS))
  })
})

describe('the gateway', () => {
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-usage-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  const clock = { now: 1_000 * DAY_MS, nowMs: () => clock.now, monotonicMs: () => 0, nowUs: () => 0n }
  let files = 0
  const place = () => join(folder, `${files++}.json`)
  const open = (path: string, maxRows = 100, damage: string[] = []) =>
    UsageLedger.open(path, clock, { maxRows, onDamage: (reason) => damage.push(reason) })

  function row(caller: string, changes: Partial<UsageRow> = {}): UsageRow {
    const kind = { api: 'terrapin', method: 'get', dataset: 'pins', address: '10.0.0.1' }
    return { ...kind, caller, count: 1, lastSeenAtMs: clock.now, ...changes }
  }

  test('adds up what threads counted, and shows the newest first', async () => {
    const ledger = await open(place())
    ledger.add([row('a', { lastSeenAtMs: clock.now - 5 }), row('b', { count: 7 })])
    ledger.add([row('a', { count: 2, lastSeenAtMs: clock.now - 9 })])
    ledger.add([row('c', { dataset: 'boards', lastSeenAtMs: clock.now - 1 })])
    const shown = ledger.report(null).rows.map(({ caller, count }) => [caller, count])
    assert.deepEqual(shown, [['b', 7], ['c', 1], ['a', 3]]) // prettier-ignore
    assert.deepEqual(
      ledger.report('boards').rows.map(({ caller }) => caller),
      ['c'],
    )
    assert.equal(ledger.report('pins').rows.find(({ caller }) => caller === 'a')?.lastSeenAtMs, clock.now - 5)
  })

  test('goes on after a restart, and writes nothing when nothing was called', async () => {
    const path = place()
    const first = await open(path)
    first.add([row('a', { count: 5 }), row('b')])
    await first.save()
    const text = readFileSync(path, 'utf8')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    clock.now += DAY_MS
    const second = await open(path)
    assert.equal(second.report(null).sinceMs, clock.now - DAY_MS)
    second.add([row('a')])
    assert.equal(second.report(null).rows[0]?.count, 6)
    const third = await open(path)
    await third.save()
    assert.equal(readFileSync(path, 'utf8'), text)
  })

  for (const [what, text] of [
    ['cut off', '{"format":1,"rows":['],
    ['of a newer format', '{"format":2,"sinceMs":1,"rows":[]}'],
    ['of wrong rows', '{"format":1,"sinceMs":1,"rows":[{"api":1}]}'],
    ['empty', ''],
    ['no object', 'null'],
  ] as const) {
    test(`a file that is ${what} is told of, and counting begins anew`, async () => {
      const path = place()
      writeFileSync(path, text)
      const damage: string[] = []
      const ledger = await open(path, 100, damage)
      assert.equal(damage.length, 1)
      assert.deepEqual(ledger.report(null), { sinceMs: clock.now, rows: [], forgottenRows: 0 })
    })
  }

  test('forgets those that were not seen for longest, and says how many', async () => {
    const ledger = await open(place(), 10)
    ledger.add(Array.from({ length: 25 }, (_, index) => row(`c${index}`)))
    ledger.add([row('c15')])
    ledger.add([row('new')])
    const { rows, forgottenRows } = ledger.report(null)
    assert.equal(rows.length, 10)
    assert.equal(forgottenRows, 16)
    assert.ok(rows.some(({ caller }) => caller === 'c15'))
    assert.ok(!rows.some(({ caller }) => caller === 'c16'))
  })

  test('forgets callers after ninety days, and counts those of the last one', async () => {
    const ledger = await open(place())
    ledger.add([row('old', { lastSeenAtMs: clock.now - 91 * DAY_MS })])
    ledger.add([
      row('a', { lastSeenAtMs: clock.now - 2 * DAY_MS }),
      row('b'),
      row('b', { method: 'multiGet' }),
    ])
    ledger.add([row('k', { api: 'kvstore' })])
    assert.deepEqual(ledger.report(null).rows.map(({ caller }) => caller).sort(), ['a', 'b', 'b', 'k']) // prettier-ignore
    assert.deepEqual([...ledger.callersByApi()], [['terrapin', 1], ['kvstore', 1]]) // prettier-ignore
  })
})
