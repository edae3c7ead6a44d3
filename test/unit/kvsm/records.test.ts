import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeAuditLine, decodeDataset, encodeAuditLine, encodeDataset } from '../../../src/kvsm/records.js'
import { kvError, recordWith } from './fixtures.js'

const STORED = { record: recordWith({ 20: 'CURRENT', 10: 'READY' }), lastVersionId: 30 }
const LINE = {
  sequence: 12,
  atMs: 1,
  actor: 'ada',
  reason: 'r',
  action: 'publish',
  dataset: 'cities',
  detail: 'd',
}

function decode(value: string): unknown {
  return decodeDataset({ key: 'cities', value, revision: 7 })
}

/** The stored text with something changed in its object. */
function altered(change: (outer: Record<string, unknown>, record: Record<string, unknown>) => void): string {
  const outer = JSON.parse(encodeDataset(STORED)) as Record<string, unknown>
  // A test's own text.
  change(outer, outer['record'] as Record<string, unknown>)
  return JSON.stringify(outer)
}

test('a dataset comes back as it was, with the revision that the store gives', () => {
  assert.deepEqual(decode(encodeDataset(STORED)), STORED)
  assert.equal(
    decodeDataset({ key: 'cities', value: encodeDataset(STORED), revision: 99 }).record.revision,
    99,
  )
})

test('a record that was written before cells had versions has one, and the usual grace', () => {
  const older = altered((_, record) => {
    delete record['maxCellVersions']
    delete record['graceSeconds']
  })
  assert.deepEqual(decode(older), STORED)
})

/** Written by the program that knew no clusters, canaries and archives, byte for byte. */
const FORMAT_1 =
  '{"format":1,"lastVersionId":30,"record":{"id":"d1-00000000","name":"cities","owner":{"name":"search","contact":' +
  '"search@example.org"},"description":"","mode":"BATCH","keyOrder":"HASHED","timestampUnit":"MICROSECONDS","shardCount":1,' +
  '"retainedVersions":3,"maxValueBytes":1024,"maxCellVersions":1,"graceSeconds":864000,"defaultTtlSeconds":null,' +
  '"defaultDurability":"LOG_SYNCED","migrationState":"TARGET_ONLY","origin":null,"generation":0,"versions":[{"id":20,' +
  '"state":"CURRENT","rows":0,"bytes":0,"checksum":"","source":"a.ndjson","loadedBy":"ada","createdAtMs":1700000000000},' +
  '{"id":10,"state":"READY","rows":0,"bytes":0,"checksum":"","source":"a.ndjson","loadedBy":"ada",' +
  '"createdAtMs":1700000000000}],"createdAtMs":1700000000000}}'

test('a record of format 1 lies on the cluster local, once, without canary, limits and archives', () => {
  assert.deepEqual(decode(FORMAT_1), STORED)
  assert.deepEqual(decode(encodeDataset(decode(FORMAT_1) as typeof STORED)), STORED)
})

test('a canary and an archive come back as they were', () => {
  const record = { ...STORED.record, canary: { versionId: 10, share: 250 }, cluster: 'west', replicas: 2 }
  const formerArchives = ['s3://earlier/copies']
  const versions = record.versions.map((one) => ({
    ...one,
    archive: `s3://copies/${one.id}`,
    formerArchives,
  }))
  const stored = { ...STORED, record: { ...record, versions } }
  assert.deepEqual(decode(encodeDataset(stored)), stored)
})

test('a decoded record cannot be changed by whoever reads it', () => {
  const { record } = decodeDataset({ key: 'cities', value: encodeDataset(STORED), revision: 7 })
  for (const part of [record, record.owner, record.versions, record.versions[0]])
    assert.ok(Object.isFrozen(part))
})

test('a record of a newer format is refused by name before anything else of it is read', () => {
  const patterns = [/dataset cities/, /format 9/, /reads up to 3/]
  assert.throws(() => decode('{"format":9,"shape":"unknown"}'), kvError('FAILED_PRECONDITION', ...patterns))
})

const damages: readonly { readonly name: string; readonly text: string; readonly says: RegExp }[] = [
  { name: 'half a text', text: encodeDataset(STORED).slice(0, 50), says: /not json/ },
  { name: 'a list', text: '[]', says: /not an object/ },
  { name: 'no format', text: '{}', says: /format number/ },
  { name: 'no record', text: '{"format":1,"lastVersionId":0}', says: /its body/ },
  { name: 'an unknown mode', text: altered((_, record) => (record['mode'] = 'X')), says: /its mode/ },
  {
    name: 'a missing field',
    text: altered((_, record) => delete record['shardCount']),
    says: /its shardCount/,
  },
  {
    name: 'a version without id',
    text: altered((_, record) => (record['versions'] = [{}])),
    says: /its versions/,
  },
  { name: 'another name', text: altered((_, record) => (record['name'] = 'towns')), says: /its name towns/ },
  {
    name: 'a version beyond the last',
    text: altered((outer) => (outer['lastVersionId'] = 15)),
    says: /order .* at 20/,
  },
  {
    name: 'two current versions',
    text: encodeDataset({ ...STORED, record: recordWith({ 20: 'CURRENT', 10: 'CURRENT' }) }),
    says: /2 current/,
  },
]

for (const { name, text, says } of damages) {
  test(`a record with ${name} is corrupt and named`, () => {
    assert.throws(() => decode(text), kvError('CORRUPT', /the record of dataset cities is damaged/, says))
  })
}

test('an audit line comes back as it was and under its own number only', () => {
  const value = encodeAuditLine(LINE)
  assert.deepEqual(decodeAuditLine({ key: '000000000012', value, revision: 1 }), LINE)
  const elsewhere = { key: '000000000013', value, revision: 1 }
  assert.throws(() => decodeAuditLine(elsewhere), kvError('CORRUPT', /audit line 000000000013/))
})
