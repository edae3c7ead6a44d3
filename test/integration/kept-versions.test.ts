/** More versions are kept than may be open: every one answers all the same, and what is published is opened first. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { CATALOGUE_KEYS, catalogueDataset, catalogueVersion, makeCatalogue } from '../../bench/catalogue.js'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/kvstore.js'
import { Gateway, type AdminAnswer } from '../support/gateway.js'

const DATASETS = 40
const MAX_OPEN = 16
const KEYS = Array.from({ length: CATALOGUE_KEYS }, (_, key) => `key-${key}`)

interface Answer {
  readonly version: number | null
  /** What the rows hold: the id of their version. */
  readonly rows: readonly (string | undefined)[]
  readonly code: number | null
}

const folder = mkdtempSync(join(tmpdir(), 'godwit-kept-'))
let gateway: Gateway
let client: ThriftClient

function read(dataset: string, keys: readonly string[], pinned: number | null = null): Promise<Answer> {
  const datasetVersion = pinned === null ? null : BigInt(pinned)
  const options = wire.makeReadOptions({ withInfo: true, datasetVersion })
  const request = wire.makeMultiGetRequest({ dataset, keys: keys.map((key) => Buffer.from(key)), options })
  return new Promise((resolve, reject) => {
    client.call(wire.KVStoreMethods.multiGet, { request }, performance.now() + 20_000, (outcome) => {
      if (outcome instanceof KVError) reject(outcome)
      else if (outcome.value === null)
        resolve({ version: null, rows: [], code: outcome.exception?.error?.code ?? -1 })
      else {
        const { info, rows } = outcome.value
        const version = Number(info?.datasetVersion ?? -1)
        resolve({ version, rows: (rows ?? []).map((row) => row.value?.toString()), code: null })
      }
    })
  })
}

/** A page of five rows of a version, from the start or behind an earlier one. */
function scanPage(dataset: string, pinned: number, pageToken: Buffer | null): Promise<wire.ScanResponse> {
  const options = wire.makeReadOptions({ datasetVersion: BigInt(pinned) })
  const request = wire.makeScanRequest({ dataset, pageRows: 5, pageToken, options })
  return new Promise((resolve, reject) => {
    client.call(wire.KVStoreMethods.scan, { request }, performance.now() + 20_000, (outcome) => {
      if (outcome instanceof KVError) reject(outcome)
      else if (outcome.value === null) reject(new Error(outcome.exception?.error?.message ?? 'no answer'))
      else resolve(outcome.value)
    })
  })
}

/** All rows are of the version that the answer says, which is this one. */
function assertFrom({ version, rows, code }: Answer, expected: number): void {
  assert.deepEqual([code, version, [...new Set(rows)]], [null, expected, [String(expected)]])
}

async function change(
  method: string,
  path: string,
  revision: number,
  body: object = {},
): Promise<AdminAnswer> {
  const response = await fetch(`http://127.0.0.1:${gateway.port('admin')}${path}`, {
    method,
    headers: { 'content-type': 'application/json', 'if-match': `"${revision}"` },
    body: JSON.stringify({ actor: 'test', reason: 'a test needs it', ...body }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) }
}

async function revisionOf(dataset: string): Promise<number> {
  const { body } = await gateway.admin('GET', `/v1/datasets/${dataset}`)
  return (body as { dataset: { revision: number } }).dataset.revision // the admin API's answer
}

async function openDbs(): Promise<number> {
  const { text } = await gateway.admin('GET', '/metrics')
  return Number(/^godwit_open_dbs (\d+)/m.exec(text)?.[1])
}

suite('versions that are kept and not open', () => {
  before(async () => {
    await makeCatalogue(folder, { datasets: DATASETS, versions: 3 })
    const config = `limits:\n  openDbs: ${MAX_OPEN}\n`
    gateway = await Gateway.start({ dataDirectory: join(folder, 'data'), config })
    client = new ThriftClient({
      name: 'test',
      host: '127.0.0.1',
      port: gateway.port('kvstore'),
      connections: 4,
    })
  })

  after(async () => {
    await client.close()
    await gateway.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  test('answer their reads, pinned or not, and no more stay open than may', async () => {
    const reads: Promise<void>[] = []
    for (let index = 0; index < DATASETS; index++) {
      const dataset = catalogueDataset(index)
      reads.push(read(dataset, KEYS).then((answer) => assertFrom(answer, catalogueVersion(1))))
      for (const version of [0, 1, 2].map(catalogueVersion)) {
        reads.push(read(dataset, KEYS, version).then((answer) => assertFrom(answer, version)))
      }
    }
    await Promise.all(reads)
    // What was asked for a moment ago is not closed yet.
    const until = performance.now() + 20_000
    while ((await openDbs()) > MAX_OPEN && performance.now() < until) await pause(250)
    assert.ok((await openDbs()) <= MAX_OPEN, `${await openDbs()} DBs are open`)
  })

  test('are not confused with those that are not kept', async () => {
    const { code } = await read(catalogueDataset(1), KEYS, 12345)
    assert.equal(code, wire.ErrorCode.VERSION_NOT_FOUND)
  })

  test('are opened before they are published, rolled back and forward to, in one step each', async () => {
    const dataset = catalogueDataset(39)
    const path = `/v1/datasets/${dataset}`
    const steps = [
      [`/versions/${catalogueVersion(0)}/publish`, 0],
      ['/rollforward', 1],
      ['/rollforward', 2],
      ['/rollback', 1],
    ] as const
    for (const [step, version] of steps) {
      const { status, text } = await change('POST', path + step, await revisionOf(dataset))
      assert.equal(status, 200, text)
      assertFrom(await read(dataset, KEYS), catalogueVersion(version))
    }
  })

  test('serve a share of the keys as a canary, and one answer never mixes versions', async () => {
    const dataset = catalogueDataset(5)
    const path = `/v1/datasets/${dataset}/canary`
    const canary = { versionId: catalogueVersion(2), share: 5_000 }
    const { status, text } = await change('PUT', path, await revisionOf(dataset), canary)
    assert.equal(status, 200, text)
    const answers = await Promise.all(KEYS.map((key) => read(dataset, [key])))
    for (const answer of answers) assertFrom(answer, answer.version ?? 0)
    assert.deepEqual(new Set(answers.map(({ version }) => version)), new Set([1, 2].map(catalogueVersion)))
    assertFrom(await read(dataset, KEYS), catalogueVersion(1))
    await change('DELETE', path, await revisionOf(dataset))
    assertFrom(
      await read(dataset, [KEYS[answers.findIndex(({ version }) => version === canary.versionId)] ?? '']),
      catalogueVersion(1),
    )
  })

  test('of changes that race on one revision one is made and the others are told', async () => {
    const dataset = catalogueDataset(7)
    const path = `/v1/datasets/${dataset}`
    const revision = await revisionOf(dataset)
    const racing = [
      '/rollback',
      '/rollforward',
      `/versions/${catalogueVersion(0)}/publish`,
      `/versions/${catalogueVersion(2)}/publish`,
    ]
    const answers = await Promise.all(racing.map((step) => change('POST', path + step, revision)))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412, 412])
    const { body } = await gateway.admin('GET', path)
    const { versions } = (body as { dataset: { versions: { id: number; state: string }[] } }).dataset // as above
    const current = versions.filter(({ state }) => state === 'CURRENT')
    assert.equal(current.length, 1)
    assertFrom(await read(dataset, KEYS), current[0]?.id ?? 0)
  })
  test('are read to the last page by who began, though they are deleted meanwhile', async () => {
    const dataset = catalogueDataset(9)
    const version = catalogueVersion(0)
    const first = await scanPage(dataset, version, null)
    const path = `/v1/datasets/${dataset}/versions/${version}`
    const { status, text } = await change('DELETE', path, await revisionOf(dataset))
    assert.equal(status, 200, text)
    assert.equal((await read(dataset, KEYS, version)).code, wire.ErrorCode.VERSION_NOT_FOUND)

    const rows = [...(first.rows ?? [])]
    for (let token = first.nextPageToken; token !== null;) {
      const page = await scanPage(dataset, version, token)
      rows.push(...(page.rows ?? []))
      token = page.nextPageToken
    }
    assert.deepEqual(
      rows.map((row) => row.value?.toString()),
      KEYS.map(() => String(version)),
    )
    await assert.rejects(scanPage(dataset, version, null), /keeps no version/)
  })
})
