/** Some threads of one process, each with its own guard and backend, in time that the test lets pass. */
import assert from 'node:assert/strict'
import { type ErrorCode, KVError } from '../../../src/base/errors.js'
import type { Logger } from '../../../src/base/logger.js'
import type { MutatePlan, ReadPlan } from '../../../src/model/plan.js'
import { NO_TOKEN } from '../../../src/model/row-order.js'
import { type GuardSettings, GuardedBackend } from '../../../src/routing/guarded-backend.js'
import { SharedBreakers } from '../../../src/routing/shared-breakers.js'
import { datasetEntry, putRequest, readRequest } from '../../support/datasets.js'
import { FakeTimers } from '../../support/fake-timers.js'
import { ScriptedBackend } from '../../support/scripted-backend.js'

export const RESET_MS = 2_000
export const GONE = new KVError('UNAVAILABLE', 'connection refused')

export const SETTINGS: GuardSettings = {
  maxInFlight: 4,
  maxQueued: 2,
  hedgeAfterMs: 0,
  retryPercent: 0,
  breakerResetMs: RESET_MS,
  probeTimeoutMs: 500,
  deadlineMs: 1_000,
}

export class GuardWorld {
  readonly timers = new FakeTimers()
  readonly lines: string[] = []
  readonly refused: string[] = []
  readonly attempts: string[] = []
  readonly #shared = SharedBreakers.create(['west'])

  thread(settings: Partial<GuardSettings> = {}): { guard: GuardedBackend; inner: ScriptedBackend } {
    const { timers } = this
    const inner = new ScriptedBackend()
    const note = (_fields: object, message: string) => void this.lines.push(message)
    const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger }
    const shared = new SharedBreakers(this.#shared.buffer, ['west']).of('west', 'primary')
    const guard = new GuardedBackend(inner, {
      role: 'primary',
      settings: { ...SETTINGS, ...settings },
      shared,
      clock: { nowUs: () => 0n, nowMs: () => 5_000, monotonicMs: () => timers.nowMs },
      startTimer: timers.start,
      logger,
      events: {
        onAnswer: () => undefined,
        onAttempt: (kind) => this.attempts.push(kind),
        onRefused: (reason) => this.refused.push(reason),
      },
    })
    return { guard, inner }
  }

  status() {
    return this.#shared.list()[0]
  }
}

export function readPlan(...keys: string[]): ReadPlan {
  const request = readRequest(keys)
  const admitted = { request, entry: datasetEntry({}), tokens: keys.map(() => NO_TOKEN) }
  return { admitted, backend: new ScriptedBackend(), version: null, shardReads: [] }
}

export function mutatePlan(): MutatePlan {
  const admitted = {
    request: putRequest('k', 'v'),
    entry: datasetEntry({}),
    token: NO_TOKEN,
    durability: 'LOG',
  } as const
  return { admitted, backend: new ScriptedBackend(), shardMutate: null }
}

export async function codeOf(guard: GuardedBackend, plan = readPlan('k')): Promise<ErrorCode | 'well'> {
  const outcome = await new Promise((resolve) => guard.read(plan, resolve))
  // opossum opens with a microtask of its own.
  await new Promise((resolve) => setImmediate(resolve))
  return outcome instanceof KVError ? outcome.code : 'well'
}

/** Without a read that could be repeated. */
export async function openByWrites({
  guard,
  inner,
}: {
  guard: GuardedBackend
  inner: ScriptedBackend
}): Promise<void> {
  inner.answer = GONE
  for (let call = 0; call < 20 && !guard.isOpen; call += 1) {
    await new Promise((resolve) => guard.mutate(mutatePlan(), resolve))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(guard.isOpen, true)
}

export async function open({
  guard,
  inner,
}: {
  guard: GuardedBackend
  inner: ScriptedBackend
}): Promise<void> {
  inner.answer = GONE
  for (let call = 0; call < 20 && !guard.isOpen; call += 1) await codeOf(guard)
  assert.equal(guard.isOpen, true)
  inner.calls = 0
}
