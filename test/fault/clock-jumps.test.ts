/** The wall clock jumps, back and forth, while versions are loaded, published and rolled back under reads. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { AuditLine, DatasetRecord } from '../../src/model/dataset.js'
import type { LoadStatus } from '../../src/model/load.js'
import { Gateway } from '../support/gateway.js'
import type { StockClient } from '../support/stock-client.js'

const HOUR_MS = 3_600_000
const JUMPS_MS = [0, -HOUR_MS, 24 * HOUR_MS, -365 * 24 * HOUR_MS, 365 * 24 * HOUR_MS, -30_000, 0]
const VERSIONS = 4
const KEYS = Array.from({ length: 30 }, (_, index) => `row-${index}`)
const TIMEOUT_MS = 60_000

/** Runs in each thread and process of the gateway before anything else: the clock is off by what the file says. */
const PRELOAD = `
import { readFileSync } from 'node:fs'
const file = new URL('off-by', import.meta.url)
const now = Date.now
let readAt = 0
let offBy = 0
Date.now = () => {
  const real = now()
  if (real - readAt > 2) {
    readAt = real
    offBy = Number(readFileSync(file, 'utf8'))
  }
  return real + offBy
}
`

suite('a clock that jumps', () => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-clock-'))
  let gateway: Gateway
  before(async () => {
    jumpTo(0)
    writeFileSync(join(folder, 'preload.mjs'), PRELOAD)
    const nodeFlags = ['--import', pathToFileURL(join(folder, 'preload.mjs')).href]
    gateway = await Gateway.start({ nodeFlags })
    await gateway.createDataset('towns', { mode: 'BATCH', shardCount: 2, retainedVersions: 10 })
  })
  after(async () => {
    await gateway.dispose()
    rmSync(folder, { recursive: true })
  })

  function jumpTo(offByMs: number): void {
    writeFileSync(join(folder, 'off-by'), String(offByMs))
  }

  async function record(): Promise<DatasetRecord> {
    const { body } = await gateway.admin('GET', '/v1/datasets/towns')
    return (body as { readonly dataset: DatasetRecord }).dataset // the admin API's answer
  }

  /** Every row holds the number of the upload. */
  async function load(upload: number): Promise<number> {
    const from = join(folder, `${upload}.ndjson`)
    writeFileSync(from, KEYS.map((id) => `${JSON.stringify({ id, upload: String(upload) })}\n`).join(''))
    const started = await gateway.admin('POST', '/v1/datasets/towns/loads', {
      from,
      keyField: 'id',
      publish: true,
    })
    const { id, version } = (started.body as { readonly load: LoadStatus }).load // the admin API's answers
    const until = performance.now() + TIMEOUT_MS
    for (;;) {
      const { load: now } = (await gateway.admin('GET', `/v1/loads/${id}`)).body as {
        readonly load: LoadStatus
      }
      if (now.state === 'DONE') return version
      assert.ok(now.endedAtMs === null && performance.now() < until, JSON.stringify(now))
      await pause(10)
    }
  }

  async function uploadIn(client: StockClient): Promise<string> {
    const { rows } = await client.multiGet({ dataset: 'towns', keys: KEYS, cells: { localKeys: ['upload'] } })
    const said = new Set(
      rows.map(({ cells, error }) => cells?.[0]?.value.toString() ?? error?.message ?? 'nothing'),
    )
    assert.equal(said.size, 1, `mixed, or failed: ${[...said].join()}`)
    return [...said].join()
  }

  test('changes no order of versions, no answer, and nothing of what is served', async () => {
    const ids: number[] = []
    for (let upload = 0; upload < VERSIONS; upload++) {
      jumpTo(JUMPS_MS[upload] ?? 0)
      ids.push(await load(upload))
    }
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
    )

    const client = await gateway.connect()
    let isOver = false
    const reading = (async () => {
      let reads = 0
      while (!isOver) {
        await uploadIn(client)
        reads++
      }
      return reads
    })()
    for (const [turn, jumpMs] of [...JUMPS_MS, ...JUMPS_MS].entries()) {
      jumpTo(jumpMs)
      const wanted = ids[(turn * 3) % VERSIONS]
      const { revision, versions } = await record()
      const current = versions.find(({ state }) => state === 'CURRENT')?.id
      if (wanted === current) continue
      const isBack =
        wanted !== undefined && current !== undefined && ids.indexOf(wanted) === ids.indexOf(current) - 1
      const path = isBack ? '/rollback' : `/versions/${wanted}/publish`
      const headers = { 'if-match': `"${revision}"` }
      const startedAt = performance.now()
      const answer = await gateway.admin('POST', `/v1/datasets/towns${path}`, {}, headers)
      assert.equal(answer.status, 200, answer.text)
      assert.ok(performance.now() - startedAt < 5_000, 'a change waited for the wall clock')
      // The answer comes when every thread serves it.
      assert.equal(await uploadIn(client), String(ids.indexOf(wanted ?? 0)))
    }
    isOver = true
    assert.ok((await reading) > 20)
    client.close()
  })

  test('keeps the audit log in the order of the changes, and a restart serves what was served', async () => {
    const { body } = await gateway.admin('GET', '/v1/audit?limit=100')
    const sequences = (body as { readonly lines: readonly AuditLine[] }).lines.map(({ sequence }) => sequence)
    assert.deepEqual(
      sequences,
      sequences.toSorted((a, b) => b - a),
    )
    const before = (await record()).versions
    jumpTo(-48 * HOUR_MS)
    await gateway.restart()
    assert.deepEqual((await record()).versions, before)
    const client = await gateway.connect()
    await uploadIn(client)
    client.close()
    assert.ok((await load(VERSIONS)) > Math.max(...before.map(({ id }) => id)))
  })
})
