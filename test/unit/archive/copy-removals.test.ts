import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CopyRemovals } from '../../../src/archive/copy-removals.js'
import { decodePurgeNote, encodePurgeNote, type PurgeNote } from '../../../src/archive/purge-notes.js'
import type { ArchiveTask } from '../../../src/archive/tasks.js'
import { KVError } from '../../../src/base/errors.js'
import type { JobContext } from '../../../src/base/job.js'
import { Jobs } from '../../../src/base/jobs.js'
import { silentLogger } from '../../../src/base/logger.js'
import type { DatasetRecord } from '../../../src/model/dataset.js'
import { datasetRecord } from '../../support/datasets.js'
import { version } from '../leaf/version-set-world.js'

const NOTE: PurgeNote = { dataset: 'b', datasetId: 'b1', version: 5, urls: ['file:///x/b/5/'], actor: 'ann' }
const CONTEXT: JobContext = {
  ending: null,
  report: () => undefined,
  onEnding: () => undefined,
  onStop: () => undefined,
  commit: () => undefined,
}

class World {
  readonly notes = new Map<string, string>()
  readonly tasks: ArchiveTask[] = []
  record: DatasetRecord | null = datasetRecord({
    name: 'b',
    id: 'b1',
    mode: 'BATCH',
    versions: [version(5, 'READY')],
  })
  failure: KVError | null = null
  readonly jobs = new Jobs({
    clock: { nowMs: () => 1, nowUs: () => 1_000n, monotonicMs: () => 1 },
    logger: silentLogger,
    concurrent: { loads: 1, others: 1 },
  })
  readonly removals = new CopyRemovals({
    metastore: { get: () => this.record },
    files: {
      notePurge: (text) => {
        this.notes.set('n.json', text)
        return Promise.resolve('n.json')
      },
      purgeNotes: () => Promise.resolve(new Map(this.notes)),
      endPurge: (name) => {
        this.notes.delete(name)
        return Promise.resolve()
      },
    },
    jobs: this.jobs,
    logger: silentLogger,
    run: (task) => {
      this.tasks.push(task)
      return this.failure === null ? Promise.resolve({ removed: 3 }) : Promise.reject(this.failure)
    },
  })

  async resume(): Promise<void> {
    await this.removals.resume()
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

suite('a removal of copies', () => {
  test('is noted before the record goes, and forgotten when the copies are gone', async () => {
    const world = new World()
    const notedFirst: boolean[] = []
    const result = await world.removals.remove(NOTE, CONTEXT, () => {
      notedFirst.push(world.notes.size === 1, world.tasks.length === 0)
      return Promise.resolve()
    })
    assert.deepEqual([result, notedFirst], [{ removed: 3 }, [true, true]])
    assert.deepEqual(world.tasks, [{ kind: 'PURGE', urls: NOTE.urls, datasetId: 'b1' }])
    assert.equal(world.notes.size, 0)
  })

  test('whose record stays leaves no note, unless nobody knows whether it stays', async () => {
    const world = new World()
    const refused = new KVError('CONFLICT', 'another revision', { outcome: 'NOT_APPLIED' })
    await assert.rejects(
      world.removals.remove(NOTE, CONTEXT, () => Promise.reject(refused)),
      refused,
    )
    assert.equal(world.notes.size, 0)
    const doubtful = new KVError('UNAVAILABLE', 'the disk failed', { outcome: 'UNKNOWN' })
    await assert.rejects(
      world.removals.remove(NOTE, CONTEXT, () => Promise.reject(doubtful)),
      doubtful,
    )
    assert.deepEqual([world.notes.size, world.tasks], [1, []])
  })

  test('that failed is gone on with by the next start', async () => {
    const world = new World()
    world.failure = new KVError('UNAVAILABLE', 'the store does not answer')
    await assert.rejects(
      world.removals.remove(NOTE, CONTEXT, () => Promise.resolve()),
      world.failure,
    )
    world.failure = null
    world.record = null
    await world.resume()
    assert.equal(world.tasks.length, 2)
    assert.equal(world.jobs.list()[0]?.state, 'DONE')
    assert.equal(world.notes.size, 0)
  })

  const starts: readonly {
    readonly name: string
    readonly record: DatasetRecord | null
    readonly isOn: boolean
  }[] = [
    { name: 'the version is there', record: new World().record, isOn: false },
    {
      name: 'the version is DELETED',
      record: datasetRecord({ name: 'b', id: 'b1', versions: [version(5, 'DELETED')] }),
      isOn: true,
    },
    { name: 'the version is forgotten', record: datasetRecord({ name: 'b', id: 'b1' }), isOn: true },
    { name: 'the dataset is gone', record: null, isOn: true },
    {
      name: 'another dataset has the name',
      record: datasetRecord({ name: 'b', id: 'b2', versions: [version(5, 'READY')] }),
      isOn: true,
    },
  ]
  for (const { name, record, isOn } of starts) {
    test(`is ${isOn ? 'gone on with' : 'forgotten'} when ${name}`, async () => {
      const world = new World()
      world.notes.set('n.json', encodePurgeNote(NOTE))
      world.record = record
      await world.resume()
      assert.deepEqual([world.tasks.length, world.notes.size], [isOn ? 1 : 0, 0])
    })
  }

  test('of a whole dataset is forgotten while that is there', async () => {
    const world = new World()
    world.notes.set('n.json', encodePurgeNote({ ...NOTE, version: null }))
    await world.resume()
    assert.deepEqual([world.tasks.length, world.notes.size], [0, 0])
  })

  test('whose note is damaged or of a newer program is left to an operator, and keeps nothing else from its end', async () => {
    const world = new World()
    world.record = null
    const whole = encodePurgeNote(NOTE)
    for (const [index, text] of [
      '',
      '{',
      'null',
      '{"format":2}',
      whole.replace('"b1"', '1'),
      whole.replace(']', ',1]'),
    ].entries()) {
      world.notes.set(`${index}.json`, text)
      assert.throws(() => decodePurgeNote(text, 'n'), {
        code: text === '{"format":2}' ? 'FAILED_PRECONDITION' : 'CORRUPT',
      })
    }
    world.notes.set('whole.json', whole)
    await world.resume()
    assert.deepEqual([world.tasks.length, world.notes.has('whole.json'), world.notes.size], [1, false, 6])
  })
})
