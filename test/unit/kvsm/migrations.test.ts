import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../src/base/logger.js'
import { limits } from '../../../src/base/limits.js'
import { openMetastore } from '../../../src/kvsm/metastore.js'
import { decodeDataset, encodeDataset } from '../../../src/kvsm/records.js'
import type { Metastore } from '../../../src/model/metastore.js'
import {
  MIGRATION_STATES,
  type MigrationRamp,
  type MigrationState,
  NO_MIGRATION,
} from '../../../src/model/migration.js'
import { MIGRATION_MOVES } from '../../../src/model/migration-plan.js'
import { CHANGE, START_MS, batchDraft, kvError, manualClock, recordWith } from './fixtures.js'
import { MemoryStore } from './memory-store.js'

async function opened(store = new MemoryStore()): Promise<Metastore> {
  const metastore = await openMetastore(store, manualClock(), silentLogger)
  if (metastore.get('cities') === null) {
    await metastore.createDataset(
      batchDraft('cities', { migrationState: 'ORIGIN_ONLY', origin: 'west' }),
      CHANGE,
    )
  }
  return metastore
}

/** Moves that lead to each state. */
const PATHS: Readonly<Record<MigrationState, readonly MigrationState[]>> = {
  ORIGIN_ONLY: [],
  ARMING: ['ARMING'],
  VERIFY: ['ARMING', 'VERIFY'],
  RAMP: ['ARMING', 'VERIFY', 'RAMP'],
  TARGET_PRIMARY: ['ARMING', 'VERIFY', 'RAMP', 'TARGET_PRIMARY'],
  TARGET_ONLY: ['ARMING', 'VERIFY', 'RAMP', 'TARGET_PRIMARY', 'TARGET_ONLY'],
  RETIRED: ['ARMING', 'VERIFY', 'RAMP', 'TARGET_PRIMARY', 'TARGET_ONLY', 'RETIRED'],
  ABORTING: ['ARMING', 'ABORTING'],
}

test('every move of the table is made, every other one is refused by name', async () => {
  for (const from of MIGRATION_STATES) {
    const legal = Object.values(MIGRATION_MOVES[from])
    for (const to of MIGRATION_STATES) {
      if (to === from) continue
      const metastore = await opened()
      for (const state of PATHS[from]) await metastore.migrate('cities', { state }, CHANGE)
      if (legal.includes(to)) {
        const record = await metastore.migrate('cities', { state: to }, CHANGE)
        assert.equal(record.migrationState, to)
        const [line] = metastore.audit(1)
        assert.equal(line?.action, 'migrate')
        assert.ok(line.detail.startsWith(`${from} -> ${to}`), line.detail)
        assert.equal(line.reason, CHANGE.reason)
      } else {
        // A retired dataset has forgotten its origin.
        const says = from === 'RETIRED' ? /no origin/ : new RegExp(`from ${from} to ${to}`)
        await assert.rejects(
          metastore.migrate('cities', { state: to }, CHANGE),
          kvError('FAILED_PRECONDITION', says),
        )
      }
    }
  }
})

test('a process that ends after any transition finds the migration where it was', async () => {
  for (const to of MIGRATION_STATES) {
    const store = new MemoryStore()
    const before = await opened(store)
    for (const state of PATHS[to]) await before.migrate('cities', { state }, CHANGE)
    const after = await opened(store)
    assert.deepEqual(after.get('cities'), before.get('cities'))
    assert.equal(after.get('cities')?.migrationState, to)
  }
})

test('a transition whose commit is in doubt was made or not, never half', async () => {
  for (const failure of ['before', 'after'] as const) {
    const store = new MemoryStore()
    const metastore = await opened(store)
    await metastore.migrate('cities', { state: 'ARMING' }, CHANGE)
    await metastore.migrate('cities', { state: 'VERIFY' }, CHANGE)
    await metastore.migrate('cities', { dials: { shadowShare: 500 } }, CHANGE)
    store.failure = failure
    await assert.rejects(metastore.migrate('cities', { state: 'RAMP' }, CHANGE))
    const again = await opened(store)
    const record = again.get('cities')
    assert.equal(record?.migrationState, failure === 'before' ? 'VERIFY' : 'RAMP')
    assert.equal(record.migration?.dials.shadowShare, 500)
  }
})

test('a plain record is written as before migrations were known, one that migrates in a format of its own', async () => {
  const plain = { record: recordWith({ 20: 'CURRENT' }), lastVersionId: 20 }
  assert.equal(formatOf(encodeDataset(plain)), 2)
  const metastore = await opened()
  const origin = metastore.get('cities')
  assert.ok(origin)
  assert.equal(formatOf(encodeDataset({ record: origin, lastVersionId: 0 })), 2)
  const arming = await metastore.migrate('cities', { state: 'ARMING' }, CHANGE)
  assert.equal(formatOf(encodeDataset({ record: arming, lastVersionId: 0 })), 3)
  // And back: what is over leaves nothing behind.
  const back = await metastore.migrate('cities', { state: 'ORIGIN_ONLY' }, CHANGE)
  assert.equal(formatOf(encodeDataset({ record: back, lastVersionId: 0 })), 2)
  assert.ok(!('migration' in back))
})

test('a migration that is damaged is refused with the field', async () => {
  const metastore = await opened()
  const record = await metastore.migrate('cities', { state: 'ARMING' }, CHANGE)
  const text = encodeDataset({ record, lastVersionId: 0 })
  const decode = (value: string): unknown => decodeDataset({ key: 'cities', value, revision: 1 })
  assert.deepEqual(decode(text), { record: { ...record, revision: 1 }, lastVersionId: 0 })
  for (const [whole, broken] of [
    ['"shadowShare":0', '"shadowShare":-1'],
    ['"splitCallers":[]', '"splitCallers":[7]'],
    ['"owed":[]', '"owed":[{}]'],
    ['"ramp":null', '"ramp":{"toShare":1}'],
    ['"originVersion":null', '"originVersion":3'],
    ['"sinceMs":1', '"sinceMs":-1'],
  ] as const) {
    assert.ok(text.includes(whole), whole)
    assert.throws(() => decode(text.replace(whole, broken)), kvError('CORRUPT', /migration/), broken)
  }
  assert.throws(() => decode(text.replace('"ARMING"', '"WALKING"')), kvError('CORRUPT', /migrationState/))
})

test('what a ramp went back for is kept; records of before it was are read, and nothing else passes for it', async () => {
  const metastore = await opened()
  for (const state of PATHS.RAMP) await metastore.migrate('cities', { state }, CHANGE)
  const ramp: MigrationRamp = {
    ...{ toShare: 10_000, stepShare: 100, everyMs: 1_000, fromShare: 0, startedAtMs: 1, lastStepAtMs: 1 },
    ...{ startedBy: 'ada', state: 'BREACHED', breach: 'SERVICE', note: 'slow' },
  }
  const record = await metastore.migrate('cities', { ramp }, CHANGE)
  const text = encodeDataset({ record, lastVersionId: 0 })
  const breachIn = (value: string) =>
    decodeDataset({ key: 'cities', value, revision: 1 }).record.migration?.ramp?.breach
  assert.equal(breachIn(text), 'SERVICE')
  assert.equal(breachIn(text.replace('"breach":"SERVICE",', '')), undefined)
  assert.throws(() => breachIn(text.replace('"SERVICE"', '"BORED"')), kvError('CORRUPT', /migration/))
})

test('dials that mean nothing in a state are refused, and go when it is left', async () => {
  const metastore = await opened()
  await metastore.migrate('cities', { state: 'ARMING' }, CHANGE)
  const refused = kvError('FAILED_PRECONDITION', /no effect in ARMING/)
  await assert.rejects(metastore.migrate('cities', { dials: { shadowShare: 1 } }, CHANGE), refused)
  await assert.rejects(metastore.migrate('cities', { dials: { splitShare: 1 } }, CHANGE), refused)
  await assert.rejects(
    metastore.migrate('cities', { dials: { splitCallers: ['a'] } }, CHANGE),
    /no effect|have no effect/,
  )
  await metastore.migrate('cities', { state: 'VERIFY' }, CHANGE)
  await metastore.migrate('cities', { dials: { shadowShare: 250, baselineShare: 100 } }, CHANGE)
  await metastore.migrate('cities', { state: 'RAMP' }, CHANGE)
  const ramped = await metastore.migrate(
    'cities',
    { dials: { splitShare: 5, splitCallers: ['web', 'ads', 'web'] } },
    CHANGE,
  )
  assert.deepEqual(ramped.migration?.dials, {
    shadowShare: 250,
    baselineShare: 100,
    splitShare: 5,
    splitCallers: ['ads', 'web'],
  })
  assert.match(String(metastore.audit(1)[0]?.detail), /split 0 % -> 0\.05 %; split callers none -> ads,web/)
  const back = await metastore.migrate('cities', { state: 'VERIFY' }, CHANGE)
  assert.deepEqual(back.migration?.dials, {
    shadowShare: 250,
    baselineShare: 100,
    splitShare: 0,
    splitCallers: [],
  })
})

test('a revert to RAMP moves no key', async () => {
  const metastore = await opened()
  for (const state of PATHS.TARGET_PRIMARY) await metastore.migrate('cities', { state }, CHANGE)
  const record = await metastore.migrate('cities', { state: 'RAMP' }, CHANGE)
  assert.equal(record.migration?.dials.splitShare, 10_000)
})

test('shares, callers and ramps out of range are refused, each by its name', async () => {
  const metastore = await opened()
  for (const state of PATHS.RAMP) await metastore.migrate('cities', { state }, CHANGE)
  for (const share of [-1, 10_001, 0.5, Number.NaN]) {
    const wrong = metastore.migrate('cities', { dials: { splitShare: share } }, CHANGE)
    await assert.rejects(wrong, kvError('INVALID_ARGUMENT', /splitShare/))
  }
  const crowd = Array.from({ length: limits.maxSplitCallers + 1 }, (_, index) => `c${index}`)
  const many = metastore.migrate('cities', { dials: { splitCallers: crowd } }, CHANGE)
  await assert.rejects(many, kvError('INVALID_ARGUMENT', /at most 64/))
})

test('owed loads are bounded, and those of the target are forgotten when the origin answers alone', async () => {
  const metastore = await opened()
  await metastore.migrate('cities', { state: 'ARMING' }, CHANGE)
  const owed = (side: 'ORIGIN' | 'TARGET', versionId: number) => ({
    side,
    versionId,
    source: 's',
    request: '{}',
    attempts: 0,
    error: 'e',
  })
  const crowd = Array.from({ length: limits.maxOwedLoads + 1 }, (_, index) =>
    owed('TARGET', START_MS + index),
  )
  await assert.rejects(
    metastore.migrate('cities', { owed: crowd }, CHANGE),
    kvError('QUOTA_EXCEEDED', /owes/),
  )
  await metastore.migrate('cities', { owed: [owed('TARGET', 1), owed('ORIGIN', 2)] }, CHANGE)
  assert.match(String(metastore.audit(1)[0]?.detail), /owes TARGET 1; owes ORIGIN 2/)
  const aborting = await metastore.migrate('cities', { state: 'ABORTING' }, CHANGE)
  assert.deepEqual(aborting.migration?.owed, [owed('ORIGIN', 2)])
})

test('a change that changes nothing writes nothing, and attempts alone are not audited', async () => {
  const metastore = await opened()
  const arming = await metastore.migrate('cities', { state: 'ARMING' }, CHANGE)
  assert.deepEqual(await metastore.migrate('cities', {}, CHANGE), arming)
  const load = { side: 'TARGET', versionId: 1, source: 's', request: '{}', attempts: 0, error: 'e' } as const
  await metastore.migrate('cities', { owed: [load] }, CHANGE)
  const lines = metastore.audit(100).length
  await metastore.migrate('cities', (now) => ({ owed: [{ ...load, attempts: now.revision }] }), CHANGE)
  assert.equal(metastore.audit(100).length, lines)
})

test('what does not migrate says why', async () => {
  const metastore = await opened()
  await metastore.createDataset({ ...batchDraft('plain'), mode: 'READ_WRITE' }, CHANGE)
  await metastore.createDataset(batchDraft('alone'), CHANGE)
  await assert.rejects(
    metastore.migrate('plain', { state: 'ARMING' }, CHANGE),
    kvError('UNSUPPORTED', /READ_WRITE/),
  )
  await assert.rejects(
    metastore.migrate('alone', { state: 'TARGET_PRIMARY' }, CHANGE),
    kvError('FAILED_PRECONDITION', /no origin/),
  )
  await assert.rejects(metastore.migrate('none', {}, CHANGE), kvError('DATASET_NOT_FOUND'))
})

test('a dataset that migrates can still be updated', async () => {
  const metastore = await opened()
  for (const state of PATHS.VERIFY) await metastore.migrate('cities', { state }, CHANGE)
  const record = await metastore.updateDataset('cities', { retainedVersions: 5 }, CHANGE)
  assert.equal(record.retainedVersions, 5)
  assert.equal(record.migrationState, 'VERIFY')
  assert.deepEqual(record.migration, { ...NO_MIGRATION, sinceMs: START_MS })
})

function formatOf(text: string): unknown {
  return (JSON.parse(text) as { format: number }).format
}
