import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  abandonLoads,
  addVersion,
  archivedVersion,
  changeCanary,
  currentVersion,
  deletedVersion,
  dropVersions,
  moveVersion,
  publishVersion,
  rollForwardVersion,
  rollbackVersion,
} from '../../../src/kvsm/versions.js'
import { copiesOf, type VersionState } from '../../../src/model/dataset.js'
import { kvError, recordWith, statesOf, version } from './fixtures.js'

type States = Record<number, VersionState>

interface PublishCase {
  readonly name: string
  readonly before: States
  readonly retained: number
  readonly publish: number
  readonly after: States
}

const publishCases: readonly PublishCase[] = [
  {
    name: 'the first version becomes current',
    before: { 10: 'READY' },
    retained: 3,
    publish: 10,
    after: { 10: 'CURRENT' },
  },
  {
    name: 'the former current version stays ready',
    before: { 20: 'READY', 10: 'CURRENT' },
    retained: 3,
    publish: 20,
    after: { 20: 'CURRENT', 10: 'READY' },
  },
  {
    name: 'the oldest ready version beyond the retention is deleted',
    before: { 40: 'READY', 30: 'CURRENT', 20: 'READY', 10: 'READY' },
    retained: 3,
    publish: 40,
    after: { 40: 'CURRENT', 30: 'READY', 20: 'READY', 10: 'DELETED' },
  },
  {
    name: 'one retained version deletes the former current one',
    before: { 20: 'READY', 10: 'CURRENT' },
    retained: 1,
    publish: 20,
    after: { 20: 'CURRENT', 10: 'DELETED' },
  },
  {
    name: 'versions hidden by a rollback are kept while they fit',
    before: { 30: 'READY', 20: 'READY', 10: 'CURRENT' },
    retained: 3,
    publish: 20,
    after: { 30: 'READY', 20: 'CURRENT', 10: 'READY' },
  },
  {
    name: 'the published version is kept though it is the oldest',
    before: { 40: 'READY', 30: 'CURRENT', 20: 'READY', 10: 'READY' },
    retained: 2,
    publish: 10,
    after: { 40: 'READY', 30: 'DELETED', 20: 'DELETED', 10: 'CURRENT' },
  },
  {
    name: 'loading, failed and deleted versions do not count',
    before: { 50: 'LOADING', 40: 'READY', 30: 'FAILED', 20: 'CURRENT', 10: 'DELETED' },
    retained: 2,
    publish: 40,
    after: { 50: 'LOADING', 40: 'CURRENT', 30: 'FAILED', 20: 'READY', 10: 'DELETED' },
  },
]

for (const { name, before, retained, publish, after } of publishCases) {
  test(`publish: ${name}`, () => {
    assert.deepEqual(statesOf(publishVersion(recordWith(before, retained), publish)), after)
  })
}

test('publish refuses a version that is not ready, by its state', () => {
  const record = recordWith({ 40: 'LOADING', 30: 'CURRENT', 20: 'FAILED', 10: 'DELETED' })
  for (const id of [40, 30, 20, 10]) {
    assert.throws(
      () => publishVersion(record, id),
      kvError('FAILED_PRECONDITION', /cities/, new RegExp(String(id))),
    )
  }
  assert.throws(() => publishVersion(record, 11), kvError('VERSION_NOT_FOUND', /11/, /40 \(LOADING\)/))
})

test('publish says in its detail what it replaced and what it deleted', () => {
  const { detail } = publishVersion(recordWith({ 30: 'READY', 20: 'CURRENT', 10: 'READY' }, 2), 30)
  assert.equal(detail, 'version 30 instead of 20; deleted 10')
})

test('rollback returns to the newest ready version older than the current one and deletes nothing', () => {
  const record = recordWith({ 50: 'READY', 40: 'CURRENT', 30: 'FAILED', 20: 'READY', 10: 'READY' }, 1)
  const after = { 50: 'READY', 40: 'READY', 30: 'FAILED', 20: 'CURRENT', 10: 'READY' }
  assert.deepEqual(statesOf(rollbackVersion(record)), after)
})

test('rollback is refused when nothing older is ready or nothing is current', () => {
  const oldest = recordWith({ 30: 'READY', 20: 'CURRENT', 10: 'DELETED' })
  assert.throws(() => rollbackVersion(oldest), kvError('FAILED_PRECONDITION', /older than 20/))
  assert.throws(
    () => rollbackVersion(recordWith({ 10: 'READY' })),
    kvError('FAILED_PRECONDITION', /no current/),
  )
})

test('a roll forward returns to the oldest ready version newer than the current one', () => {
  const record = recordWith({ 60: 'READY', 50: 'READY', 40: 'FAILED', 30: 'CURRENT', 20: 'READY' }, 1)
  const after = { 60: 'READY', 50: 'CURRENT', 40: 'FAILED', 30: 'READY', 20: 'READY' }
  assert.deepEqual(statesOf(rollForwardVersion(record)), after)
  const back = { ...record, versions: rollForwardVersion(record).versions }
  assert.deepEqual(statesOf(rollbackVersion(back)), statesOf(record))
})

test('a roll forward is refused when nothing newer is ready or nothing is current; what is archived is named', () => {
  const newest = recordWith({ 40: 'ARCHIVED', 30: 'CURRENT', 20: 'READY' })
  assert.throws(
    () => rollForwardVersion(newest),
    kvError('FAILED_PRECONDITION', /newer than 30: restore 40, which is/),
  )
  assert.throws(
    () => rollForwardVersion(recordWith({ 10: 'READY' })),
    kvError('FAILED_PRECONDITION', /no current/),
  )
})

test('a version beyond the retention that has a copy is archived instead of deleted, and does not count', () => {
  const record = recordWith({ 50: 'READY', 40: 'CURRENT', 30: 'READY', 20: 'READY', 10: 'ARCHIVED' }, 2)
  const versions = record.versions.map((one) => (one.id === 30 ? { ...one, archive: 's3://copies/30' } : one))
  const { versions: after, detail } = publishVersion({ ...record, versions }, 50)
  const expected = { 50: 'CURRENT', 40: 'READY', 30: 'ARCHIVED', 20: 'DELETED', 10: 'ARCHIVED' }
  assert.deepEqual(statesOf({ versions: after }), expected)
  assert.match(detail, /deleted 20; kept as copies 30/)
})

test('a canary is a ready version beside a current one, and whatever changes what is served ends it', () => {
  const record = recordWith({ 30: 'READY', 20: 'CURRENT', 10: 'READY', 5: 'ARCHIVED' })
  const canary = { versionId: 30, share: 250 }
  const changed = changeCanary(record, canary)
  assert.deepEqual(changed?.canary, canary)
  assert.equal(changed.detail, 'version 30 beside 20 for 2.5 % of the keys')
  const trying = { ...record, canary }
  assert.equal(changeCanary(trying, canary), null)
  assert.equal(changeCanary(record, null), null)
  assert.equal(changeCanary(trying, null)?.canary, null)
  for (const id of [20, 5]) {
    assert.throws(
      () => changeCanary(record, { versionId: id, share: 1 }),
      kvError('FAILED_PRECONDITION', /needs READY/),
    )
  }
  assert.throws(
    () => changeCanary(recordWith({ 10: 'READY' }), { versionId: 10, share: 1 }),
    kvError('FAILED_PRECONDITION'),
  )
  for (const change of [
    publishVersion(trying, 30),
    publishVersion(trying, 10),
    rollbackVersion(trying),
    rollForwardVersion(trying),
  ]) {
    assert.equal(change.canary, null)
    assert.match(change.detail, /canary 30 ended/)
  }
})

test('a canary cannot be deleted and its files cannot be released', () => {
  const trying = { ...recordWith({ 30: 'READY', 20: 'CURRENT' }), canary: { versionId: 30, share: 250 } }
  assert.throws(() => deletedVersion(trying, 30), kvError('FAILED_PRECONDITION', /end the canary first/))
  const release = { url: 's3://copies/30', release: true }
  assert.throws(
    () => archivedVersion(trying, 30, release),
    kvError('FAILED_PRECONDITION', /end the canary first/),
  )
})

test('a copy is noted of what has files; with release the files go, which what is served does not allow', () => {
  const record = recordWith({ 30: 'LOADING', 20: 'CURRENT', 10: 'READY' })
  const copy = { url: 's3://copies/x', release: false }
  for (const id of [20, 10]) {
    const after = archivedVersion(record, id, copy).versions.find((one) => one.id === id)
    assert.deepEqual(
      [after?.archive, after?.state],
      [copy.url, record.versions.find((one) => one.id === id)?.state],
    )
  }
  assert.throws(() => archivedVersion(record, 30, copy), kvError('FAILED_PRECONDITION'))
  assert.throws(
    () => archivedVersion(record, 20, { ...copy, release: true }),
    kvError('FAILED_PRECONDITION', /CURRENT/),
  )
  assert.equal(statesOf(archivedVersion(record, 10, { ...copy, release: true }))[10], 'ARCHIVED')
})

test('a copy in another place does not make the earlier one unknown, and a copy in its own place again is one', () => {
  let record = recordWith({ 10: 'READY' })
  const copyTo = (place: string) => {
    record = { ...record, versions: archivedVersion(record, 10, { url: place, release: false }).versions }
    return copiesOf(record.versions[0] ?? assert.fail())
  }
  assert.deepEqual(copyTo('s3://a/'), ['s3://a/'])
  assert.deepEqual(copyTo('s3://b/'), ['s3://b/', 's3://a/'])
  assert.deepEqual(copyTo('s3://a/'), ['s3://a/', 's3://b/'])
  assert.match(deletedVersion(record, 10).detail, /its copy is s3:\/\/a\/ and s3:\/\/b\//)
  for (let place = 0; place < 6; place++) copyTo(`s3://${place}/`)
  assert.throws(() => copyTo('s3://one-more/'), kvError('QUOTA_EXCEEDED', /has 8 copies/))
  assert.equal(copyTo('s3://b/').length, 8)
})

test('a deletion says where a copy stays', () => {
  const record = recordWith({ 20: 'CURRENT', 10: 'ARCHIVED' })
  const versions = record.versions.map((one) => (one.id === 10 ? { ...one, archive: 's3://copies/10' } : one))
  assert.match(deletedVersion({ ...record, versions }, 10).detail, /its copy is s3:\/\/copies\/10/)
})

test('a version moves only from the states that are named', () => {
  const record = recordWith({ 20: 'LOADING', 10: 'CURRENT' })
  const move = { from: ['LOADING'], to: 'READY', figures: { rows: 5 } } as const
  const moved = moveVersion(record, 20, move)
  assert.deepEqual([moved.versions[0]?.state, moved.versions[0]?.rows], ['READY', 5])
  assert.throws(
    () => moveVersion(record, 10, move),
    kvError('FAILED_PRECONDITION', /is CURRENT; this needs LOADING/),
  )
})

test('a new version stands in front, and of many failed ones only the newest ten stay', () => {
  const failed = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [i + 1, 'FAILED' as const]))
  const states = statesOf(addVersion(recordWith(failed), version(100, 'LOADING')))
  assert.equal(states[100], 'LOADING')
  assert.deepEqual(
    [1, 2, 3, 4, 12].map((id) => states[id]),
    ['DELETED', 'DELETED', 'DELETED', 'FAILED', 'FAILED'],
  )
})

test('a dataset lists at most a hundred versions', () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [i + 1, 'READY' as const]))
  assert.throws(() => addVersion(recordWith(many), version(200, 'LOADING')), kvError('QUOTA_EXCEEDED', /100/))
})

test('abandoned loads become failed and nothing else changes', () => {
  const record = recordWith({ 30: 'LOADING', 20: 'CURRENT', 10: 'LOADING' })
  assert.deepEqual(statesOf(abandonLoads(record)), { 30: 'FAILED', 20: 'CURRENT', 10: 'FAILED' })
})

test('only deleted versions are dropped, and unknown ids change nothing', () => {
  const record = recordWith({ 30: 'CURRENT', 20: 'DELETED', 10: 'DELETED' })
  assert.deepEqual(statesOf(dropVersions(record, [10, 999])!), { 30: 'CURRENT', 20: 'DELETED' })
  assert.equal(dropVersions(record, [999]), null)
  assert.throws(() => dropVersions(record, [20, 30]), kvError('FAILED_PRECONDITION', /30.*is CURRENT/))
})

test('after any publish exactly one version is current and at most the retained ones are kept', () => {
  const state = fc.constantFrom<VersionState[]>('LOADING', 'READY', 'FAILED', 'DELETED')
  const record = fc
    .record({
      states: fc.array(state, { minLength: 1, maxLength: 15 }),
      retained: fc.integer({ min: 1, max: 10 }),
    })
    .filter(({ states }) => states.includes('READY'))
  fc.assert(
    fc.property(record, fc.nat(), fc.nat(), ({ states, retained }, currentPick, publishPick) => {
      const named: States = Object.fromEntries(states.map((one, i) => [i + 1, one]))
      const ready = states.flatMap((one, i) => (one === 'READY' ? [i + 1] : []))
      const published = ready[publishPick % ready.length]!
      const current = ready[currentPick % ready.length]!
      if (current !== published) named[current] = 'CURRENT'
      const before = recordWith(named, retained)
      const after = publishVersion(before, published).versions
      assert.equal(currentVersion({ ...before, versions: after })?.id, published)
      const kept = after.filter((one) => one.state === 'READY' || one.state === 'CURRENT')
      const keptBefore = before.versions.filter((one) => one.state === 'READY' || one.state === 'CURRENT')
      assert.equal(kept.length, Math.min(retained, keptBefore.length))
      assert.equal(after.filter((one) => one.state === 'CURRENT').length, 1)
    }),
  )
})
