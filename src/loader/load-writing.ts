/** The second half of a load: sorted runs become the shards of a version, in one pass over all of them. */
import type { BuildContext } from './load-build.js'
import type { RunRecord } from './load-state.js'
import { RunCursor, writeRun } from './run-file.js'
import { bytesToMerge, DistinctRows, MAX_RUNS_AT_ONCE, mergeCursors } from './run-merge.js'
import { VersionWriter } from './version-writer.js'

/** Writes the shards that are not sealed yet. */
export async function writeShards(context: BuildContext): Promise<void> {
  const { job, state, tally, dependencies, nameOf } = context
  await mergeExcessRuns(context)
  const runs = [...state.runs.values()]
  const expectedBytes = Array.from({ length: job.shardCount }, (_, shard) =>
    runs.reduce((sum, run) => sum + bytesOfShard(run, shard), 0),
  )
  const firstShard = state.sealed.size
  const bytes = expectedBytes.slice(firstShard).reduce((sum, size) => sum + size, 0)
  tally.startWriting({ bytes, toMerge: 0 })
  const cursors: RunCursor[] = []
  const { createShardWriter } = dependencies
  const writer = new VersionWriter({
    job,
    state,
    tally,
    createShardWriter,
    expectedBytes,
    pause: context.pause,
  })
  try {
    for (const run of runs) cursors.push(new RunCursor(state.runsFolder, run, firstShard))
    await writer.write(new DistinctRows(mergeCursors(cursors), job.request.onDuplicate, nameOf), false)
    await writer.finish()
  } finally {
    for (const cursor of cursors) cursor.close()
    await writer.abandon()
  }
}

/** Until few enough are left, the smallest become one. */
async function mergeExcessRuns({ job, state, tally, reportNow, pause }: BuildContext): Promise<void> {
  if (state.runs.size <= MAX_RUNS_AT_ONCE) return
  const bytes = [...state.runs.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  tally.startWriting({ bytes, toMerge: bytesToMerge(bytes, bytes / state.runs.size) })
  // Merging goes on without a word.
  reportNow()
  await pause()
  for (let count = 0; state.runs.size > MAX_RUNS_AT_ONCE; count++) {
    const bySize = [...state.runs.values()].sort((a, b) => a.sizeBytes - b.sizeBytes)
    const excess = state.runs.size - MAX_RUNS_AT_ONCE + 1
    const merged = bySize.slice(0, Math.min(excess, MAX_RUNS_AT_ONCE))
    const cursors: RunCursor[] = []
    try {
      for (const run of merged) cursors.push(new RunCursor(state.runsFolder, run, 0))
      const options = {
        folder: state.runsFolder,
        name: `${state.starts}-m-${count}`,
        shardCount: job.shardCount,
      }
      const run = writeRun(mergeCursors(cursors), options)
      state.replaceRuns({ ...run, positions: [] }, namesOf(merged))
    } finally {
      for (const cursor of cursors) cursor.close()
    }
  }
}

function namesOf(runs: readonly RunRecord[]): readonly string[] {
  return runs.map(({ name }) => name)
}

function bytesOfShard({ shardEnds }: RunRecord, shard: number): number {
  return (shardEnds[shard] ?? 0) - (shard === 0 ? 0 : (shardEnds[shard - 1] ?? 0))
}
