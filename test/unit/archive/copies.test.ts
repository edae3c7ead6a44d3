/** Copies of real sealed shards, out and in, interrupted and damaged. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { appendFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { copyIn, type CopyIn } from '../../../src/archive/copy-in.js'
import { copyOut, type CopyOut } from '../../../src/archive/copy-out.js'
import { purge } from '../../../src/archive/purge.js'
import { type ErrorCode, KVError } from '../../../src/base/errors.js'
import type { VersionFigures } from '../../../src/model/metastore.js'
import { FileObjects } from '../../../src/objects/file-objects.js'
import type { ObjectStore } from '../../../src/objects/object-store.js'
import { clearPlace } from '../../../src/snapshot/export.js'
import { cellOf, FailingObjects, SEALED, sealVersion, shardsBelow } from '../../support/sealed-versions.js'

const SHARDS = 2
const root = mkdtempSync(join(tmpdir(), 'godwit-archive-'))
const objects = new FileObjects({ roots: [] })
const onProgress = (): void => undefined
let figures: VersionFigures
let next = 0

before(async () => {
  const rows = new Map(
    Array.from({ length: 500 }, (_, i) => [
      `key ${i}`,
      // Some rows have chunks.
      [cellOf('name', `n${i}`), cellOf('text', 'x'.repeat(i % 50 === 0 ? 40_000 : i))],
    ]),
  )
  figures = await sealVersion(join(root, 'version'), rows, SHARDS)
})

after(() => rmSync(root, { recursive: true }))

function newPlace(): { readonly path: string; readonly url: string } {
  const path = join(root, `place ${next++}`)
  return { path, url: `${pathToFileURL(path).href}/` }
}

function outTask(url: string): CopyOut {
  return {
    ...{ url, dataset: { id: 'd1', name: 'cities' }, keyOrder: 'HASHED', archivedAtMs: 5 },
    version: { ...figures, id: 77, source: 's', loadedBy: 'l', createdAtMs: 3 },
    directories: shardsBelow(join(root, 'version'), SHARDS),
  }
}

function inTask(url: string): CopyIn {
  const directory = join(root, `restored ${next++}`)
  mkdirSync(directory)
  const directories = shardsBelow(directory, SHARDS)
  return { url, datasetId: 'd1', versionId: 77, keyOrder: 'HASHED', figures, directories }
}

async function archive(): Promise<{ readonly path: string; readonly url: string }> {
  const place = newPlace()
  await copyOut(outTask(place.url), { objects, shards: SEALED, onProgress })
  return place
}

async function restore(url: string, from: ObjectStore = objects): Promise<CopyIn> {
  const task = inTask(url)
  await copyIn(task, { objects: from, shards: SEALED, onProgress })
  return task
}

function refusedWith(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof KVError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    return true
  }
}

test('a version comes back with every row and its seal', async () => {
  const { url } = await archive()
  const { directories } = await restore(url)
  let rows = 0
  for (const directory of directories) {
    const shard = await SEALED.open(directory, 'HASHED')
    rows += shard.verify(() => undefined).rows
    await shard.close()
  }
  assert.equal(rows, 500)
})

test('the manifest is written last, and an archive that was interrupted anywhere is made whole by the next', async () => {
  const place = newPlace()
  const isWritten = () => existsSync(join(place.path, 'archive.json'))
  for (let failAt = 1; ; failAt++) {
    const failing = new FailingObjects(objects, 'write', failAt)
    const outcome = await copyOut(outTask(place.url), { objects: failing, shards: SEALED, onProgress }).then(
      () => null,
      (error: unknown) => error,
    )
    if (outcome === null) break
    assert.ok(outcome instanceof KVError && outcome.code === 'UNAVAILABLE')
    assert.equal(isWritten(), false, `write ${failAt} failed and there is a manifest`)
  }
  assert.equal(isWritten(), true)
  await restore(place.url)
})

test('a second archive replaces what is not complete, and what an interrupted one left', async () => {
  const { path, url } = await archive()
  writeFileSync(join(path, '0', 'db', '999999.sst'), 'left over')
  rmSync(join(path, '0', 'FORMAT.json'))
  await copyOut(outTask(url), { objects, shards: SEALED, onProgress })
  assert.equal(existsSync(join(path, '0', 'db', '999999.sst')), false)
  await restore(url)
})

test('a second archive leaves a complete copy as it is, whatever has become of the files here', async () => {
  const { path, url } = await archive()
  const before = readFileSync(join(path, 'archive.json'))
  const nowhere = { ...outTask(url), directories: [join(root, 'gone')] }
  const result = await copyOut(nowhere, { objects, shards: SEALED, onProgress })
  assert.equal(result.bytes, 0)
  assert.deepEqual(readFileSync(join(path, 'archive.json')), before)
  await restore(url)
})

test('a second archive replaces a copy of which a file is damaged, although its size is right', async () => {
  const { path, url } = await archive()
  const table = join(
    path,
    '0',
    'db',
    readdirSync(join(path, '0', 'db')).find((one) => one.endsWith('.sst')) ?? '',
  )
  const bytes = readFileSync(table)
  bytes[200] = (bytes[200] ?? 0) ^ 0xff
  writeFileSync(table, bytes)
  const result = await copyOut(outTask(url), { objects, shards: SEALED, onProgress })
  assert.ok(result.bytes > 0)
  await restore(url)
})

test('an incomplete copy is not touched before the files here were read', async () => {
  const { path, url } = await archive()
  rmSync(join(path, '0', 'FORMAT.json'))
  const nowhere = { ...outTask(url), directories: [join(root, 'gone')] }
  await assert.rejects(copyOut(nowhere, { objects, shards: SEALED, onProgress }))
  assert.equal(existsSync(join(path, 'archive.json')), true)
})

test('a place that holds another version is left alone', async () => {
  const { path, url } = await archive()
  const before = readFileSync(join(path, 'archive.json'))
  const other = { ...outTask(url), dataset: { id: 'd2', name: 'towns' } }
  await assert.rejects(
    copyOut(other, { objects, shards: SEALED, onProgress }),
    refusedWith('ALREADY_EXISTS', /another version .* of dataset cities/),
  )
  assert.deepEqual(readFileSync(join(path, 'archive.json')), before)
})

test('a version whose rows are damaged is not archived', async () => {
  const directory = join(root, 'damaged')
  const damaged = await sealVersion(directory, new Map([['k', [cellOf('a', 'value '.repeat(100))]]]), 1)
  const database = join(directory, '0', 'db')
  const table = readdirSync(database).find((name) => name.endsWith('.sst')) ?? ''
  const bytes = readFileSync(join(database, table))
  bytes[40] = (bytes[40] ?? 0) ^ 0xff
  writeFileSync(join(database, table), bytes)
  const { path, url } = newPlace()
  const task = outTask(url)
  const version = { ...task.version, ...damaged }
  await assert.rejects(
    copyOut(
      { ...task, version, directories: shardsBelow(directory, 1) },
      { objects, shards: SEALED, onProgress },
    ),
    refusedWith('CORRUPT', /damaged/),
  )
  assert.equal(existsSync(join(path, 'archive.json')), false)
})

describe('a restore refuses', () => {
  async function damaged(damage: (path: string) => void, code: ErrorCode, message: RegExp): Promise<void> {
    const { path, url } = await archive()
    damage(path)
    await assert.rejects(restore(url), refusedWith(code, message))
  }
  const table = (path: string) => {
    const name = readdirSync(join(path, '0', 'db')).find((one) => one.endsWith('.sst')) ?? ''
    return join(path, '0', 'db', name)
  }
  const edit = (change: (manifest: Record<string, unknown>) => object) => (path: string) => {
    const file = join(path, 'archive.json')
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown> // ours
    writeFileSync(file, JSON.stringify({ ...manifest, ...change(manifest) }))
  }

  test('a place without an archive', async () => {
    await assert.rejects(restore(newPlace().url), refusedWith('INVALID_ARGUMENT', /archive\.json/))
  })

  test('a file with a flipped byte', () =>
    damaged(
      (path) => {
        const bytes = readFileSync(table(path))
        bytes[100] = (bytes[100] ?? 0) ^ 1
        writeFileSync(table(path), bytes)
      },
      'CORRUPT',
      /SHA-256/,
    ))

  test('a file that was cut', () =>
    damaged((path) => writeFileSync(table(path), readFileSync(table(path)).subarray(1)), 'CORRUPT', /bytes/))

  test('a file that grew', () => damaged((path) => appendFileSync(table(path), 'x'), 'CORRUPT', /bytes/))

  test('a file that is gone', () =>
    damaged((path) => renameSync(table(path), `${table(path)}.gone`), 'INVALID_ARGUMENT', /\.sst/))

  test('a manifest of another dataset', () =>
    damaged(
      edit(() => ({ dataset: { id: 'd9', name: 'other' } })),
      'FAILED_PRECONDITION',
      /dataset other/,
    ))

  test('a manifest of another version', () =>
    damaged(
      edit(({ version }) => ({ version: { ...(version as object), id: 78 } })),
      'FAILED_PRECONDITION',
      /version 78/,
    ))

  test('figures that are not the recorded ones', () =>
    damaged(
      edit(({ version }) => ({ version: { ...(version as object), rows: 1 } })),
      'FAILED_PRECONDITION',
      /figures/,
    ))

  test('shards that do not make the version', () =>
    damaged(
      edit(({ shards }) => ({ shards: [...(shards as object[])].reverse() })),
      'FAILED_PRECONDITION',
      /checksums of its shards/,
    ))

  test('a newer sealed format', () =>
    damaged(
      edit(() => ({ sealedFormat: 99 })),
      'FAILED_PRECONDITION',
      /format 99/,
    ))

  test('a manifest that asks for more room than there is', () =>
    damaged(
      edit(({ files }) => ({
        files: (files as { name: string; sizeBytes: number }[]).map((file) =>
          file.name.endsWith('.sst') ? { ...file, sizeBytes: 2 ** 52 } : file,
        ),
      })),
      'UNAVAILABLE',
      /make room/,
    ))

  test('a store that fails in any read, and the next one is whole', async () => {
    const { url } = await archive()
    for (let failAt = 1; ; failAt++) {
      const failing = new FailingObjects(objects, 'read', failAt)
      const outcome = await restore(url, failing).then(
        () => null,
        (error: unknown) => error,
      )
      if (outcome === null) return
      assert.ok(outcome instanceof KVError && outcome.code === 'UNAVAILABLE')
    }
  })
})

test('a purge removes the copy, the manifest first, and nothing else', async () => {
  const { path, url } = await archive()
  writeFileSync(join(path, 'notes.txt'), 'mine')
  await purge(objects, { urls: [url], datasetId: 'd1' })
  assert.deepEqual(
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile())
      .map(({ name }) => name),
    ['notes.txt'],
  )
  await purge(objects, { urls: [url], datasetId: 'd1' })
})

test('a place that cannot be listed is not taken for empty', async () => {
  const { path, url } = await archive()
  const names = () => readdirSync(path, { recursive: true }).sort()
  const before = names()
  class Unlisted extends FailingObjects {
    override list(): Promise<never> {
      return Promise.reject(new KVError('INVALID_ARGUMENT', 'access is denied'))
    }
  }
  const denied = new Unlisted(objects, 'read', 0)
  const refused = refusedWith('INVALID_ARGUMENT', /access is denied/)
  await assert.rejects(purge(denied, { urls: [url], datasetId: 'd1' }), refused)
  await assert.rejects(copyOut(outTask(url), { objects: denied, shards: SEALED, onProgress }), refused)
  await assert.rejects(clearPlace(denied, url), refused)
  assert.deepEqual(names(), before)
  const nowhere = newPlace()
  await purge(objects, { urls: [nowhere.url], datasetId: 'd1' })
})

test('a purge leaves what another dataset put in the same place, and of whole copies all but the one it is about', async () => {
  const { path, url } = await archive()
  const isWhole = () => existsSync(join(path, 'archive.json'))
  assert.deepEqual(await purge(objects, { urls: [url], datasetId: 'd2' }), { removed: 0 })
  assert.deepEqual(await purge(objects, { urls: [url], datasetId: 'd1', archivedAtMs: 4 }), { removed: 0 })
  assert.ok(isWhole())
  assert.ok((await purge(objects, { urls: [url], datasetId: 'd1', archivedAtMs: 5 })).removed > 0)
  assert.ok(!isWhole())
  // What has no manifest, or one that says nothing, can be restored by nobody.
  const damaged = await archive()
  writeFileSync(join(damaged.path, 'archive.json'), '{')
  await purge(objects, { urls: [damaged.url], datasetId: 'd2', archivedAtMs: 4 })
  assert.ok(!existsSync(join(damaged.path, 'archive.json')))
})
