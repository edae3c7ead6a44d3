import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cell, cities, someLoad, startFakeAdmin } from './fakes.js'
import { someJob } from './fake-jobs.js'

const who = { actor: 'ann', reason: 'because' }
const VERSION = 1_700_000_000_000

test('datasets are listed, and one is shown with its revision as ETag', async () => {
  const { ask } = startFakeAdmin()
  assert.deepEqual((await ask('GET /v1/datasets')).body, { datasets: [cities] })
  const one = await ask('GET /v1/datasets/cities')
  assert.deepEqual(one.body, { dataset: cities })
  assert.equal(one.headers['etag'], '"7"')
  const versions = await ask('GET /v1/datasets/cities/versions')
  assert.deepEqual(versions.body, { dataset: 'cities', revision: 7, versions: cities.versions })
})

test('a dataset that does not exist is 404 by name', async () => {
  const { ask } = startFakeAdmin()
  for (const path of ['/v1/datasets/towns', '/v1/datasets/towns/versions']) {
    const answer = await ask(`GET ${path}`)
    assert.equal(answer.status, 404)
    assert.equal(answer.error.code, 'DATASET_NOT_FOUND')
    assert.match(String(answer.error.message), /"towns"/)
  }
})

test('a dataset is created from its draft, without a revision', async () => {
  const { ask, metastore } = startFakeAdmin()
  const draft = {
    name: 'towns',
    owner: { name: 'maps', contact: 'maps@example.com' },
    mode: 'BATCH',
    shardCount: 4,
  }
  const answer = await ask('POST /v1/datasets', { body: { ...draft, ...who } })
  assert.equal(answer.status, 201)
  assert.equal(answer.body['dryRun'], false)
  assert.deepEqual(metastore.calls, [
    { what: 'create', args: [draft, { ...who, ifRevision: null, isDryRun: false }] },
  ])
})

test('a draft that is wrong is refused with all its faults', async () => {
  const { ask, metastore } = startFakeAdmin()
  const body = { ...who, name: 'towns', mode: 'SLOW', shardCount: '4', colour: 'red' }
  const answer = await ask('POST /v1/datasets', { body })
  assert.equal(answer.status, 400)
  for (const name of ['owner', 'mode', 'shardCount', 'colour']) {
    assert.ok(String(answer.error.message).includes(name), `${name} in ${String(answer.error.message)}`)
  }
  assert.equal((await ask('POST /v1/datasets')).status, 400)
  assert.deepEqual(metastore.calls, [])
})

const changes: readonly { request: string; what: string; args: readonly unknown[] }[] = [
  { request: 'DELETE /v1/datasets/cities', what: 'remove', args: ['cities'] },
  {
    request: `POST /v1/datasets/cities/versions/${VERSION}/publish`,
    what: 'publish',
    args: ['cities', VERSION],
  },
  { request: 'POST /v1/datasets/cities/rollback', what: 'rollback', args: ['cities'] },
  {
    request: `DELETE /v1/datasets/cities/versions/${VERSION}`,
    what: 'deleteVersion',
    args: ['cities', VERSION],
  },
]
for (const { request, what, args } of changes) {
  test(`${what} carries actor, reason and the revision seen`, async () => {
    const { ask, metastore } = startFakeAdmin()
    const answer = await ask(request, { body: who, headers: { 'if-match': '"7"' } })
    assert.equal(answer.status, 200)
    assert.deepEqual(metastore.calls, [{ what, args: [...args, { ...who, ifRevision: 7, isDryRun: false }] }])
  })

  test(`${what} takes actor and reason from headers too`, async () => {
    const { ask, metastore } = startFakeAdmin()
    const headers = { 'if-match': '7', 'x-godwit-actor': 'ann', 'x-godwit-reason': 'because' }
    assert.equal((await ask(request, { headers })).status, 200)
    assert.deepEqual(metastore.calls[0]?.args.at(-1), { ...who, ifRevision: 7, isDryRun: false })
  })

  test(`${what} with dryRun changes nothing and says so`, async () => {
    const { ask, metastore } = startFakeAdmin()
    const answer = await ask(`${request}?dryRun=true`, { body: who, headers: { 'if-match': '7' } })
    assert.equal(answer.body['dryRun'], true)
    assert.deepEqual(metastore.calls[0]?.args.at(-1), { ...who, ifRevision: 7, isDryRun: true })
  })

  test(`${what} without revision, actor or reason is refused`, async () => {
    const { ask, metastore } = startFakeAdmin()
    const headers = { 'if-match': '7' }
    for (const given of [
      { body: who },
      { body: who, headers: { 'if-match': '*' } },
      { body: { actor: 'ann' }, headers },
      { body: { reason: 'because' }, headers },
      { headers },
    ]) {
      assert.equal((await ask(request, given)).status, 400)
    }
    assert.equal((await ask(`${request}?dryRun=yes`, { body: who, headers })).status, 400)
    assert.deepEqual(metastore.calls, [])
  })

  test(`${what} of a record that changed meanwhile is 412`, async () => {
    const { ask } = startFakeAdmin()
    const answer = await ask(request, { body: who, headers: { 'if-match': '6' } })
    assert.equal(answer.status, 412)
    assert.equal(answer.error.code, 'CONFLICT')
  })
}

test('actor and reason of headers are read as UTF-8, and as Latin-1 where they are none', async () => {
  const { ask, metastore } = startFakeAdmin()
  for (const [sent, reason] of [
    [Buffer.from('May – June, größer'), 'May – June, größer'],
    [Buffer.from('größer', 'latin1'), 'größer'],
  ] as const) {
    // As Node hands the bytes of a header over.
    const headers = { 'if-match': '7', 'x-godwit-actor': 'ann', 'x-godwit-reason': sent.toString('latin1') }
    assert.equal((await ask('POST /v1/datasets/cities/rollback', { headers })).status, 200)
    assert.deepEqual(metastore.calls.at(-1)?.args.at(-1), { ...who, reason, ifRevision: 7, isDryRun: false })
  }
})

test('a version that is no number is refused', async () => {
  const { ask } = startFakeAdmin()
  const answer = await ask('POST /v1/datasets/cities/versions/newest/publish', {
    body: who,
    headers: { 'if-match': '7' },
  })
  assert.equal(answer.status, 400)
})

test('a row is answered as text where it is UTF-8 and as base64 where it is not', async () => {
  const { ask, rows } = startFakeAdmin()
  rows.row = {
    cells: [cell('name', 'Zürich'), cell('raw', Buffer.from([0xff, 0])), cell('', '')],
    next: null,
  }
  const answer = await ask('GET /v1/datasets/cities/rows/42')
  assert.deepEqual(answer.body, {
    dataset: 'cities',
    key: { utf8: '42' },
    row: {
      cells: [
        { column: { utf8: 'name' }, value: { utf8: 'Zürich' } },
        { column: { utf8: 'raw' }, value: { base64: '/wA=' } },
        { column: { utf8: '' }, value: { utf8: '' } },
      ],
    },
  })
  assert.deepEqual(rows.calls, [{ what: 'get', args: ['cities', Buffer.from('42'), null] }])
})

test('a row that is absent is an answer, not an error', async () => {
  const { ask } = startFakeAdmin()
  const answer = await ask('GET /v1/datasets/cities/rows/42')
  assert.equal(answer.status, 200)
  assert.equal(answer.body['row'], null)
})

test('timestamps are text, because JSON numbers lose digits', async () => {
  const { ask, rows } = startFakeAdmin()
  rows.row = { cells: [{ ...cell('a', 'b'), timestamp: 2n ** 63n - 1n, ttlSeconds: 9 }], next: null }
  const { text } = await ask('GET /v1/datasets/cities/rows/42')
  assert.ok(text.includes('"timestamp":"9223372036854775807","ttlSeconds":9'))
  const put = await ask('PUT /v1/datasets/profiles/rows/a', { body: { value: 'x' } })
  assert.deepEqual(put.body, { timestamp: '4611686018427387905' })
})

test('any key reaches the row in hex, base64url or percent-encoded text', async () => {
  const { ask, rows } = startFakeAdmin()
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.string({ minLength: 1 }),
      async (bytes, text) => {
        rows.calls.length = 0
        const key = Buffer.from(bytes)
        await ask(
          `GET /v1/datasets/d/rows/${key.toString('hex')}?keyEncoding=hex&column=${key.toString('hex')}`,
        )
        const base64url = key.toString('base64url')
        await ask(`GET /v1/datasets/d/rows/${base64url}?keyEncoding=base64url&column=&column=${base64url}`)
        await ask(`GET /v1/datasets/d/rows/${encodeURIComponent(text)}?column=${encodeURIComponent(text)}`)
        assert.deepEqual(
          rows.calls.map(({ args }) => args),
          [
            ['d', key, [key]],
            ['d', key, [Buffer.alloc(0), key]],
            ['d', Buffer.from(text), [Buffer.from(text)]],
          ],
        )
      },
    ),
    { numRuns: 60 },
  )
})

test('a key of the largest size fits', async () => {
  const { ask, rows } = startFakeAdmin()
  const key = 'ÿ'.repeat(32_767)
  assert.equal((await ask(`GET /v1/datasets/d/rows/${encodeURIComponent(key)}`)).status, 200)
  assert.deepEqual(rows.calls[0]?.args[1], Buffer.from(key))
})

test('a key that is not of its encoding is refused', async () => {
  const { ask, rows } = startFakeAdmin()
  for (const path of [
    'abc?keyEncoding=hex',
    'zz?keyEncoding=hex',
    'a+b?keyEncoding=base64url',
    'a?keyEncoding=rot13',
  ]) {
    assert.equal((await ask(`GET /v1/datasets/d/rows/${path}`)).status, 400, path)
  }
  assert.deepEqual(rows.calls, [])
})

test('a row is written from its value and its cells', async () => {
  const { ask, rows } = startFakeAdmin()
  const body = {
    value: { base64: '/wA=' },
    cells: [
      { column: 'name', value: 'Ann' },
      { column: { utf8: 'town' }, value: { utf8: 'Zürich' } },
    ],
  }
  assert.equal((await ask('PUT /v1/datasets/profiles/rows/a', { body })).status, 200)
  assert.deepEqual(rows.calls, [
    {
      what: 'put',
      args: [
        'profiles',
        Buffer.from('a'),
        [cell('name', 'Ann'), cell('town', 'Zürich'), cell('', Buffer.from([0xff, 0]))],
      ],
    },
  ])
})

test('a write of nothing, or of what is not bytes, is refused', async () => {
  const { ask, rows } = startFakeAdmin()
  for (const body of [
    {},
    { cells: [] },
    { value: 5 },
    { value: { base64: '*' } },
    { value: { utf8: 'a', base64: 'YQ==' } },
    { cells: [{ column: 'a' }] },
    { vaule: 'x' },
    [],
    'null',
  ]) {
    assert.equal((await ask('PUT /v1/datasets/profiles/rows/a', { body })).status, 400, JSON.stringify(body))
  }
  assert.deepEqual(rows.calls, [])
})

test('a row or some of its columns are removed', async () => {
  const { ask, rows } = startFakeAdmin()
  assert.deepEqual((await ask('DELETE /v1/datasets/profiles/rows/a')).body, { timestamp: '5' })
  await ask('DELETE /v1/datasets/profiles/rows/a?column=name')
  assert.deepEqual(rows.calls, [
    { what: 'remove', args: ['profiles', Buffer.from('a'), null] },
    { what: 'remove', args: ['profiles', Buffer.from('a'), [Buffer.from('name')]] },
  ])
})

test('a load starts with what was asked and the defaults', async () => {
  const { ask, started } = startFakeAdmin()
  const body = { ...who, from: '/data/x.ndjson', keyField: 'id', publish: true }
  const answer = await ask('POST /v1/datasets/cities/loads', { body })
  assert.equal(answer.status, 202)
  assert.deepEqual(started, [
    {
      request: { ...someLoad.request, from: '/data/x.ndjson' },
      change: { ...who, ifRevision: null, isDryRun: false },
    },
  ])
})

test('a load from a relative path or of another format is refused', async () => {
  const { ask, started } = startFakeAdmin()
  for (const wrong of [
    { from: 'x.ndjson' },
    { from: '/a\0b' },
    { format: 'xml' },
    { columns: [] },
    { maxBadLines: -1 },
    { minRatio: 2 },
  ]) {
    const body = { ...who, from: '/data/x.ndjson', keyField: 'id', ...wrong }
    assert.equal((await ask('POST /v1/datasets/cities/loads', { body })).status, 400, JSON.stringify(wrong))
  }
  assert.deepEqual(started, [])
})

test('loads are listed and asked for by id', async () => {
  const { ask } = startFakeAdmin()
  assert.deepEqual((await ask('GET /v1/loads')).body, { loads: [someLoad] })
  assert.deepEqual((await ask(`GET /v1/loads/${someLoad.id}`)).body, { load: someLoad })
  const absent = await ask('GET /v1/loads/other-1')
  assert.equal(absent.status, 404)
  assert.match(String(absent.error.message), /forgotten/)
})

test('a job of any kind is cancelled in one way, for which who and why are asked', async () => {
  const { ask } = startFakeAdmin()
  const body = who
  const cancelled = await ask(`POST /v1/jobs/${someJob.id}/cancel`, { body })
  assert.deepEqual([cancelled.status, cancelled.body], [200, { dryRun: false, job: someJob }])
  const planned = await ask(`POST /v1/jobs/${someJob.id}/cancel?dryRun=true`, { body })
  assert.deepEqual(planned.body, { dryRun: true, job: someJob })
  assert.equal((await ask('POST /v1/jobs/other-1/cancel', { body })).status, 404)
  assert.equal((await ask(`POST /v1/jobs/${someJob.id}/cancel`, { body: {} })).status, 400)
})
