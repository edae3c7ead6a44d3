/**
 * What shadow reads of an origin that stalls make a data thread do, in processor time: a get of the leaf tier each
 * millisecond, through the routing of a data thread alone, and what all that happens until the next one takes. A request
 * that comes in such a millisecond waits no longer for it than that. Other work on the machine, which decides what a client
 * measures, hardly shows in it.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { startSystemTimer, systemClock } from '../src/base/clock.js'
import { silentLogger } from '../src/base/logger.js'
import { ThreadMetrics } from '../src/base/metrics.js'
import { type Config, configSchema } from '../src/config/schema.js'
import { admitRead } from '../src/kvstore/admit.js'
import type { Backend } from '../src/model/backend.js'
import { NO_DIALS, NO_MIGRATION } from '../src/model/migration.js'
import { closeOrigins, connectOrigins } from '../src/origins.js'
import { VALUE_VIEW } from '../src/routing/compare.js'
import { type Routing, createRouting } from '../src/routing/routing.js'
import { SharedBreakers } from '../src/routing/shared-breakers.js'
import { cell, datasetEntry, mapOf, readRequest, servedVersion } from '../test/support/datasets.js'

const TURNS = 2_000
/** Not counted: an origin that begins to stall has its connections. */
const CONNECTING_TURNS = 50
const VERSION = 1_000
const VALUE = Buffer.alloc(200, 'v')
/** What a request's frame has beside its key. */
const FRAME_BYTES = 200
const KEY_BYTES = 16

/** Microseconds of each turn: the deadlines of what waits pass in it, the breaker opens, and probes go on. */
export async function stalledTurnsUs(port: number, shadowShare: number): Promise<number[]> {
  const versions = [servedVersion(VERSION, 1)]
  const migration = {
    ...NO_MIGRATION,
    dials: { ...NO_DIALS, shadowShare },
    originVersion: { versionId: VERSION, takenAtMs: 0 },
  }
  const entry = datasetEntry(
    { mode: 'BATCH', origin: 'west', migrationState: 'TARGET_PRIMARY', migration },
    { versions, current: versions[0] ?? null },
  )
  const map = mapOf(entry)
  const origins = connectOrigins(originsAt(port), {
    breakers: SharedBreakers.create(['west']).buffer,
    clock: systemClock,
    startTimer: startSystemTimer,
    logger: silentLogger,
    metrics: new ThreadMetrics(),
  })
  const { router } = createRouting({
    clock: systemClock,
    startTimer: startSystemTimer,
    leafTier: LEAF,
    origins,
    entryOf: () => entry,
    viewOf: () => VALUE_VIEW,
    digest: () => '',
    report: () => undefined,
    isBusy: () => false,
    standInAfterMs: () => 100,
  })
  const turnsUs: number[] = []
  let beforeUs = threadUs()
  for (let turn = 0; turn < CONNECTING_TURNS + TURNS; turn += 1) {
    get(router, map, turn)
    await pause(1)
    const nowUs = threadUs()
    if (turn >= CONNECTING_TURNS) turnsUs.push(nowUs - beforeUs)
    beforeUs = nowUs
  }
  await closeOrigins(origins)
  return turnsUs
}

/** Processor time of this thread: what V8 compiles and frees on others holds up no request. */
function threadUs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ', 1)[0]) / 1_000
}

function get(router: Routing['router'], map: ReturnType<typeof mapOf>, turn: number): void {
  const frame = Buffer.alloc(FRAME_BYTES, `key-${turn} `)
  const context = { api: 'terrapin', caller: null, deadline: systemClock.monotonicMs() + 1_000 }
  const plan = router.planRead(
    admitRead(readRequest([frame.subarray(0, KEY_BYTES)], { context }), map, systemClock),
  )
  plan.backend.read(plan, () => undefined)
}

/** Answers at once. */
const LEAF: Backend = {
  name: 'leaf',
  read: ({ version }, done) => {
    const row = { cells: [{ ...cell('', ''), value: VALUE }], next: null }
    done({ rows: [row], datasetVersion: version?.id ?? null })
  },
  scan: () => undefined,
  mutate: () => undefined,
  close: () => Promise.resolve(),
}

function originsAt(port: number): Config['origins'] {
  const west = { api: 'terrapin', host: '127.0.0.1', port, clusters: ['local'], breakerResetMs: 100 }
  return configSchema.parse({ origins: { west } }).origins
}
