/** A gateway with a dataset that moves from a fake Terrapin to it, and readers of it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { KVError } from '../../src/base/errors.js'
import type { DifferenceReport, ShadowFigures } from '../../src/model/difference.js'
import type { MigrationReport } from '../../src/model/migration-plan.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/kvstore.js'
import type { FakeOrigin } from './fake-origin.js'
import { Gateway } from './gateway.js'
import { revisionOf } from './jobs.js'
import { load } from './leaf-processes.js'

export const PINS = 'pins'

/** Threads tell their figures once a second. */
const TOLD_WITHIN_MS = 1_200

const WAIT_MS = 30_000
const POLL_MS = 50

/** A little evidence is enough. */
const EASY_GUARDS =
  'minComparisons: 1, minRequests: 1, maxMismatchShare: 1, maxLostShare: 1, maxErrorShare: 1, maxLatencyRatio: 1000, soakMs: 0'

export interface MigratingOptions {
  readonly threads?: number
  /** Settings of the origin, beside where it is. */
  readonly origin?: string
  /** In place of those that a little evidence passes. */
  readonly guards?: string
}

/** Data by key; null: no such row. */
export type Values = ReadonlyMap<string, string>

/** One whose dataset `pins` is still on the origin. */
export async function startMigrating(
  origin: FakeOrigin,
  { threads = 2, origin: settings = '', guards = EASY_GUARDS }: MigratingOptions = {},
): Promise<Gateway> {
  const gateway = await Gateway.start({
    config:
      `threads: { data: ${threads} }\nmigration: { ${guards} }\norigins:\n  west: { api: terrapin, host: 127.0.0.1, port: ${origin.port}, ` +
      `clusters: [main], pipelining: "on", connections: 4, maxInFlight: 1000${settings} }\n`,
  })
  await gateway.createDataset(PINS, { mode: 'BATCH', migrationState: 'ORIGIN_ONLY', origin: 'west' })
  return gateway
}

/** Loads these rows, as values without a name, and publishes them; answers the version. */
export async function loadValues(gateway: Gateway, values: Values): Promise<number> {
  const path = join(gateway.folder, `values-${values.size}-${Math.random()}.ndjson`)
  const lines = Array.from(values, ([key, value]) => JSON.stringify({ id: key, '': value }))
  writeFileSync(path, `${lines.join('\n')}\n`)
  return await load(gateway, PINS, path)
}

/** By the admin API; guards that may be forced are. */
export async function migrate(
  gateway: Gateway,
  what: string,
  body: object = {},
  method: 'POST' | 'PUT' = 'POST',
): Promise<void> {
  const headers = { 'if-match': await revisionOf(gateway, PINS) }
  const answer = await gateway.admin(
    method,
    `/v1/datasets/${PINS}/migration/${what}`,
    { actor: 'test', reason: 'a test needs it', force: true, ...body },
    headers,
  )
  assert.equal(answer.status, 200, `${what}: ${answer.text}`)
}

export function dial(gateway: Gateway, dials: object): Promise<void> {
  return migrate(gateway, 'dials', dials, 'PUT')
}

export function setOriginVersion(gateway: Gateway, versionId: number | null): Promise<void> {
  return migrate(gateway, 'originVersion', { versionId }, 'PUT')
}

export async function reportOf(gateway: Gateway): Promise<MigrationReport> {
  const { body, text } = await gateway.admin('GET', `/v1/datasets/${PINS}/migration`)
  assert.ok(body !== null, text)
  return (body as { migration: MigrationReport }).migration // our own admin API
}

/** Reads as fast as answers come, so many at a time. */
export class Readers {
  readonly #client: ThriftClient
  readonly latenciesMs: number[] = []
  readonly errors: KVError[] = []
  answered = 0

  constructor(gateway: Gateway) {
    const port = gateway.port('kvstore')
    this.#client = new ThriftClient({ name: 'gateway', host: '127.0.0.1', port, connections: 8 })
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  /** Values by place, null where there is none; or why there is no answer. */
  get(keys: readonly string[], caller: string | null = null): Promise<(string | null)[] | KVError> {
    const context = wire.makeRequestContext({ caller, deadlineMs: 5_000 })
    const request = wire.makeMultiGetRequest({ dataset: PINS, keys: keys.map(toKey), context })
    const startedAtMs = performance.now()
    return new Promise((resolve) => {
      this.#client.call(wire.KVStoreMethods.multiGet, { request }, startedAtMs + 6_000, (outcome) => {
        this.latenciesMs.push(performance.now() - startedAtMs)
        resolve(valuesOf(outcome))
      })
    })
  }

  /** Each part once, `inFlight` at a time. */
  async each(
    parts: Iterable<readonly string[]>,
    look: (values: readonly (string | null)[], keys: readonly string[]) => void = () => undefined,
    inFlight = 32,
  ): Promise<void> {
    const iterator = parts[Symbol.iterator]()
    const worker = async (): Promise<void> => {
      for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
        const values = await this.get(next.value)
        if (values instanceof KVError) this.errors.push(values)
        else {
          this.answered += 1
          look(values, next.value)
        }
      }
    }
    await Promise.all(Array.from({ length: inFlight }, worker))
  }
}

function toKey(key: string): Buffer {
  return Buffer.from(key, 'latin1')
}

function valuesOf(
  outcome:
    | { readonly value: wire.MultiGetResponse | null; readonly exception: wire.KVStoreException | null }
    | KVError,
): (string | null)[] | KVError {
  if (outcome instanceof KVError) return outcome
  if (outcome.value === null) {
    return new KVError('UNAVAILABLE', outcome.exception?.error?.message ?? 'an exception')
  }
  const values: (string | null)[] = []
  for (const { value, error } of outcome.value.rows ?? []) {
    if (error !== null) return new KVError('UNAVAILABLE', error.message ?? 'a row failed')
    values.push(value === null ? null : value.toString('latin1'))
  }
  return values
}

export function* inParts(keys: readonly string[], size: number): Generator<readonly string[]> {
  for (let at = 0; at < keys.length; at += size) yield keys.slice(at, at + size)
}

/** Waits until it holds. */
export async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const untilMs = performance.now() + WAIT_MS
  while (!(await holds())) {
    assert.ok(performance.now() < untilMs, `${what}: not in time`)
    await pause(POLL_MS)
  }
}

/** Of a metric's lines: its value by the label, or under '' without one. */
export async function metricsOf(
  gateway: Gateway,
  name: string,
  label?: string,
): Promise<Map<string, number>> {
  const { text } = await gateway.admin('GET', '/metrics')
  const found = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${name}{`) && !line.startsWith(`${name} `)) continue
    const value = label === undefined ? '' : (new RegExp(`${label}="([^"]*)"`).exec(line)?.[1] ?? '')
    found.set(value, Number(line.slice(line.lastIndexOf(' ') + 1)))
  }
  return found
}

/** What became of shadow reads, when none waits any more and all threads have told. */
export async function settledShadows(gateway: Gateway): Promise<ShadowFigures> {
  for (let look = 0; look < 100; look += 1) {
    await pause(TOLD_WITHIN_MS)
    const [sent, results, waiting, unaccounted, unconfirmed] = await Promise.all([
      metricsOf(gateway, 'godwit_migration_shadow_reads_total'),
      metricsOf(gateway, 'godwit_migration_shadow_results_total', 'result'),
      metricsOf(gateway, 'godwit_migration_shadow_waiting'),
      metricsOf(gateway, 'godwit_migration_shadow_unaccounted'),
      metricsOf(gateway, 'godwit_migration_shadow_unconfirmed_total'),
    ])
    assert.equal(unaccounted.get('') ?? 0, 0, 'shadow reads are unaccounted for')
    if ((waiting.get('') ?? 0) > 0) continue
    const of = (result: string): number => results.get(result) ?? 0
    const counts = {
      ...{ matched: of('matched'), mismatched: of('mismatched'), tied: of('tied'), dropped: of('dropped') },
      ...{ expired: of('expired'), failed: of('failed'), waiting: 0, baseline: 0, unstable: 0 },
      unconfirmed: unconfirmed.get('') ?? 0,
    }
    return { sent: sent.get('') ?? 0, ...counts }
  }
  return assert.fail('shadow reads still wait')
}

/** Found since that moment, by kind: the keys. */
export async function differencesSince(
  gateway: Gateway,
  sinceMs: number,
): Promise<{ readonly report: DifferenceReport; readonly byKind: Map<string, number> }> {
  const lastMs = Math.max(1, Date.now() - sinceMs)
  const { body } = await gateway.admin('GET', `/v1/datasets/${PINS}/differences?lastMs=${lastMs}`)
  const report = body as DifferenceReport // our own admin API
  return { report, byKind: new Map(report.groups.map(({ kind, keys }) => [kind, keys])) }
}
