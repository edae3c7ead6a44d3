// `npm run demo:dataset`: a BATCH dataset through its whole life, by the command line and by HTTP, while clients read it:
// create, load, publish, upload, diff, canary, publish, rollback, archive with release, restore, move to a leaf process and
// back, delete with its copies. Prints what it does, and fails when a read fails or mixes two versions, or when
// anything is not as it should be. Everything lies in a temporary directory, on free ports of this machine.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { ensureProgram, root } from './ensure.mjs'

const DATASET = 'towns'
const ROWS = Number(process.env.GODWIT_DEMO_ROWS ?? 20_000)
const KEYS_OF_A_READ = 20
const WAIT_MS = 120_000
const REASON = ['--reason', 'demo']

// The tests give the program that they were compiled with.
const dist = process.env.GODWIT_DEMO_DIST ?? join(root, 'dist')
if (process.env.GODWIT_DEMO_DIST === undefined) ensureProgram()
const main = join(dist, 'src', 'main.js')
const { KVStoreClient } = await import(pathToFileURL(join(dist, 'src', 'client', 'client.js')).href)

const folder = mkdtempSync(join(tmpdir(), 'godwit-demo-'))
const children = []

/** A gateway or leaf process; answers its ports when it is ready. */
async function serve(name, config) {
  const configFile = join(folder, `${name}.yaml`)
  const readyFile = join(folder, `${name}.ready`)
  writeFileSync(configFile, config)
  const flags = ['--config', configFile, '--data', join(folder, name), '--ready-file', readyFile]
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('GODWIT_')))
  const child = spawn(process.execPath, [main, 'serve', ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const keep = (text) => (output = (output + text).slice(-20_000))
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep)
  children.push(child)
  await until(`${name} is ready`, () => {
    assert.equal(child.exitCode, null, `${name} ended:\n${output}`)
    return existsSync(readyFile)
  })
  return JSON.parse(readFileSync(readyFile, 'utf8')).listeners
}

async function until(what, isSo) {
  const endMs = performance.now() + WAIT_MS
  while (!(await isSo())) {
    assert.ok(performance.now() < endMs, `it did not come to this: ${what}`)
    await pause(50)
  }
}

/** Rows whose every cell says which upload they are of. */
function rowsOf(upload, count) {
  const rows = Array.from({ length: count }, (_, index) => ({
    id: `town-${index}`,
    upload,
    size: index % 97,
  }))
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
}

/** Reads many keys at once for as long as it is not stopped; every answer must be whole and of one upload. */
class Readers {
  reads = 0
  faults = []
  seen = new Set()
  #clients
  #runs
  #isStopped = false

  constructor(port, count) {
    this.#clients = Array.from({ length: count }, () => new KVStoreClient({ port, deadlineMs: 10_000 }))
    this.#runs = this.#clients.map((client, seed) => this.#run(client, seed))
  }

  async stop() {
    this.#isStopped = true
    await Promise.all(this.#runs)
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  async #run(client, seed) {
    for (let round = seed; !this.#isStopped; round += 7) {
      const keys = Array.from({ length: KEYS_OF_A_READ }, (_, i) => `town-${(round * 131 + i * 977) % ROWS}`)
      try {
        const { rows } = await client.multiGet({ dataset: DATASET, keys })
        const uploads = new Set(rows.map(({ cells }) => columnOf(cells, 'upload')))
        if (uploads.size !== 1) this.faults.push(`one answer of ${[...uploads].join(' and ')}`)
        for (const upload of uploads) this.seen.add(upload)
      } catch (error) {
        this.faults.push(String(error))
      }
      this.reads++
      await pause(1)
    }
  }
}

function columnOf(cells = [], name) {
  return cells.find(({ localKey }) => localKey.toString() === name)?.value.toString() ?? 'no such cell'
}

let adminUrl = ''
const WHO = { 'x-godwit-actor': 'demo', 'x-godwit-reason': 'the life of a dataset' }

function say(text) {
  process.stdout.write(`${text}\n`)
}

/** The command line, as an operator types it; answers what --json prints. */
async function cli(...args) {
  say(`$ godwit ${args.join(' ')}`)
  const flags = ['--json', '--server', adminUrl, ...args]
  const { stdout } = await new Promise((resolve, reject) => {
    execFile(process.execPath, [main, ...flags], { maxBuffer: 1 << 26 }, (error, out, err) => {
      if (error === null) resolve({ stdout: out })
      else reject(new Error(`godwit ${args.join(' ')}: ${err}${out}`))
    })
  })
  return JSON.parse(stdout.trim().split('\n').at(-1))
}

/** One request; changes of the dataset say which revision they saw. */
async function http(method, path, { body, headers = {}, shows = true } = {}) {
  if (shows) say(`> ${method} ${path}`)
  const isText = typeof body === 'string'
  const ofChange = method === 'GET' || isText ? {} : { 'if-match': `"${await revision()}"` }
  const answer = await fetch(`${adminUrl}${path}`, {
    method,
    headers: { ...WHO, ...ofChange, ...(isText ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(method !== 'GET' && { body: isText ? body : JSON.stringify(body ?? {}) }),
  })
  const text = await answer.text()
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text)
}

async function revision() {
  const answer = await fetch(`${adminUrl}/v1/datasets/${DATASET}`)
  return answer.ok ? (await answer.json()).dataset.revision : 0
}

/** A job of any kind, by the one way there is to follow one. */
async function ended({ id }) {
  let job
  await until(`job ${id} has ended`, async () => {
    ;({ job } = await http('GET', `/v1/jobs/${id}`, { shows: false }))
    return job.endedAtMs !== null
  })
  assert.equal(job.state, 'DONE', JSON.stringify(job))
  say(`  ${job.kind.toLowerCase()} done in ${job.endedAtMs - job.startedAtMs} ms: ${job.subject}`)
  return job.result
}

async function stateOf(version) {
  const { versions } = await http('GET', `/v1/datasets/${DATASET}/versions`, { shows: false })
  return versions.find(({ id }) => id === version)?.state
}

/** All keys are served from this upload from now on. */
async function servedFrom(client, upload) {
  const { rows } = await client.multiGet({
    dataset: DATASET,
    keys: Array.from({ length: 200 }, (_, i) => `town-${i}`),
  })
  assert.deepEqual([...new Set(rows.map(({ cells }) => columnOf(cells, 'upload')))], [upload])
  say(`  served: ${upload}`)
}

async function start() {
  const leaf = await serve('leaf', 'role: leaf\nlisteners:\n  leaf: { port: 0 }\n')
  const archive = pathToFileURL(join(folder, 'archive')).href
  const ports = 'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n'
  const listeners = await serve('gateway', `${ports}archive: { url: "${archive}" }\n`)
  adminUrl = `http://127.0.0.1:${listeners.admin.port}`
  return { leaf: leaf.leaf.port, kvstore: listeners.kvstore.port }
}

/** Answers its first version. */
async function createAndLoad(client) {
  say(`A dataset of ${ROWS} rows, by the command line:`)
  const owner = ['--owner', 'maps', '--contact', '#maps']
  const shape = ['--mode', 'BATCH', '--shards', '4', '--retain', '3']
  await cli('dataset', 'create', DATASET, ...shape, ...owner, ...REASON)
  const file = join(folder, 'first.ndjson')
  writeFileSync(file, rowsOf('first', ROWS))
  const loaded = await cli('load', DATASET, '--from', file, '--key', 'id', '--publish', ...REASON)
  await servedFrom(client, 'first')
  return loaded.version
}

/** Answers the new version. */
async function uploadAndTry(client, old) {
  say(
    '\nFrom here on 4 clients read it without a pause. A new upload over HTTP, compared and tried before it is served:',
  )
  const sent = await http('POST', `/v1/datasets/${DATASET}/uploads?format=ndjson&keyField=id`, {
    body: rowsOf('second', ROWS + 10),
    headers: { 'content-type': 'application/x-ndjson' },
  })
  const { version } = await ended(sent.load)
  const diff = await cli('versions', 'diff', DATASET, String(old), String(version))
  assert.deepEqual([diff.added, diff.changed, diff.removed], [10, ROWS, 0])
  say(`  added ${diff.added}, changed ${diff.changed}, removed ${diff.removed}`)
  await cli('versions', 'canary', DATASET, String(version), '--share', '20', ...REASON)
  const shares = { first: 0, second: 0 }
  for (let i = 0; i < 500; i++) {
    const { cells } = await client.get({ dataset: DATASET, key: `town-${i}` })
    shares[columnOf(cells, 'upload')]++
  }
  say(`  of 500 keys ${shares.second} are served from the canary`)
  assert.ok(shares.second > 50 && shares.second < 150, JSON.stringify(shares))
  return version
}

async function publishAndReturn(client, version) {
  await http('POST', `/v1/datasets/${DATASET}/versions/${version}/publish`)
  await servedFrom(client, 'second')
  await cli('versions', 'rollback', DATASET, ...REASON)
  await servedFrom(client, 'first')
}

async function archiveAndRestore(client, version) {
  say('\nThe new version to object storage and back:')
  await cli('versions', 'archive', DATASET, String(version), '--release', ...REASON)
  assert.equal(await stateOf(version), 'ARCHIVED')
  const restored = await http('POST', `/v1/datasets/${DATASET}/versions/${version}/restore`)
  await ended(restored.job)
  await http('POST', `/v1/datasets/${DATASET}/versions/${version}/publish`)
  await servedFrom(client, 'second')
}

async function moveThereAndBack(client, version, leafPort) {
  say('\nTo a leaf process and back:')
  await cli('cluster', 'put', 'west', '--leaf', `a=http://127.0.0.1:${leafPort}`, ...REASON)
  await cli('dataset', 'move', DATASET, '--to', 'west', '--now', ...REASON)
  const isOnLeaf = async () => {
    const { datasets } = await http('GET', '/v1/status', { shows: false })
    const { placement } = datasets.find(({ name }) => name === DATASET)
    return placement.some((placed) => placed.version === version && placed.isReadFromLeaves)
  }
  await until('the leaf serves it', isOnLeaf)
  await servedFrom(client, 'second')
  await cli('dataset', 'move', DATASET, '--to', 'local', '--now', ...REASON)
  await until('the gateway serves it', async () => !(await isOnLeaf()))
  await servedFrom(client, 'second')
}

async function deleteAll(version) {
  say('\nThe end, with its copies:')
  await cli('dataset', 'delete', DATASET, '--with-archives', '--yes', ...REASON)
  assert.equal(existsSync(join(folder, 'archive', DATASET, String(version), 'archive.json')), false)
  const { jobs } = await http('GET', '/v1/jobs', { shows: false })
  say(`  ${jobs.length} jobs, all of them ${[...new Set(jobs.map(({ state }) => state))].join(', ')}`)
}

async function life() {
  const ports = await start()
  const client = new KVStoreClient({ port: ports.kvstore, deadlineMs: 10_000 })
  const old = await createAndLoad(client)
  const readers = new Readers(ports.kvstore, 4)
  const version = await uploadAndTry(client, old)
  await publishAndReturn(client, version)
  await archiveAndRestore(client, version)
  await moveThereAndBack(client, version, ports.leaf)
  await readers.stop()
  say(
    `\n${readers.reads} reads of ${KEYS_OF_A_READ} rows meanwhile, ${readers.faults.length} failed or mixed`,
  )
  assert.deepEqual(readers.faults.slice(0, 5), [])
  assert.deepEqual([...readers.seen].sort(), ['first', 'second'])
  await deleteAll(version)
  await client.close()
}

const startedAt = performance.now()
try {
  await life()
  say(`\nA whole life in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`)
} finally {
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(
    children.map((child) => child.exitCode ?? new Promise((resolve) => child.once('close', resolve))),
  )
  rmSync(folder, { recursive: true, force: true })
}
