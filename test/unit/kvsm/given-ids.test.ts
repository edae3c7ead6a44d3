/** Versions whose ids are given with them, as Terrapin's directories give theirs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../src/base/logger.js'
import { openMetastore } from '../../../src/kvsm/metastore.js'
import { addVersion } from '../../../src/kvsm/versions.js'
import type { Metastore } from '../../../src/model/metastore.js'
import {
  batchDraft,
  CHANGE,
  FIGURES,
  kvError,
  manualClock,
  recordWith,
  START_MS,
  statesOf,
  version,
} from './fixtures.js'
import { MemoryStore } from './memory-store.js'

async function kvsm(store = new MemoryStore()): Promise<Metastore> {
  return await openMetastore(store, manualClock(), silentLogger)
}

async function loaded(metastore: Metastore, id: number): Promise<void> {
  await metastore.beginVersion('pins', 'a', CHANGE, id)
  await metastore.completeVersion('pins', id, FIGURES, CHANGE)
}

test('a given id stands at its place among the others, lower ones too, and a restart reads them back', async () => {
  const store = new MemoryStore()
  const metastore = await kvsm(store)
  await metastore.createDataset(batchDraft('pins'), CHANGE)
  for (const id of [200, 100, 300]) await loaded(metastore, id)
  const ids = (from: Metastore) => from.get('pins')?.versions.map(({ id }) => id)
  assert.deepEqual(ids(metastore), [300, 200, 100])
  await metastore.publish('pins', 300, CHANGE)
  await metastore.publish('pins', 100, CHANGE)
  assert.deepEqual(ids(await kvsm(store)), [300, 200, 100])
})

test('ids that nobody gives are above all that were given', async () => {
  const metastore = await kvsm()
  await metastore.createDataset(batchDraft('pins'), CHANGE)
  await loaded(metastore, 9_999_999_999_999)
  assert.equal((await metastore.beginVersion('pins', 'b', CHANGE)).id, 10_000_000_000_000)
  const other = await kvsm()
  await other.createDataset(batchDraft('pins'), CHANGE)
  await loaded(other, 5)
  assert.equal((await other.beginVersion('pins', 'b', CHANGE)).id, START_MS)
})

test('a failed version leaves its id to the next one, any other keeps it', () => {
  const record = recordWith({
    50: 'FAILED',
    40: 'LOADING',
    30: 'CURRENT',
    20: 'READY',
    10: 'DELETED',
    5: 'ARCHIVED',
  })
  const { versions, detail } = addVersion(record, { ...version(50, 'LOADING'), source: 'again' })
  assert.deepEqual(statesOf({ versions }), { ...statesOf(record), 50: 'LOADING' })
  assert.equal(versions[0]?.source, 'again')
  assert.match(detail, /version 50 from again/)
  for (const [id, state] of [
    [40, 'LOADING'],
    [30, 'CURRENT'],
    [20, 'READY'],
    [5, 'ARCHIVED'],
  ] as const) {
    const says = new RegExp(`version ${id} of dataset cities exists already \\(${state}, from`)
    assert.throws(() => addVersion(record, version(id, 'LOADING')), kvError('ALREADY_EXISTS', says))
  }
  assert.throws(
    () => addVersion(record, version(10, 'LOADING')),
    kvError('FAILED_PRECONDITION', /version 10 .* is being removed/),
  )
})

test('the id of a version that was forgotten is free again, but not where leaves may hold its copies', async () => {
  const metastore = await kvsm()
  const leaves = [{ name: 'a', url: 'http://127.0.0.1:1' }]
  await metastore.putCluster({ name: 'west', leaves }, CHANGE)
  for (const [dataset, cluster] of [
    ['pins', 'local'],
    ['boards', 'west'],
  ] as const) {
    await metastore.createDataset(batchDraft(dataset, { cluster }), CHANGE)
    for (const id of [100, 200]) {
      await metastore.beginVersion(dataset, 'a', CHANGE, id)
      await metastore.completeVersion(dataset, id, FIGURES, CHANGE)
    }
    await metastore.deleteVersion(dataset, 100, CHANGE)
  }
  const refusal = kvError('INVALID_ARGUMENT', /100 .* not above 200: leaves of cluster west/)
  // Waiting for its end would change nothing.
  await assert.rejects(metastore.beginVersion('boards', 'b', CHANGE, 100), refusal)
  for (const dataset of ['pins', 'boards']) await metastore.forgetVersions(dataset, [100])
  assert.equal((await metastore.beginVersion('pins', 'b', CHANGE, 100)).id, 100)
  await assert.rejects(metastore.beginVersion('boards', 'b', CHANGE, 100), refusal)
  assert.equal((await metastore.beginVersion('boards', 'b', CHANGE, 201)).id, 201)
  await metastore.failVersion('boards', 201, CHANGE)
  assert.equal((await metastore.beginVersion('boards', 'b', CHANGE, 201)).state, 'LOADING')
})

test('an id that is none is refused', async () => {
  const metastore = await kvsm()
  await metastore.createDataset(batchDraft('pins'), CHANGE)
  for (const id of [0, -1, 1.5, Number.NaN, 10_000_000_000_000])
    await assert.rejects(
      metastore.beginVersion('pins', 'a', CHANGE, id),
      kvError('INVALID_ARGUMENT', /versionId/),
    )
})
