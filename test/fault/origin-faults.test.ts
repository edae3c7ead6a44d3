/** A Terrapin that fails in each of its ways, and a guard before it: what the caller gets, and what is left behind. */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, suite, test } from 'node:test'
import { TerrapinOrigin, type TerrapinOriginSettings } from '../../shims/terrapin/origin.js'
import { startSystemTimer, systemClock } from '../../src/base/clock.js'
import { type ErrorCode, KVError } from '../../src/base/errors.js'
import { silentLogger } from '../../src/base/logger.js'
import type { ReadPlan } from '../../src/model/plan.js'
import type { ReadResult } from '../../src/model/request.js'
import { NO_TOKEN } from '../../src/model/row-order.js'
import { type GuardSettings, GuardedBackend } from '../../src/routing/guarded-backend.js'
import { SharedBreakers } from '../../src/routing/shared-breakers.js'
import { datasetEntry, readRequest } from '../support/datasets.js'
import { type CallFault, FakeOrigin } from '../support/fake-origin.js'
import { random } from '../support/random.js'
import { ScriptedBackend } from '../support/scripted-backend.js'

const DEADLINE_MS = 300
/** What a loaded machine may take beyond it. */
const SLACK_MS = 250
const GUARD: GuardSettings = {
  maxInFlight: 8,
  maxQueued: 8,
  hedgeAfterMs: 0,
  retryPercent: 0,
  breakerResetMs: 200,
  probeTimeoutMs: 300,
  deadlineMs: DEADLINE_MS,
}
const VALUES = new Map(Array.from({ length: 100 }, (_, index) => [`k${index}`, Buffer.from(`v${index}`)]))

let closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.reverse()) await close()
  closers = []
})

async function startOrigin(): Promise<FakeOrigin> {
  const origin = await FakeOrigin.start({ values: VALUES })
  closers.push(() => origin.close())
  return origin
}

function guard(
  port: number,
  {
    settings = {},
    guarded = {},
  }: { settings?: Partial<TerrapinOriginSettings>; guarded?: Partial<GuardSettings> } = {},
): GuardedBackend {
  const plain = { host: '127.0.0.1', port, otherAddresses: [], clusters: ['local'] }
  const bounds = { connections: 4, isPipelined: false, deadlineMs: DEADLINE_MS }
  const parts = { clock: systemClock, logger: silentLogger }
  const backend = new GuardedBackend(
    new TerrapinOrigin('west', { ...plain, ...bounds, ...settings }, parts),
    {
      role: 'primary',
      settings: { ...GUARD, ...guarded },
      shared: SharedBreakers.create(['west']).of('west', 'primary'),
      clock: systemClock,
      startTimer: startSystemTimer,
      logger: silentLogger,
      events: { onAnswer: () => undefined, onAttempt: () => undefined, onRefused: () => undefined },
    },
  )
  closers.push(() => backend.close())
  return backend
}

function planOf(keys: readonly string[], timeoutMs = 10_000): ReadPlan {
  const context = { api: 'test', caller: null, deadline: systemClock.monotonicMs() + timeoutMs }
  const request = readRequest([...keys], { dataset: 'pins', context })
  const admitted = { request, entry: datasetEntry({}), tokens: keys.map(() => NO_TOKEN) }
  return { admitted, backend: new ScriptedBackend(), version: null, shardReads: [] }
}

function read(backend: GuardedBackend, ...keys: string[]): Promise<ReadResult | KVError> {
  return new Promise((resolve) => backend.read(planOf(keys), resolve))
}

function textOf(outcome: ReadResult | KVError): string {
  if (outcome instanceof KVError) return outcome.code
  return outcome.rows
    .map((row) => (row instanceof KVError ? row.code : (row?.cells[0]?.value.toString() ?? '-')))
    .join(' ')
}

const GARBAGE = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')
const FAULTS: readonly (readonly [fault: CallFault, code: ErrorCode])[] = [
  [{ kind: 'reset' }, 'UNAVAILABLE'],
  [{ kind: 'close' }, 'UNAVAILABLE'],
  [{ kind: 'halfClose' }, 'UNAVAILABLE'],
  [{ kind: 'cut', bytes: 2 }, 'DEADLINE_EXCEEDED'],
  [{ kind: 'cut', bytes: 20 }, 'DEADLINE_EXCEEDED'],
  [{ kind: 'wrongSeqid' }, 'UNAVAILABLE'],
  [{ kind: 'wrongMethod' }, 'UNAVAILABLE'],
  [{ kind: 'garbage', bytes: GARBAGE }, 'UNAVAILABLE'],
  [{ kind: 'garbage', bytes: Buffer.from('80000000', 'hex') }, 'UNAVAILABLE'],
  [{ kind: 'garbage', bytes: Buffer.from('0000000480010002', 'hex') }, 'UNAVAILABLE'],
  [{ kind: 'stranger' }, 'INTERNAL'],
  [{ kind: 'nothing' }, 'INTERNAL'],
  [{ kind: 'application', type: 6, message: 'Internal error processing multiGet' }, 'INTERNAL'],
  [{ kind: 'application', type: 1, message: "Invalid method name: 'multiGet'" }, 'UNSUPPORTED'],
]

suite('a Terrapin that fails', () => {
  for (const [fault, code] of FAULTS) {
    const detail = 'bytes' in fault ? ` ${fault.bytes.toString().slice(0, 8)}` : ''
    test(`${fault.kind}${detail}: ${code} in time, and the next read is answered`, async () => {
      const origin = await startOrigin()
      const backend = guard(origin.port)
      assert.equal(textOf(await read(backend, 'k1')), 'v1')
      origin.fail(fault)
      const startedAtMs = performance.now()
      const outcome = await read(backend, 'k1', 'k2')
      assert.equal(textOf(outcome), code, outcome instanceof KVError ? outcome.message : '')
      assert.ok(performance.now() - startedAtMs < DEADLINE_MS + SLACK_MS)
      assert.equal(textOf(await read(backend, 'k2', 'nobody', 'k1')), 'v2 - v1')
      assert.equal(backend.inFlight, 0)
    })
  }

  test('answers for single keys that are wrong in a way that shows fail those keys alone', async () => {
    const origin = await startOrigin()
    const backend = guard(origin.port)
    origin.answerKeys(['k1'], 'unset')
    origin.answerKeys(['k2'], 'empty')
    origin.answerKeys(['k3'], 'missing')
    origin.answerKeys(['x'], 'extra')
    const keys = ['k1', 'k2', 'k3', 'x', 'k4', 'k'.repeat(32_768)]
    assert.equal(textOf(await read(backend, ...keys)), 'INTERNAL  - extra v4 TOO_LARGE')
  })

  test('a stall costs bounded calls and sockets, the rest fails at once; then all is well again', async () => {
    const origin = await startOrigin()
    const backend = guard(origin.port, { guarded: { maxInFlight: 4 } })
    origin.stall()
    const outcomes = await Promise.all(Array.from({ length: 30 }, (_, index) => read(backend, `k${index}`)))
    const codes = outcomes.map(textOf)
    assert.equal(codes.filter((code) => code === 'OVERLOADED').length, 18)
    // Those that waited for their turn when the breaker opened were not asked.
    const late = codes.filter((code) => code === 'DEADLINE_EXCEEDED').length
    assert.ok(late >= 5, `${late} late`)
    assert.equal(late + codes.filter((code) => code === 'UNAVAILABLE').length, 12)
    await until(() => backend.isOpen)
    const startedAtMs = performance.now()
    assert.equal(textOf(await read(backend, 'k1')), 'UNAVAILABLE')
    assert.ok(performance.now() - startedAtMs < DEADLINE_MS, 'an open breaker refuses at once')
    assert.ok(origin.connectionCount <= 8, `${origin.connectionCount} connections`)
    origin.resume()
    await until(() => !backend.isOpen)
    assert.equal(textOf(await read(backend, 'k1')), 'v1')
    assert.ok(origin.connectionCount <= 4, `${origin.connectionCount} connections`)
  })

  test('an origin that is killed is refused fast once the breaker is open, and found again when it is back', async () => {
    const origin = await startOrigin()
    const backend = guard(origin.port)
    await read(backend, 'k1')
    await origin.kill()
    for (let call = 0; call < 20 && !backend.isOpen; call += 1) {
      assert.equal(textOf(await read(backend, 'k1')), 'UNAVAILABLE')
      await pause(1)
    }
    assert.equal(backend.isOpen, true)
    await origin.revive()
    await until(() => !backend.isOpen)
    assert.equal(textOf(await read(backend, 'k1')), 'v1')
  })

  test('of two addresses one may die: reads go on at the other, and come back', async () => {
    const [first, second] = [await startOrigin(), await startOrigin()]
    const otherAddresses = [{ host: '127.0.0.1', port: second.port }]
    const backend = guard(first.port, { settings: { otherAddresses }, guarded: { retryPercent: 10 } })
    const many = () => Promise.all(Array.from({ length: 8 }, (_, index) => read(backend, `k${index}`)))
    await many()
    assert.ok(first.calls > 0 && second.calls > 0, `${first.calls} and ${second.calls} calls`)
    await first.kill()
    for (let round = 0; round < 20; round += 1) {
      for (const outcome of await many()) assert.notEqual(textOf(outcome), 'UNAVAILABLE')
    }
    await first.revive()
    const before = first.calls
    await until(() => {
      void many()
      return first.calls > before
    })
    await until(() => backend.inFlight + backend.queued === 0)
  })

  test('a slow address is hedged at another one', async () => {
    const [slow, fast] = [await startOrigin(), await startOrigin()]
    const otherAddresses = [{ host: '127.0.0.1', port: fast.port }]
    const backend = guard(slow.port, {
      settings: { otherAddresses },
      guarded: { retryPercent: 100, hedgeAfterMs: 20 },
    })
    slow.stall()
    for (let call = 0; call < 5; call += 1) {
      const startedAtMs = performance.now()
      assert.equal(textOf(await read(backend, `k${call}`)), `v${call}`)
      assert.ok(performance.now() - startedAtMs < DEADLINE_MS)
    }
  })

  test('of an origin that fails often no more is asked than callers ask and a tenth of it', async () => {
    const origin = await startOrigin()
    const backend = guard(origin.port, { guarded: { retryPercent: 10 } })
    const reads = 1_000
    for (let call = 0; call < reads; call += 1) {
      if (call % 3 === 0) origin.fail({ kind: 'reset' })
      await read(backend, `k${call % 100}`)
      assert.equal(backend.isOpen, false)
    }
    assert.ok(origin.calls > reads, `${origin.calls} calls`)
    assert.ok(origin.calls <= reads * 1.1 + 10, `${origin.calls} calls`)
  })

  test('random damage to answers never hangs, never crosses keys, and leaves nothing behind', async () => {
    const origin = await startOrigin()
    const backend = guard(origin.port, {
      settings: { deadlineMs: 60 },
      guarded: { breakerResetMs: 100, probeTimeoutMs: 60 },
    })
    const number = random(20_261_123)
    const next = (below: number): number => Math.floor(number() * below)
    const kinds: readonly (() => CallFault)[] = [
      () => ({ kind: 'garbage', bytes: Buffer.from(Array.from({ length: next(64) }, () => next(256))) }),
      () => ({ kind: 'cut', bytes: next(80) }),
      ...FAULTS.map(
        ([fault]) =>
          () =>
            fault,
      ),
    ]
    const answered = { well: 0, failed: 0 }
    for (let call = 0; call < 400; call += 1) {
      if (next(2) === 0) origin.fail(kinds[next(kinds.length)]?.() ?? { kind: 'reset' })
      const key = next(120)
      const outcome = await read(backend, `k${key}`)
      if (outcome instanceof KVError) answered.failed += 1
      else {
        answered.well += 1
        assert.equal(textOf(outcome), key < 100 ? `v${key}` : '-')
      }
      if (backend.isOpen) {
        origin.heal()
        await until(() => !backend.isOpen)
      }
    }
    assert.ok(answered.well > 50 && answered.failed > 50, JSON.stringify(answered))
    assert.deepEqual([backend.inFlight, backend.queued], [0, 0])
    assert.ok(origin.connectionCount <= 4, `${origin.connectionCount} connections`)
  })

  test('thousands of failed reads hold no memory', async () => {
    const origin = await startOrigin()
    const backend = guard(origin.port, { settings: { isPipelined: true }, guarded: { maxInFlight: 64 } })
    const rounds = async (count: number): Promise<void> => {
      for (let round = 0; round < count; round += 1) {
        origin.fail({ kind: 'reset' })
        await Promise.all(Array.from({ length: 16 }, (_, index) => read(backend, `k${index}`)))
        if (backend.isOpen) await until(() => !backend.isOpen)
      }
    }
    await rounds(30)
    globalThis.gc?.()
    const before = process.memoryUsage().heapUsed
    await rounds(100)
    globalThis.gc?.()
    const grown = process.memoryUsage().heapUsed - before
    assert.ok(grown < 16 * 1024 * 1024, `${grown} bytes more after 1,600 reads`)
  })
})

async function until(holds: () => boolean): Promise<void> {
  const untilMs = performance.now() + 10_000
  while (!holds()) {
    assert.ok(performance.now() < untilMs, 'it did not come true in time')
    await pause(10)
  }
}
