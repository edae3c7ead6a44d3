import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ArchiveManifest,
  decodeArchiveManifest,
  encodeArchiveManifest,
} from '../../../src/archive/manifest.js'
import { KVError } from '../../../src/base/errors.js'

const URL = 'file:///archive/archive.json'
const sha256 = 'ab'.repeat(32)
const shard = { rows: 2, bytes: 10, checksum: '00ff00ff00ff00ff' }

const MANIFEST: ArchiveManifest = {
  dataset: { id: 'd1-abc', name: 'cities' },
  keyOrder: 'HASHED',
  version: { ...shard, id: 1_700_000_000_000, source: 'x.ndjson', loadedBy: 'me', createdAtMs: 1 },
  sealedFormat: 1,
  archivedAtMs: 2,
  shards: [shard],
  files: ['0/FORMAT.json', '0/SEALED.json', '0/db/CURRENT', '0/db/000012.sst', '0/db/MANIFEST-000005'].map(
    (name) => ({ name, sizeBytes: 3, sha256 }),
  ),
}

function decode(manifest: object): ArchiveManifest {
  return decodeArchiveManifest(Buffer.from(JSON.stringify(manifest)), URL)
}

/** The manifest as it is written, as an object to be damaged. */
function written(): Record<string, unknown> {
  return JSON.parse(encodeArchiveManifest(MANIFEST).toString()) as Record<string, unknown> // just encoded
}

test('a manifest comes back as it was written', () => {
  assert.deepEqual(decodeArchiveManifest(encodeArchiveManifest(MANIFEST), URL), MANIFEST)
})

const NAMES = [
  '../../etc/passwd',
  '0/../1/FORMAT.json',
  '/etc/passwd',
  '0/db/../../x.sst',
  '0/db/x.sst',
  '0/db/000001.sst/x',
  '0\\FORMAT.json',
  '00/FORMAT.json',
  '0/db/000012.log',
  '0/db/LOCK',
  '0/FORMAT.json\n',
  '',
]

for (const name of NAMES) {
  test(`no file may be called ${JSON.stringify(name)}`, () => {
    const files = [...MANIFEST.files, { name, sizeBytes: 3, sha256 }]
    assert.throws(
      () => decode({ ...written(), files }),
      (error) => error instanceof KVError && error.code === 'CORRUPT' && error.message.startsWith(URL),
    )
  })
}

const DAMAGES: Readonly<Record<string, object>> = {
  'another format': { format: 'godwit-snapshot' },
  'no figures': { version: { id: 1 } },
  'a size below zero': { files: [{ name: '0/FORMAT.json', sizeBytes: -1, sha256 }] },
  'a size that is no whole number': { files: [{ name: '0/FORMAT.json', sizeBytes: 1.5, sha256 }] },
  'a size beyond 2^53': { files: [{ name: '0/FORMAT.json', sizeBytes: 2 ** 60, sha256 }] },
  'a checksum that is none': { files: [{ name: '0/FORMAT.json', sizeBytes: 1, sha256: 'zz' }] },
  'a file twice': { files: [...MANIFEST.files, ...MANIFEST.files] },
  'a file of a shard that is not there': {
    files: [...MANIFEST.files, { name: '1/FORMAT.json', sizeBytes: 3, sha256 }],
  },
  'a shard without CURRENT': { files: MANIFEST.files.filter(({ name }) => !name.endsWith('CURRENT')) },
  'no shards': { shards: [] },
  'more shards than there can be': { shards: Array.from({ length: 1_025 }, () => shard) },
  'a key order that is none': { keyOrder: 'RANDOM' },
  'files that are no list': { files: {} },
  'a list in place of a dataset': { dataset: [] },
}

for (const [what, damage] of Object.entries(DAMAGES)) {
  test(`a manifest with ${what} is refused`, () => {
    assert.throws(
      () => decode({ ...written(), ...damage }),
      (error) => error instanceof KVError && error.code === 'CORRUPT' && error.message.startsWith(URL),
    )
  })
}

test('a newer manifest is refused by its number', () => {
  assert.throws(
    () => decode({ ...written(), number: 2 }),
    (error) =>
      error instanceof KVError && error.code === 'FAILED_PRECONDITION' && /format 2/.test(error.message),
  )
})

test('what is no JSON is refused, cut at every byte', () => {
  const whole = encodeArchiveManifest(MANIFEST)
  // Without the closing brace and the line's end it is none.
  for (let size = 0; size < whole.length - 2; size += 7) {
    assert.throws(() => decodeArchiveManifest(whole.subarray(0, size), URL), KVError)
  }
})
