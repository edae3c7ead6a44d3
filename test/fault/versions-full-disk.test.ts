/**
 * Publishing, rolling back, archiving and restoring versions on a small file system of its own that is full: each is done or
 * refused with the reason, never half; what is served is one whole version; with room everything goes through.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  type StatsFs,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { LoadStatus } from '../../src/model/load.js'
import type { DatasetRecord } from '../../src/model/dataset.js'
import { type AdminAnswer, Gateway } from '../support/gateway.js'
import { doneJob, failedJob, revisionOf } from '../support/jobs.js'

const DATASET = 'towns'
const PATH = `/v1/datasets/${DATASET}`
const ROWS = 4_000
const TIMEOUT_MS = 60_000

/** A file system of so many bytes; null where this user may not mount one. */
function smallDisk(t: TestContext, sizeMb: number): string | null {
  const path = mkdtempSync(join(tmpdir(), 'godwit-versions-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', path]).status === 0
  t.after(() => {
    if (mounted) spawnSync('umount', ['-l', path])
    rmSync(path, { recursive: true, force: true })
  })
  return mounted ? path : null
}

class FullDiskWorld {
  readonly gateway: Gateway
  readonly #disk: string

  constructor(disk: string) {
    this.#disk = disk
    this.gateway = new Gateway({
      dataDirectory: join(disk, 'data'),
      config: `limits: { leavingVersionMs: 0 }\narchive: { url: "${pathToFileURL(this.archive).href}" }\n`,
    })
  }

  get archive(): string {
    return join(this.#disk, 'archive')
  }

  /** To the last byte, once nothing is being removed any more. */
  async fill(): Promise<void> {
    const trash = join(this.gateway.dataDirectory, 'data', '.trash')
    const { bavail, bsize } = await this.#stillDisk(trash)
    writeFileSync(join(this.#disk, 'ballast'), Buffer.alloc(bavail * bsize))
    assert.equal(statfsSync(this.#disk).bavail, 0)
  }

  async #stillDisk(trash: string): Promise<StatsFs> {
    const until = performance.now() + TIMEOUT_MS
    for (let last = -1; ;) {
      const found = statfsSync(this.#disk)
      if (found.bavail === last && readdirSync(trash).length === 0) return found
      assert.ok(performance.now() < until, 'the disk does not come to rest')
      last = found.bavail
      await pause(500)
    }
  }

  makeRoom(): void {
    rmSync(join(this.#disk, 'ballast'))
  }

  /** Every row of a version says which one it is of. */
  async load(says: string): Promise<number> {
    const from = join(this.gateway.folder, `${says}.ndjson`)
    const filler = 'x'.repeat(400)
    const lines = Array.from(
      { length: ROWS },
      (_, row) => `{"id":"row-${row}","says":"${says}","f":"${filler}"}\n`,
    )
    writeFileSync(from, lines.join(''))
    const started = await this.gateway.admin('POST', `${PATH}/loads`, { from, keyField: 'id' })
    assert.equal(started.status, 202, started.text)
    // The admin API's answers to a started and to a running load.
    const { id, version } = (started.body as { load: LoadStatus }).load
    const until = performance.now() + TIMEOUT_MS
    for (;;) {
      const { load } = (await this.gateway.admin('GET', `/v1/loads/${id}`)).body as { load: LoadStatus }
      if (load.state === 'DONE') return version
      assert.ok(load.endedAtMs === null && performance.now() < until, JSON.stringify(load))
      await pause(20)
    }
  }

  async change(path: string): Promise<AdminAnswer> {
    const headers = { 'if-match': await revisionOf(this.gateway, DATASET) }
    return await this.gateway.admin('POST', `${PATH}${path}`, {}, headers)
  }

  async versions(): Promise<DatasetRecord['versions']> {
    return ((await this.gateway.admin('GET', PATH)).body as { dataset: DatasetRecord }).dataset.versions
  }

  /** What all rows of one answer say. */
  async served(): Promise<string> {
    const keys = Array.from({ length: 50 }, (_, index) => `row-${index * 79}`)
    const client = await this.gateway.connect()
    const { rows } = await client.multiGet({ dataset: DATASET, keys, cells: { localKeys: ['says'] } })
    client.close()
    const said = new Set(
      rows.map(({ cells, error }) => cells?.[0]?.value.toString() ?? error?.message ?? 'no row'),
    )
    assert.equal(said.size, 1, [...said].join('; '))
    return [...said].join()
  }

  /** Done, and served; or refused for want of room, and what was served before is. */
  async assertDoneOrRefused(answer: AdminAnswer, says: { before: string; after: string }): Promise<void> {
    if (answer.status === 200) assert.equal(await this.served(), says.after)
    else {
      assert.equal(answer.status, 503, answer.text)
      assert.match(answer.text, /space|full|disk/i)
      assert.equal(await this.served(), says.before)
    }
  }

  assertNoStaging(): void {
    assert.deepEqual(readdirSync(join(this.gateway.dataDirectory, 'data', '.staging')), [])
  }
}

test('a full disk under publish, rollback, archive and restore', async (t) => {
  const disk = smallDisk(t, 96)
  if (disk === null) {
    t.skip('this user may not mount a file system')
    return
  }
  const world = new FullDiskWorld(disk)
  const { gateway } = world
  t.after(() => gateway.dispose())
  await gateway.start()
  await gateway.createDataset(DATASET, { mode: 'BATCH', shardCount: 2, retainedVersions: 5 })
  const old = await world.load('old')
  assert.equal((await world.change(`/versions/${old}/publish`)).status, 200)
  const young = await world.load('young')

  await world.fill()
  const published = await world.change(`/versions/${young}/publish`)
  await world.assertDoneOrRefused(published, { before: 'old', after: 'young' })
  const now = await world.served()
  const back = await world.change('/rollback')
  // Nothing is older than what is served where the publish was refused.
  if (back.status !== 409) await world.assertDoneOrRefused(back, { before: now, after: 'old' })
  const refused = await failedJob(gateway, `${PATH}/versions/${young}/archive`)
  assert.equal(refused.code, 'UNAVAILABLE', refused.message)
  assert.match(refused.message, /full|space|room/i)
  assert.equal(existsSync(join(world.archive, DATASET, String(young), 'archive.json')), false)
  world.assertNoStaging()

  world.makeRoom()
  assert.equal((await world.change(`/versions/${old}/publish`)).status === 500, false)
  assert.equal(await world.served(), 'old')
  await doneJob(gateway, `${PATH}/versions/${young}/archive`, { body: { release: true } })
  await world.fill()
  const notRestored = await failedJob(gateway, `${PATH}/versions/${young}/restore`)
  assert.equal(notRestored.code, 'UNAVAILABLE', notRestored.message)
  assert.match(notRestored.message, /make room/)
  world.assertNoStaging()

  world.makeRoom()
  assert.equal((await world.versions()).find(({ id }) => id === young)?.state, 'ARCHIVED')
  assert.equal(await world.served(), 'old')
})

test('a start on a full disk serves or says why it cannot, and with room everything is there', async (t) => {
  const disk = smallDisk(t, 64)
  if (disk === null) {
    t.skip('this user may not mount a file system')
    return
  }
  const world = new FullDiskWorld(disk)
  const { gateway } = world
  t.after(() => gateway.dispose())
  await gateway.start()
  await gateway.createDataset(DATASET, { mode: 'BATCH' })
  const version = await world.load('old')
  assert.equal((await world.change(`/versions/${version}/publish`)).status, 200)
  await gateway.kill9()
  await world.fill()
  const isReady = () => existsSync(join(gateway.folder, 'ready.json'))
  const ended = gateway.launch()
  const outcome = await Promise.race([ended, untilTrue(isReady)])
  if (outcome === null) await gateway.kill9()
  else {
    assert.equal(outcome.code, 1, outcome.output)
    assert.match(outcome.output, /disk|space|ENOSPC/i)
    assert.doesNotMatch(outcome.output, /^\s+at /m, 'a message and no stack')
  }
  world.makeRoom()
  await gateway.start()
  assert.equal(await world.served(), 'old')
})

async function untilTrue(isSo: () => boolean): Promise<null> {
  const until = performance.now() + TIMEOUT_MS
  while (!isSo()) {
    assert.ok(performance.now() < until, 'it does not come')
    await pause(20)
  }
  return null
}
