import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { silentLogger } from '../../../src/base/logger.js'
import { openMetastore } from '../../../src/kvsm/metastore.js'
import type { Metastore } from '../../../src/model/metastore.js'
import { CHANGE, FIGURES, batchDraft, kvError, manualClock } from './fixtures.js'
import { MemoryStore } from './memory-store.js'

async function bench(): Promise<{ store: MemoryStore; metastore: Metastore }> {
  const store = new MemoryStore()
  const metastore = await openMetastore(store, manualClock(), silentLogger)
  await metastore.createDataset(batchDraft('cities'), CHANGE)
  await metastore.createDataset(batchDraft('profiles', { mode: 'READ_WRITE', defaultTtlSeconds: 60 }), CHANGE)
  return { store, metastore }
}

const refusals: readonly {
  readonly name: string
  readonly dataset?: string
  readonly patch: object
  readonly says: RegExp
}[] = [
  { name: 'nothing', patch: {}, says: /changes nothing: give any of owner/ },
  { name: 'only what is undefined', patch: { description: undefined }, says: /changes nothing/ },
  { name: 'no owner', patch: { owner: null }, says: /owner is missing/ },
  { name: 'an owner without contact', patch: { owner: { name: 'a' } }, says: /owner.contact is missing/ },
  { name: 'its name', patch: { name: 'towns' }, says: /"name" is no setting/ },
  { name: 'its shards', patch: { shardCount: 2 }, says: /"shardCount" is no setting/ },
  { name: 'no version kept', patch: { retainedVersions: 0 }, says: /from 1 to 10/ },
  { name: 'eleven versions kept', patch: { retainedVersions: 11 }, says: /from 1 to 10/ },
  { name: 'a ttl of loaded data', patch: { defaultTtlSeconds: 5 }, says: /is for READ_WRITE/ },
  {
    name: 'versions of live data',
    dataset: 'profiles',
    patch: { retainedVersions: 5 },
    says: /is for BATCH/,
  },
]

suite('updateDataset', () => {
  test('changes what is given and says so in the audit, and nothing else', async () => {
    const { metastore } = await bench()
    const before = metastore.get('cities')
    const patch = {
      owner: { name: 'geo', contact: 'search@example.org' },
      retainedVersions: 5,
      maxVersionBytes: 99,
    }
    const after = await metastore.updateDataset('cities', patch, {
      ...CHANGE,
      ifRevision: before?.revision ?? 0,
    })
    assert.deepEqual({ ...after, revision: 0 }, { ...before, ...patch, revision: 0 })
    const detail = 'retainedVersions 3 -> 5; maxVersionBytes null -> 99; owner.name "search" -> "geo"'
    assert.equal(metastore.audit(1)[0]?.detail, detail)
  })

  test('null takes a limit away', async () => {
    const { metastore } = await bench()
    await metastore.updateDataset('profiles', { defaultTtlSeconds: null, graceSeconds: 10 }, CHANGE)
    const { defaultTtlSeconds, graceSeconds } = metastore.get('profiles') ?? {}
    assert.deepEqual([defaultTtlSeconds, graceSeconds], [null, 10])
  })

  test('a patch that changes nothing is answered, not written and not audited', async () => {
    const { store, metastore } = await bench()
    const before = store.commitCount
    assert.equal(
      await metastore.updateDataset('cities', { retainedVersions: 3 }, CHANGE),
      metastore.get('cities'),
    )
    assert.equal(store.commitCount, before)
  })

  for (const { name, dataset = 'cities', patch, says } of refusals) {
    test(`is refused for ${name}`, async () => {
      const { store, metastore } = await bench()
      const before = store.commitCount
      await assert.rejects(metastore.updateDataset(dataset, patch, CHANGE), kvError('INVALID_ARGUMENT', says))
      assert.equal(store.commitCount, before)
    })
  }

  test('a version larger than the dataset allows is not completed', async () => {
    const { metastore } = await bench()
    await metastore.updateDataset('cities', { maxVersionBytes: FIGURES.bytes - 1 }, CHANGE)
    const { id } = await metastore.beginVersion('cities', 'a.ndjson', CHANGE)
    await assert.rejects(
      metastore.completeVersion('cities', id, FIGURES, CHANGE),
      kvError('QUOTA_EXCEEDED', /100 bytes/),
    )
    await metastore.updateDataset('cities', { maxVersionBytes: FIGURES.bytes }, CHANGE)
    assert.equal((await metastore.completeVersion('cities', id, FIGURES, CHANGE)).versions[0]?.state, 'READY')
  })
})
