/**
 * The load process: reads, sorts, packs, seals and verifies. A process of its own, because its memory and its crashes are
 * then its own. All it writes lies in the load's staging directory, and what it has finished stands in a journal there,
 * so that the next process goes on from it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { serveTask } from '../base/child-task.js'
import { KVError, toKVError } from '../base/errors.js'
import { versionChecksum } from '../base/version-checksum.js'
import type { VersionFigures } from '../model/metastore.js'
import type { BuildContext, BuildDependencies } from './load-build.js'
import { toLoadDiskError } from './load-disk.js'
import { NotInOrderError, readParts } from './load-reading.js'
import type { SourcePart } from './load-source.js'
import { LoadState } from './load-state.js'
import { LoadTally } from './load-tally.js'
import { writeShards } from './load-writing.js'
import type { BuildJob, BuildProgress } from './messages.js'
import { requireSeenColumns } from './open-source.js'
import { sourceRequestOf } from './source-request.js'
import { claimStaging } from './staging-owner.js'

const PROGRESS_INTERVAL_MS = 200

/** Answers the one job that the parent process sends, and ends with it; ends too when the parent is gone. */
export function serveBuildJob(dependencies: BuildDependencies): void {
  serveTask((task, report) => {
    // The parent is this same program; it sends nothing else (load-run.ts).
    return buildVersion(task as BuildJob, dependencies, report)
  })
}

/**
 * Builds every shard that is not there yet; answers what they hold together. The last report says how it ended.
 * @throws {KVError} INVALID_ARGUMENT (bad input), QUOTA_EXCEEDED, TOO_LARGE, UNAVAILABLE (the disk, the source), CORRUPT
 */
export async function buildVersion(
  job: BuildJob,
  dependencies: BuildDependencies,
  report: (progress: BuildProgress) => void,
): Promise<VersionFigures> {
  let state: LoadState | null = null
  let tally: LoadTally | null = null
  try {
    await claimStaging(job.staging)
    state = LoadState.open(job.staging)
    if (!state.isBuilt) {
      const source = dependencies.openSource(job)
      const parts = await source.parts()
      state.setPlan(parts)
      for (const mayStream of [true, false]) {
        // Rows that went straight to shards were not put down: only runs are gone on with.
        if (state.runs.size === 0) state.forget()
        const counted = new LoadTally(job, { parts, done: state, clock: dependencies.clock })
        tally = counted
        const context = contextOf({ job, dependencies, source, state, tally, parts }, () =>
          report(counted.progress()),
        )
        if (await build(context, mayStream)) break
      }
      state.markBuilt()
    }
    tally ??= new LoadTally(job, { parts: state.plan ?? [], done: state, clock: dependencies.clock })
    state.removeRuns()
    return figuresOf(state)
  } catch (error) {
    const what = `the load of ${job.request.from}`
    throw toKVError(toLoadDiskError(error, what), `${what} failed`)
  } finally {
    if (tally !== null) report(tally.progress())
    state?.close()
  }
}

function contextOf(
  given: Pick<BuildContext, 'job' | 'dependencies' | 'source' | 'state' | 'tally'> & {
    readonly parts: readonly SourcePart[]
  },
  reportNow: () => void,
): BuildContext {
  const { dependencies, parts } = given
  let reportedAtMs = -PROGRESS_INTERVAL_MS
  const report = (): void => {
    const nowMs = dependencies.clock.monotonicMs()
    if (nowMs - reportedAtMs < PROGRESS_INTERVAL_MS) return
    reportedAtMs = nowMs
    reportNow()
  }
  return {
    ...given,
    report,
    reportNow,
    async pause() {
      report()
      await nextTurn()
    },
    nameOf: ({ part, line }) => `${parts[part]?.url ?? 'an unknown file'}:${line}`,
  }
}

/** False: the input is not in order after all and must be sorted; what was written is forgotten. */
async function build(context: BuildContext, mayStream: boolean): Promise<boolean> {
  const { job, state, tally, report } = context
  report()
  let isWritten: boolean
  try {
    isWritten = await readParts(context, mayStream)
  } catch (error) {
    if (!(error instanceof NotInOrderError)) throw error
    state.forget()
    return false
  }
  // Of a file set Terrapin's controller looked at the names of its files alone: what is in them, or is not, goes live.
  const isFileSet = job.request.fileSet !== undefined
  if (!isFileSet) requireSeenColumns(sourceRequestOf(job), tally.unseenColumns())
  if (tally.rows === 0 && !isFileSet) {
    throw new KVError('INVALID_ARGUMENT', `${job.request.from} holds no row; an empty version is not made`)
  }
  // So that the message is on its way before the disk takes all the time.
  await context.pause()
  if (!isWritten) await writeShards(context)
  return true
}

function figuresOf({ sealed }: LoadState): VersionFigures {
  const shards = [...sealed.values()].sort((a, b) => a.shard - b.shard)
  return {
    rows: shards.reduce((sum, { rows }) => sum + rows, 0),
    bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
    checksum: versionChecksum(shards.map(({ checksum }) => checksum)),
  }
}
