/**
 * kill -9 in each step of an import: the next start serves the whole dataset or knows nothing of it, and never an empty one;
 * and a dataset whose imported data is gone is refused with what to do.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Gateway } from '../support/gateway.js'
import { doneJob, startJob } from '../support/jobs.js'

const ROWS = 60
const SHARDS = 4
const TIMEOUT_MS = 30_000
const OWNER = { name: 'o', contact: 'c' }
const root = mkdtempSync(join(tmpdir(), 'godwit-import-kill-'))
after(() => rmSync(root, { recursive: true }))

function newPlace(): string {
  return pathToFileURL(mkdtempSync(join(root, 'place-'))).href
}

async function start(): Promise<{ gateway: Gateway; snapshot: string }> {
  const gateway = await Gateway.start()
  await gateway.createDataset('kept', { shardCount: SHARDS })
  const client = await gateway.connect()
  const value = Buffer.alloc(50_000, 'v')
  for (let i = 0; i < ROWS; i++) await client.put({ dataset: 'kept', key: `row ${i}`, value })
  client.close()
  const snapshot = newPlace()
  await doneJob(gateway, '/v1/datasets/kept/snapshots', { body: { to: snapshot } })
  return { gateway, snapshot }
}

function namesIn(...path: readonly string[]): string[] {
  const directory = join(...path)
  return existsSync(directory) ? readdirSync(directory) : []
}

/** Ids of datasets by what stands below data/. */
function idsOf({ dataDirectory }: Gateway): string[] {
  return namesIn(dataDirectory, 'data').filter((name) => name.startsWith('i'))
}

function markersOf({ dataDirectory }: Gateway): string[] {
  return namesIn(dataDirectory, 'created').filter((name) => name.startsWith('i'))
}

/** Steps of an import as they show on disk. */
const steps: readonly { readonly name: string; readonly isReached: (gateway: Gateway) => boolean }[] = [
  { name: 'it is asked for', isReached: () => true },
  {
    name: 'a shard is begun',
    isReached: ({ dataDirectory }) =>
      namesIn(dataDirectory, 'data', '.staging').some((name) =>
        namesIn(dataDirectory, 'data', '.staging', name).includes('0'),
      ),
  },
  {
    name: 'every shard is begun',
    isReached: ({ dataDirectory }) =>
      namesIn(dataDirectory, 'data', '.staging').some(
        (name) =>
          namesIn(dataDirectory, 'data', '.staging', name).filter((one) => /^\d$/.test(one)).length ===
          SHARDS,
      ),
  },
  { name: 'its marker is there', isReached: (gateway) => markersOf(gateway).length > 0 },
  { name: 'its data is in place', isReached: (gateway) => idsOf(gateway).length > 0 },
  {
    name: 'it is served',
    isReached: (gateway) => markersOf(gateway).some((name) => name.endsWith('live-0')),
  },
]

test('kill -9 in each step of an import leaves a whole dataset or none', async (t) => {
  const { gateway, snapshot } = await start()
  t.after(() => gateway.dispose())
  for (const { name: step, isReached } of steps) {
    await startJob(gateway, '/v1/imports', { body: { from: snapshot, name: 'copy', owner: OWNER } })
    const untilMs = performance.now() + TIMEOUT_MS
    while (!isReached(gateway)) {
      assert.ok(performance.now() < untilMs, `${step}: not reached`)
      await pause(1)
    }
    await gateway.kill9()
    await gateway.start()
    const { status, body } = await gateway.admin('GET', '/v1/datasets/copy')
    if (status === 404) {
      assert.deepEqual([idsOf(gateway), markersOf(gateway)], [[], []], step)
      continue
    }
    const check = await doneJob(gateway, '/v1/datasets/copy/snapshots', { body: { to: newPlace() } })
    assert.equal((check as { rows: number }).rows, ROWS, step)
    const { revision } = (body as { dataset: { revision: number } }).dataset
    const removed = await gateway.admin('DELETE', '/v1/datasets/copy', {}, { 'if-match': `"${revision}"` })
    assert.equal(removed.status, 200, removed.text)
  }
  assert.deepEqual(namesIn(gateway.dataDirectory, 'data', '.staging'), [])
})

test('a dataset whose imported data is gone before it was served is refused, and says what to do', async (t) => {
  const { gateway, snapshot } = await start()
  t.after(() => gateway.dispose())
  await doneJob(gateway, '/v1/imports', { body: { from: snapshot, name: 'copy', owner: OWNER } })
  const [id = ''] = idsOf(gateway)
  await gateway.stop()
  // What a loss of power between the record and the first opening leaves where the disk forgot the data.
  rmSync(join(gateway.dataDirectory, 'data', id), { recursive: true })
  mkdirSync(join(gateway.dataDirectory, 'data', id))
  rmSync(join(gateway.dataDirectory, 'created', `${id}-live-0`))
  writeFileSync(join(gateway.dataDirectory, 'created', `${id}-import`), '')
  await gateway.start()
  const { text } = await gateway.admin('GET', '/v1/status')
  assert.match(text, /imported from a snapshot: mount its volume, or delete the dataset and import it again/)
  const read = await gateway.admin('GET', '/v1/datasets/copy/rows/row%201')
  assert.notEqual(read.status, 200, read.text)
})
