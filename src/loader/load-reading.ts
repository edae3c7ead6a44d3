/**
 * The first half of a load: every object is read and its rows are put in order. What comes in the order of physical keys
 * anyhow goes straight to the shards, and what fits into memory does too; everything else becomes sorted runs on disk.
 */
import type { LoadSource, SourcePart } from './load-source.js'
import type { BuildContext } from './load-build.js'
import { readWithThreads } from './load-threads.js'
import { PartSorter } from './part-sorter.js'
import { tryWriting } from './trial-shard.js'
import { entrySize } from './run-entry.js'
import { DistinctRows } from './run-merge.js'
import { VersionWriter } from './version-writer.js'

/** The input began in order and did not go on so: it must be read again, and sorted. */
export class NotInOrderError extends Error {
  override readonly name = 'NotInOrderError'
}

/**
 * Reads what no run holds yet. Answers whether the shards are written already, so that there are no runs.
 * @throws {NotInOrderError} when `mayStream` and only the beginning was in order
 */
export async function readParts(context: BuildContext, mayStream: boolean): Promise<boolean> {
  const { job, state, source } = context
  const parts = state.plan ?? []
  const left = parts.filter(({ index }) => (state.positions.get(index)?.end ?? null) === null)
  const workers = Math.min(job.workers, left.length)
  if (workers > 1) {
    await readWithThreads(context, left, workers)
    return false
  }
  const reading = new OneReader(
    context,
    source,
    mayStream && state.runs.size === 0 && left.length === parts.length,
  )
  return reading.read(left)
}

/** Reads all parts one after the other in this process. */
class OneReader {
  readonly #context: BuildContext
  readonly #sorter: PartSorter
  #mayStream: boolean
  #writer: VersionWriter | null = null

  constructor(context: BuildContext, source: LoadSource, mayStream: boolean) {
    const { job, state, tally, dependencies, report } = context
    this.#context = context
    this.#mayStream = mayStream
    this.#sorter = new PartSorter({
      job,
      source,
      clock: dependencies.clock,
      pack: dependencies.pack,
      onProgress: (figures) => {
        tally.isInOrder = this.#mayStream && this.#sorter.rows.isInOrder
        tally.note(figures)
        report()
      },
      onFull: () => this.#makeRoom(),
      totalBytes: tally.totalBytes,
      takesTrial: () => state.trial === null,
      onTrialSize: async (rows, size) => {
        const trial = await tryWriting(rows, size, { ...job, ...dependencies })
        if (trial === null) return
        state.addTrial(trial)
        tally.noteTrial(trial)
      },
    })
  }

  async read(parts: readonly SourcePart[]): Promise<boolean> {
    const { state, job, tally } = this.#context
    try {
      for (const part of parts) {
        await this.#sorter.read(part, state.positions.get(part.index)?.line ?? 0)
        tally.checkBadLines(job.request.maxBadLines)
      }
      if (state.runs.size > 0) {
        this.#spill()
        return false
      }
      await this.#stream(true)
      return true
    } finally {
      await this.#writer?.abandon()
    }
  }

  async #makeRoom(): Promise<void> {
    if (this.#mayStream && this.#writer === null) this.#mayStream = this.#sorter.rows.isInOrder
    if (!this.#mayStream) {
      this.#spill()
      return
    }
    await this.#stream(false)
  }

  #spill(): void {
    const { state, tally } = this.#context
    const written = this.#sorter.writeRun(state.runsFolder, `${state.starts}-0`)
    if (written === null) return
    state.addRun(written)
    tally.noteRun(written)
  }

  /** The last row waits: another one of its key may come. */
  async #stream(isLast: boolean): Promise<void> {
    const { state, job, tally, dependencies } = this.#context
    const { createShardWriter } = dependencies
    const { rows: sorter } = this.#sorter
    if (this.#writer !== null && !sorter.isInOrder) throw new NotInOrderError()
    // Of input that fits into memory the size is known.
    const expectedBytes = isLast && this.#writer === null ? evenly(sorter.usedBytes, job.shardCount) : null
    this.#writer ??= new VersionWriter({
      job,
      state,
      tally,
      createShardWriter,
      expectedBytes,
      pause: this.#context.pause,
    })
    if (isLast) tally.startWriting({ bytes: sorter.usedBytes, toMerge: 0 })
    const rows = new DistinctRows(sorter.sorted(), job.request.onDuplicate, this.#context.nameOf)
    await this.#writer.write(rows, !isLast)
    if (isLast) {
      await this.#writer.finish()
      this.#writer = null
      return
    }
    const kept = Buffer.from(rows.bytes.subarray(rows.at, rows.at + entrySize(rows.bytes, rows.at)))
    sorter.clear()
    sorter.addCopy(kept)
  }
}

function evenly(bytes: number, shardCount: number): readonly number[] {
  return Array.from({ length: shardCount }, () => Math.ceil(bytes / shardCount))
}
