import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/logger.js'
import type { DatasetRecord, VersionState } from '../../../src/model/dataset.js'
import { DataDirectory } from '../../../src/leaf/data-directory.js'
import { datasetRecord } from '../../support/datasets.js'

/** The lock as this process sees it: which directories are held. */
const held = new Set<string>()

async function lock(path: string) {
  if (held.has(path)) throw new KVError('UNAVAILABLE', `${path} is used by another process`)
  held.add(path)
  return Promise.resolve({ release: () => Promise.resolve(void held.delete(path)) })
}

let temporary = ''
let root = ''

beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'godwit-directory-'))
  root = join(temporary, 'parent', 'godwit-data')
})

afterEach(() => {
  held.clear()
  rmSync(temporary, { recursive: true })
})

function open(path = root): Promise<DataDirectory> {
  return DataDirectory.open(path, { lock, clock: systemClock, logger: silentLogger })
}

/** Stops and starts again, as a new process would find the directory. */
async function reopen(directory: DataDirectory): Promise<DataDirectory> {
  await directory.close()
  return open(directory.path)
}

async function refusal(path = root): Promise<KVError> {
  try {
    await open(path)
  } catch (error) {
    assert.ok(error instanceof KVError)
    return error
  }
  return assert.fail('it was opened')
}

function put(path: string, text = 'x'): void {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
}

/** A staging directory with two shards in it. */
async function stage(directory: DataDirectory): Promise<string> {
  const staging = await directory.newStaging()
  for (const shard of ['0', '1']) put(join(staging, shard, 'DB'), `rows of ${shard}`)
  return staging
}

function buildShard(staging: string): Promise<void> {
  put(join(staging, '0', 'DB'), 'live')
  return Promise.resolve()
}

suite('opening a data directory', () => {
  test('makes an absent one, for this user alone, and keeps its id', async () => {
    const directory = await open()
    const description: unknown = JSON.parse(readFileSync(join(root, 'GODWIT.json'), 'utf8'))
    assert.deepEqual(Object.keys(description ?? {}), ['format', 'id', 'createdAt'])
    for (const name of ['', 'lock', 'kvsm', 'created', 'data', 'data/.staging', 'data/.trash']) {
      assert.equal(statSync(join(root, name)).mode & 0o777, 0o700, name)
    }
    assert.equal(statSync(join(root, 'GODWIT.json')).mode & 0o777, 0o600)
    const again = await reopen(directory)
    assert.equal(again.id, directory.id)
    assert.equal(again.metastorePath, join(root, 'kvsm'))
    await again.close()
  })

  test('uses an empty one, and one that is a fresh mount point', async () => {
    mkdirSync(join(root, 'lost+found'), { recursive: true })
    await (await open()).close()
    assert.ok(existsSync(join(root, 'GODWIT.json')))
  })

  test('finishes what a crash interrupted while it was made', async () => {
    for (const name of ['lock', 'kvsm', 'created', 'data/lost+found'])
      mkdirSync(join(root, name), { recursive: true })
    put(join(root, 'GODWIT.json.new'), '{"form')
    for (const name of [
      'LOCK',
      'CURRENT',
      'IDENTITY',
      'MANIFEST-000005',
      '000004.log',
      'OPTIONS-000006.dbtmp',
    ])
      put(join(root, 'lock', name))
    const directory = await open()
    assert.match(directory.id, /^[0-9a-f-]{36}$/)
    assert.deepEqual(readdirSync(root).sort(), ['GODWIT.json', 'created', 'data', 'kvsm', 'lock'])
    await directory.close()
  })

  test('lets nobody else in until it is closed', async () => {
    const directory = await open()
    assert.equal((await refusal()).code, 'UNAVAILABLE')
    await (await reopen(directory)).close()
    assert.equal(held.size, 0)
  })

  const foreign: readonly (readonly [string, () => void])[] = [
    ['with a file', () => put(join(root, 'notes.txt'))],
    ['with files where ours would be', () => put(join(root, 'data', 'pictures'))],
    ['with a file named as a part of ours', () => put(join(root, 'data'))],
    ['with a file in a folder named as our lock', () => put(join(root, 'lock', 'mine.txt'))],
    ['with a file named as our lock', () => put(join(root, 'lock'))],
    ['with a metastore but no description', () => put(join(root, 'kvsm', 'data.mdb'))],
  ]
  for (const [what, make] of foreign) {
    test(`refuses a foreign directory ${what} and writes nothing to it`, async () => {
      make()
      const before = readdirSync(root, { recursive: true })
      const error = await refusal()
      assert.equal(error.code, 'FAILED_PRECONDITION')
      assert.match(error.message, /is not a godwit data directory/)
      assert.deepEqual(readdirSync(root, { recursive: true }), before)
      assert.equal(held.size, 0)
    })
  }

  test('refuses a file', async () => {
    put(root)
    assert.match((await refusal()).message, /is a file/)
  })

  test('refuses a newer format by its number', async () => {
    put(join(root, 'GODWIT.json'), '{"format":7,"id":1}')
    const error = await refusal()
    assert.equal(error.code, 'FAILED_PRECONDITION')
    assert.match(error.message, /format 7, this godwit reads format 1/)
  })

  for (const text of [
    '',
    '{"format":1,',
    '[]',
    'null',
    '{}',
    '{"format":"1"}',
    '{"format":1,"id":"","createdAt":""}',
  ]) {
    test(`refuses a damaged description: ${text || 'empty'}`, async () => {
      put(join(root, 'GODWIT.json'), text)
      const error = await refusal()
      assert.equal(error.code, 'CORRUPT')
      assert.ok(error.message.includes(join(root, 'GODWIT.json')))
    })
  }

  for (const part of ['data', 'kvsm', 'created']) {
    test(`refuses one whose ${part}/ is gone`, async () => {
      await (await open()).close()
      rmSync(join(root, part), { recursive: true })
      const error = await refusal()
      assert.equal(error.code, 'CORRUPT')
      assert.ok(error.message.includes(`${join(root, part)} is missing`))
      assert.equal(held.size, 0)
    })
  }

  test('a metastore may be made where nothing ever was, and after a first start that failed before it', async () => {
    const directory = await open()
    assert.ok(await directory.mayMakeMetastore())
    const again = await reopen(directory)
    assert.ok(await again.mayMakeMetastore())
    await again.markMetastoreMade()
    await again.markMetastoreMade()
    assert.ok(!(await again.mayMakeMetastore()))
    await again.trashDataset('kvsm')
    const last = await reopen(again)
    assert.ok(!(await last.mayMakeMetastore()), 'removing a dataset took the mark of the metastore')
    await last.close()
  })

  test('a metastore may not be made where live data was', async () => {
    const directory = await open()
    await directory.ensureLive('d1', 1, buildShard)
    assert.ok(!(await directory.mayMakeMetastore()))
    await directory.close()
  })

  // Node's recursive mkdir never returns there: the start hung with a core at full load instead of failing.
  test('a place where nothing can be made is refused, not tried for ever', async () => {
    const error = await refusal('/proc/godwit-data')
    assert.equal(error.code, 'UNAVAILABLE')
    assert.match(error.message, /\/proc\/godwit-data/)
  })

  test('names the path and the reason when the file system fails', async () => {
    put(join(temporary, 'parent'))
    const error = await refusal()
    assert.equal(error.code, 'UNAVAILABLE')
    assert.ok(error.message.includes(`${root} failed with ENOTDIR`), error.message)
  })

  test('removes what a crash left in .staging and .trash', async () => {
    const directory = await open()
    await stage(directory)
    put(join(root, 'data', '.trash', 'x', 'DB'))
    const again = await reopen(directory)
    await again.close()
    assert.deepEqual(readdirSync(join(root, 'data', '.staging')), [])
    const last = await open()
    await last.close()
    assert.deepEqual(readdirSync(join(root, 'data', '.trash')), [])
  })
})

suite('versions', () => {
  test('a version appears whole, by one rename', async () => {
    const directory = await open()
    const staging = await stage(directory)
    assert.equal(statSync(staging).mode & 0o777, 0o700)
    const path = await directory.adoptVersion('d1', 1700, staging)
    assert.equal(path, join(root, 'data', 'd1', '1700'))
    assert.equal(readFileSync(join(path, '1', 'DB'), 'utf8'), 'rows of 1')
    assert.ok(!existsSync(staging))
    await directory.close()
  })

  test('a version that is there is never replaced, not even an empty one', async () => {
    const directory = await open()
    mkdirSync(directory.versionPath('d1', 1700), { recursive: true })
    const staging = await stage(directory)
    await assert.rejects(directory.adoptVersion('d1', 1700, staging), { code: 'ALREADY_EXISTS' })
    assert.ok(existsSync(staging))
    await directory.close()
  })

  test('a trashed version is gone from its place at once and from the disk in the background', async () => {
    const directory = await open()
    const path = await directory.adoptVersion('d1', 1700, await stage(directory))
    await directory.trash(path)
    assert.ok(!existsSync(path))
    await directory.trash(path)
    await directory.close()
    await (await open()).close()
    assert.deepEqual(readdirSync(join(root, 'data', '.trash')), [])
  })

  test('nothing but a version or a generation can be trashed', async () => {
    const directory = await open()
    for (const path of [
      root,
      join(root, 'kvsm'),
      join(root, 'data', 'd1'),
      join(root, 'data', 'd1', '1', '0'),
    ]) {
      await assert.rejects(directory.trash(path), /is not a version's directory/)
    }
    for (const id of ['..', '.trash', 'a/b', ''])
      assert.throws(() => directory.versionPath(id, 1), /not a dataset id/)
    for (const id of [0, -1, 1.5, NaN])
      assert.throws(() => directory.versionPath('d1', id), /not a version id/)
    await directory.close()
  })
})

suite('live data', () => {
  test('is built the first time and found every time after', async () => {
    const directory = await open()
    const path = await directory.ensureLive('d1', 1, buildShard)
    assert.equal(path, join(root, 'data', 'd1', 'live-1'))
    assert.equal(readFileSync(join(path, '0', 'DB'), 'utf8'), 'live')
    const again = await reopen(directory)
    assert.equal(await again.ensureLive('d1', 1, () => assert.fail('built twice')), path)
    await again.close()
  })

  test('that was made and is missing is an error, never an empty dataset', async () => {
    const directory = await open()
    const path = await directory.ensureLive('d1', 1, buildShard)
    renameSync(path, join(temporary, 'elsewhere'))
    await assert.rejects(
      directory.ensureLive('d1', 1, () => assert.fail('built twice')),
      (error) => error instanceof KVError && error.code === 'CORRUPT' && error.message.includes(path),
    )
    assert.ok(!existsSync(path))
    await directory.close()
  })

  test('whose building failed or was cut short is built at the next attempt', async () => {
    const directory = await open()
    const failure = new KVError('UNAVAILABLE', 'disk full')
    await assert.rejects(
      directory.ensureLive('d1', 1, (staging) => {
        put(join(staging, '0', 'half'))
        return Promise.reject(failure)
      }),
      failure,
    )
    const again = await reopen(directory)
    const path = await again.ensureLive('d1', 1, buildShard)
    assert.deepEqual(readdirSync(join(path, '0')), ['DB'])
    await again.close()
  })

  test('that a crash left without its marker is kept and marked', async () => {
    const directory = await open()
    const path = await directory.ensureLive('d1', 1, buildShard)
    rmSync(join(root, 'created', 'd1-live-1'))
    await directory.ensureLive('d1', 1, () => assert.fail('built twice'))
    rmSync(path, { recursive: true })
    await assert.rejects(directory.ensureLive('d1', 1, buildShard), { code: 'CORRUPT' })
    await directory.close()
  })

  test('that was imported and is gone before it was ever served is a loss, and not a new dataset', async () => {
    // The record of an import can outlive its data: a marker that only serving writes would let it come back empty.
    const directory = await open()
    const staging = await directory.newStaging()
    await buildShard(staging)
    await directory.adoptLive('i1', staging)
    rmSync(join(root, 'data', 'i1'), { recursive: true })
    const again = await reopen(directory)
    await again.findOrphans([datasetRecord({ id: 'i1' })])
    await assert.rejects(
      again.ensureLive('i1', 0, () => assert.fail('made anew')),
      {
        code: 'CORRUPT',
        message: /imported from a snapshot: mount its volume, or delete the dataset and import it/,
      },
    )
    await again.trashDataset('i1')
    assert.deepEqual(readdirSync(join(root, 'created')), [])
    await again.close()
  })

  test('that was imported is served like any other, and its import is forgotten', async () => {
    const directory = await open()
    const staging = await directory.newStaging()
    await buildShard(staging)
    await directory.adoptLive('i1', staging)
    await directory.ensureLive('i1', 0, () => assert.fail('made anew'))
    assert.deepEqual(readdirSync(join(root, 'created')), ['i1-live-0'])
    await directory.close()
  })

  test('of an import that ended before its record is removed with its marker', async () => {
    const directory = await open()
    const staging = await directory.newStaging()
    await buildShard(staging)
    await directory.adoptLive('i1', staging)
    writeFileSync(join(root, 'created', 'i2-import'), '')
    assert.deepEqual(await directory.findOrphans([]), [])
    assert.deepEqual(readdirSync(join(root, 'created')), [])
    assert.ok(!existsSync(join(root, 'data', 'i1')))
    await directory.close()
  })

  test('goes with its dataset, and only with its own', async () => {
    const directory = await open()
    const kept = await directory.ensureLive('d1-live', 1, buildShard)
    await directory.ensureLive('d1', 1, buildShard)
    await directory.trashDataset('d1')
    assert.deepEqual(readdirSync(join(root, 'created')), ['d1-live-live-1'])
    assert.ok(existsSync(kept))
    assert.ok(!existsSync(join(root, 'data', 'd1')))
    await directory.trashDataset('d1')
    await directory.close()
  })
})

suite('orphans', () => {
  function batch(id: string, versions: Readonly<Record<number, VersionState>>): DatasetRecord {
    const figures = {
      rows: 0,
      bytes: 0,
      checksum: '',
      source: '',
      loadedBy: '',
      createdAtMs: 0,
      archive: null,
    }
    const records = Object.entries(versions).map(([key, state]) => ({ id: Number(key), state, ...figures }))
    return datasetRecord({ id, mode: 'BATCH', versions: records })
  }

  test('are what no record asks for; only what can be loaded again is removable', async () => {
    const directory = await open()
    const versions = { 1: 'READY', 2: 'CURRENT', 3: 'LOADING', 4: 'FAILED', 5: 'DELETED' } as const
    for (const name of [1, 2, 3, 4, 5, 6, '07', 'live-1']) put(join(root, 'data', 'batch', String(name), 'f'))
    for (const name of ['live-1', 'live-2', '9']) put(join(root, 'data', 'writes', name, 'f'))
    put(join(root, 'data', 'unknown', '1', 'f'))
    mkdirSync(join(root, 'data', 'lost+found'))
    const orphans = await directory.findOrphans([
      batch('batch', versions),
      datasetRecord({ id: 'writes', generation: 1 }),
    ])
    const named = orphans.map(({ path, isRemovable }) => [
      path.slice(join(root, 'data').length + 1),
      isRemovable,
    ])
    assert.deepEqual(Object.fromEntries(named), {
      'batch/4': true,
      'batch/5': true,
      'batch/6': true,
      'batch/07': false,
      'batch/live-1': false,
      'writes/live-2': false,
      'writes/9': false,
      unknown: false,
    })
    await directory.close()
  })
})
