import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { AccessList, checkRole, ROLES, type Role } from '../../../src/admin/access.js'
import { roleOf } from '../../../src/admin/http.js'
import { adminRoutes } from '../../../src/admin/routes.js'
import { startFakeAdmin } from './fakes.js'

function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

const tokens = {
  vera: { role: 'viewer', sha256: digest('token-of-vera') },
  otto: { role: 'operator', sha256: digest('token-of-otto') },
  ada: { role: 'admin', sha256: digest('token-of-ada') },
} as const

function bearer(name: string): Record<string, string> {
  return { authorization: `Bearer token-of-${name}` }
}

test('without tokens nobody is asked; with them everybody is, but for health', async () => {
  assert.equal((await startFakeAdmin().ask('GET /v1/status')).status, 200)
  for (const headers of [
    {},
    { authorization: 'Bearer' },
    { authorization: 'Bearer wrong' },
    { authorization: `Bearer ${tokens.ada.sha256}` },
    { authorization: 'Basic dG9rZW4tb2YtYWRh' },
    { authorization: `Bearer ${'x'.repeat(600)}` },
  ]) {
    const answer = await ask('GET /v1/status', { headers })
    assert.deepEqual([answer.status, answer.error.code], [401, 'UNAUTHENTICATED'], JSON.stringify(headers))
    assert.equal(answer.headers['www-authenticate'], 'Bearer')
    assert.ok(!answer.text.includes('x'.repeat(20)))
  }
  for (const path of ['/healthz', '/readyz']) assert.equal((await ask(`GET ${path}`)).status, 200)
})

const { ask, metastore, dependencies } = startFakeAdmin({ tokens })

const cases: readonly { request: string; body?: object; allowed: readonly string[] }[] = [
  { request: 'GET /v1/status', allowed: ['vera', 'otto', 'ada'] },
  { request: 'GET /metrics', allowed: ['vera', 'otto', 'ada'] },
  { request: 'GET /openapi.json', allowed: ['vera', 'otto', 'ada'] },
  { request: 'GET /v1/datasets/cities/rows/a', allowed: ['otto', 'ada'] },
  { request: 'GET /v1/datasets/cities/rows', allowed: ['otto', 'ada'] },
  { request: 'PUT /v1/datasets/cities/rows/a', body: { value: 'x' }, allowed: ['otto', 'ada'] },
  {
    request: 'POST /v1/datasets/cities/loads',
    body: { reason: 'r', from: '/data/x', keyField: 'id' },
    allowed: ['otto', 'ada'],
  },
  { request: 'POST /v1/datasets/cities/rollback', body: { reason: 'r' }, allowed: ['otto', 'ada'] },
  { request: 'DELETE /v1/datasets/cities/versions/1', body: { reason: 'r' }, allowed: ['ada'] },
  { request: 'DELETE /v1/datasets/cities', body: { reason: 'r' }, allowed: ['ada'] },
]
for (const { request, body, allowed } of cases) {
  test(`${request} is for ${allowed.join(', ')}`, async () => {
    for (const name of Object.keys(tokens)) {
      const headers = { ...bearer(name), 'if-match': '7' }
      const answer = await ask(request, { headers, ...(body !== undefined && { body }) })
      if (allowed.includes(name)) assert.ok(answer.status < 300, `${name}: ${answer.text}`)
      else assert.deepEqual([answer.status, answer.error.code], [403, 'PERMISSION_DENIED'], name)
    }
  })
}

test('whoever may not ask is refused before the body is read', async () => {
  const answer = await ask('PUT /v1/datasets/cities/rows/a', {
    body: '{"value": broken',
    headers: bearer('vera'),
  })
  assert.equal(answer.status, 403)
})

test('no route changes metadata or shows rows for a viewer', () => {
  const routes = adminRoutes(dependencies)
  const open = routes.filter((route) => roleOf(route) === 'viewer')
  assert.deepEqual(
    open.filter(({ method, path }) => method !== 'GET' || path.includes('/rows')),
    [],
  )
  for (const route of routes.filter(({ about }) => about.change === 'revision'))
    assert.notEqual(roleOf(route), 'viewer')
})

test('the audit log gets the name of the token, and what was said beside it', async () => {
  const headers = { ...bearer('ada'), 'if-match': '7' }
  for (const [said, recorded] of [
    [undefined, 'ada'],
    ['ada', 'ada'],
    ['release job', 'release job (token of ada)'],
  ] as const) {
    await ask('DELETE /v1/datasets/cities', { headers, body: { reason: 'r', actor: said } })
    assert.equal((metastore.calls.pop()?.args.at(-1) as { actor: string }).actor, recorded)
  }
})

test('each role may what those before it may', () => {
  for (const [index, role] of ROLES.entries()) {
    for (const [at, needed] of ROLES.entries()) {
      const check = (): void => checkRole({ name: 'x', role }, needed)
      if (at <= index) check()
      else assert.throws(check, { code: 'PERMISSION_DENIED' })
    }
  }
  assert.doesNotThrow(() => checkRole(null, 'admin'))
})

test('each of several tokens is known by its holder', () => {
  const list = new AccessList(tokens)
  for (const [name, { role }] of Object.entries(tokens)) {
    const expected: { name: string; role: Role } = { name, role }
    assert.deepEqual(list.authenticate(`bearer  token-of-${name} `), expected)
  }
})
