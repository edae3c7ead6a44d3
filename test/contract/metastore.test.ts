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
  | 'forward'
  | 'canary'
  | 'release'
  | 'restore'
  | 'update'
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
  /** Its commit fails, before or after it is applied; then the process dies and another one takes the store over. */
  readonly crash: 'none' | 'before' | 'after'
}

const weights: readonly [Action, number][] = [
  ['create', 6],
  ['remove', 1],
  ['begin', 12],
  ['complete', 12],
  ['fail', 2],
  ['publish', 10],
  ['rollback', 5],
  ['forward', 5],
  ['canary', 4],
  ['release', 2],
  ['restore', 2],
  ['update', 2],
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
  crash: fc.oneof(
    { weight: 12, arbitrary: fc.constant('none' as const) },
    { weight: 1, arbitrary: fc.constantFrom('before' as const, 'after' as const) },
  ),
})

interface ModelDataset {
  retained: number
  lastId: number
  canary: number | null
  share: number
  /** Versions that have a copy. */
  readonly archived: Set<number>
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
  let store = new CrashingStore(await open())
  let metastore = await openMetastore(store, clock, silentLogger)
  const last = { action: 'reopen', name: 'a', pick: 0, retained: 1, clockMs: 0, crash: 'none' } as const
  for (const step of [...steps, last]) {
    clock.ms += step.clockMs
    const revisions = new Map(metastore.list().map((record) => [record.name, record.revision]))
    if (step.action === 'reopen') {
      await metastore.close()
      store = new CrashingStore(await open())
      metastore = await openMetastore(store, clock, silentLogger)
      failLoads(model)
    } else if (step.crash === 'none') {
      await takeStep(metastore, model, step, clock)
    } else {
      const before = structuredClone(model)
      store.failure = step.crash
      const hasCrashed = await crashes(metastore, model, step, { clock, store })
      // What was not applied, the model forgets; what was, it keeps although nobody was told.
      if (hasCrashed && step.crash === 'before') restoreModel(model, before)
      await metastore.close()
      store = new CrashingStore(await open())
      metastore = await openMetastore(store, clock, silentLogger)
      failLoads(model)
    }
    compare(metastore, model)
    for (const { name, revision } of metastore.list()) assert.ok(revision >= (revisions.get(name) ?? 0))
  }
  await metastore.close()
}

/** A store whose next commit fails, before it is applied or after. */
class CrashingStore implements MetaStoreBackend {
  readonly name: string
  failure: 'none' | 'before' | 'after' = 'none'
  readonly #store: MetaStoreBackend

  constructor(store: MetaStoreBackend) {
    this.name = store.name
    this.#store = store
  }

  get(...args: Parameters<MetaStoreBackend['get']>): ReturnType<MetaStoreBackend['get']> {
    return this.#store.get(...args)
  }

  list(...args: Parameters<MetaStoreBackend['list']>): ReturnType<MetaStoreBackend['list']> {
    return this.#store.list(...args)
  }

  last(...args: Parameters<MetaStoreBackend['last']>): ReturnType<MetaStoreBackend['last']> {
    return this.#store.last(...args)
  }

  async commit(writes: readonly RecordWrite[]): Promise<number> {
    const { failure } = this
    this.failure = 'none'
    const crash = new KVError('UNAVAILABLE', 'planned crash', { outcome: 'UNKNOWN' })
    if (failure === 'before') throw crash
    const revision = await this.#store.commit(writes)
    if (failure === 'after') throw crash
    return revision
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

/** Does the step in both; answers whether it came as far as the commit, which then failed. */
async function crashes(
  metastore: Metastore,
  model: Model,
  step: Step,
  { clock, store }: { readonly clock: ManualClock; readonly store: CrashingStore },
): Promise<boolean> {
  const id = pickVersion(model, step)
  const revision = metastore.get(step.name)?.revision ?? 0
  const expected = predict(model, step, { id, nowMs: clock.ms })
  const outcome = await perform(metastore, step, { id, revision }).then(
    () => 'ok',
    (error: unknown) => (error instanceof KVError ? error.code : Promise.reject(error)),
  )
  if (expected === 'ok' && store.failure === 'none') {
    assert.equal(outcome, 'UNAVAILABLE', JSON.stringify(step))
    return true
  }
  assert.equal(outcome, expected, JSON.stringify(step))
  return false
}

function restoreModel(model: Model, before: Model): void {
  model.datasets.clear()
  for (const [name, dataset] of before.datasets) model.datasets.set(name, dataset)
  model.actions.splice(0, model.actions.length, ...before.actions)
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
  const mayWriteNothing = ['remove', 'forget', 'canary', 'update'].includes(step.action)
  if (expected === 'ok' && !mayWriteNothing)
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
    case 'forward':
      return metastore.rollForward(name, CHANGE)
    case 'canary':
      return metastore.setCanary(
        name,
        step.pick % 4 === 0 ? null : { versionId: now.id, share: retained },
        CHANGE,
      )
    case 'release':
      return metastore.archiveVersion(name, now.id, { url: 's3://copies/x', release: true }, CHANGE)
    case 'restore':
      return metastore.restoreVersion(name, now.id, CHANGE)
    case 'update':
      return metastore.updateDataset(name, { retainedVersions: retained }, CHANGE)
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
    model.datasets.set(name, {
      retained: step.retained,
      lastId: 0,
      canary: null,
      share: 0,
      archived: new Set(),
      versions: new Map(),
    })
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
    // Of failed loads the newest are listed on; a tenth one and older go.
    const failed = [...dataset.versions].filter(([, state]) => state === 'FAILED').map(([id]) => id)
    for (const id of failed.sort((a, b) => b - a).slice(9)) dataset.versions.set(id, 'DELETED')
    dataset.versions.set(dataset.lastId, 'LOADING')
    return audited(model, 'beginVersion')
  }
  if (action === 'update') {
    if (dataset.retained === step.retained) return 'ok'
    dataset.retained = step.retained
    return audited(model, 'updateDataset')
  }
  if (action === 'canary') return predictCanary(model, dataset, step, now.id)
  return action === 'rollback' || action === 'forward'
    ? predictMove(model, dataset, action)
    : predictVersion(model, dataset, { action, id: now.id })
}

function predictMove(model: Model, dataset: ModelDataset, action: 'rollback' | 'forward'): string {
  const { versions } = dataset
  const current = currentOf(dataset)
  const ready = [...versions].filter(([, state]) => state === 'READY').map(([id]) => id)
  const candidates = ready.filter((id) => (action === 'rollback' ? id < (current ?? 0) : id > (current ?? 0)))
  if (current === undefined || candidates.length === 0) return 'FAILED_PRECONDITION'
  versions.set(current, 'READY')
  versions.set(action === 'rollback' ? Math.max(...candidates) : Math.min(...candidates), 'CURRENT')
  dataset.canary = null
  return audited(model, action === 'rollback' ? 'rollback' : 'rollForward')
}

function predictCanary(model: Model, dataset: ModelDataset, step: Step, id: number): string {
  if (step.pick % 4 === 0) {
    if (dataset.canary === null) return 'ok'
    dataset.canary = null
    return audited(model, 'setCanary')
  }
  if (dataset.canary === id && dataset.share === step.retained) return 'ok'
  if (currentOf(dataset) === undefined) return 'FAILED_PRECONDITION'
  if (!dataset.versions.has(id)) return 'VERSION_NOT_FOUND'
  if (dataset.versions.get(id) !== 'READY') return 'FAILED_PRECONDITION'
  dataset.canary = id
  dataset.share = step.retained
  return audited(model, 'setCanary')
}

function currentOf({ versions }: ModelDataset): number | undefined {
  return [...versions].find(([, state]) => state === 'CURRENT')?.[0]
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
    dataset.canary = null
    retain(dataset)
    return audited(model, 'publish')
  }
  const move = moves[action]
  if (move === undefined || !move.from.includes(state)) return 'FAILED_PRECONDITION'
  if (dataset.canary === id && (action === 'delete' || action === 'release')) return 'FAILED_PRECONDITION'
  if (action === 'release') dataset.archived.add(id)
  versions.set(id, move.to)
  return audited(model, move.line)
}

interface Move {
  readonly from: readonly VersionState[]
  readonly to: VersionState
  readonly line: string
}

const moves: Partial<Record<Action, Move>> = {
  complete: { from: ['LOADING'], to: 'READY', line: 'completeVersion' },
  fail: { from: ['LOADING'], to: 'FAILED', line: 'failVersion' },
  delete: { from: ['READY', 'ARCHIVED', 'FAILED'], to: 'DELETED', line: 'deleteVersion' },
  release: { from: ['READY'], to: 'ARCHIVED', line: 'archiveVersion' },
  restore: { from: ['ARCHIVED'], to: 'READY', line: 'restoreVersion' },
}

function retain({ versions, retained, archived }: ModelDataset): void {
  for (const id of [...versions.keys()].sort((a, b) => a - b)) {
    const keptCount = [...versions.values()].filter(
      (state) => state === 'READY' || state === 'CURRENT',
    ).length
    if (keptCount > retained && versions.get(id) === 'READY') {
      versions.set(id, archived.has(id) ? 'ARCHIVED' : 'DELETED')
    }
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
  canary: ['READY'],
  release: ['READY'],
  restore: ['ARCHIVED'],
  delete: ['READY', 'ARCHIVED', 'FAILED'],
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
  const versions = record.versions.map((version) => [version.id, version.state])
  return [record.name, record.retainedVersions, record.canary?.versionId ?? null, ...versions]
}

function modelVersionsOf([name, dataset]: readonly [string, ModelDataset]): unknown[] {
  return [name, dataset.retained, dataset.canary, ...[...dataset.versions].sort(([a], [b]) => b - a)]
}
