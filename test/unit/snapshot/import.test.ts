/** Snapshots from elsewhere: damaged, lying, cut short, bombs. The shards that are built go to memory. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { type ErrorCode, KVError } from '../../../src/base/errors.js'
import { murmur3Token } from '../../../src/base/hash.js'
import { FileObjects } from '../../../src/objects/file-objects.js'
import { plainBytesOf } from '../../../src/snapshot/export.js'
import { importSnapshot, type ImportResult } from '../../../src/snapshot/import.js'
import {
  encodeSnapshotManifest,
  type SnapshotEncoding,
  type SnapshotManifest,
  snapshotFileName,
} from '../../../src/snapshot/manifest.js'
import { encodeLine } from '../../../src/snapshot/ndjson.js'
import { CellFileWriter } from '../../../src/snapshot/parquet.js'
import type { RowPiece } from '../../../src/snapshot/pieces.js'
import { FailingObjects } from '../../support/sealed-versions.js'

const root = mkdtempSync(join(tmpdir(), 'godwit-import-'))
after(() => rmSync(root, { recursive: true }))

let next = 0

const ROWS: readonly RowPiece[] = Array.from({ length: 300 }, (_, i) => ({
  rowKey: Buffer.from(`row ${i}`),
  cells: [
    { localKey: Buffer.from('a'), value: Buffer.from(`value ${i}`), timestamp: BigInt(i), expiresAt: null },
    { localKey: Buffer.from([0xff]), value: Buffer.alloc(i), timestamp: -1n, expiresAt: 1_900_000_000 + i },
  ],
}))

interface Place {
  readonly path: string
  readonly url: string
}

function newPlace(): Place {
  const path = join(root, `place ${next++}`)
  mkdirSync(path)
  return { path, url: `${pathToFileURL(path).href}/` }
}

async function fileOf(rows: readonly RowPiece[], encoding: SnapshotEncoding): Promise<Buffer> {
  if (encoding === 'ndjson') return gzipSync(rows.map(encodeLine).join(''))
  const writer = new CellFileWriter()
  for (const row of rows) writer.add(row)
  return Buffer.concat([await writer.take(), await writer.finish()])
}

function manifestOf(file: Buffer, encoding: SnapshotEncoding): SnapshotManifest {
  const plainBytes =
    encoding === 'ndjson'
      ? Buffer.byteLength(ROWS.map(encodeLine).join(''))
      : ROWS.reduce((sum, row) => sum + plainBytesOf(row), 0)
  const counts = { rows: 300, cells: 600 }
  const sha256 = createHash('sha256').update(file).digest('hex')
  return {
    encoding,
    dataset: {
      ...{ id: 'd1', name: 'n', description: '', keyOrder: 'HASHED', timestampUnit: 'MICROSECONDS' },
      ...{ shardCount: 3, maxValueBytes: 1_000, maxCellVersions: 1, graceSeconds: 10 },
      ...{ defaultTtlSeconds: null, defaultDurability: 'LOG' },
    },
    ...{ takenAtMs: 1, takenBy: 'me', greatestStamp: 9, ...counts },
    files: [{ name: snapshotFileName(0, encoding), sizeBytes: file.length, sha256, ...counts, plainBytes }],
  }
}

async function place(
  encoding: SnapshotEncoding,
  damage: (file: Buffer) => Buffer = (file) => file,
): Promise<Place> {
  const where = newPlace()
  const file = damage(await fileOf(ROWS, encoding))
  writeFileSync(join(where.path, snapshotFileName(0, encoding)), file)
  writeFileSync(join(where.path, 'snapshot.json'), encodeSnapshotManifest(manifestOf(file, encoding)))
  return where
}

interface Imported {
  readonly result: ImportResult
  readonly rows: ReadonlyMap<string, RowPiece['cells']>
  readonly sealed: readonly number[]
}

async function run({ url }: Place, objects = new FileObjects({ roots: [] })): Promise<Imported> {
  const rows = new Map<string, RowPiece['cells']>()
  const sealed: number[] = []
  const workDirectory = join(root, `work ${next++}`)
  mkdirSync(workDirectory)
  const result = await importSnapshot(
    { url, shardCount: null, directory: '/nowhere', workDirectory },
    {
      objects,
      create: () =>
        Promise.resolve({
          add: (_token, rowKey, cells) => {
            const key = rowKey.toString('latin1')
            rows.set(key, [...(rows.get(key) ?? []), ...cells])
          },
          resume: () => Promise.resolve(),
          suspend: () => Promise.resolve(),
          seal: (stamp) => {
            sealed.push(stamp)
            return Promise.resolve()
          },
        }),
      tokenOf: murmur3Token,
      onProgress: () => undefined,
    },
  )
  assert.deepEqual(readdirSync(workDirectory), [])
  return { result, rows, sealed }
}

async function refused(where: Place, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(run(where), (error) => {
    assert.ok(error instanceof KVError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    return true
  })
}

function edit({ path }: Place, change: (manifest: Record<string, unknown>) => object): void {
  const file = join(path, 'snapshot.json')
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown> // ours
  writeFileSync(file, JSON.stringify({ ...manifest, ...change(manifest) }))
}

function editFile(where: Place, change: object): void {
  edit(where, ({ files }) => ({ files: (files as object[]).map((file) => ({ ...file, ...change })) }))
}

for (const encoding of ['ndjson', 'parquet'] as const) {
  describe(`a snapshot as ${encoding}`, () => {
    test('gives every cell with its time and expiry, and the stamp behind which new ones lie', async () => {
      const { result, rows, sealed } = await run(await place(encoding))
      assert.deepEqual([result.rows, result.cells, sealed], [300, 600, [9, 9, 9]])
      for (const { rowKey, cells } of ROWS) assert.deepEqual(rows.get(rowKey.toString('latin1')), cells)
    })

    test('is refused with a flipped byte', async () => {
      const where = await place(encoding)
      const path = join(where.path, snapshotFileName(0, encoding))
      const file = readFileSync(path)
      file[50] = (file[50] ?? 0) ^ 1
      writeFileSync(path, file)
      await refused(where, 'CORRUPT', /SHA-256/)
    })

    test('is refused when a file is shorter than the manifest says', async () => {
      const where = await place(encoding)
      const path = join(where.path, snapshotFileName(0, encoding))
      writeFileSync(path, readFileSync(path).subarray(0, -1))
      await refused(where, 'CORRUPT', /bytes, its manifest says/)
    })

    test('is refused when it ends half-way though its digest is right', async () => {
      const where = await place(encoding, (file) => file.subarray(0, file.length >> 1))
      await refused(where, 'CORRUPT', /unpacked|no Parquet/)
    })

    test('is refused when it is anything else though its digest is right', async () => {
      const where = await place(encoding, (file) => Buffer.alloc(file.length, 'PAR1'))
      await assert.rejects(run(where), (error) => error instanceof KVError)
    })

    test('is refused when it holds more or fewer rows than the manifest says', async () => {
      const more = await place(encoding)
      editFile(more, { rows: 299 })
      edit(more, () => ({ rows: 299 }))
      await refused(more, 'CORRUPT', /holds more than the 299 rows/)
      const fewer = await place(encoding)
      editFile(fewer, { cells: 601 })
      edit(fewer, () => ({ cells: 601 }))
      await refused(fewer, 'CORRUPT', /holds fewer than/)
    })

    test('is refused when it unpacks to more than it says', async () => {
      const where = await place(encoding)
      editFile(where, { plainBytes: 1_000 })
      await refused(where, 'CORRUPT', /unpacks to more than the 1000 bytes/)
    })

    test('is refused when a read of it fails, whichever', async () => {
      const where = await place(encoding)
      for (const failAt of [1, 2]) {
        const objects = new FailingObjects(new FileObjects({ roots: [] }), 'read', failAt)
        await assert.rejects(
          run(where, objects as unknown as FileObjects),
          (error) => error instanceof KVError && error.code === 'UNAVAILABLE',
        )
      }
    })
  })
}

test('a bomb is not unpacked: a line that does not end is refused at its bound', async () => {
  const bomb = gzipSync(Buffer.alloc(80 * 1024 * 1024, 'a'))
  const where = await place('ndjson', () => bomb)
  editFile(where, { plainBytes: 2 ** 40 })
  const before = process.memoryUsage().rss
  await refused(where, 'TOO_LARGE', /longer than/)
  assert.ok(process.memoryUsage().rss - before < 400 * 1024 * 1024)
})

test('a Parquet footer of a size beyond all bounds is not read', async () => {
  const where = await place('parquet', (file) => {
    file.writeUInt32LE(0x7fff_ffff, file.length - 8)
    return file
  })
  await refused(where, 'TOO_LARGE', /footer/)
})

const DAMAGES: Readonly<Record<string, object>> = {
  'no format': { format: undefined },
  'a file of another name': { files: [{ name: '../x', sizeBytes: 1, sha256: 'a'.repeat(64) }] },
  'a file of another encoding': { encoding: 'parquet' },
  'sums that are wrong': { rows: 1 },
  'an encoding that is none': { encoding: 'csv' },
  'a dataset without settings': { dataset: {} },
}

for (const [what, damage] of Object.entries(DAMAGES)) {
  test(`a manifest with ${what} is refused`, async () => {
    const where = await place('ndjson')
    edit(where, () => damage)
    await refused(where, 'CORRUPT', /snapshot\.json is damaged or foreign/)
  })
}

test('a newer manifest is refused by its number, and no manifest by its name', async () => {
  const where = await place('ndjson')
  edit(where, () => ({ number: 2 }))
  await refused(where, 'FAILED_PRECONDITION', /format 2/)
  await refused(newPlace(), 'INVALID_ARGUMENT', /snapshot\.json/)
})
