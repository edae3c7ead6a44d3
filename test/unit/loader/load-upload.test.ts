/** Uploads: loads whose bytes come with the request. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.js'
import type { UploadRequest } from '../../../src/model/load.js'
import { change, figures, requestFor } from './fakes.js'
import { clockMs, input, setUp, settle, until, type World } from './load-job-world.js'

function uploadFor(dataset: string): UploadRequest {
  return requestFor(dataset, '')
}

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text))
}

test('an upload is written to disk and loaded from there', async () => {
  const { jobs, builds, metastore, home } = setUp()
  const request = uploadFor('cities')
  const load = await jobs.upload(request, { bytes: pieces('{"id":1,', '"a":2}\n'), sizeBytes: 15 }, change)
  assert.equal(load.totalBytes, 15)
  assert.equal(readFileSync(new URL(load.request.from), 'utf8'), '{"id":1,"a":2}\n')
  await settle()
  builds[0]?.end(figures)
  await settle()
  assert.equal(metastore.version('cities', 1000)?.state, 'CURRENT')
  assert.deepEqual(readdirSync(home), [])
})

const halfUploads: readonly {
  name: string
  code: string
  sizeBytes: number | null
  bytes: AsyncGenerator<Buffer>
  free?: number
}[] = [
  { name: 'ends early', code: 'INVALID_ARGUMENT', sizeBytes: 20, bytes: pieces('{"id":1}') },
  { name: 'is empty', code: 'INVALID_ARGUMENT', sizeBytes: null, bytes: pieces() },
  { name: 'is announced as too large', code: 'TOO_LARGE', sizeBytes: 101, bytes: pieces('{}') },
  {
    name: 'becomes too large',
    code: 'TOO_LARGE',
    sizeBytes: null,
    bytes: pieces('x'.repeat(60), 'x'.repeat(60)),
  },
  {
    name: 'has no room on the disk',
    code: 'UNAVAILABLE',
    sizeBytes: 50,
    bytes: pieces('x'.repeat(50)),
    free: 40,
  },
]
for (const { name, code, sizeBytes, bytes, free } of halfUploads) {
  test(`an upload that ${name} leaves nothing, and the dataset can be loaded again`, async () => {
    const { jobs, metastore, files, home } = setUp()
    files.free = free ?? null
    const request = uploadFor('cities')
    await assert.rejects(jobs.upload(request, { bytes, sizeBytes }, change), { code })
    // What is refused by its announcement has no version; the others have one that FAILED and are listed with the reason.
    const begun = metastore.steps.length > 0
    assert.deepEqual([metastore.steps, readdirSync(home)], [begun ? ['LOADING', 'FAILED'] : [], []])
    assert.deepEqual(
      jobs.list().map(({ state, error }) => [state, error?.code]),
      begun ? [['FAILED', code]] : [],
    )
    assert.equal(begun, sizeBytes === null || sizeBytes === 20)
    await jobs.start(requestFor('cities', input), change)
  })
}

/** Content whose pieces come when the test says so. */
class HeldContent {
  #push: ((piece: Buffer) => void) | null = null
  readonly bytes: AsyncIterable<Buffer> = {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        new Promise<IteratorResult<Buffer>>((resolve) => {
          this.#push = (value) => resolve({ done: false, value })
        }),
    }),
  }

  /** Once it is waited for: its file is made first, which the disk decides. */
  async send(text: string): Promise<void> {
    await this.asked()
    this.#push?.(Buffer.from(text))
  }

  asked(): Promise<void> {
    return until(() => this.#push !== null)
  }
}

async function uploading(world: World, content: HeldContent, text: string) {
  const upload = world.jobs.upload(uploadFor('cities'), { bytes: content.bytes, sizeBytes: 15 }, change)
  const refused = assert.rejects(upload, { code: 'CANCELLED' })
  await content.send(text)
  await until(() => world.jobs.list()[0]?.readBytes === text.length)
  const [load] = world.jobs.list()
  assert.ok(load !== undefined)
  return { load, refused }
}

test('an upload under way is listed with the bytes that came, holds its dataset and can be cancelled', async () => {
  const world = setUp()
  const { jobs, queue, metastore, home } = world
  const { load, refused } = await uploading(world, new HeldContent(), '{"id":1,')
  assert.deepEqual(
    [load.id, load.state, load.readBytes, load.totalBytes],
    ['cities-1000', 'UPLOADING', 8, 15],
  )
  const listed = queue.get(load.id)
  assert.deepEqual(
    [listed?.kind, listed?.state, listed?.progress],
    ['LOAD', 'UPLOADING', { step: 'uploading', done: 8, total: 15, unit: 'bytes' }],
  )
  await assert.rejects(jobs.start(requestFor('cities', input), change), { message: /cities-1000/ })
  assert.equal((await jobs.cancel(load.id))?.state, 'CANCELLED')
  await refused
  assert.deepEqual([metastore.steps, readdirSync(home)], [['LOADING', 'FAILED'], []])
  await jobs.start(requestFor('cities', input), change)
})

test('an upload under way ends with the gateway', async () => {
  const world = setUp()
  const { refused } = await uploading(world, new HeldContent(), '{"id":1,')
  await world.queue.close()
  await refused
  assert.deepEqual([world.metastore.steps, readdirSync(world.home)], [['LOADING', 'FAILED'], []])
})

test('an upload takes no place of a load: one that is built goes on beside it', async () => {
  const world = setUp({ concurrent: 1 })
  world.metastore.add('towns')
  const { load, refused } = await uploading(world, new HeldContent(), '{')
  await world.jobs.start(requestFor('towns', input), change)
  await settle()
  assert.equal(world.builds.length, 1)
  await world.jobs.cancel(load.id)
  await refused
})

test('an upload that trickles ends, because it holds its dataset', async () => {
  const { jobs, home } = setUp()
  const content = new HeldContent()
  const upload = jobs.upload(uploadFor('cities'), { bytes: content.bytes, sizeBytes: null }, change)
  const refused = assert.rejects(upload, { code: 'INVALID_ARGUMENT', message: /1 bytes in 300 s.*too slow/ })
  await content.asked()
  clockMs.now += limits.uploadPaceMs
  await content.send('{')
  await refused
  assert.deepEqual([jobs.list()[0]?.state, readdirSync(home)], ['FAILED', []])
})
