/**
 * kill -9 of the gateway in every move of a migration: while it is being made, and once it is answered. The record is then
 * in the state before or after, never between, with its audit line; every read is answered by the side that one of these two
 * states has for its key. What moves by itself, ramps on and back and the end of an abort, goes on by itself.
 *
 * Each kill costs a start. By default the moves are struck that change who answers, or end something, each once;
 * GODWIT_KILL_MOVES=all strikes every one, and GODWIT_KILL_RUNS of them twice (two minutes). test/unit/migration/
 * interruptions.test.ts has them all at every step, in memory.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { KVError } from '../../src/base/errors.js'
import type { AuditLine } from '../../src/model/dataset.js'
import type { MigrationState } from '../../src/model/migration.js'
import type { MigrationReport } from '../../src/model/migration-plan.js'
import { splitBucket } from '../../src/routing/traffic-split.js'
import { FakeOrigin } from '../support/fake-origin.js'
import type { Gateway } from '../support/gateway.js'
import {
  PINS,
  Readers,
  dial,
  inParts,
  loadValues,
  migrate,
  reportOf,
  setOriginVersion,
  startMigrating,
  until,
} from '../support/migration.js'
import { ONE, ofOrigin, ofTarget } from '../support/ramping.js'

const KEYS = Array.from({ length: 300 }, (_, index) => `pin-${index}`)
const CALLERS = 8
const POLL_MS = 5
const STRIKES_ALL = process.env['GODWIT_KILL_MOVES'] === 'all'
/** Kills behind an answer, where the one before it came too early. */
const RUNS = STRIKES_ALL ? Number(process.env['GODWIT_KILL_RUNS'] ?? 1) : 1
const MAX_DELAY_MS = 500
const HALF = 5_000
const WHOLE = 10_000
const GUARDS =
  'minComparisons: 40, minRequests: 1, maxMismatchShare: 0.05, maxLostShare: 1, maxErrorShare: 1, maxLatencyRatio: 1000,' +
  ' latencySlackMs: 1000, soakMs: 0, watchEveryMs: 200'

type Move = 'switch' | 'revert' | 'abort' | 'complete'

/** Out of each state by each of its moves. `end` of an abort the gateway makes by itself. */
const CASES: readonly (readonly [MigrationState, Move, MigrationState])[] = [
  ['ORIGIN_ONLY', 'switch', 'ARMING'],
  ['ARMING', 'abort', 'ORIGIN_ONLY'],
  ['ARMING', 'switch', 'VERIFY'],
  ['VERIFY', 'abort', 'ORIGIN_ONLY'],
  ['VERIFY', 'switch', 'RAMP'],
  ['RAMP', 'abort', 'ORIGIN_ONLY'],
  ['RAMP', 'switch', 'TARGET_PRIMARY'],
  ['TARGET_PRIMARY', 'switch', 'TARGET_ONLY'],
  ['TARGET_ONLY', 'revert', 'TARGET_PRIMARY'],
  ['TARGET_PRIMARY', 'revert', 'RAMP'],
  ['RAMP', 'revert', 'VERIFY'],
  ['VERIFY', 'revert', 'ARMING'],
  ['ARMING', 'revert', 'ORIGIN_ONLY'],
  ['TARGET_ONLY', 'complete', 'RETIRED'],
]

const USUAL: ReadonlySet<string> = new Set([
  'switch from VERIFY',
  'abort from RAMP',
  'switch from RAMP',
  'revert from TARGET_PRIMARY',
  'complete from TARGET_ONLY',
])

const ONWARDS: readonly MigrationState[] = [
  'ORIGIN_ONLY',
  'ARMING',
  'VERIFY',
  'RAMP',
  'TARGET_PRIMARY',
  'TARGET_ONLY',
]

/** The one answer that a key may have. */
function answerIn(state: MigrationState, splitShare: number, key: string): string {
  if (state === 'RAMP') return splitBucket(Buffer.from(key)) < splitShare ? ofTarget(key) : ofOrigin(key)
  return state.startsWith('TARGET') || state === 'RETIRED' ? ofTarget(key) : ofOrigin(key)
}

class World {
  readonly origin: FakeOrigin
  readonly gateway: Gateway
  /** Milliseconds from the probe of the origin, which every change begins with, to the kill: hunts for the commit. */
  #delayMs = 8
  /** Moves that were lost, and moves that were made, when the gateway was killed in their midst. */
  readonly struck = { lost: 0, made: 0 }

  private constructor(origin: FakeOrigin, gateway: Gateway) {
    this.origin = origin
    this.gateway = gateway
  }

  static async start(): Promise<World> {
    const origin = await FakeOrigin.start({ values: (key) => Buffer.from(ofOrigin(key)) })
    try {
      return new World(
        origin,
        // Who is decided is looked at, not who stands in for an answer that is late.
        await startMigrating(origin, { guards: GUARDS, origin: ', deadlineMs: 4000, standInAfterMs: 0' }),
      )
    } catch (error) {
      // Or it would keep this process waiting.
      await origin.close()
      throw error
    }
  }

  async dispose(): Promise<void> {
    await this.gateway.dispose()
    await this.origin.close()
  }

  /** Without comparisons nothing leads on, whoever insists. */
  async prepare(move: Move): Promise<void> {
    const { state, migration } = await reportOf(this.gateway)
    const isCompared = ['VERIFY', 'RAMP', 'TARGET_PRIMARY'].includes(state)
    if (move === 'switch' && isCompared && migration.dials.shadowShare === 0) {
      await dial(this.gateway, { shadowShare: 1 })
    }
  }

  /** Brings it there without a kill. */
  async goTo(wanted: MigrationState): Promise<void> {
    for (;;) {
      const { state } = await reportOf(this.gateway)
      if (state === wanted) break
      const move = ONWARDS.indexOf(state) < ONWARDS.indexOf(wanted) ? 'switch' : 'revert'
      await this.prepare(move)
      await migrate(this.gateway, move)
    }
    if (wanted === 'RAMP') await dial(this.gateway, { splitShare: HALF })
  }

  /** Kills it in the midst of the move, and, where that was too early, perhaps once more when it is answered. */
  async strike(move: Move, to: MigrationState): Promise<void> {
    const before = await reportOf(this.gateway)
    await this.#killMeanwhile(before, move, to)
    const now = await this.settled(before, to)
    if (now.state === to) {
      this.struck.made += 1
      this.#delayMs = Math.floor(this.#delayMs / 2)
      return
    }
    this.struck.lost += 1
    this.#delayMs = Math.min(MAX_DELAY_MS, 2 * this.#delayMs + 4)
    await migrate(this.gateway, move)
    // Each start takes seconds of processor time: one such kill, unless more are asked for.
    if (this.struck.lost <= RUNS) {
      await this.gateway.kill9()
      await this.gateway.start()
    }
    assert.equal((await this.settled(before, to)).state, to, 'a move that was answered is lost')
  }

  async #killMeanwhile(before: MigrationReport, move: Move, to: MigrationState): Promise<void> {
    const readers = new Readers(this.gateway)
    const { state: from, migration } = before
    const splitAfter = from === 'TARGET_PRIMARY' ? WHOLE : 0
    const look: Look = ([value], [key = '']) => {
      const allowed = [answerIn(from, migration.dials.splitShare, key), answerIn(to, splitAfter, key)]
      assert.ok(allowed.includes(value ?? ''), `${key} between ${from} and ${to}: ${value}`)
    }
    await this.prepare(move)
    await readers.each(inParts(KEYS, ONE), look)
    assert.deepEqual(readers.errors, [])
    const reading = new Reading(readers, look)
    const probed = this.origin.nextConnection()
    // Its answer may get lost with the gateway.
    const making = migrate(this.gateway, move).catch(() => undefined)
    await probed
    if (this.#delayMs > 0) await pause(this.#delayMs)
    await this.gateway.kill9()
    await making
    await reading.stop()
    await this.gateway.start()
  }

  /** Reads go by the record, the audit says how it came there, and an abort that was begun ends by itself. */
  async settled(before: MigrationReport, to: MigrationState): Promise<MigrationReport> {
    await until(async () => (await reportOf(this.gateway)).state !== 'ABORTING', 'the abort ends')
    const now = await reportOf(this.gateway)
    assert.ok([before.state, to].includes(now.state), `${now.state} after ${before.state} to ${to}`)
    const { splitShare } = now.migration.dials
    const readers = new Readers(this.gateway)
    await readers.each(inParts(KEYS, ONE), ([value], [key = '']) => {
      assert.equal(value, answerIn(now.state, splitShare, key), `${key} in ${now.state}`)
    })
    assert.deepEqual(readers.errors, [])
    await readers.close()
    const moves = (await this.#audit()).flatMap(
      ({ detail }) => /[A-Z_]+ -> ([A-Z_]+)/.exec(detail)?.[1] ?? [],
    )
    // Newest first; a dataset that never moved has none.
    assert.equal(moves[0] ?? 'ORIGIN_ONLY', now.state)
    return now
  }

  async #audit(): Promise<readonly AuditLine[]> {
    const { body } = await this.gateway.admin('GET', '/v1/audit?limit=100')
    const { lines } = body as { lines: readonly AuditLine[] } // our own admin API
    return lines.filter(({ dataset }) => dataset === PINS).sort((a, b) => b.sequence - a.sequence)
  }
}

type Look = (values: readonly (string | null)[], keys: readonly string[]) => void

/** Reads one key after the other; that the gateway is gone is no wrong answer. */
class Reading {
  readonly #readers: Readers
  readonly #look: Look
  readonly #ended: Promise<unknown>
  #isStopped = false

  constructor(readers: Readers, look: Look) {
    this.#readers = readers
    this.#look = look
    this.#ended = Promise.all(Array.from({ length: CALLERS }, (_, caller) => this.#readOn(caller)))
  }

  /** @throws what `look` threw */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#ended
    await this.#readers.close()
  }

  async #readOn(caller: number): Promise<void> {
    for (let at = caller; !this.#isStopped; at += CALLERS) {
      const keys = [KEYS[at % KEYS.length] ?? '']
      const values = await this.#readers.get(keys)
      if (values instanceof KVError) await pause(POLL_MS)
      else this.#look(values, keys)
    }
  }
}

describe('a gateway that is killed while a dataset moves', () => {
  let world: World

  before(async () => {
    world = await World.start()
    await world.goTo('ARMING')
    const version = await loadValues(world.gateway, new Map(KEYS.map((key) => [key, ofTarget(key)])))
    await setOriginVersion(world.gateway, version)
  })

  after(async () => {
    if (process.env['SHOW']) process.stderr.write(world.gateway.output)
    await world.dispose()
  })

  test('between two steps of a ramp: it goes on by itself, to its end', async () => {
    const { gateway, origin } = world
    origin.replace((key) => Buffer.from(ofTarget(key)))
    await world.goTo('RAMP')
    await dial(gateway, { splitShare: 0, shadowShare: WHOLE })
    await migrate(gateway, 'ramp', { toShare: WHOLE, stepShare: HALF, everyMs: 1_000 }, 'PUT')
    await whileReading(world, async () => (await rampOf(gateway))?.splitShare === HALF)
    await gateway.kill9()
    await gateway.start()
    assert.ok(((await rampOf(gateway))?.splitShare ?? 0) >= HALF)
    await whileReading(world, async () => (await rampOf(gateway))?.state === 'DONE')
    assert.equal((await rampOf(gateway))?.splitShare, WHOLE)
  })

  test('as a ramp goes back on a breach: it has gone back, or does after the restart', async () => {
    const { gateway, origin } = world
    origin.replace((key) => Buffer.from(ofOrigin(key)))
    await whileReading(world, () => Promise.resolve(gateway.output.includes('a ramp goes back')))
    await gateway.kill9()
    await gateway.start()
    await whileReading(world, async () => (await rampOf(gateway))?.state === 'BREACHED')
    assert.equal((await rampOf(gateway))?.splitShare, 0)
    await dial(gateway, { shadowShare: 0 })
  })

  const struck = CASES.filter(([from, move]) => STRIKES_ALL || USUAL.has(`${move} from ${from}`))
  for (const [from, move, to] of struck) {
    test(`${move} from ${from}: it is in ${from} or ${to}, and goes on from there`, async (t) => {
      await world.goTo(from)
      await world.strike(move, to)
      t.diagnostic(JSON.stringify(world.struck))
    })
  }
})

async function rampOf(
  gateway: Gateway,
): Promise<{ readonly state: string; readonly splitShare: number } | null> {
  const { migration } = await reportOf(gateway)
  return migration.ramp === null ? null : { ...migration.ramp, splitShare: migration.dials.splitShare }
}

/** Until it holds; answers are either side's. */
async function whileReading({ gateway }: World, holds: () => Promise<boolean>): Promise<void> {
  const reading = new Reading(new Readers(gateway), ([value], [key = '']) => {
    assert.ok(value === ofOrigin(key) || value === ofTarget(key), `${key}: ${value}`)
  })
  await until(holds, 'the ramp')
  await reading.stop()
}
