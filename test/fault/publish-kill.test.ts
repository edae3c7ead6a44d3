/**
 * kill -9 of the gateway while what is served changes: the next start has the state before or the one after, whole, with its
 * audit line and no file too many; what was acknowledged is there, and what is served is what the record says.
 */
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { AuditLine, DatasetRecord, VersionRecord } from '../../src/model/dataset.js'
import type { LoadStatus } from '../../src/model/load.js'
import { Gateway } from '../support/gateway.js'

const DATASET = 'towns'
const PATH = `/v1/datasets/${DATASET}`
const VERSIONS = 6
const SHARDS = 4
const ROWS = 200
const TIMEOUT_MS = 60_000
// Fewer than there are, so that what is published is often to be opened first and something else closed behind it.
const CONFIG = 'limits: { openDbs: 16, leavingVersionMs: 0 }\n'

class PublishWorld {
  readonly gateway: Gateway
  /** Newest first. */
  readonly ids: number[] = []

  constructor(gateway: Gateway) {
    this.gateway = gateway
  }

  /** Every row of a version holds the number of its upload, which `says` answers for its id. */
  async load(upload: number): Promise<void> {
    const from = join(this.gateway.folder, `${upload}.ndjson`)
    const lines = Array.from({ length: ROWS }, (_, row) => `{"id":"row-${row}","upload":"${upload}"}\n`)
    writeFileSync(from, lines.join(''))
    const started = await this.gateway.admin('POST', `${PATH}/loads`, { from, keyField: 'id' })
    assert.equal(started.status, 202, started.text)
    const { id, version } = (started.body as { load: LoadStatus }).load // the admin API's answers
    const until = performance.now() + TIMEOUT_MS
    for (;;) {
      const { load } = (await this.gateway.admin('GET', `/v1/loads/${id}`)).body as { load: LoadStatus }
      if (load.state === 'DONE') break
      assert.ok(load.endedAtMs === null && performance.now() < until, JSON.stringify(load))
      await pause(20)
    }
    this.ids.unshift(version)
  }

  says(id: number): string {
    return String(this.ids.length - 1 - this.ids.indexOf(id))
  }

  async record(): Promise<DatasetRecord> {
    return ((await this.gateway.admin('GET', PATH)).body as { dataset: DatasetRecord }).dataset
  }

  async lastLine(): Promise<AuditLine | undefined> {
    const { body } = await this.gateway.admin('GET', '/v1/audit?limit=1')
    return (body as { lines: AuditLine[] }).lines[0]
  }

  async change({ method, path, body = {} }: Change, { revision }: DatasetRecord): Promise<number> {
    const headers = { 'if-match': `"${revision}"` }
    return (await this.gateway.admin(method, `${PATH}${path}`, body, headers)).status
  }

  /** What is served is what the record says, in one answer of many rows. */
  async assertServed(record: DatasetRecord, when: string): Promise<void> {
    const keys = Array.from({ length: 40 }, (_, index) => `row-${index * 5}`)
    const client = await this.gateway.connect()
    const { rows } = await client.multiGet({ dataset: DATASET, keys, cells: { localKeys: ['upload'] } })
    client.close()
    const said = new Set(rows.map(({ cells, error }) => cells?.[0]?.value.toString() ?? error?.message))
    const current = record.versions.find(({ state }) => state === 'CURRENT')
    assert.ok(current !== undefined, when)
    const expected = [current.id, ...(record.canary === null ? [] : [record.canary.versionId])]
    assert.ok(
      said.size === 1 && expected.some((id) => said.has(this.says(id))),
      `${when}: ${[...said].join()}`,
    )
  }

  /** Directories of versions are those of the record, once what is over was removed. */
  async assertFiles(when: string): Promise<void> {
    const until = performance.now() + TIMEOUT_MS
    for (;;) {
      const { id, versions } = await this.record()
      const kept = versions.filter(({ state }) => state === 'READY' || state === 'CURRENT')
      const wanted = kept.map((version) => String(version.id)).sort()
      const found = readdirSync(join(this.gateway.dataDirectory, 'data', id)).sort()
      if (found.join() === wanted.join()) return
      assert.ok(performance.now() < until, `${when}: ${found.join()} are there, ${wanted.join()} are kept`)
      await pause(20)
    }
  }
}

interface Change {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly body?: object
}

/** A change that can be made of the record now. */
function changeOf(record: DatasetRecord, turn: number): Change {
  const ready = record.versions.filter(({ state }) => state === 'READY')
  const oldest = ready.at(-1)
  assert.ok(oldest !== undefined, 'nothing is ready')
  const publish = ({ id }: VersionRecord): Change => {
    return { what: 'publish', method: 'POST', path: `/versions/${id}/publish` }
  }
  const [newest = oldest] = ready
  const current = record.versions.findIndex(({ state }) => state === 'CURRENT')
  const isOlderReady = record.versions.some(({ state }, index) => state === 'READY' && index > current)
  switch (turn % 5) {
    case 0:
      return publish(oldest)
    case 1:
      return publish(newest)
    case 2:
      return isOlderReady ? { what: 'rollback', method: 'POST', path: '/rollback' } : publish(newest)
    case 3:
      return {
        ...{ what: 'setCanary', method: 'PUT', path: '/canary' },
        body: { versionId: oldest.id, share: 5_000 },
      }
    default:
      return record.canary === null
        ? publish(oldest)
        : { what: 'setCanary', method: 'DELETE', path: '/canary' }
  }
}

test('kill -9 at any moment of a change of what is served leaves the state before it or the one after', async (t) => {
  const gateway = await Gateway.start({ config: CONFIG })
  t.after(() => gateway.dispose())
  await gateway.createDataset(DATASET, { mode: 'BATCH', shardCount: SHARDS, retainedVersions: 10 })
  const world = new PublishWorld(gateway)
  for (let upload = 0; upload < VERSIONS; upload++) await world.load(upload)
  const [newest = 0] = world.ids
  const first = { what: 'publish', method: 'POST', path: `/versions/${newest}/publish` }
  assert.equal(await world.change(first, await world.record()), 200)
  const outcomes: string[] = []
  for (const [turn, delayMs] of [0, 6, 15, 40, 100, 500].entries()) {
    const before = await world.record()
    const lineBefore = await world.lastLine()
    const change = changeOf(before, turn)
    const when = `${change.what} killed after ${delayMs} ms`
    const answered = world.change(change, before).catch(() => null)
    await pause(delayMs)
    await gateway.kill9()
    const status = await answered
    await gateway.start()
    const after = await world.record()
    const line = await world.lastLine()
    const isMade = after.revision !== before.revision
    assert.ok(isMade || status !== 200, `${when}: it was acknowledged and is not there`)
    if (isMade)
      assert.deepEqual([line?.action, line?.sequence], [change.what, (lineBefore?.sequence ?? 0) + 1], when)
    else assert.deepEqual([after, line], [before, lineBefore], when)
    assert.equal(after.versions.filter(({ state }) => state === 'CURRENT').length, 1, when)
    await world.assertServed(after, when)
    await world.assertFiles(when)
    outcomes.push(`${when}: ${isMade ? 'made' : 'not made'}`)
  }
  t.diagnostic(outcomes.join('; '))
  // Without both the moments were not those that are meant.
  assert.ok(
    outcomes.some((one) => one.endsWith('not made')) && outcomes.some((one) => one.endsWith(': made')),
  )
})

test('kill -9 while versions are deleted and by retention: none of their files is left, the others are served', async (t) => {
  const gateway = await Gateway.start({ config: CONFIG })
  t.after(() => gateway.dispose())
  await gateway.createDataset(DATASET, { mode: 'BATCH', shardCount: SHARDS, retainedVersions: 10 })
  const world = new PublishWorld(gateway)
  for (let upload = 0; upload < VERSIONS; upload++) await world.load(upload)
  const publish = (id = 0) => ({ what: 'publish', method: 'POST', path: `/versions/${id}/publish` })
  assert.equal(await world.change(publish(world.ids[0]), await world.record()), 200)
  // With the next publish the others go.
  const fewer = { what: 'updateDataset', method: 'PATCH', path: '', body: { retainedVersions: 3 } }
  assert.equal(await world.change(fewer, await world.record()), 200)
  const [oldest = 0, next = 0] = [world.ids.at(-1), world.ids[1]]
  const deletion = { what: 'deleteVersion', method: 'DELETE', path: `/versions/${oldest}` }
  const stateOf = (record: DatasetRecord, id: number) => record.versions.find((one) => one.id === id)?.state
  for (const { change, delayMs, isMade } of [
    { change: deletion, delayMs: 8, isMade: (now: DatasetRecord) => stateOf(now, oldest) !== 'READY' },
    { change: publish(next), delayMs: 15, isMade: (now: DatasetRecord) => stateOf(now, next) === 'CURRENT' },
  ]) {
    const before = await world.record()
    const answered = world.change(change, before).catch(() => undefined)
    await pause(delayMs)
    await gateway.kill9()
    await answered
    await gateway.start()
    const after = await world.record()
    await world.assertServed(after, change.what)
    await world.assertFiles(change.what)
    // Not by the revision, which rises as well when a version that went is forgotten.
    if (!isMade(after)) assert.equal(await world.change(change, after), 200, change.what)
  }
  const last = await world.record()
  await world.assertServed(last, 'in the end')
  await world.assertFiles('in the end')
  const kept = last.versions.filter(({ state }) => state === 'READY' || state === 'CURRENT')
  assert.equal(kept.length, 3)
})
