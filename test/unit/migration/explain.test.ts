import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur3Token } from '../../../src/base/hash.js'
import { explainRead } from '../../../src/gateway-explain.js'
import type { Backend } from '../../../src/model/backend.js'
import { MIGRATION_STATES, NO_MIGRATION } from '../../../src/model/migration.js'
import { decideRead } from '../../../src/routing/decide.js'
import { Router } from '../../../src/routing/router.js'
import { datasetEntry, mapOf, readRequest, servedVersion } from '../../support/datasets.js'
import { random as seeded } from '../../support/random.js'
import { kvError } from '../kvsm/fixtures.js'

// Nothing is read here.
const NOBODY = {} as unknown as Backend
const router = new Router(NOBODY, new Map())
const CALLERS = [null, 'web', 'batch']

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
    const explained = explainRead(mapOf(entry), { dataset: 'cities', rowKey: key, caller }, () => false)
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
  const explained = explainRead(mapOf(entry), asked, () => false)
  assert.equal(explained.version, null)
  assert.match(explained.servedBy, /nobody/)
  const missing = (): unknown => explainRead(mapOf(), asked, () => false)
  assert.throws(missing, kvError('DATASET_NOT_FOUND', /cities/))
})
