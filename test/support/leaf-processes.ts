/** A gateway with leaf processes, on loopback; and rows of which every cell says which version it is of. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { GatewayStatus, PlacementStatus } from '../../src/model/operations.js'
import { Gateway } from './gateway.js'

const WAIT_MS = 30_000
/** Of 100,000 rows, where others have the processors. */
const LOAD_WAIT_MS = 120_000

/** Those below the ones that Linux gives to outgoing connections, of which one could have it when it is wanted again. */
const FIRST_PORT = 20_000
const END_PORT = 32_768
const PORT_ATTEMPTS = 100

/** A port that nobody listens on now, and that nobody else is given by chance. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const port = randomInt(FIRST_PORT, END_PORT)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise<void>((resolve) => server.close(() => resolve()))
    return port
  }
  throw new Error(`${PORT_ATTEMPTS} ports between ${FIRST_PORT} and ${END_PORT} are taken`)
}

/** A leaf process that keeps its port over restarts. */
export async function startLeaf(): Promise<Gateway> {
  const ports = `role: leaf\nlisteners:\n  leaf: { port: ${await freePort()} }\n`
  return await Gateway.start({ ports })
}

export function leafUrl(leaf: Gateway): string {
  return `http://127.0.0.1:${leaf.port('leaf')}`
}

/** Of a process that answered with success. */
export async function change(
  gateway: Gateway,
  method: string,
  path: string,
  body: object = {},
): Promise<unknown> {
  const { revision } = (await revisionOf(gateway, path)) ?? {}
  const answer = await gateway.admin(
    method,
    path,
    body,
    revision === undefined ? {} : { 'if-match': `"${revision}"` },
  )
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`)
  return answer.body
}

async function revisionOf(gateway: Gateway, path: string): Promise<{ readonly revision: number } | null> {
  const [, kind, name] = /^\/v1\/(datasets|clusters)\/([^/]+)/.exec(path) ?? []
  if (kind === undefined || name === undefined) return null
  const answer = await gateway.admin('GET', `/v1/${kind}/${name}`)
  if (answer.status !== 200) return null
  const body = answer.body as Record<string, { readonly revision: number }> // what both routes answer
  return Object.values(body)[0] ?? null
}

export async function putCluster(
  gateway: Gateway,
  name: string,
  leaves: Readonly<Record<string, Gateway>>,
): Promise<void> {
  const records = Object.entries(leaves).map(([leaf, process]) => ({ name: leaf, url: leafUrl(process) }))
  await change(gateway, 'PUT', `/v1/clusters/${name}`, { leaves: records })
}

export function keyOf(row: number): string {
  return `row-${row}`
}

/** NDJSON of rows whose cell `v` says the version. */
export function writeRows(gateway: Gateway, version: string, count: number): string {
  const path = join(gateway.folder, `${version}.ndjson`)
  const lines = Array.from({ length: count }, (_, row) =>
    JSON.stringify({ id: keyOf(row), v: version, n: `${row}` }),
  )
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

/** Loads and publishes; answers the version's id. */
export async function load(gateway: Gateway, dataset: string, path: string): Promise<number> {
  const request = { from: path, format: 'ndjson', keyField: 'id', publish: true }
  const answer = await gateway.admin('POST', `/v1/datasets/${dataset}/loads`, request)
  assert.ok(answer.status < 300, answer.text)
  const { id } = (answer.body as { load: { id: string } }).load // what the route answers
  const endMs = performance.now() + LOAD_WAIT_MS
  while (performance.now() < endMs) {
    await pause(20)
    const { body } = await gateway.admin('GET', `/v1/loads/${id}`)
    const { state, version, error } = (body as { load: { state: string; version: number; error: unknown } })
      .load
    assert.notEqual(state, 'FAILED', JSON.stringify(error))
    if (state === 'DONE') return version
  }
  throw new Error('the load took too long')
}

export async function statusOf(gateway: Gateway): Promise<GatewayStatus> {
  return (await gateway.admin('GET', '/v1/status')).body as GatewayStatus // what the route answers
}

export async function placementOf(
  gateway: Gateway,
  dataset: string,
  version: number,
): Promise<PlacementStatus | null> {
  const { datasets } = await statusOf(gateway)
  const found = datasets.find(({ name }) => name === dataset)
  return found?.placement.find((one) => one.version === version) ?? null
}

/** Waits until `check` holds of the status. */
export async function until(
  gateway: Gateway,
  what: string,
  check: (status: GatewayStatus) => boolean,
): Promise<void> {
  let status: GatewayStatus | null = null
  const endMs = performance.now() + WAIT_MS
  while (performance.now() < endMs) {
    await pause(30)
    status = await statusOf(gateway)
    if (check(status)) return
  }
  throw new Error(`${what} did not come: ${JSON.stringify(status)}`)
}

/** Every shard has all of its copies, and they are read. */
export async function placed(gateway: Gateway, dataset: string, version: number): Promise<void> {
  await until(gateway, `version ${version} on its leaves`, ({ datasets }) => {
    const found = datasets
      .find(({ name }) => name === dataset)
      ?.placement.find((one) => one.version === version)
    return found !== undefined && found.isReadFromLeaves && found.confirmed === found.wanted
  })
}
