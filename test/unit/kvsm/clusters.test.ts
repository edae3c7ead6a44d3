import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { silentLogger } from '../../../src/base/logger.js'
import { openMetastore } from '../../../src/kvsm/metastore.js'
import type { ClusterRecord } from '../../../src/model/dataset.js'
import type { ClusterDraft, Metastore } from '../../../src/model/metastore.js'
import { CHANGE, batchDraft, kvError, manualClock } from './fixtures.js'
import { MemoryStore } from './memory-store.js'

const LEAVES = [
  { name: 'a', url: 'http://10.0.0.1:7390' },
  { name: 'b', url: 'http://10.0.0.2:7390' },
]

async function bench(): Promise<{ store: MemoryStore; metastore: Metastore }> {
  const store = new MemoryStore()
  const metastore = await openMetastore(store, manualClock(), silentLogger)
  await metastore.putCluster({ name: 'west', aliases: ['old-west'], leaves: LEAVES }, CHANGE)
  return { store, metastore }
}

const refusals: readonly { readonly name: string; readonly draft: ClusterDraft; readonly says: RegExp }[] = [
  { name: 'an odd name', draft: { name: 'a b' }, says: /name must have/ },
  { name: 'a hostile name', draft: { name: '__proto__' }, says: /name must have/ },
  { name: 'itself as alias', draft: { name: 'east', aliases: ['east'] }, says: /must not repeat the name/ },
  { name: 'one alias twice', draft: { name: 'east', aliases: ['x', 'x'] }, says: /differ from each other/ },
  { name: 'leaves of local', draft: { name: 'local', leaves: LEAVES }, says: /own process/ },
  {
    name: 'two leaves of one name',
    draft: { name: 'east', leaves: LEAVES.map((l) => ({ ...l, name: 'a' })) },
    says: /name/,
  },
  {
    name: 'two leaves of one url',
    draft: { name: 'east', leaves: LEAVES.map((l) => ({ ...l, url: 'http://x:1' })) },
    says: /url/,
  },
  ...['http://x', 'https://x:1', 'http://x:1/y', 'http://u@x:1', 'ftp://x:1', 'x:1', ''].map((url) => ({
    name: `the url ${url}`,
    draft: { name: 'east', leaves: [{ name: 'a', url }] },
    says: /leaves\[0\]\.url must be http:/,
  })),
  {
    name: 'an unknown setting',
    draft: JSON.parse('{"name":"east","replicas":2}') as ClusterDraft,
    says: /"replicas" is no setting/,
  },
]

suite('clusters', () => {
  test('local is always there, and every cluster is found by its name and its aliases', async () => {
    const { metastore } = await bench()
    assert.deepEqual(
      metastore.clusters().map(({ name }) => name),
      ['local', 'west'],
    )
    for (const name of ['west', 'old-west']) assert.equal(metastore.cluster(name)?.name, 'west')
    assert.equal(metastore.cluster('east'), null)
    assert.ok(Object.isFrozen(metastore.cluster('west')?.leaves[0]))
  })

  test('survive a restart', async () => {
    const { store, metastore } = await bench()
    const reopened = await openMetastore(store, manualClock(), silentLogger)
    assert.deepEqual(reopened.clusters(), metastore.clusters())
  })

  for (const { name, draft, says } of refusals) {
    test(`with ${name} are refused`, async () => {
      const { store, metastore } = await bench()
      const before = store.commitCount
      await assert.rejects(metastore.putCluster(draft, CHANGE), kvError('INVALID_ARGUMENT', says))
      assert.equal(store.commitCount, before)
    })
  }

  test('a name is one cluster’s alone, also as an alias', async () => {
    const { metastore } = await bench()
    for (const draft of [
      { name: 'old-west' },
      { name: 'x', aliases: ['west'] },
      { name: 'x', aliases: ['old-west'] },
      { name: 'x', aliases: ['local'] },
    ]) {
      await assert.rejects(
        metastore.putCluster(draft, CHANGE),
        kvError('ALREADY_EXISTS', /choose another name/),
      )
    }
  })

  test('a leaf has one name and one URL in all clusters, because copies are kept by its name', async () => {
    const { metastore } = await bench()
    const [first] = LEAVES
    assert.ok(first !== undefined)
    for (const leaf of [
      { ...first, url: 'http://127.0.0.1:1' },
      { ...first, name: 'other' },
    ]) {
      const draft = { name: 'east', leaves: [leaf] }
      await assert.rejects(
        metastore.putCluster(draft, CHANGE),
        kvError('ALREADY_EXISTS', /one name and one URL/),
      )
    }
    await metastore.putCluster({ name: 'east', leaves: [first] }, CHANGE)
  })

  test('what a change leaves out stays, and a change that changes nothing is not audited', async () => {
    const { metastore } = await bench()
    const before = metastore.audit(100).length
    await metastore.putCluster({ name: 'west', aliases: [] }, CHANGE)
    assert.deepEqual([metastore.cluster('west')?.leaves, metastore.cluster('old-west')], [LEAVES, null])
    await metastore.putCluster({ name: 'west' }, CHANGE)
    const lines = metastore.audit(100)
    assert.equal(lines.length, before + 1)
    assert.deepEqual([lines[0]?.action, lines[0]?.dataset], ['putCluster', ''])
    assert.match(lines[0]?.detail ?? '', /cluster west: leaves a http:\/\/10\.0\.0\.1:7390/)
  })

  test('changes are announced, compare the revision, and dry runs are neither kept nor announced', async () => {
    const { metastore } = await bench()
    let announced = 0
    metastore.subscribeClusters(() => {
      announced += 1
      return Promise.resolve()
    })
    const planned = await metastore.putCluster({ name: 'east' }, { ...CHANGE, isDryRun: true })
    assert.deepEqual([planned.name, announced, metastore.cluster('east')], ['east', 0, null])
    await assert.rejects(
      metastore.putCluster({ name: 'west', leaves: [] }, { ...CHANGE, ifRevision: 1 }),
      kvError('CONFLICT', /cluster west/),
    )
    const { revision } = metastore.cluster('west') as ClusterRecord
    await metastore.putCluster({ name: 'west', leaves: [] }, { ...CHANGE, ifRevision: revision })
    assert.equal(announced, 1)
  })

  test('a dataset lies on a cluster that is there and has leaves enough, under the cluster’s own name', async () => {
    const { metastore } = await bench()
    const made = await metastore.createDataset(
      batchDraft('cities', { cluster: 'old-west', replicas: 2 }),
      CHANGE,
    )
    assert.equal(made.cluster, 'west')
    const refused = (draft: object) => metastore.createDataset(batchDraft('towns', draft), CHANGE)
    await assert.rejects(
      refused({ cluster: 'nowhere' }),
      kvError('FAILED_PRECONDITION', /no cluster nowhere.*local, west/),
    )
    await assert.rejects(
      refused({ cluster: 'west', replicas: 3 }),
      kvError('FAILED_PRECONDITION', /3 replicas.*2 leaves/),
    )
    await assert.rejects(refused({ replicas: 2 }), kvError('FAILED_PRECONDITION', /2 replicas/))
    await assert.rejects(
      refused({ cluster: 'west', mode: 'READ_WRITE' }),
      kvError('UNSUPPORTED', /READ_WRITE/),
    )
    await assert.rejects(
      metastore.putCluster({ name: 'west', leaves: LEAVES.slice(1) }, CHANGE),
      kvError('FAILED_PRECONDITION', /cities asks for 2 replicas/),
    )
  })

  test('one is removed when no dataset names it; local stays', async () => {
    const { metastore } = await bench()
    await metastore.createDataset(batchDraft('cities', { cluster: 'west' }), CHANGE)
    await assert.rejects(
      metastore.removeCluster('west', CHANGE),
      kvError('FAILED_PRECONDITION', /serves 1 datasets \(cities\)/),
    )
    await assert.rejects(metastore.removeCluster('local', CHANGE), kvError('FAILED_PRECONDITION', /stays/))
    await assert.rejects(
      metastore.removeCluster('old-west', CHANGE),
      kvError('FAILED_PRECONDITION', /alias of cluster west/),
    )
    await metastore.updateDataset('cities', { cluster: 'local' }, CHANGE)
    await metastore.removeCluster('west', CHANGE)
    assert.equal(metastore.cluster('west'), null)
  })

  test('after a commit whose end is unknown, clusters are read again and announced', async () => {
    const { store, metastore } = await bench()
    let announced = 0
    metastore.subscribeClusters(() => {
      announced += 1
      return Promise.resolve()
    })
    store.failure = 'after'
    await assert.rejects(metastore.putCluster({ name: 'east' }, CHANGE), kvError('UNAVAILABLE'))
    await metastore.createDataset(batchDraft('cities', { cluster: 'east' }), CHANGE)
    assert.equal(announced, 1)
  })
})
