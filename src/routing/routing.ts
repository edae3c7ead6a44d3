/** Puts the parts of a thread's routing together: the router, both sides, shadow reads, and what they note. */
import type { Clock, StartTimer } from '../base/clock.js'
import type { Backend } from '../model/backend.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { Difference } from '../model/difference.js'
import type { WireView } from './compare.js'
import { FlightRecorder } from './flight-recorder.js'
import { MigratingReads } from './migrating-reads.js'
import { MigrationWatch } from './migration-watch.js'
import { Router } from './router.js'
import { type ShadowBounds, ShadowReads } from './shadow-read.js'
import { type GuardedRoles, Sides } from './sides.js'

export interface RoutingOptions {
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly leafTier: Backend
  readonly origins: ReadonlyMap<string, GuardedRoles>
  /** Of the newest map. */
  readonly entryOf: (dataset: string) => DatasetEntry | undefined
  /** What the wire of the dataset's origin shows. */
  readonly viewOf: (entry: DatasetEntry) => WireView
  /** A keyed digest that stands for a value in a record. */
  readonly digest: (value: Buffer) => string
  readonly report: (difference: Difference) => void
  readonly isBusy: () => boolean
  /** A side that has not answered after so long has the other one asked as well; 0: only when it fails. */
  readonly standInAfterMs: (entry: DatasetEntry) => number
  readonly defer?: (run: () => void) => void
  readonly draw?: () => number
  readonly shadowBounds?: ShadowBounds
}

export interface Routing {
  readonly router: Router
  readonly watch: MigrationWatch
  readonly flights: FlightRecorder
  readonly shadow: ShadowReads
}

export function createRouting(options: RoutingOptions): Routing {
  const { clock, startTimer, leafTier, origins, entryOf } = options
  const router = new Router(leafTier, origins)
  const watch = new MigrationWatch()
  const flights = new FlightRecorder()
  const sides = new Sides({
    clock,
    watch,
    planTarget: (admitted) => router.planTarget(admitted),
    planTargetScan: (admitted) => router.planTargetScan(admitted),
    originOf: (entry) => router.originOf(entry),
  })
  const shadow = new ShadowReads({
    clock,
    startTimer,
    sides,
    entryOf,
    viewOf: options.viewOf,
    digest: options.digest,
    report: options.report,
    isBusy: options.isBusy,
    // Behind the writes of this step of the event loop, answers among them.
    defer: options.defer ?? ((run) => void setImmediate(run)),
    ...(options.shadowBounds !== undefined && { bounds: options.shadowBounds }),
  })
  // Which requests are compared is chance: a hash of the key would compare some keys always and the others never.
  const draw = options.draw ?? Math.random
  const { standInAfterMs } = options
  router.giveTwoSided(
    new MigratingReads({
      ...{ clock, startTimer, sides, watch, shadow, flights, entryOf, standInAfterMs, draw },
    }),
  )
  return { router, watch, flights, shadow }
}
