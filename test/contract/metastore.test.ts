/**
 * What every metastore store promises, and that KVSM on each of them does what a simple model does, reopened
 * or not.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { KVError } from '../../src/base/errors.js'
import { silentLogger } from '../../src/base/logger.js'
import { openMetastore } from '../../src/kvsm/metastore.js'
import { openLmdbStore } from '../../src/kvsm/store-lmdb.js'
import type { MetaStoreBackend, RecordWrite } from '../../src/kvsm/store.js'
import type { AuditLine, DatasetRecord, VersionState } from '../../src/model/dataset.js'
import type { Metastore } from '../../src/model/metastore.js'
import { CHANGE, FIGURES, batchDraft, kvError, manualClock } from '../unit/kvsm/fixtures.js'
import type { ManualClock } from '../unit/kvsm/fixtures.js'
import { MemoryStore } from '../unit/kvsm/memory-store.js'

interface StoreKind {
  readonly name: string
  readonly modelRuns: number
  /** A new, empty store; each call of what it answers opens it again. */
  readonly make: () => Promise<{ open: () => Promise<MetaStoreBackend>; remove: () => Promise<void> }>
}

const storeKinds: readonly StoreKind[] = [
  {
    name: 'memory',
    modelRuns: 100,
    make() {
      const store = new MemoryStore()
      return Promise.resolve({ open: () => Promise.resolve(store), remove: () => Promise.resolve() })
    },
  },
  {
    name: 'lmdb',
    modelRuns: 25,
    async make() {
      const directory = await mkdtemp(join(tmpdir(), 'godwit-kvsm-'))
      return {
        open: () => openLmdbStore(join(directory, 'kvsm')),
        remove: () => rm(directory, { recursive: true }),
      }
    },
  },
]

function put(key: string, value: string, expectedRevision: number | null): RecordWrite {
  return { table: 'dataset', key, value, expectedRevision }
}

for (const kind of storeKinds) {
  async function openStore(t: TestContext): Promise<MetaStoreBackend> {
    const place = await kind.make()
    const store = await place.open()
    t.after(async () => {
      await store.close()
      await place.remove()
    })
    return store
  }

  test(`${kind.name}: a commit gives all its records one revision, and it is read back`, async (t) => {
    const store = await openStore(t)
    const revision = await store.commit([put('b', 'beta', 0), put('a', 'älpha', 0)])
    assert.deepEqual(await store.get('dataset', 'a'), { key: 'a', value: 'älpha', revision })
    assert.deepEqual(await store.list('dataset'), [
      { key: 'a', value: 'älpha', revision },
      { key: 'b', value: 'beta', revision },
    ])
    assert.equal(await store.get('dataset', 'c'), null)
    assert.equal(await store.get('audit', 'a'), null)
    assert.deepEqual(await store.list('audit'), [])
  })

  test(`${kind.name}: one record at another revision refuses the whole commit`, async (t) => {
    const store = await openStore(t)
    const revision = await store.commit([put('a', 'one', 0)])
    const before = await store.list('dataset')
    const refused = [
      [put('b', 'x', 0), put('a', 'x', 0)],
      [put('a', 'x', revision + 1), put('b', 'x', 0)],
      [put('a', 'x', revision), put('b', 'x', revision)],
      [{ ...put('a', '', revision - 1), value: null }],
    ]
    for (const writes of refused) await assert.rejects(store.commit(writes), kvError('CONFLICT'))
    assert.deepEqual(await store.list('dataset'), before)
    assert.ok((await store.commit([put('a', 'two', revision), put('b', 'x', null)])) > revision)
  })

  test(`${kind.name}: a revision is not used again after its record was deleted`, async (t) => {
    const store = await openStore(t)
    const first = await store.commit([put('a', 'one', 0)])
    const deletion = await store.commit([{ ...put('a', '', first), value: null }])
    assert.equal(await store.get('dataset', 'a'), null)
    const second = await store.commit([put('a', 'two', 0)])
    assert.ok(first < deletion && deletion < second)
  })

  test(`${kind.name}: the last records come greatest key first`, async (t) => {
    const store = await openStore(t)
    const keys = ['000000000009', '000000000010', '000000000100']
    for (const key of keys) await store.commit([{ ...put(key, key, 0), table: 'audit' }])
    await store.commit([put('z', 'z', 0)])
    const lastKeys = async (count: number): Promise<string[]> =>
      (await store.last('audit', count)).map((record) => record.key)
    assert.deepEqual(await lastKeys(2), ['000000000100', '000000000010'])
    assert.deepEqual(await lastKeys(9), keys.toReversed())
    assert.deepEqual(await store.last('dataset', 5), await store.list('dataset'))
  })

  test(`${kind.name}: kvsm does what the model does, and is the same when it is opened again`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(stepArbitrary, { minLength: 1, maxLength: 80, size: 'max' }),
        async (steps) => {
          const place = await kind.make()
          try {
            await runModel(place.open, steps)
          } finally {
            await place.remove()
          }
        },
      ),
      { numRuns: kind.modelRuns },
    )
  })
}

type Action =
  | 'create'
  | 'remove'
  | 'begin'
  | 'complete'
  | 'fail'
  | 'publish'
  | 'rollback'
  | 'delete'
  | 'forget'
  | 'stale'
  | 'reopen'

interface Step {
  readonly action: Action
  readonly name: string
  /** Which version: see `pickVersion`. */
  readonly pick: number
  readonly retained: number
  /** What the clock does before the step. */
  readonly clockMs: number
}

const weights: readonly [Action, number][] = [
  ['create', 6],
  ['remove', 1],
  ['begin', 12],
  ['complete', 12],
  ['fail', 2],
  ['publish', 10],
  ['rollback', 5],
  ['delete', 2],
  ['forget', 3],
  ['stale', 1],
  ['reopen', 1],
]

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  action: fc.oneof(...weights.map(([action, weight]) => ({ weight, arbitrary: fc.constant(action) }))),
  name: fc.constantFrom('a', 'a', 'a', 'b'),
  pick: fc.nat(20),
  retained: fc.integer({ min: 1, max: 4 }),
  clockMs: fc.constantFrom(0, 1, 1000, -1000),
})

interface ModelDataset {
  readonly retained: number
  lastId: number
  readonly versions: Map<number, VersionState>
}

/** The model: what each dataset's versions are, and every audit line's action so far, oldest first. */
interface Model {
  readonly datasets: Map<string, ModelDataset>
  readonly actions: string[]
}

async function runModel(open: () => Promise<MetaStoreBackend>, steps: readonly Step[]): Promise<void> {
  const clock = manualClock()
  const model: Model = { datasets: new Map(), actions: [] }
  let metastore = await openMetastore(await open(), clock, silentLogger)
  for (const step of [...steps, { action: 'reopen', name: 'a', pick: 0, retained: 1, clockMs: 0 } as const]) {
    clock.ms += step.clockMs
    const revisions = new Map(metastore.list().map((record) => [record.name, record.revision]))
    if (step.action === 'reopen') {
      await metastore.close()
      metastore = await openMetastore(await open(), clock, silentLogger)
      failLoads(model)
    } else {
      await takeStep(metastore, model, step, clock)
    }
    compare(metastore, model)
    for (const { name, revision } of metastore.list()) assert.ok(revision >= (revisions.get(name) ?? 0))
  }
  await metastore.close()
}

/** Does the step in both, and expects the same refusal or success. */
async function takeStep(metastore: Metastore, model: Model, step: Step, clock: ManualClock): Promise<void> {
  const before = metastore.get(step.name)
  const id = pickVersion(model, step)
  const expected = predict(model, step, { id, nowMs: clock.ms })
  const outcome = await perform(metastore, step, { id, revision: before?.revision ?? 0 }).then(
    () => 'ok',
    (error: unknown) => (error instanceof KVError ? error.code : Promise.reject(error)),
  )
  assert.equal(outcome, expected, JSON.stringify(step))
  const after = metastore.get(step.name)
  const hasWritten = expected === 'ok' && step.action !== 'remove' && step.action !== 'forget'
  if (hasWritten)
    assert.ok(after!.revision > (before?.revision ?? 0), 'a change that succeeds raises the revision')
  if (expected !== 'ok') assert.equal(after, before, 'a change that is refused changes nothing')
}

function perform(metastore: Metastore, step: Step, now: { id: number; revision: number }): Promise<unknown> {
  const { name, retained } = step
  switch (step.action) {
    case 'create':
      return metastore.createDataset(batchDraft(name, { retainedVersions: retained }), CHANGE)
    case 'remove':
      return metastore.removeDataset(name, CHANGE)
    case 'begin':
      return metastore.beginVersion(name, 'x.ndjson', { ...CHANGE, ifRevision: now.revision })
    case 'complete':
      return metastore.completeVersion(name, now.id, FIGURES, CHANGE)
    case 'fail':
      return metastore.failVersion(name, now.id, CHANGE)
    case 'publish':
      return metastore.publish(name, now.id, { ...CHANGE, ifRevision: now.revision })
    case 'rollback':
      return metastore.rollback(name, CHANGE)
    case 'delete':
      return metastore.deleteVersion(name, now.id, CHANGE)
    case 'forget':
      return metastore.forgetVersions(name, [now.id])
    case 'stale':
      return metastore.rollback(name, { ...CHANGE, ifRevision: now.revision + 1 })
    case 'reopen':
      return Promise.resolve()
  }
}

/** What the step must answer; changes the model when that is `ok`. */
function predict(model: Model, step: Step, now: { id: number; nowMs: number }): string {
  const { action, name } = step
  const dataset = model.datasets.get(name)
  if (action === 'create') {
    if (dataset !== undefined) return 'ALREADY_EXISTS'
    model.datasets.set(name, { retained: step.retained, lastId: 0, versions: new Map() })
    return audited(model, 'createDataset')
  }
  if (dataset === undefined) return action === 'forget' ? 'ok' : 'DATASET_NOT_FOUND'
  if (action === 'stale') return 'CONFLICT'
  if (action === 'remove') {
    model.datasets.delete(name)
    return audited(model, 'removeDataset')
  }
  if (action === 'begin') {
    dataset.lastId = Math.max(now.nowMs, dataset.lastId + 1)
    dataset.versions.set(dataset.lastId, 'LOADING')
    return audited(model, 'beginVersion')
  }
  return action === 'rollback'
    ? predictRollback(model, dataset)
    : predictVersion(model, dataset, { action, id: now.id })
}

function predictRollback(model: Model, { versions }: ModelDataset): string {
  const current = [...versions].find(([, state]) => state === 'CURRENT')?.[0]
  const older = [...versions]
    .filter(([id, state]) => state === 'READY' && id < (current ?? 0))
    .map(([id]) => id)
  if (current === undefined || older.length === 0) return 'FAILED_PRECONDITION'
  versions.set(current, 'READY')
  versions.set(Math.max(...older), 'CURRENT')
  return audited(model, 'rollback')
}

function predictVersion(
  model: Model,
  dataset: ModelDataset,
  { action, id }: { action: Action; id: number },
): string {
  const { versions } = dataset
  const state = versions.get(id)
  if (action === 'forget') {
    if (state === undefined) return 'ok'
    if (state !== 'DELETED') return 'FAILED_PRECONDITION'
    versions.delete(id)
    return 'ok'
  }
  if (state === undefined) return 'VERSION_NOT_FOUND'
  if (action === 'publish') {
    if (state !== 'READY') return 'FAILED_PRECONDITION'
    for (const [other, itsState] of versions) if (itsState === 'CURRENT') versions.set(other, 'READY')
    versions.set(id, 'CURRENT')
    retain(dataset)
    return audited(model, 'publish')
  }
  const isLoading = state === 'LOADING'
  if (action === 'delete' ? state !== 'READY' && state !== 'FAILED' : !isLoading) return 'FAILED_PRECONDITION'
  versions.set(id, action === 'delete' ? 'DELETED' : action === 'complete' ? 'READY' : 'FAILED')
  return audited(model, action === 'delete' ? 'deleteVersion' : `${action}Version`)
}

function retain({ versions, retained }: ModelDataset): void {
  for (const id of [...versions.keys()].sort((a, b) => a - b)) {
    const keptCount = [...versions.values()].filter(
      (state) => state === 'READY' || state === 'CURRENT',
    ).length
    if (keptCount > retained && versions.get(id) === 'READY') versions.set(id, 'DELETED')
  }
}

function failLoads(model: Model): void {
  for (const name of [...model.datasets.keys()].sort()) {
    const { versions } = model.datasets.get(name)!
    const loading = [...versions].filter(([, state]) => state === 'LOADING')
    for (const [id] of loading) versions.set(id, 'FAILED')
    if (loading.length > 0) model.actions.push('failVersion')
  }
}

function audited(model: Model, action: string): string {
  model.actions.push(action)
  return 'ok'
}

/**
 * Mostly a version that the action can be done to, so that histories get long; 5 when there is none at all.
 */
function pickVersion(model: Model, step: Step): number {
  const versions = [...(model.datasets.get(step.name)?.versions ?? [])]
  const fitting = versions.filter(([, state]) => fittingStates[step.action]?.includes(state))
  const candidates = step.pick % 5 === 0 || fitting.length === 0 ? versions : fitting
  const ids = candidates.map(([id]) => id).sort((a, b) => a - b)
  return ids.length === 0 ? 5 : ids[step.pick % ids.length]!
}

const fittingStates: Partial<Record<Action, readonly VersionState[]>> = {
  complete: ['LOADING'],
  fail: ['LOADING'],
  publish: ['READY'],
  delete: ['READY', 'FAILED'],
  forget: ['DELETED'],
}

function compare(metastore: Metastore, model: Model): void {
  assert.deepEqual(metastore.list().map(versionsOf), [...model.datasets].sort(byName).map(modelVersionsOf))
  for (const { versions } of metastore.list()) {
    assert.ok(versions.filter((version) => version.state === 'CURRENT').length <= 1)
  }
  const lines = metastore.audit(1_000_000).toReversed()
  assert.deepEqual(
    lines.map(numberedAction),
    model.actions.map((action, i) => `${i + 1} ${action}`),
  )
}

function numberedAction(line: AuditLine): string {
  return `${line.sequence} ${line.action}`
}

function byName([a]: readonly [string, ModelDataset], [b]: readonly [string, ModelDataset]): number {
  return a < b ? -1 : 1
}

function versionsOf(record: DatasetRecord): unknown[] {
  return [record.name, ...record.versions.map((version) => [version.id, version.state])]
}

function modelVersionsOf([name, dataset]: readonly [string, ModelDataset]): unknown[] {
  return [name, ...[...dataset.versions].sort(([a], [b]) => b - a)]
}
