import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFakeAdmin } from './fakes.js'

const who = { actor: 'ann', reason: 'because' }
const PATH = '/v1/datasets/cities/migration'
const seen = { 'if-match': '"7"' }
const by = (isForced = false) => ({ change: { ...who, ifRevision: 7, isDryRun: false }, isForced })

test('a migration is reported with what was seen and what its next move needs', async () => {
  const { ask } = startFakeAdmin()
  const { status, body } = await ask(`GET ${PATH}`)
  assert.equal(status, 200)
  const migration = body['migration'] as Record<string, unknown>
  assert.equal(migration['state'], 'VERIFY')
  assert.equal((await ask('GET /v1/datasets/towns/migration')).status, 404)
})

const changes: readonly { request: string; body?: object; call: readonly unknown[]; what: string }[] = [
  { request: `POST ${PATH}/switch`, what: 'move', call: ['cities', 'switch', by()] },
  {
    request: `POST ${PATH}/revert`,
    body: { force: true },
    what: 'move',
    call: ['cities', 'revert', by(true)],
  },
  { request: `POST ${PATH}/abort`, what: 'move', call: ['cities', 'abort', by()] },
  { request: `POST ${PATH}/complete`, what: 'move', call: ['cities', 'complete', by()] },
  {
    request: `PUT ${PATH}/dials`,
    body: { splitShare: 25, splitCallers: ['web'] },
    what: 'dial',
    call: ['cities', { splitShare: 25, splitCallers: ['web'] }, by()],
  },
  {
    request: `PUT ${PATH}/ramp`,
    body: { toShare: 10_000, stepShare: 500, everyMs: 60_000 },
    what: 'startRamp',
    call: ['cities', { toShare: 10_000, stepShare: 500, everyMs: 60_000 }, by()],
  },
  { request: `DELETE ${PATH}/ramp`, what: 'stopRamp', call: ['cities', by()] },
  {
    request: `PUT ${PATH}/originVersion`,
    body: { versionId: null },
    what: 'setOriginVersion',
    call: ['cities', null, by()],
  },
]
for (const { request, body, what, call } of changes) {
  test(`${request} changes it, with actor, reason and the revision that was seen`, async () => {
    const { ask, migrations } = startFakeAdmin()
    migrations.plan = { ...migrations.plan, isAllowed: true }
    assert.equal((await ask(request, { body: { ...who, ...body } })).status, 400, 'without If-Match')
    assert.equal((await ask(request, { body: { ...body }, headers: seen })).status, 400, 'without a reason')
    const answer = await ask(request, { body: { ...who, ...body }, headers: seen })
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.headers['etag'], '"8"')
    assert.equal(answer.body['adoptedAfterMs'], 12.4)
    assert.deepEqual(migrations.calls, [{ what, args: call }])
    const old = await ask(request, { body: { ...who, ...body }, headers: { 'if-match': '"3"' } })
    assert.equal(old.status, 412)
  })
}

test('a dry run answers the plan of what would be refused, which the change itself then is', async () => {
  const { ask } = startFakeAdmin()
  const dry = await ask(`POST ${PATH}/switch?dryRun=true`, { body: who, headers: seen })
  assert.equal(dry.status, 200)
  assert.equal((dry.body['plan'] as { isAllowed: boolean }).isAllowed, false)
  const refused = await ask(`POST ${PATH}/switch`, { body: who, headers: seen })
  assert.equal(refused.status, 409)
  assert.match(String(refused.error.message), /sides agree/)
})

const RAMP = { toShare: 10_000, stepShare: 500, everyMs: 60_000 }
/** By what of the migration they are sent to; as JSON: a number that is none is null there. */
const nonsense: Readonly<Record<string, readonly object[]>> = {
  'PUT dials': [
    { splitShare: 10_001 },
    { splitShare: 0.5 },
    { shadowShare: -1 },
    { baselineShare: '5' },
    { splitShare: Number.NaN },
    { splitShare: 1e300 },
    { share: 1 },
    { splitCallers: 'maps' },
    { splitCallers: [''] },
    { splitCallers: ['x'.repeat(129)] },
    { splitCallers: Array.from({ length: 65 }, (_, index) => `caller-${index}`) },
    { splitShare: 1, force: 'yes' },
  ],
  'PUT ramp': [
    {},
    { ...RAMP, toShare: 0 },
    { ...RAMP, toShare: -1 },
    { ...RAMP, stepShare: 0 },
    { ...RAMP, stepShare: Number.POSITIVE_INFINITY },
    { ...RAMP, everyMs: 999 },
    { ...RAMP, everyMs: 604_800_001 },
    { ...RAMP, everyMs: 60_000.5 },
    { ...RAMP, fromShare: 5 },
  ],
  'PUT originVersion': [
    {},
    { versionId: 0 },
    { versionId: -5 },
    { versionId: 1.5 },
    { versionId: '17' },
    { versionId: 2 ** 53 },
    { versionId: Number.MAX_VALUE },
  ],
  'POST switch': [{ to: 'RETIRED' }, { force: 1 }],
  'POST revert': [{ force: null }],
  'DELETE ramp': [{ stop: true }],
}
for (const [what, bodies] of Object.entries(nonsense)) {
  test(`nonsense in ${what} is refused with what is wrong, before anything is asked`, async () => {
    const { ask, migrations } = startFakeAdmin()
    const [method = '', part = ''] = what.split(' ')
    for (const body of bodies) {
      const { status, error } = await ask(`${method} ${PATH}/${part}`, {
        body: { ...who, ...body },
        headers: seen,
      })
      assert.deepEqual([status, error.code], [400, 'INVALID_ARGUMENT'], JSON.stringify(body))
      assert.match(String(error.message), /\w+ \w+/)
    }
    assert.deepEqual(migrations.calls, [])
  })
}

test('a body that is too large, none at all, or no object is refused; a path or method that is none, too', async () => {
  const { ask, migrations } = startFakeAdmin()
  const statusOf = async (request: string, body?: unknown): Promise<number> =>
    (await ask(request, { ...(body !== undefined && { body }), headers: seen })).status
  assert.equal(await statusOf(`PUT ${PATH}/dials`, { ...who, reason: 'x'.repeat(2 * 1024 * 1024) }), 413)
  assert.equal(await statusOf(`PUT ${PATH}/dials`), 400)
  assert.equal(await statusOf(`PUT ${PATH}/dials`, [who]), 400)
  assert.equal(await statusOf(`POST ${PATH}/retire`, who), 404)
  assert.equal(await statusOf(`POST ${PATH}/dials`, who), 405)
  assert.deepEqual(migrations.calls, [])
})

test('where a key goes is explained for any bytes and any caller', async () => {
  const { ask, migrations } = startFakeAdmin()
  const answer = await ask('GET /v1/datasets/cities/explain/00ff?keyEncoding=hex&caller=web')
  assert.equal(answer.status, 200, answer.text)
  assert.equal((answer.body['explanation'] as { side: string }).side, 'TARGET')
  assert.deepEqual(migrations.calls, [{ what: 'explain', args: ['cities', Buffer.from([0, 255]), 'web'] }])
})
