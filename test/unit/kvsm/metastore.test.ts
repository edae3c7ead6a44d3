import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/logger.js'
import { openMetastore } from '../../../src/kvsm/metastore.js'
import type { ChangeContext, DatasetRecord } from '../../../src/model/dataset.js'
import type { Metastore } from '../../../src/model/metastore.js'
import { CHANGE, FIGURES, START_MS, batchDraft, kvError, manualClock, statesOf } from './fixtures.js'
import type { ManualClock } from './fixtures.js'
import { MemoryStore } from './memory-store.js'

interface Bench {
  readonly store: MemoryStore
  readonly clock: ManualClock
  readonly metastore: Metastore
}

/** `cities` with versions READY, CURRENT and LOADING: ids START_MS, +1 and +2. */
async function citiesBench(): Promise<Bench> {
  const store = new MemoryStore()
  const clock = manualClock()
  const metastore = await openMetastore(store, clock, silentLogger)
  await metastore.createDataset(batchDraft('cities'), CHANGE)
  for (const id of [START_MS, START_MS + 1, START_MS + 2]) {
    await metastore.beginVersion('cities', 'a.ndjson', CHANGE)
    if (id < START_MS + 2) await metastore.completeVersion('cities', id, FIGURES, CHANGE)
  }
  await metastore.publish('cities', START_MS, CHANGE)
  await metastore.publish('cities', START_MS + 1, CHANGE)
  return { store, clock, metastore }
}

test('every command that means a dataset by its id is refused when another has its name', async () => {
  for (const { action, run } of commands) {
    if (action === 'createDataset') continue
    const { metastore } = await citiesBench()
    const before = metastore.get('cities')
    const meant = { ...CHANGE, datasetId: 'd0-gone' }
    await assert.rejects(run(metastore, 'cities', meant), { code: 'DATASET_NOT_FOUND' }, action)
    assert.deepEqual(metastore.get('cities'), before)
    await run(metastore, 'cities', { ...CHANGE, datasetId: before?.id ?? '' })
  }
})

interface Command {
  readonly action: string
  readonly run: (metastore: Metastore, name: string, change: ChangeContext) => Promise<unknown>
}

/** Every audited command, as it succeeds on `citiesBench`; creation makes the dataset that is named. */
const commands: readonly Command[] = [
  {
    action: 'createDataset',
    run: (metastore, name, change) => metastore.createDataset(batchDraft(name), change),
  },
  {
    action: 'beginVersion',
    run: (metastore, name, change) => metastore.beginVersion(name, 'b.ndjson', change),
  },
  {
    action: 'completeVersion',
    run: (metastore, name, change) => metastore.completeVersion(name, START_MS + 2, FIGURES, change),
  },
  {
    action: 'failVersion',
    run: (metastore, name, change) => metastore.failVersion(name, START_MS + 2, change),
  },
  { action: 'publish', run: (metastore, name, change) => metastore.publish(name, START_MS, change) },
  { action: 'rollback', run: (metastore, name, change) => metastore.rollback(name, change) },
  {
    action: 'setCanary',
    run: (metastore, name, change) => metastore.setCanary(name, { versionId: START_MS, share: 100 }, change),
  },
  {
    action: 'archiveVersion',
    run: (metastore, name, change) => {
      return metastore.archiveVersion(name, START_MS, { url: 's3://copies/1', release: true }, change)
    },
  },
  {
    action: 'updateDataset',
    run: (metastore, name, change) => metastore.updateDataset(name, { description: 'changed' }, change),
  },
  {
    action: 'deleteVersion',
    run: (metastore, name, change) => metastore.deleteVersion(name, START_MS, change),
  },
  { action: 'removeDataset', run: (metastore, name, change) => metastore.removeDataset(name, change) },
]

for (const { action, run } of commands) {
  const name = action === 'createDataset' ? 'towns' : 'cities'

  test(`${action} writes one audit line with who, why, what and when`, async () => {
    const { clock, metastore, store } = await citiesBench()
    clock.ms += 5
    const { sequence } = metastore.audit(1)[0]!
    await run(metastore, name, { ...CHANGE, actor: 'grace', reason: 'ticket 7' })
    const { detail, ...line } = metastore.audit(1)[0]!
    const expected = { sequence: sequence + 1, atMs: START_MS + 5, actor: 'grace', reason: 'ticket 7' }
    assert.deepEqual(line, { ...expected, action, dataset: name })
    assert.notEqual(detail, '')
    assert.equal(store.tables.audit.size, sequence + 1)
  })

  test(`${action} as a dry run changes and announces nothing`, async () => {
    const { store, metastore } = await citiesBench()
    const before = { commits: store.commitCount, list: metastore.list(), audit: metastore.audit(100) }
    metastore.subscribe(() => assert.fail('a dry run was announced'))
    await run(metastore, name, { ...CHANGE, isDryRun: true })
    const after = { commits: store.commitCount, list: metastore.list(), audit: metastore.audit(100) }
    assert.deepEqual(after, before)
  })

  test(`${action} without actor and reason is refused and changes nothing`, async () => {
    const { store, metastore } = await citiesBench()
    const before = store.commitCount
    const change = { ...CHANGE, actor: '', reason: '' }
    await assert.rejects(run(metastore, name, change), kvError('INVALID_ARGUMENT', /actor/, /reason/))
    assert.equal(store.commitCount, before)
  })

  test(`${action} at another revision is a conflict that names both`, async () => {
    const { store, metastore } = await citiesBench()
    const before = store.commitCount
    const revision = metastore.get(name)?.revision ?? 0
    const change = { ...CHANGE, ifRevision: 3 }
    const patterns = [new RegExp(`revision ${revision} `), /expects 3/]
    await assert.rejects(run(metastore, name, change), kvError('CONFLICT', ...patterns))
    assert.equal(store.commitCount, before)
    await run(metastore, name, { ...CHANGE, ifRevision: revision })
  })

  if (action === 'createDataset') continue
  test(`${action} of an unknown dataset is refused by name`, async () => {
    const { metastore } = await citiesBench()
    const change = { ...CHANGE, ifRevision: 3 }
    await assert.rejects(run(metastore, 'towns', change), kvError('DATASET_NOT_FOUND', /towns/))
  })
}

test('a dry run answers what would result, at the revision that is there', async () => {
  const { metastore } = await citiesBench()
  const dryRun = { ...CHANGE, isDryRun: true }
  const { revision } = metastore.get('cities')!
  const planned = await metastore.rollback('cities', dryRun)
  assert.equal(planned.revision, revision)
  assert.equal(statesOf(planned)[START_MS], 'CURRENT')
  const created = await metastore.createDataset(batchDraft('towns'), dryRun)
  assert.deepEqual([created.name, created.revision, metastore.get('towns')], ['towns', 0, null])
  const begun = await metastore.beginVersion('cities', 'b.ndjson', dryRun)
  assert.deepEqual([begun.id, begun.state], [START_MS + 3, 'LOADING'])
})

test('a dataset has a name once, and the refusal names the one that has it', async () => {
  const { metastore } = await citiesBench()
  const { id } = metastore.get('cities')!
  const again = metastore.createDataset(batchDraft('cities'), CHANGE)
  await assert.rejects(again, kvError('ALREADY_EXISTS', /cities/, new RegExp(id), /owner search/))
})

test('a dataset made again under its name has another id and a greater revision', async () => {
  const { metastore } = await citiesBench()
  const former = metastore.get('cities')!
  await metastore.removeDataset('cities', CHANGE)
  assert.equal(metastore.get('cities'), null)
  const made = await metastore.createDataset(batchDraft('cities'), CHANGE)
  assert.notEqual(made.id, former.id)
  assert.match(made.id, /^d[0-9]+-[0-9a-f]{8}$/)
  assert.ok(made.revision > former.revision)
})

test('version ids rise though the clock goes back, the newest is forgotten and kvsm restarts', async () => {
  const { store, clock, metastore } = await citiesBench()
  await metastore.failVersion('cities', START_MS + 2, CHANGE)
  await metastore.deleteVersion('cities', START_MS + 2, CHANGE)
  await metastore.forgetVersions('cities', [START_MS + 2])
  assert.deepEqual(statesOf(metastore.get('cities')!), { [START_MS]: 'READY', [START_MS + 1]: 'CURRENT' })
  clock.ms -= 1_000_000
  const reopened = await openMetastore(store, clock, silentLogger)
  assert.equal((await reopened.beginVersion('cities', 'c.ndjson', CHANGE)).id, START_MS + 3)
  clock.ms = START_MS + 500
  const begun = await reopened.beginVersion('cities', 'c.ndjson', CHANGE)
  assert.deepEqual([begun.id, begun.createdAtMs], [START_MS + 500, START_MS + 500])
})

test('a version carries its source, its loader and, when complete, its figures', async () => {
  const { metastore } = await citiesBench()
  const record = await metastore.completeVersion('cities', START_MS + 2, FIGURES, CHANGE)
  const expected = {
    id: START_MS + 2,
    state: 'READY',
    source: 'a.ndjson',
    loadedBy: 'ada',
    createdAtMs: START_MS,
    archive: null,
  }
  assert.deepEqual(record.versions[0], { ...expected, ...FIGURES })
})

test('a dataset without versions refuses every command about them', async () => {
  const { metastore } = await citiesBench()
  await metastore.createDataset(batchDraft('profiles', { mode: 'READ_WRITE' }), CHANGE)
  for (const { action, run } of commands) {
    if (['createDataset', 'removeDataset', 'updateDataset'].includes(action)) continue
    await assert.rejects(run(metastore, 'profiles', CHANGE), kvError('UNSUPPORTED', /profiles is READ_WRITE/))
  }
})

test('loads that a dead process left behind are failed at the next start, with an audit line', async () => {
  const { store, clock } = await citiesBench()
  const reopened = await openMetastore(store, clock, silentLogger)
  const expected = { [START_MS]: 'READY', [START_MS + 1]: 'CURRENT', [START_MS + 2]: 'FAILED' }
  assert.deepEqual(statesOf(reopened.get('cities')!), expected)
  const { actor, action, detail } = reopened.audit(1)[0]!
  assert.deepEqual(
    [actor, action, detail],
    ['godwit', 'failVersion', `version ${START_MS + 2} LOADING -> FAILED`],
  )
  const again = await openMetastore(store, clock, silentLogger)
  assert.deepEqual(again.audit(100), reopened.audit(100))
})

test('forgetting writes no audit line, raises the revision, and does nothing the second time', async () => {
  const { store, metastore } = await citiesBench()
  await metastore.deleteVersion('cities', START_MS, CHANGE)
  const before = metastore.audit(100)
  const { revision } = metastore.get('cities')!
  await metastore.forgetVersions('cities', [START_MS])
  assert.ok(metastore.get('cities')!.revision > revision)
  const commits = store.commitCount
  await metastore.forgetVersions('cities', [START_MS, 5])
  await metastore.forgetVersions('gone', [5])
  assert.equal(store.commitCount, commits)
  assert.deepEqual(metastore.audit(100), before)
  const current = metastore.forgetVersions('cities', [START_MS + 1])
  await assert.rejects(current, kvError('FAILED_PRECONDITION', /is CURRENT/))
})

test('the list is in order of names and a record in it cannot be changed', async () => {
  const { metastore } = await citiesBench()
  for (const name of ['zoo', 'Abc', 'b-2', 'b-10']) await metastore.createDataset(batchDraft(name), CHANGE)
  const list = metastore.list()
  assert.deepEqual(
    list.map((record) => record.name),
    ['Abc', 'b-10', 'b-2', 'cities', 'zoo'],
  )
  assert.ok(list.every((record) => Object.isFrozen(record) && Object.isFrozen(record.versions)))
})

test('a version that cannot be served is neither published nor rolled back to, and nothing changes', async () => {
  const { metastore } = await citiesBench()
  const asked: number[] = []
  metastore.guardPublish((dataset, versionId) => {
    asked.push(versionId)
    throw new KVError('FAILED_PRECONDITION', `version ${versionId} of ${dataset} is not open`)
  })
  const before = metastore.get('cities')
  await metastore.completeVersion('cities', START_MS + 2, FIGURES, CHANGE)
  await assert.rejects(metastore.publish('cities', START_MS + 2, CHANGE), { code: 'FAILED_PRECONDITION' })
  await assert.rejects(metastore.rollback('cities', CHANGE), { code: 'FAILED_PRECONDITION' })
  assert.deepEqual(asked, [START_MS + 2, START_MS])
  const current = (record: DatasetRecord | null) =>
    record?.versions.find(({ state }) => state === 'CURRENT')?.id
  assert.equal(current(metastore.get('cities')), current(before))
})

test('the key of tokens is made once and is the same for whoever opens the store again', async () => {
  const store = new MemoryStore()
  const [first, second] = await Promise.all([
    openMetastore(store, manualClock(), silentLogger),
    openMetastore(store, manualClock(), silentLogger),
  ])
  assert.equal(first.tokenKey.byteLength, 32)
  assert.deepEqual(second.tokenKey, first.tokenKey)
  const other = await openMetastore(new MemoryStore(), manualClock(), silentLogger)
  assert.notDeepEqual(other.tokenKey, first.tokenKey)
})

test('a damaged key of tokens is refused by name', async () => {
  const store = new MemoryStore()
  store.tables.secret.set('tokens', { key: 'tokens', value: 'abcd', revision: 1 })
  const opening = openMetastore(store, manualClock(), silentLogger)
  await assert.rejects(opening, kvError('CORRUPT', /key of tokens/))
})
