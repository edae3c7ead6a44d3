import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur3Token } from '../../../src/base/hash.js'
import { type OriginNow, explainRead } from '../../../src/gateway/explain.js'
import type { Backend } from '../../../src/model/backend.js'
import type { DatasetRecord } from '../../../src/model/dataset.js'
import {
  type MigrationRamp,
  type RampBreach,
  MIGRATION_STATES,
  NO_MIGRATION,
} from '../../../src/model/migration.js'
import { decideRead } from '../../../src/routing/decide.js'
import { Router } from '../../../src/routing/router.js'
import { KVError } from '../../../src/base/errors.js'
import type { DatasetEntry } from '../../../src/model/cluster-map.js'
import { datasetEntry, mapOf, readRequest, servedVersion } from '../../support/datasets.js'
import { random as seeded } from '../../support/random.js'
import type { RequestContext } from '../../../src/model/request.js'
import { kvError } from '../kvsm/fixtures.js'
import { type Answer, BEFORE, TwoSides, migrating, rowsOf } from '../routing/two-sides.js'

// Nothing is read here.
const NOBODY = {} as unknown as Backend
const router = new Router(NOBODY, new Map())
const CALLERS = [null, 'web', 'batch']
const WELL: OriginNow = { isBreakerOpen: false, standInAfterMs: 100, hedgeAfterMs: 0 }

test('what explain says of 4,000 reads is what the functions do that reads go through', () => {
  const random = seeded(7)
  let targets = 0
  for (let round = 0; round < 4_000; round += 1) {
    const pick = (count: number): number => Math.floor(random() * count)
    const key = Buffer.from(Array.from({ length: 1 + pick(24) }, () => pick(256)))
    const caller = CALLERS[pick(CALLERS.length)] ?? null
    const dials = {
      shadowShare: pick(10_001),
      baselineShare: 0,
      splitShare: pick(10_001),
      splitCallers: ['batch'],
    }
    const versions = [servedVersion(20, 1, 2, 3, 4), servedVersion(10, 5, 6, 7, 8)]
    const entry = datasetEntry(
      {
        mode: 'BATCH',
        shardCount: 4,
        migrationState: MIGRATION_STATES[pick(MIGRATION_STATES.length)] ?? 'RAMP',
        origin: 'west',
        canary: pick(2) === 0 ? null : { versionId: 10, share: pick(10_001) },
        migration: { ...NO_MIGRATION, dials },
      },
      { versions, current: versions[0] ?? null },
    )
    const explained = explainRead(mapOf(entry), { dataset: 'cities', rowKey: key, caller }, () => WELL)
    const request = readRequest([key], { context: { ...readRequest([key]).context, caller } })
    const decided = decideRead(entry, request, () => true)
    assert.equal(explained.side, decided.side)
    assert.equal(explained.why, decided.why)
    assert.equal(explained.bucket, decided.bucket)
    assert.equal(explained.fallback, decided.fallback)
    assert.equal(explained.shadowShare, decided.shadowShare)
    if (decided.side !== 'TARGET') continue
    targets += 1
    const plan = router.planTarget({ request, entry, tokens: [murmur3Token(key)] })
    assert.equal(explained.version, plan.version?.id)
    assert.equal(explained.shard, plan.shardReads[0]?.incarnation.shard)
  }
  assert.ok(targets > 500, String(targets))
})

test('explain says what nobody serves, and knows no dataset that is not there', () => {
  const entry = datasetEntry({ mode: 'BATCH' })
  const asked = { dataset: 'cities', rowKey: Buffer.from('k'), caller: null }
  const explained = explainRead(mapOf(entry), asked, () => WELL)
  assert.equal(explained.version, null)
  assert.match(explained.servedBy, /nobody/)
  assert.deepEqual([explained.answeredBy, explained.instead], [null, 'the target has no version online'])
  const missing = (): unknown => explainRead(mapOf(), asked, () => WELL)
  assert.throws(missing, kvError('DATASET_NOT_FOUND', /cities/))
})

test('who explain says answers is who answers a live read: with breakers, closed shards, canaries, stand-ins', () => {
  const random = seeded(11)
  const seen = new Map<string, number>()
  for (let round = 0; round < 2_000; round += 1) {
    const pick = (count: number): number => Math.floor(random() * count)
    const key = `key-${pick(1_000)}`
    const caller = CALLERS[pick(CALLERS.length)] ?? null
    const state = MIGRATION_STATES[pick(MIGRATION_STATES.length)] ?? 'RAMP'
    const world = new TwoSides({
      ...migrating(state, { splitShare: pick(10_001), splitCallers: ['batch'] }),
      canary: pick(3) === 0 ? { versionId: BEFORE, share: pick(10_001) } : null,
      ...(state === 'RETIRED' && { origin: null }),
    })
    if (pick(4) === 0) world.entry = closed(world.entry)
    world.guard.isOpen = pick(3) === 0
    world.standInAfterMs = WELL.standInAfterMs
    const gone = new KVError('UNAVAILABLE', 'its breaker is open')
    world.behaviours.ORIGIN = world.guard.isOpen ? () => gone : rowsOf(null)
    world.behaviours.TARGET = (plan, side) => rowsOf(plan.version?.id ?? null)(plan, side)
    const asked = { dataset: 'cities', rowKey: Buffer.from(key), caller }
    const explained = explainRead(mapOf(world.entry), asked, () => ({
      ...WELL,
      isBreakerOpen: world.guard.isOpen,
    }))
    const context = { api: 'test', caller, deadline: 1_000 }
    const answer = liveRead(world, key, context)
    const answeredBy = answer instanceof KVError ? null : (answer.side ?? explained.side)
    const text = `${state} ${explained.side} ${explained.instead}`
    assert.equal(explained.answeredBy, answeredBy, text)
    if (answeredBy === 'TARGET' && !(answer instanceof KVError)) {
      assert.equal(explained.version, answer.datasetVersion, text)
    }
    assert.equal(explained.instead === '', answeredBy === explained.side, text)
    const kind = `${explained.side} ${answeredBy ?? 'nobody'}`
    seen.set(kind, (seen.get(kind) ?? 0) + 1)
  }
  for (const side of ['ORIGIN', 'TARGET']) {
    for (const by of ['ORIGIN', 'TARGET', 'nobody']) {
      const count = seen.get(`${side} ${by}`) ?? 0
      assert.ok(count >= 10, `${side} answered by ${by}: ${count}`)
    }
  }
})

test('explain says when the other side is asked as well, and when it is not', () => {
  const standInOf = (world: TwoSides, rowKey = Buffer.from('k')): number =>
    explainRead(mapOf(world.entry), { dataset: 'cities', rowKey, caller: null }, () => WELL).standInAfterMs
  assert.equal(standInOf(new TwoSides(migrating('RAMP', { splitShare: 1 }))), 100)
  assert.equal(standInOf(new TwoSides(migrating('RAMP'))), 0)
  assert.equal(standInOf(new TwoSides(migrating('TARGET_PRIMARY'))), 100)
  assert.equal(standInOf(new TwoSides(migrating('VERIFY'))), 0)
  assert.equal(standInOf(new TwoSides(migrating('ORIGIN_ONLY'))), 0)
})

test('explain says why the target does not stand in for the origin', () => {
  const ramp: MigrationRamp = {
    ...{ toShare: 10_000, stepShare: 100, everyMs: 1_000, fromShare: 0, startedAtMs: 1, lastStepAtMs: 1 },
    ...{ startedBy: 'ada', state: 'BREACHED', note: '' },
  }
  const aloneOf = (record: Partial<DatasetRecord>, breach?: RampBreach): string => {
    const { migration = NO_MIGRATION } = record
    const breached = breach === undefined ? migration : { ...migration, ramp: { ...ramp, breach } }
    const { entry } = new TwoSides({ ...record, migration: breached })
    const asked = { dataset: 'cities', rowKey: Buffer.from('k'), caller: null }
    const { alone, fallback, side } = explainRead(mapOf(entry), asked, () => WELL)
    assert.deepEqual([side, fallback === null], ['ORIGIN', alone !== '' || record.migrationState !== 'RAMP'])
    return alone
  }
  assert.match(aloneOf(migrating('RAMP')), /answers nobody/)
  assert.match(aloneOf(migrating('RAMP', { splitShare: 1 }), 'DATA'), /found to differ/)
  assert.equal(aloneOf(migrating('RAMP', { splitShare: 1 }), 'SERVICE'), '')
  assert.equal(aloneOf(migrating('RAMP', { splitShare: 1 })), '')
  assert.equal(aloneOf(migrating('VERIFY')), '')
})

function closed(entry: DatasetEntry): DatasetEntry {
  const versions = entry.versions.map(({ id }) => servedVersion(id))
  return { ...entry, versions, current: versions[0] ?? null }
}

function liveRead(world: TwoSides, key: string, context: RequestContext): Answer {
  try {
    const { answer } = world.read([key], { context })
    assert.ok(answer !== undefined, 'nothing was answered')
    return answer
  } catch (error) {
    // What cannot be planned is answered with the reason.
    if (error instanceof KVError) return error
    throw error
  }
}
