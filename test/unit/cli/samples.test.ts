import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { AdminClient } from '../../../src/cli/client.js'
import { ensureSamples } from '../../../src/cli/samples.js'
import { urlOf, welcomeText } from '../../../src/cli/welcome.js'
import { cities, someLoad } from '../admin/fakes.js'
import { listeningAdmin } from './run-cli.js'

const admin = await listeningAdmin()
after(() => admin.close())

async function ensure(datasets: readonly (typeof cities)[]) {
  admin.metastore.calls.length = 0
  admin.started.length = 0
  admin.metastore.list = () => datasets
  let written = ''
  const report: string[] = []
  await ensureSamples(new AdminClient(admin.url), {
    writeCities(path) {
      written = path
      writeFileSync(path, '{"cityId":1,"name":"a"}\n')
      return Promise.resolve()
    },
    report: (line) => report.push(line),
    sleep: () => Promise.resolve(),
  })
  const created = admin.metastore.calls.map(({ args }) => JSON.stringify(args[0]))
  return { created, report, written, load: admin.started[0] }
}

const profiles = { ...cities, name: 'profiles', mode: 'READ_WRITE', versions: [] } as const

test('on a first start both datasets are made, and cities is loaded and published like any other', async () => {
  const { created, load, written, report } = await ensure([])
  assert.equal(created.length, 2)
  assert.match(created[0] ?? '', /"name":"profiles".*"mode":"READ_WRITE"/)
  assert.match(created[1] ?? '', /"name":"cities".*"name":"godwit-samples".*GeoNames .*CC BY 4\.0/)
  assert.deepEqual(load?.request, {
    ...someLoad.request,
    from: written,
    keyField: 'cityId',
    columns: ['name', 'country', 'adminCode', 'featureCode', 'population', 'lat', 'lng'],
    minRatio: 0,
  })
  assert.equal(existsSync(written), false, 'the file does not stay')
  assert.match(report[0] ?? '', /GeoNames/)
})

test('on a later start nothing is done', async () => {
  const { created, load, report } = await ensure([cities, profiles])
  assert.deepEqual([created, load, report], [[], undefined, []])
})

test('a first start that was interrupted is made good', async () => {
  const failed = cities.versions.map((version) => ({ ...version, state: 'FAILED' as const }))
  const { created, load } = await ensure([{ ...cities, versions: failed }, profiles])
  assert.deepEqual(created, [])
  assert.equal(load?.request.publish, true)
})

// The version counted as there, and cities stayed offline for good.
test('a first start that ended between loading and publishing is made good by publishing', async () => {
  const ready = cities.versions.map((version) => ({ ...version, state: 'READY' as const }))
  const older = ready.map((version) => ({ ...version, id: version.id - 1 }))
  const { load, report } = await ensure([{ ...cities, versions: [...ready, ...older] }, profiles])
  assert.deepEqual([load, report], [undefined, []])
  const [publish, ...others] = admin.metastore.calls
  assert.deepEqual(others, [])
  assert.equal(publish?.what, 'publish')
  assert.deepEqual(publish.args.slice(0, 2), [cities.name, ready[0]?.id])
})

test('a dataset of that name that is somebody else’s is left alone', async () => {
  const { created, load } = await ensure([
    { ...cities, owner: { name: 'maps', contact: 'm' }, versions: [] },
    profiles,
  ])
  assert.deepEqual([created, load], [[], undefined])
})

test('the sample script writes every city on a line with the columns that the load names', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-cities-'))
  const path = join(folder, 'cities.ndjson')
  const script = fileURLToPath(new URL('../../../../scripts/sample-cities.mjs', import.meta.url))
  await promisify(execFile)(process.execPath, [script, path])
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  rmSync(folder, { recursive: true })
  assert.equal(lines.length, 135_233)
  const london = lines.find((line) => line.includes('"cityId":2643743,')) ?? '{}'
  assert.deepEqual(JSON.parse(london), {
    cityId: 2643743,
    name: 'London',
    country: 'GB',
    adminCode: 'ENG',
    featureCode: 'PPLC',
    population: 7556900,
    lat: 51.50853,
    lng: -0.12574,
  })
})

test('the welcome names every endpoint and three commands that work as they stand', () => {
  const listeners = [
    { name: 'kvstore', host: '127.0.0.1', port: 7300 },
    { name: 'admin', host: '127.0.0.1', port: 7380 },
  ]
  const text = welcomeText({ listeners, command: 'bin/godwit.mjs', hasSamples: true })
  assert.match(text, /KVStore API \(thrift\) {2}127\.0\.0\.1:7300/)
  assert.match(text, /admin HTTP API +http:\/\/127\.0\.0\.1:7380/)
  assert.match(text, /^ {2}bin\/godwit\.mjs get cities 2643743 --column name$/m)
  assert.equal(text.match(/bin\/godwit\.mjs/g)?.length, 3)
  const moved = listeners.map((listener) => ({ ...listener, port: listener.port + 100 }))
  assert.match(
    welcomeText({ listeners: moved, command: 'godwit', hasSamples: true }),
    /godwit get cities 2643743 --column name --server http:\/\/127\.0\.0\.1:7480/,
  )
  assert.ok(!welcomeText({ listeners: moved, command: 'godwit', hasSamples: false }).includes('cities'))
})

test('an address that stands for all is shown as one that can be reached', () => {
  assert.equal(urlOf('0.0.0.0', 1), 'http://127.0.0.1:1')
  assert.equal(urlOf('::', 1), 'http://[::1]:1')
  assert.equal(urlOf('db.example', 1), 'http://db.example:1')
})
