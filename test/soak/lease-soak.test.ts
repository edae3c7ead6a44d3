/**
 * Publish, roll back and evict every 50 ms; remove and make again, every second, a dataset that is being written; reopen a
 * live shard as after an I/O error: all of it under load on every thread. A DB that is closed under a reader or a writer
 * kills the process, so surviving is the first assertion. The others: no failed answer, no answer that mixes two
 * versions, no acknowledged write lost, no lease overdue, every DB closed that should be.
 *
 * GODWIT_SOAK_SECONDS says how long; `npm run test:soak` runs ten minutes.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { shareLogLevel, silentLogger } from '../../src/base/logger.js'
import { loadConfig } from '../../src/config/load.js'
import { SealedShardWriter } from '../../src/leaf/rocksdb/sealed/sealed-writer.js'
import { type Gateway, startGateway } from '../../src/gateway.js'
import type { ChangeContext } from '../../src/model/dataset.js'
import type { SoakReport } from './soak-client.js'

const SECONDS = Number(process.env['GODWIT_SOAK_SECONDS'] ?? 10)
const STEP_MS = 50
const CHURN_EVERY_STEPS = 20
/** Failures that follow each other faster than 120 s are answered with growing pauses, in which nothing would be tested. */
const REOPEN_EVERY_MS = 125_000
/** Of the 20 that are meant; what a machine that others use as well must reach. */
const MIN_STEPS_PER_SECOND = 4
const TEMPLATES = 4
const KEYS = 40
const CHANGE: ChangeContext = { actor: 'soak', reason: 'soak', ifRevision: null, isDryRun: false }

const folder = mkdtempSync(join(tmpdir(), 'godwit-soak-'))

/** Ready-made versions whose every row carries the template's number; a load of the soak copies one. */
async function makeTemplate(number: number): Promise<void> {
  const path = join(folder, `template-${number}`, '0')
  mkdirSync(join(folder, `template-${number}`), { recursive: true })
  const writer = await SealedShardWriter.create(path, { keyOrder: 'HASHED', nowSeconds: 0 })
  for (let key = 0; key < KEYS; key++) {
    const value = Buffer.from(`template-${number}`)
    writer.add(Buffer.from(`key-${key}`), [
      { localKey: Buffer.from('tag'), value, timestamp: null, ttlSeconds: null },
    ])
  }
  await writer.seal()
}

async function loadVersion(gateway: Gateway, step: number): Promise<number> {
  const { metastore, directory } = gateway
  const { id } = await metastore.beginVersion('soaked', 'soak', CHANGE)
  const staging = await directory.newStaging()
  cpSync(join(folder, `template-${step % TEMPLATES}`), staging, { recursive: true })
  const dataset = metastore.get('soaked')
  assert.ok(dataset)
  await directory.adoptVersion(dataset.id, id, staging)
  await metastore.completeVersion('soaked', id, { rows: KEYS, bytes: 1, checksum: '00' }, CHANGE)
  return id
}

async function createDatasets({ metastore }: Gateway): Promise<void> {
  const owner = { name: 'soak', contact: 'soak@example.org' }
  await metastore.createDataset({ name: 'soaked', owner, mode: 'BATCH', retainedVersions: 3 }, CHANGE)
  await metastore.createDataset({ name: 'written', owner, mode: 'READ_WRITE' }, CHANGE)
  await metastore.createDataset({ name: 'churned', owner, mode: 'READ_WRITE' }, CHANGE)
}

/** Its DB is closed while writers use it, and its directory goes. */
async function churn({ metastore }: Gateway): Promise<void> {
  const owner = { name: 'soak', contact: 'soak@example.org' }
  await metastore.removeDataset('churned', CHANGE)
  await metastore.createDataset({ name: 'churned', owner, mode: 'READ_WRITE' }, CHANGE)
}

/** One step: a new version is loaded and published; every third step goes back and evicts the newest instead. */
async function step(gateway: Gateway, number: number): Promise<void> {
  const { metastore } = gateway
  const versions = metastore.get('soaked')?.versions ?? []
  const current = versions.find(({ state }) => state === 'CURRENT')
  if (
    number % 3 === 2 &&
    current !== undefined &&
    versions.some(({ id, state }) => state === 'READY' && id < current.id)
  ) {
    await metastore.rollback('soaked', CHANGE)
    await metastore.deleteVersion('soaked', current.id, CHANGE)
    return
  }
  await metastore.publish('soaked', await loadVersion(gateway, number), CHANGE)
  // The one that was served until this moment, and is being read.
  if (number % 3 === 1 && current !== undefined) await metastore.deleteVersion('soaked', current.id, CHANGE)
}

function startClient(port: number): { child: ChildProcess; report: Promise<SoakReport> } {
  const child = fork(fileURLToPath(new URL('soak-client.js', import.meta.url)), [String(port), String(KEYS)])
  const report = once(child, 'message').then(([message]) => message as SoakReport) // soak-client.ts sends nothing else
  const death = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the load ended before its report: ${String(code ?? signal)}`)
  })
  const either = Promise.race([report, death])
  // When the test has failed before, nobody waits for it any more.
  either.catch(() => undefined)
  return { child, report: either }
}

suite('lease soak', () => {
  let gateway: Gateway
  let client: ChildProcess | null = null

  before(async () => {
    for (let number = 0; number < TEMPLATES; number++) await makeTemplate(number)
    const flags = [
      { flag: '--data', key: 'data.directory', value: join(folder, 'data') },
      { flag: '', key: 'listeners.kvstore.port', value: 0 },
      { flag: '', key: 'listeners.admin.port', value: 0 },
      { flag: '', key: 'threads.data', value: 2 },
      // What is dropped while it is read is closed a second later, still under load.
      { flag: '', key: 'limits.leavingVersionMs', value: 1_000 },
    ]
    const { config } = loadConfig({ file: null, environment: {}, flags })
    gateway = await startGateway(config, {
      logger: silentLogger,
      logLevel: shareLogLevel('silent'),
      build: 'soak',
    })
    await createDatasets(gateway)
    await gateway.metastore.publish('soaked', await loadVersion(gateway, 0), CHANGE)
  })

  after(async () => {
    // Where the test failed it was not told to stop.
    client?.kill('SIGKILL')
    await gateway.stop()
    rmSync(folder, { recursive: true, force: true })
    // The gateway's threads stay until the process ends, which here is the test's own: it ends when all is reported.
    setTimeout(() => process.exit(), 1_000).unref()
  })

  test(`${SECONDS} s of publishing, rolling back, evicting and reopening under load`, async () => {
    const port = gateway.listeners.find(({ name }) => name === 'kvstore')?.port ?? 0
    const { child, report } = startClient(port)
    client = child
    const until = performance.now() + SECONDS * 1000
    const slowest = { ms: 0 }
    let steps = 0
    let reopenAt = performance.now() + 2_000
    while (performance.now() < until) {
      const startedAt = performance.now()
      await step(gateway, ++steps)
      if (steps % CHURN_EVERY_STEPS === 0) await churn(gateway)
      if (startedAt > reopenAt) {
        reopenAt = startedAt + REOPEN_EVERY_MS
        await reopenLiveShard(gateway)
      }
      const tookMs = performance.now() - startedAt
      slowest.ms = Math.max(slowest.ms, tookMs)
      await pause(Math.max(0, STEP_MS - tookMs))
    }
    child.send('stop')
    const { reads, writes, refused, faults } = await report
    console.log(
      `soak: ${steps} steps, slowest ${Math.round(slowest.ms)} ms, ${reads} reads, ${writes} writes, ${refused} refused`,
    )
    assert.deepEqual(faults, [])
    assert.equal(gateway.leases().overdue, 0)
    assert.ok(steps > SECONDS * MIN_STEPS_PER_SECOND, `only ${steps} steps`)
    assert.ok(reads > 100 && writes > 10, 'the load was too small to say anything')
    await allEvictedClosed(gateway)
  })
})

/** As after an I/O error: out of the map, closed when its users are done, opened again as a new incarnation. */
async function reopenLiveShard(gateway: Gateway): Promise<void> {
  const incarnation = gateway.currentMap().datasets.get('written')?.live[0] ?? null
  if (incarnation !== null) await gateway.versionSet.shardFailed(incarnation.id)
}

/** Kept versions plus the two live shards are open; everything else is closed as soon as its last reader is done. */
async function allEvictedClosed({ metastore, versionSet }: Gateway): Promise<void> {
  const kept =
    metastore.get('soaked')?.versions.filter(({ state }) => state === 'READY' || state === 'CURRENT') ?? []
  const until = performance.now() + 10_000
  while (versionSet.openCount() !== kept.length + 2) {
    assert.ok(performance.now() < until, `${versionSet.openCount()} DBs open, ${kept.length + 2} expected`)
    await pause(20)
  }
}
