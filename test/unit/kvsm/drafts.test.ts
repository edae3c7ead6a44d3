import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.js'
import { checkChange, checkFigures, checkSource, draftToRecord } from '../../../src/kvsm/drafts.js'
import type { ChangeContext } from '../../../src/model/dataset.js'
import type { DatasetDraft, VersionFigures } from '../../../src/model/metastore.js'
import { CHANGE, FIGURES, batchDraft, kvError } from './fixtures.js'

const IDENTITY = { id: 'd1-00', createdAtMs: 5 }

/** A draft as it may come from outside, whatever the types say. */
function draftOf(fields: object): DatasetDraft {
  return { ...batchDraft('cities'), ...fields }
}

test('a draft with name, owner and mode takes every default', () => {
  assert.deepEqual(draftToRecord(batchDraft('cities'), IDENTITY), {
    id: 'd1-00',
    name: 'cities',
    owner: { name: 'search', contact: 'search@example.org' },
    description: '',
    mode: 'BATCH',
    keyOrder: 'HASHED',
    timestampUnit: 'MICROSECONDS',
    shardCount: 1,
    cluster: 'local',
    replicas: 1,
    retainedVersions: 3,
    canary: null,
    maxVersionBytes: null,
    maxValueBytes: 1024 * 1024,
    maxCellVersions: 1,
    graceSeconds: 864_000,
    defaultTtlSeconds: null,
    defaultDurability: 'LOG_SYNCED',
    migrationState: 'TARGET_ONLY',
    origin: null,
    generation: 0,
    versions: [],
    createdAtMs: 5,
    revision: 0,
  })
})

test('a draft may give every setting of its mode', () => {
  const given = {
    name: 'a'.repeat(128),
    mode: 'READ_WRITE',
    description: 'who lives where',
    keyOrder: 'HASHED',
    timestampUnit: 'OPAQUE',
    shardCount: 1024,
    maxValueBytes: limits.maxValueBytes,
    maxCellVersions: 1_000,
    graceSeconds: 0,
    defaultTtlSeconds: 2 ** 31 - 1,
    defaultDurability: 'LOG',
    migrationState: 'ORIGIN_ONLY',
    origin: 'old-store',
  }
  const record = draftToRecord(draftOf(given), IDENTITY)
  assert.deepEqual(record, { ...record, ...given })
})

interface FaultCase {
  readonly name: string
  readonly fields: object
  readonly fault: RegExp
}

const faultCases: readonly FaultCase[] = [
  { name: 'no name', fields: { name: undefined }, fault: /name is missing: give 1 to 128 of A-Z/ },
  { name: 'an empty name', fields: { name: '' }, fault: /name must have/ },
  { name: 'a name that begins with a dot', fields: { name: '.cities' }, fault: /name must have/ },
  { name: 'a name with a slash', fields: { name: 'a/b' }, fault: /name must have/ },
  { name: 'a name with a line feed at its end', fields: { name: 'cities\n' }, fault: /name must have/ },
  { name: 'a name of 129 characters', fields: { name: 'a'.repeat(129) }, fault: /name must have/ },
  { name: 'a name with a letter beyond ascii', fields: { name: 'städte' }, fault: /name must have/ },
  { name: 'no owner', fields: { owner: undefined }, fault: /owner is missing: give \{ name, contact \}/ },
  { name: 'an owner without a name', fields: { owner: { contact: 'c' } }, fault: /owner\.name is missing/ },
  {
    name: 'a blank contact',
    fields: { owner: { name: 'n', contact: '  ' } },
    fault: /owner\.contact is missing/,
  },
  {
    name: 'a contact of two lines',
    fields: { owner: { name: 'n', contact: 'a\nb' } },
    fault: /owner\.contact must be one/,
  },
  {
    name: 'an unknown part of the owner',
    fields: { owner: { name: 'n', contact: 'c', pager: 1 } },
    fault: /owner\."pager"/,
  },
  { name: 'no mode', fields: { mode: undefined }, fault: /mode must be one of BATCH, READ_WRITE, STREAMING/ },
  { name: 'an unknown mode', fields: { mode: 'batch' }, fault: /mode must be one of/ },
  {
    name: 'an unknown key order',
    fields: { keyOrder: 'SORTED' },
    fault: /keyOrder must be one of HASHED, ORDERED/,
  },
  { name: 'a null key order', fields: { keyOrder: null }, fault: /keyOrder must be one of/ },
  {
    name: 'an unknown timestamp unit',
    fields: { timestampUnit: 'NANOSECONDS' },
    fault: /timestampUnit must be/,
  },
  { name: 'no shards', fields: { shardCount: 0 }, fault: /shardCount must be a whole number from 1 to 1024/ },
  { name: 'too many shards', fields: { shardCount: 1025 }, fault: /shardCount must be/ },
  { name: 'shards as text', fields: { shardCount: '4' }, fault: /shardCount must be/ },
  { name: 'half a version', fields: { retainedVersions: 1.5 }, fault: /retainedVersions must be .* 1 to 10/ },
  { name: 'eleven versions', fields: { retainedVersions: 11 }, fault: /retainedVersions must be/ },
  {
    name: 'too large values',
    fields: { maxValueBytes: limits.maxValueBytes + 1 },
    fault: /maxValueBytes must be/,
  },
  {
    name: 'a description that is no text',
    fields: { description: 5 },
    fault: /description must be one line/,
  },
  {
    name: 'an unknown setting',
    fields: { copies: 3 },
    fault: /"copies" is no setting: use name, owner, mode/,
  },
  { name: 'no replica', fields: { replicas: 0 }, fault: /replicas must be a whole number from 1 to 5/ },
  {
    name: 'replicas of live data',
    fields: { mode: 'READ_WRITE', replicas: 2 },
    fault: /replicas is for BATCH/,
  },
  { name: 'a cluster with an odd name', fields: { cluster: '../etc' }, fault: /cluster must have/ },
  { name: 'an empty largest version', fields: { maxVersionBytes: 0 }, fault: /maxVersionBytes must be/ },
  {
    name: 'a ttl for loaded data',
    fields: { defaultTtlSeconds: 60 },
    fault: /defaultTtlSeconds is for READ_WRITE/,
  },
  {
    name: 'a durability for loaded data',
    fields: { defaultDurability: 'LOG' },
    fault: /defaultDurability is for/,
  },
  {
    name: 'cell versions for loaded data',
    fields: { maxCellVersions: 3 },
    fault: /maxCellVersions is for READ_WRITE/,
  },
  {
    name: 'no version of a cell',
    fields: { mode: 'READ_WRITE', maxCellVersions: 0 },
    fault: /maxCellVersions must be a whole number from 1 to 1000/,
  },
  {
    name: 'a grace period that never began',
    fields: { mode: 'READ_WRITE', graceSeconds: -1 },
    fault: /graceSeconds must be/,
  },
  {
    name: 'retention without versions',
    fields: { mode: 'READ_WRITE', retainedVersions: 3 },
    fault: /is for BATCH/,
  },
  {
    name: 'a ttl of nothing',
    fields: { mode: 'READ_WRITE', defaultTtlSeconds: 0 },
    fault: /defaultTtlSeconds must be/,
  },
  {
    name: 'ordered keys in two shards',
    fields: { keyOrder: 'ORDERED', shardCount: 2 },
    fault: /shardCount must be 1/,
  },
  {
    name: 'an origin state without origin',
    fields: { migrationState: 'ORIGIN_ONLY' },
    fault: /origin is missing/,
  },
  { name: 'an origin without its state', fields: { origin: 'old' }, fault: /origin must be left out/ },
]

for (const { name, fields, fault } of faultCases) {
  test(`a draft is refused for ${name}`, () => {
    assert.throws(() => draftToRecord(draftOf(fields), IDENTITY), kvError('INVALID_ARGUMENT', fault))
  })
}

test('a draft that is refused names all of its faults at once', () => {
  const fields = { name: '-', owner: {}, shardCount: 0, colour: 'red' }
  const all = [
    /name must/,
    /owner\.name is/,
    /owner\.contact is/,
    /shardCount must/,
    /"colour" is no setting/,
  ]
  assert.throws(() => draftToRecord(draftOf(fields), IDENTITY), kvError('INVALID_ARGUMENT', ...all))
})

test('a draft that is no object is refused', () => {
  // What a caller without types could pass.
  const nothing = null as unknown as DatasetDraft
  assert.throws(() => draftToRecord(nothing, IDENTITY), kvError('INVALID_ARGUMENT', /name is missing/))
})

test('streaming is known and not offered', () => {
  assert.throws(
    () => draftToRecord(draftOf({ mode: 'STREAMING' }), IDENTITY),
    kvError('UNSUPPORTED', /cities/),
  )
})

test('a change needs an actor and a reason, and both are asked for at once', () => {
  checkChange(CHANGE, 'publish of cities')
  const patterns = [/publish of cities is refused/, /actor is missing/, /reason is missing/]
  const blank: ChangeContext = { actor: '', reason: ' ', ifRevision: null, isDryRun: false }
  assert.throws(() => checkChange(blank, 'publish of cities'), kvError('INVALID_ARGUMENT', ...patterns))
  const wrong: ChangeContext = { ...CHANGE, actor: 'a\u001b[2J', ifRevision: -1 }
  assert.throws(
    () => checkChange(wrong, 'x'),
    kvError('INVALID_ARGUMENT', /actor must be one line/, /ifRevision/),
  )
})

test('figures are whole numbers and a hex checksum, and nothing else comes with them', () => {
  assert.deepEqual(checkFigures({ ...FIGURES, state: 'CURRENT' } as VersionFigures, 'x'), FIGURES)
  const wrong: VersionFigures = { rows: -1, bytes: 0.5, checksum: 'XYZ' }
  assert.throws(() => checkFigures(wrong, 'x'), kvError('INVALID_ARGUMENT', /rows/, /bytes/, /checksum/))
})

test('a version needs a source', () => {
  checkSource('s3://bucket/key', 'x')
  assert.throws(() => checkSource('', 'x'), kvError('INVALID_ARGUMENT', /source is missing/))
})
