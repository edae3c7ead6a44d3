/** kill -9 between the steps of a removal with copies: the next start goes on with it, or everything is still there. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { JobStatus } from '../../src/base/job.js'
import type { LoadStatus } from '../../src/model/load.js'
import { Gateway } from '../support/gateway.js'
import { doneJob, revisionOf } from '../support/jobs.js'

const DATASET = 'towns'
const SHARDS = 6
const WAIT_MS = 30_000
const root = mkdtempSync(join(tmpdir(), 'godwit-purge-kill-'))
after(() => rmSync(root, { recursive: true }))

/** A gateway with a version that is served and one beside it that has a copy. */
class PurgeWorld {
  readonly gateway: Gateway
  version = 0

  constructor(gateway: Gateway) {
    this.gateway = gateway
  }

  /** Of the copy. */
  get place(): string {
    return join(root, 'archive', DATASET, String(this.version))
  }

  async prepare(): Promise<void> {
    const { gateway } = this
    if ((await gateway.admin('GET', `/v1/datasets/${DATASET}`)).status === 404)
      await gateway.createDataset(DATASET, { mode: 'BATCH', shardCount: SHARDS, retainedVersions: 10 })
    const from = join(root, 'rows.ndjson')
    writeFileSync(from, Array.from({ length: 500 }, (_, row) => `{"id":"row ${row}","v":"v"}\n`).join(''))
    const started = await gateway.admin('POST', `/v1/datasets/${DATASET}/loads`, { from, keyField: 'id' })
    assert.equal(started.status, 202, started.text)
    const { id, version } = (started.body as { load: LoadStatus }).load // the admin API's answer
    this.version = version
    await this.until('the load', async () => (await this.job(id)).endedAtMs !== null)
    await doneJob(gateway, `/v1/datasets/${DATASET}/versions/${version}/archive`)
    assert.ok(this.files().length > SHARDS)
  }

  async startPurge(path: string): Promise<void> {
    const headers = { 'if-match': await revisionOf(this.gateway, DATASET) }
    const answer = await this.gateway.admin('DELETE', `/v1/datasets/${DATASET}${path}`, {}, headers)
    assert.equal(answer.status, 202, answer.text)
  }

  async job(id: string): Promise<JobStatus> {
    return ((await this.gateway.admin('GET', `/v1/jobs/${id}`)).body as { job: JobStatus }).job // as above
  }

  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const untilMs = performance.now() + WAIT_MS
    while (!(await isSo())) {
      assert.ok(performance.now() < untilMs, `${what}: it did not come to that`)
      await pause(1)
    }
  }

  notes(): string[] {
    const path = join(this.gateway.dataDirectory, 'purges')
    return existsSync(path) ? readdirSync(path) : []
  }

  /** Of the copy. */
  files(): string[] {
    if (!existsSync(this.place)) return []
    const found = readdirSync(this.place, { recursive: true, withFileTypes: true })
    return found.filter((one) => one.isFile()).map(({ name }) => name)
  }

  /** State of the version; null: there is none. */
  async state(): Promise<string | null> {
    const { status, body } = await this.gateway.admin('GET', `/v1/datasets/${DATASET}/versions`)
    if (status === 404) return null
    const { versions } = body as { versions: { id: number; state: string }[] } // as above
    const state = versions.find(({ id }) => id === this.version)?.state ?? null
    return state === 'DELETED' ? null : state
  }
}

/** Steps of a removal as they show on disk. */
const steps: readonly { readonly name: string; readonly isReached: (world: PurgeWorld) => boolean }[] = [
  { name: 'it is asked for', isReached: () => true },
  { name: 'it is noted', isReached: (world) => world.notes().some((name) => name.endsWith('.json')) },
  { name: 'the manifest is gone', isReached: (world) => !existsSync(join(world.place, 'archive.json')) },
  { name: 'some files are gone', isReached: (world) => world.files().length < 4 * SHARDS },
]

for (const { what, path, killedIn } of [
  { what: 'a version', path: (world: PurgeWorld) => `/versions/${world.version}/archive`, killedIn: steps },
  { what: 'a dataset', path: () => '/archives', killedIn: steps.slice(2) },
]) {
  test(`kill -9 in each step of removing ${what} with its copies`, async (t) => {
    const gateway = await Gateway.start({
      config: `archive: { url: "${pathToFileURL(join(root, 'archive')).href}" }\n`,
    })
    t.after(() => gateway.dispose())
    const world = new PurgeWorld(gateway)
    const goneOn: string[] = []
    for (const { name, isReached } of killedIn) {
      await world.prepare()
      const before = world.files().length
      await world.startPurge(path(world))
      await world.until(name, () => isReached(world))
      const left = world.files().length
      await gateway.kill9()
      await gateway.start()
      await world.until(`${name}: the end of it`, () => world.notes().length === 0)
      const state = await world.state()
      if (state === null) assert.deepEqual(world.files(), [], name)
      else assert.deepEqual([state, world.files().length], ['READY', before], name)
      if (state === null && left > 0) goneOn.push(name)
    }
    assert.ok(goneOn.length > 0, 'no start had anything to go on with')
    t.diagnostic(`gone on with after: ${goneOn.join(', ')}`)
  })
}
