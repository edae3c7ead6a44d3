import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Route, RouteAbout } from '../../../src/admin/http.js'
import { adminRoutes } from '../../../src/admin/routes.js'
import { errorSchema } from '../../../src/admin/schemas.js'
import { cell, cluster, someLoad, startFakeAdmin } from './fakes.js'
import { someJob } from './fake-jobs.js'

const VERSION = 1_700_000_000_000
const WHO = { actor: 'ann', reason: 'because' }
const OWNER = { name: 'maps', contact: 'maps@example.com' }

interface Example {
  /** Of the path, in place of the usual ones. */
  readonly id?: string
  readonly name?: string
  readonly query?: string
  readonly body?: object
  /** In place of JSON. */
  readonly text?: string
}

/** One request for each route that takes more than names. A new route with a body needs a line here. */
const EXAMPLES: Readonly<Record<string, Example>> = {
  'POST /v1/datasets': { body: { ...WHO, name: 'towns', owner: OWNER, mode: 'BATCH' } },
  'PATCH /v1/datasets/:name': { body: { ...WHO, description: 'of the world' } },
  'POST /v1/datasets/:name/move': { body: { ...WHO, cluster: 'east', now: true } },
  'PUT /v1/datasets/:name/canary': { body: { ...WHO, versionId: VERSION, share: 500 } },
  'PUT /v1/datasets/:name/migration/dials': { body: { ...WHO, splitShare: 500 } },
  'PUT /v1/datasets/:name/migration/ramp': {
    body: { ...WHO, toShare: 10_000, stepShare: 500, everyMs: 60_000 },
  },
  'PUT /v1/datasets/:name/migration/originVersion': { body: { ...WHO, versionId: VERSION } },
  'PUT /v1/datasets/:name/rows/:key': { body: { value: 'x' } },
  'POST /v1/datasets/:name/loads': { body: { ...WHO, from: '/data/x.ndjson', keyField: 'id' } },
  'POST /v1/datasets/:name/uploads': { query: 'keyField=id', text: '{"id":1}\n' },
  'GET /v1/loads/:id': { id: someLoad.id },
  'POST /v1/loads/:id/cancel': { id: someLoad.id },
  'POST /v1/datasets/:name/diffs': { body: { before: VERSION, after: VERSION + 1 } },
  'POST /v1/datasets/:name/snapshots': { body: { ...WHO, to: '/backups/x' } },
  'POST /v1/datasets/:name/versions/:id/archive': { body: { ...WHO, to: '/backups/x' } },
  'POST /v1/imports': { body: { ...WHO, from: '/backups/x', name: 'copy', owner: OWNER } },
  'GET /v1/jobs/:id': { id: someJob.id },
  'POST /v1/jobs/:id/cancel': { id: someJob.id },
  'GET /v1/clusters/:name': { name: cluster.name },
  'PUT /v1/clusters/:name': { name: cluster.name, body: { ...WHO, leaves: [...cluster.leaves] } },
  'DELETE /v1/clusters/:name': { name: cluster.name },
}

/** One for all: to make a server takes longer than to ask it. */
const admin = startFakeAdmin()
const { ask, rows, metastore, started, jobs, migrations } = admin
migrations.plan = { ...migrations.plan, isAllowed: true }
const table = adminRoutes(admin.dependencies)

function nameOf({ method, path }: Route): string {
  return `${method} ${path}`
}

function requestOf(route: Route, { headers = {}, query = '' } = {}) {
  const example = EXAMPLES[nameOf(route)] ?? {}
  const path = route.path
    .replace(':name', example.name ?? 'cities')
    .replace(':id', example.id ?? String(VERSION))
    .replace(':key', 'k')
  const all = [example.query ?? '', query].filter((part) => part !== '').join('&')
  const url = all === '' ? path : `${path}?${all}`
  const [type] = route.streams ?? []
  const given = {
    ...(route.about.change !== undefined && { 'x-godwit-actor': 'ann', 'x-godwit-reason': 'because' }),
    ...(/revision|either/.test(route.about.change ?? '') && { 'if-match': '"7"' }),
    ...(type !== undefined && { 'content-type': type }),
  }
  const body = example.text ?? example.body
  return {
    line: `${route.method} ${url}`,
    options: { headers: { ...given, ...headers }, ...(body && { body }) },
  }
}

function faults(schema: Exclude<RouteAbout['answer'], string>, value: unknown): unknown {
  const parsed = schema.safeParse(value)
  return parsed.success ? [] : parsed.error.issues
}

test('every route stands in the description under a name of its own', async () => {
  const ids = table.map(({ about }) => about.id)
  assert.equal(new Set(ids).size, table.length)
  const { paths } = (await ask('GET /openapi.json')).body as {
    paths: Record<string, Record<string, { operationId: string }>>
  }
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  )
  assert.deepEqual(described.sort(), table.map(nameOf).sort())
})

test('every example is of a route that is there', () => {
  const names = table.map(nameOf)
  assert.deepEqual(
    Object.keys(EXAMPLES).filter((name) => !names.includes(name)),
    [],
  )
})

for (const route of table) {
  const { about } = route
  test(`${nameOf(route)} answers what its description says`, async () => {
    rows.row = {
      cells: [{ ...cell('a', Buffer.from([0xff])), timestamp: 2n ** 62n, ttlSeconds: 5 }],
      next: null,
    }
    const { token, key } = { token: { high: 1, low: -2 }, key: Buffer.from('k') }
    rows.page = { rows: [{ rowKey: key, row: rows.row }], next: { token, rowKey: key }, datasetVersion: 1 }
    const { line, options } = requestOf(route)
    const answer = await ask(line, options)
    assert.ok((about.statuses ?? [200]).includes(answer.status), `${answer.status}: ${answer.text}`)
    const type = String(answer.headers['content-type'])
    if (typeof about.answer === 'string') {
      assert.equal(type, about.answer)
    } else {
      assert.match(type, /^application\/json/)
      assert.deepEqual(faults(about.answer, answer.body), [])
    }
  })

  test(`${nameOf(route)} refuses what it does not know, in the form of every error`, async () => {
    const { line, options } = requestOf(route, { query: 'nonsense=1' })
    const answer = await ask(line, options)
    assert.equal(answer.status, 400, answer.text)
    assert.deepEqual(faults(errorSchema, answer.body), [])
  })

  if (about.change === undefined) continue
  test(`${nameOf(route)} asks for an actor, a reason and what else its description says`, async () => {
    for (const asked of [metastore.calls, started, jobs.asked]) asked.length = 0
    const { line, options } = requestOf(route)
    const needed = about.change === 'new' ? ['actor', 'reason'] : ['actor', 'reason', 'If-Match']
    for (const what of needed) {
      const headers = Object.entries(options.headers).filter(([name]) => !name.endsWith(what.toLowerCase()))
      const body = options.body
      const without = typeof body === 'object' ? { ...body, [what]: undefined } : body
      const answer = await ask(line, {
        headers: Object.fromEntries(headers),
        ...(without && { body: without }),
      })
      assert.equal(answer.status, 400, `${what}: ${answer.text}`)
      assert.ok(String(answer.error.message).includes(what), String(answer.error.message))
    }
    assert.deepEqual([metastore.calls, started, jobs.asked], [[], [], []])
  })

  if (!route.query.includes('dryRun')) continue
  test(`${nameOf(route)} answers the plan of a dry run`, async () => {
    const { line, options } = requestOf(route, { query: 'dryRun=true' })
    const answer = await ask(line, options)
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.body['dryRun'], true)
  })
}

test('every changing route can be planned', () => {
  const missing = table.filter(({ about, query }) => about.change !== undefined && !query.includes('dryRun'))
  assert.deepEqual(missing.map(nameOf), [])
})

test('every reference of the description leads somewhere', async () => {
  const { text, body } = await ask('GET /openapi.json')
  const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path)
  assert.ok(references.length > 20)
  for (const path of new Set(references)) {
    let place: unknown = body
    for (const name of path.split('/')) place = (place as Record<string, unknown>)[name]
    assert.equal(typeof place, 'object', path)
  }
})

interface DescribedParameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
}

test('a parameter of a query is required where a request without it is refused, and nowhere else', async () => {
  const { paths } = (await ask('GET /openapi.json')).body as {
    paths: Record<string, Record<string, { parameters: DescribedParameter[] }>>
  }
  for (const route of table) {
    const described = paths[route.path.replaceAll(/:(\w+)/g, '{$1}')]?.[route.method.toLowerCase()]
    const required = described?.parameters.filter(({ in: place, required }) => place === 'query' && required)
    const { line, options } = requestOf(route)
    const [path = '', query = ''] = line.split('?')
    const needed: string[] = []
    for (const name of new URLSearchParams(query).keys()) {
      const others = new URLSearchParams(query)
      others.delete(name)
      if ((await ask(`${path}?${others.toString()}`, options)).status === 400) needed.push(name)
    }
    // The examples have what is needed, and nothing else.
    assert.deepEqual(required?.map(({ name }) => name) ?? [], needed, nameOf(route))
  }
})
