import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../src/base/logger.js'
import { openMetastore } from '../../../src/kvsm/metastore.js'
import { auditKey, encodeAuditLine, encodeDataset } from '../../../src/kvsm/records.js'
import {
  CHANGE,
  START_MS,
  batchDraft,
  kvError,
  manualClock,
  recordWith,
  recordingLogger,
} from './fixtures.js'
import type { LogLine } from './fixtures.js'
import { MemoryStore } from './memory-store.js'

const LINE = { atMs: 1, actor: 'ada', reason: 'r', action: 'publish', dataset: 'cities', detail: 'd' }

function putLine(store: MemoryStore, sequence: number): void {
  const key = auditKey(sequence)
  store.tables.audit.set(key, { key, value: encodeAuditLine({ ...LINE, sequence }), revision: 1 })
}

test('a listener hears a change that is stored and readable, and the caller waits for it', async () => {
  const store = new MemoryStore()
  const metastore = await openMetastore(store, manualClock(), silentLogger)
  const events: string[] = []
  let release = (): void => undefined
  const blocked = new Promise<void>((resolve) => (release = resolve))
  const heard = new Promise<void>((resolve) => {
    metastore.subscribe(async (name, record) => {
      assert.equal(metastore.get(name), record)
      assert.ok(store.tables.dataset.has(name))
      events.push('heard')
      resolve()
      await blocked
      events.push('adopted')
    })
  })
  const created = metastore.createDataset(batchDraft('cities'), CHANGE).then(() => events.push('answered'))
  await heard
  assert.deepEqual(events, ['heard'])
  release()
  await created
  assert.deepEqual(events, ['heard', 'adopted', 'answered'])
})

test('a removed dataset is announced as null', async () => {
  const metastore = await openMetastore(new MemoryStore(), manualClock(), silentLogger)
  await metastore.createDataset(batchDraft('cities'), CHANGE)
  const heard: unknown[] = []
  metastore.subscribe((name, record) => Promise.resolve(void heard.push([name, record])))
  await metastore.removeDataset('cities', CHANGE)
  assert.deepEqual(heard, [['cities', null]])
})

test('a listener that fails is logged, the others still hear, and the change stands', async () => {
  const lines: LogLine[] = []
  const metastore = await openMetastore(new MemoryStore(), manualClock(), recordingLogger(lines))
  const heard: string[] = []
  metastore.subscribe(() => Promise.reject(new Error('no thread answers')))
  metastore.subscribe((name) => Promise.resolve(void heard.push(name)))
  const record = await metastore.createDataset(batchDraft('cities'), CHANGE)
  assert.equal(metastore.get('cities'), record)
  assert.deepEqual(heard, ['cities'])
  const errors = lines.filter((line) => line.level === 'error')
  assert.deepEqual(
    errors.map((line) => [line.message, 'dataset' in line.fields && line.fields.dataset]),
    [['a change of metadata is stored but was not adopted', 'cities']],
  )
})

test('changes asked for at once are made one by one, and listeners hear them in order', async () => {
  const metastore = await openMetastore(new MemoryStore(), manualClock(), silentLogger)
  const heard: string[] = []
  metastore.subscribe((name) => Promise.resolve(void heard.push(name)))
  const names = Array.from({ length: 50 }, (_, i) => `set-${i}`)
  const records = await Promise.all(names.map((name) => metastore.createDataset(batchDraft(name), CHANGE)))
  assert.deepEqual(heard, names)
  assert.deepEqual(
    metastore.audit(100).map((line) => line.sequence),
    Array.from({ length: 50 }, (_, i) => 50 - i),
  )
  assert.equal(new Set(records.map((record) => record.id)).size, 50)
})

// A shard that opened for half a minute, on a disk that stalled, kept every other dataset from being changed.
test('a listener that is long with one dataset keeps its next change waiting, and no other dataset', async () => {
  const metastore = await openMetastore(new MemoryStore(), manualClock(), silentLogger)
  await metastore.createDataset(batchDraft('slow'), CHANGE)
  let release = (): void => undefined
  const blocked = new Promise<void>((resolve) => (release = resolve))
  const heard: string[] = []
  metastore.subscribe(async (name, record) => {
    heard.push(`${name} ${record?.retainedVersions ?? '-'}`)
    if (name === 'slow') await blocked
  })
  const ends: string[] = []
  const update = async (name: string, retainedVersions: number): Promise<void> => {
    await metastore.updateDataset(name, { retainedVersions }, CHANGE)
    ends.push(`${name} ${retainedVersions}`)
  }
  const slow = [4, 5].map((count) => update('slow', count))
  await metastore.createDataset(batchDraft('cities'), CHANGE)
  await update('cities', 7)
  await metastore.putCluster({ name: 'west', aliases: [], leaves: [] }, CHANGE)
  assert.deepEqual(heard, ['slow 4', 'cities 3', 'cities 7'])
  assert.deepEqual([ends, metastore.get('slow')?.retainedVersions], [['cities 7'], 4])
  let isClosed = false
  const closing = metastore.close().then(() => (isClosed = true))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(isClosed, false)
  release()
  await Promise.all([...slow, closing])
  assert.deepEqual(heard.at(-1), 'slow 5')
  assert.deepEqual(
    metastore.audit(9).map(({ sequence, dataset }) => `${sequence} ${dataset}`),
    ['6 slow', '5 ', '4 cities', '3 cities', '2 slow', '1 slow'],
  )
})

test('a commit that failed without effect changes nothing, and the next one works', async () => {
  const store = new MemoryStore()
  const metastore = await openMetastore(store, manualClock(), silentLogger)
  store.failure = 'before'
  const failed = metastore.createDataset(batchDraft('cities'), CHANGE)
  await assert.rejects(failed, kvError('UNAVAILABLE'))
  assert.equal(metastore.get('cities'), null)
  await metastore.createDataset(batchDraft('cities'), CHANGE)
  assert.equal(metastore.audit(10).length, 1)
})

test('a commit that failed but took effect is found and announced before the next change', async () => {
  const store = new MemoryStore()
  const metastore = await openMetastore(store, manualClock(), silentLogger)
  await metastore.createDataset(batchDraft('old'), CHANGE)
  const heard: string[] = []
  metastore.subscribe((name, record) =>
    Promise.resolve(void heard.push(`${name} ${record === null ? '-' : '+'}`)),
  )
  store.failure = 'after'
  await assert.rejects(metastore.createDataset(batchDraft('cities'), CHANGE), kvError('UNAVAILABLE'))
  await assert.rejects(metastore.createDataset(batchDraft('cities'), CHANGE), kvError('ALREADY_EXISTS'))
  store.failure = 'after'
  await assert.rejects(metastore.removeDataset('old', CHANGE), kvError('UNAVAILABLE'))
  await metastore.createDataset(batchDraft('towns'), CHANGE)
  assert.deepEqual(heard, ['cities +', 'old -', 'towns +'])
  assert.deepEqual(
    metastore.audit(10).map((line) => `${line.sequence} ${line.action} ${line.dataset}`),
    ['4 createDataset towns', '3 removeDataset old', '2 createDataset cities', '1 createDataset old'],
  )
})

test('after a failure, while the store is unreadable, reads work and changes are refused', async () => {
  const store = new MemoryStore()
  const metastore = await openMetastore(store, manualClock(), silentLogger)
  await metastore.createDataset(batchDraft('cities'), CHANGE)
  store.failure = 'before'
  store.isUnreadable = true
  for (let i = 0; i < 3; i++)
    await assert.rejects(metastore.removeDataset('cities', CHANGE), kvError('UNAVAILABLE'))
  assert.equal(metastore.get('cities')?.name, 'cities')
  store.isUnreadable = false
  await metastore.removeDataset('cities', CHANGE)
  assert.equal(metastore.get('cities'), null)
})

test('a record that somebody else changed is a conflict, and the next change sees it', async () => {
  const store = new MemoryStore()
  const one = await openMetastore(store, manualClock(), silentLogger)
  const other = await openMetastore(store, manualClock(), silentLogger)
  const { revision } = await one.createDataset(batchDraft('cities'), CHANGE)
  await assert.rejects(other.createDataset(batchDraft('cities'), CHANGE), kvError('CONFLICT'))
  await assert.rejects(other.createDataset(batchDraft('cities'), CHANGE), kvError('ALREADY_EXISTS'))
  assert.equal(other.get('cities')?.revision, revision)
})

test('more than a thousand waiting changes are refused', async () => {
  const metastore = await openMetastore(new MemoryStore(), manualClock(), silentLogger)
  const waiting = Array.from({ length: 1_000 }, () => metastore.removeDataset('none', CHANGE))
  await assert.rejects(metastore.removeDataset('none', CHANGE), kvError('OVERLOADED'))
  const outcomes = await Promise.allSettled(waiting)
  assert.ok(outcomes.every((outcome) => outcome.status === 'rejected'))
  await metastore.createDataset(batchDraft('cities'), CHANGE)
})

test('closing finishes what was accepted, closes the store and refuses what comes later', async () => {
  const store = new MemoryStore()
  const metastore = await openMetastore(store, manualClock(), silentLogger)
  const accepted = metastore.createDataset(batchDraft('cities'), CHANGE)
  await metastore.close()
  assert.equal((await accepted).name, 'cities')
  assert.ok(store.isClosed)
  await assert.rejects(metastore.removeDataset('cities', CHANGE), kvError('UNAVAILABLE', /closed/))
  await metastore.close()
})

test('records that cannot be read stop the start, all of them named, and the store is closed', async () => {
  const store = new MemoryStore()
  const good = encodeDataset({ record: recordWith({}), lastVersionId: 0 })
  store.tables.dataset.set('cities', { key: 'cities', value: good, revision: 1 })
  store.tables.dataset.set('towns', { key: 'towns', value: '{}', revision: 2 })
  store.tables.dataset.set('zoo', { key: 'zoo', value: good, revision: 3 })
  const opening = openMetastore(store, manualClock(), silentLogger)
  await assert.rejects(opening, kvError('CORRUPT', /dataset towns/, /dataset zoo/))
  assert.ok(store.isClosed)
})

test('a record of a newer format stops the start by name, also beside damaged ones', async () => {
  const store = new MemoryStore()
  store.tables.dataset.set('cities', { key: 'cities', value: '{}', revision: 1 })
  store.tables.dataset.set('towns', { key: 'towns', value: '{"format":9}', revision: 2 })
  const opening = openMetastore(store, manualClock(), silentLogger)
  await assert.rejects(opening, kvError('FAILED_PRECONDITION', /dataset towns is of format 9/))
})

test('a missing audit line stops the start', async () => {
  const store = new MemoryStore()
  for (const sequence of [1, 2, 4]) putLine(store, sequence)
  const opening = openMetastore(store, manualClock(), silentLogger)
  await assert.rejects(opening, kvError('CORRUPT', /audit lines between 2 and 4/))
})

test('the store keeps the newest 100,000 audit lines and memory the newest 10,000', async () => {
  const store = new MemoryStore()
  for (let sequence = 1; sequence <= 100_000; sequence++) putLine(store, sequence)
  const metastore = await openMetastore(store, manualClock(), silentLogger)
  await metastore.createDataset(batchDraft('cities'), CHANGE)
  assert.equal(store.tables.audit.size, 100_000)
  assert.ok(!store.tables.audit.has(auditKey(1)))
  const lines = metastore.audit(1_000_000)
  assert.deepEqual([lines[0]?.sequence, lines.at(-1)?.sequence], [100_001, 90_001])
  assert.deepEqual(metastore.audit(2).length, 2)
  assert.deepEqual(metastore.audit(0), [])
})

test('every change is logged with its audit line', async () => {
  const lines: LogLine[] = []
  const metastore = await openMetastore(new MemoryStore(), manualClock(), recordingLogger(lines))
  await metastore.createDataset(batchDraft('cities'), CHANGE)
  assert.deepEqual(lines, [
    { level: 'info', message: 'dataset changed', fields: { ...metastore.audit(1)[0], revision: 2 } },
  ])
  assert.equal(metastore.audit(1)[0]?.atMs, START_MS)
})
