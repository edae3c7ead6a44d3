/** A Terrapin dataset moves to the leaf tier and back, as an operator would do it, under reading clients. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Explanation } from '../../src/model/migration-plan.js'
import type { FlightDump } from '../../src/routing/flight-dumps.js'
import { splitBucket } from '../../src/routing/traffic-split.js'
import { MigrationPair, Readers, someRows } from '../support/migration-pair.js'

const FIRST = 1_448_390_400_000
const rows = someRows(2_000)
const keys = [...rows.keys()]

let pair: MigrationPair

before(async () => {
  pair = await MigrationPair.start()
})

after(async () => {
  await pair.dispose()
})

test('a dataset goes from its origin to the target and back under load, by the command alone, without one wrong answer', async (t) => {
  await pair.create('pins')
  assert.equal(await pair.load('pins', pair.write('pins', FIRST, rows)), 'ok')
  const isRight = (key: string, value: string | null): boolean => value === rows.get(key)
  const readers = await Readers.start(pair.front, { name: 'pins', keys, isRight })
  t.after(() => readers.stop())

  // The origin has it alone until both are loaded.
  assert.match(await pair.migrate('pins', 'switch'), /ORIGIN_ONLY -> ARMING, on every thread after \d+ ms/)
  const early = await pair.godwit('migrate', 'pins', 'switch')
  assert.equal(early.exitCode, 5)
  assert.match(early.stderr, /target has a version: none/)
  assert.equal(await pair.load('pins', pair.write('pins', FIRST + 1, rows)), 'ok')
  await pair.loaded('pins', FIRST + 1)
  assert.equal((await pair.report('pins')).migration.originVersion?.versionId, FIRST + 1)

  await pair.migrate('pins', 'switch')
  const unseen = await pair.godwit('migrate', 'pins', 'plan')
  assert.equal(unseen.exitCode, 1)
  assert.match(unseen.stdout, /shadow reads compare\s+FAIL/)
  await pair.migrate('pins', 'shadow', '100')
  await pair.allowed('pins')

  await pair.migrate('pins', 'switch')
  await pair.migrate('pins', 'split', '12.5')
  await agreesWithExplain('pins', 1_250)
  await pair.migrate('pins', 'ramp', '--to', '100', '--step', '40', '--every', '1s')
  await pair.until('pins', ({ migration }) => migration.ramp?.state === 'DONE', 'the ramp is done')
  await pair.allowed('pins')
  await pair.migrate('pins', 'switch')
  // The target answers, and is loaded first.
  assert.equal(await pair.load('pins', pair.write('pins', FIRST + 2, rows)), 'ok')
  await pair.loaded('pins', FIRST + 2)
  await pair.allowed('pins')

  // And back, all the way.
  for (const state of ['RAMP', 'VERIFY', 'ARMING', 'ORIGIN_ONLY']) {
    await pair.migrate('pins', 'revert')
    assert.equal((await pair.report('pins')).state, state)
  }
  await readers.stop()
  assert.deepEqual(readers.wrong.slice(0, 5), [])
  assert.ok(readers.count > 1_000, String(readers.count))
})

/** What `explain` says of keys is what reads of them do. */
async function agreesWithExplain(name: string, splitShare: number): Promise<void> {
  let targets = 0
  for (const key of keys.slice(0, 40)) {
    const { stdout } = await pair.godwit('explain', name, key, '--json')
    const { side, bucket } = JSON.parse(stdout) as Explanation
    assert.ok(bucket !== null)
    assert.equal(side, bucket < splitShare ? 'TARGET' : 'ORIGIN')
    if (side === 'TARGET') targets += 1
  }
  assert.ok(targets > 0 && targets < 40)
}

test('a wrong value is found, and takes a ramp back by itself', async (t) => {
  await pair.create('wrong')
  await pair.migrate('wrong', 'switch')
  assert.equal(await pair.load('wrong', pair.write('wrong', FIRST, rows)), 'ok')
  await pair.loaded('wrong', FIRST)
  await pair.migrate('wrong', 'switch')
  await pair.migrate('wrong', 'shadow', '100')
  // So that differences count at once: an origin that has just taken a load may still answer from the one before.
  await pair.migrate('wrong', 'origin-version', String(FIRST))
  const readers = await Readers.start(pair.front, { name: 'wrong', keys, isRight: () => true })
  t.after(() => readers.stop())
  await pair.allowed('wrong')
  await pair.migrate('wrong', 'switch')
  await pair.migrate('wrong', 'ramp', '--to', '100', '--step', '10', '--every', '2s')
  await pair.until('wrong', ({ migration }) => migration.dials.splitShare > 0, 'the first step')

  // Somebody loads the old store behind the gateway's back: it says version FIRST and has other values.
  const other = someRows(2_000, (key) => `changed ${key}`)
  assert.equal(await pair.load('wrong', pair.write('wrong', FIRST + 9, other), 'old'), 'ok')
  const loadedAtMs = performance.now()
  const { migration } = await pair.until(
    'wrong',
    (report) => report.migration.ramp?.state === 'BREACHED',
    'the breach',
  )
  const tookMs = performance.now() - loadedAtMs
  await readers.stop()
  assert.equal(migration.dials.splitShare, 0)
  assert.match(String(migration.ramp?.note), /mismatches: \d+ of \d+ differ/)
  assert.ok(tookMs < 10_000, `${tookMs} ms`)
  await keepsWhatLedToIt('wrong')
})

/** The last decisions before the breach, as explain tells them, lie in a file. */
async function keepsWhatLedToIt(name: string): Promise<void> {
  const directory = join(pair.front.dataDirectory, 'dumps')
  await pair.until(name, () => existsSync(directory) && readdirSync(directory).length > 0, 'a dump')
  const [file = ''] = readdirSync(directory)
  const { reason, flights } = JSON.parse(readFileSync(join(directory, file), 'utf8')) as FlightDump
  assert.match(reason, /mismatches: \d+ of \d+ differ/)
  const sides = new Set(flights.map(({ side }) => side))
  assert.deepEqual([flights.every(({ dataset }) => dataset === name), sides.size], [true, 2])
  const split = flights.filter(({ bucket }) => bucket !== null)
  assert.ok(split.length > 0)
  for (const { key, bucket } of split) assert.equal(bucket, splitBucket(Buffer.from(key ?? '', 'base64')))
}

test('a load that the target does not take is owed, blocks the move onwards, and is taken when it can be', async () => {
  await pair.create('owing')
  await pair.migrate('owing', 'switch')
  // A hundred bytes are too few for the target's limit, and nothing to the origin.
  const update = await pair.godwit('dataset', 'update', 'owing', '--max-version-bytes', '100')
  assert.equal(update.exitCode, 0, update.stderr)
  assert.equal(await pair.load('owing', pair.write('owing', FIRST, rows)), 'ok')
  const { migration } = await pair.until(
    'owing',
    (report) => (report.migration.owed[0]?.attempts ?? 0) > 0,
    'the debt',
  )
  assert.equal(migration.owed[0]?.side, 'TARGET')
  const refused = await pair.godwit('migrate', 'owing', 'switch')
  assert.equal(refused.exitCode, 5)
  assert.match(refused.stderr, /no load is owed: 1: TARGET misses 1448390400000/)
  // It outlives the process.
  await pair.front.kill9()
  await pair.front.start()
  // Each attempt is a change of the record, so that this one may come too late and be asked for again.
  for (let exitCode = 5; exitCode === 5;) {
    const unbound = await pair.godwit('dataset', 'update', 'owing', '--max-version-bytes', '0')
    exitCode = unbound.exitCode
    assert.ok(exitCode === 0 || exitCode === 5, unbound.stderr)
  }
  await pair.until('owing', (report) => report.migration.owed.length === 0, 'the debt is paid')
  assert.equal((await pair.report('owing')).currentVersion, FIRST)
})

test('an abort lets the origin answer again, and leaves nothing of the migration behind', async () => {
  await pair.create('given-up')
  await pair.migrate('given-up', 'switch')
  await pair.migrate('given-up', 'abort')
  const { migration } = await pair.until('given-up', ({ state }) => state === 'ORIGIN_ONLY', 'the abort ends')
  assert.deepEqual(migration.owed, [])
  const { stdout } = await pair.godwit('audit', '--dataset', 'given-up', '--json')
  assert.match(stdout, /ABORTING -> ORIGIN_ONLY/)
})
