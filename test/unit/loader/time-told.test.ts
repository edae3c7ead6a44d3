/** The time left, as whole builds tell it while each row takes as long as it says here: on a clock that only work moves. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LoadSource, PartRows, SourcePart, SourceRow } from '../../../src/loader/load-source.js'
import type { BuildJob } from '../../../src/loader/messages.js'
import { BuildWorld } from './build-world.js'

const root = mkdtempSync(join(tmpdir(), 'godwit-time-'))
after(() => rmSync(root, { recursive: true, force: true }))

const MB = 1024 * 1024
/** As it is packed: a load of 2,400 rows is large enough for a trial. */
const HEAD = Buffer.alloc(32 * 1024)
/** As it is stored. */
const ROW_BYTES = 1_000
const ROWS_AT_ONCE = 20

/** What a row takes, and a shard. */
const PARSING_MS = 2
const PACKING_MS = 3
const WRITING_MS = 4
/** Of a shard so small that its rows go to small tables. */
const WRITING_SMALL_MS = 8
const SMALL_SHARD = 4 * MB
const SEALING_MS = 2
const ANY_SHARD_MS = 60

interface Shape {
  readonly name: string
  /** Rows of each object. */
  readonly parts: readonly number[]
  readonly job?: Partial<BuildJob>
  readonly isInOrder?: boolean
  /** Bytes that are read before rows are made of them, as unpacking does. */
  readonly readsAhead?: number
}

class TimedWorld {
  readonly #world: BuildWorld
  readonly #shape: Shape
  #nowMs = 0
  #seen = 0
  /** Rows that are read before the source breaks. */
  breaksAt = Infinity

  constructor(shape: Shape) {
    this.#shape = shape
    const job = { sortBytes: 8 * MB, shardCount: 4, ...shape.job }
    this.#world = new BuildWorld(root, job)
    this.#world.tamper = () => this.#source()
    const clock = {
      nowMs: () => this.#nowMs,
      nowUs: () => BigInt(this.#nowMs),
      monotonicMs: () => this.#nowMs,
    }
    this.#world.dependencies = {
      clock,
      pack: () => {
        this.#nowMs += PACKING_MS
        return { head: HEAD, chunks: [] }
      },
      createShardWriter: ({ directory, expectedBytes }) => {
        mkdirSync(directory)
        this.#nowMs += ANY_SHARD_MS / 2
        const isSmall = expectedBytes !== null && expectedBytes < SMALL_SHARD
        return Promise.resolve(this.#shardWriter(isSmall ? WRITING_SMALL_MS : WRITING_MS))
      },
    }
  }

  #shardWriter(writingMs: number) {
    let rows = 0
    return {
      bytes: 0,
      addPacked: () => {
        rows++
        this.#nowMs += writingMs
      },
      seal: () => {
        this.#nowMs += ANY_SHARD_MS / 2 + rows * SEALING_MS
        return Promise.resolve({ rows, bytes: rows, checksum: 'x' })
      },
      abandon: () => Promise.resolve(),
    }
  }

  #source(): LoadSource {
    const { parts } = this.#shape
    const all = parts.map((rows, index) => ({
      index,
      url: `file:///${index}`,
      sizeBytes: rows * ROW_BYTES,
      tag: 't',
    }))
    return { parts: () => Promise.resolve(all), rows: (part) => this.#rows(part) }
  }

  #rows({ index, sizeBytes }: SourcePart): PartRows {
    const { parts, readsAhead = 0, isInOrder = false } = this.#shape
    const count = parts[index] ?? 0
    const first = parts.slice(0, index).reduce((sum, rows) => sum + rows, 0)
    const batch = (from: number): SourceRow[] => {
      const rows: SourceRow[] = []
      for (let row = from; row < Math.min(count, from + ROWS_AT_ONCE); row++) {
        this.#nowMs += PARSING_MS
        if (++this.#seen > this.breaksAt) throw new Error('the source is gone')
        const place = first + row
        const key = isInOrder ? place : (place * 7919) % 104_729
        rows.push({ line: row + 1, rowKey: Buffer.from(String(key).padStart(8, '0')), cells: [] })
      }
      return rows
    }
    const nothing = { badLineCount: 0, badLines: [], foreignCellCount: 0, unseenColumns: [] }
    let readBytes = 0
    return {
      ...nothing,
      get readBytes() {
        return readBytes
      },
      async *[Symbol.asyncIterator]() {
        for (let from = 0; from < count; from += ROWS_AT_ONCE) {
          await nextTurn()
          readBytes = Math.min(sizeBytes, (from + ROWS_AT_ONCE) * ROW_BYTES + readsAhead)
          yield batch(from)
        }
        readBytes = sizeBytes
      },
    }
  }

  /** One process of the load; answers what it told, and how long it took. */
  async build(): Promise<{
    told: { atMs: number; leftMs: number | null }[]
    tookMs: number
    isBuilt: boolean
  }> {
    const beganMs = this.#nowMs
    const told: { atMs: number; leftMs: number | null }[] = []
    this.#world.onProgress = ({ leftMs }) => told.push({ atMs: this.#nowMs - beganMs, leftMs })
    this.#seen = 0
    const { kind } = await this.#world.build()
    return { told, tookMs: this.#nowMs - beganMs, isBuilt: kind === 'built' }
  }
}

/**
 * From a tenth of the time on, and of the last 5 s a fifth of 5 s. Files take no time here, so that one thread may read on
 * for long while the other one has a trial.
 */
function assertRight({ told, tookMs }: Awaited<ReturnType<TimedWorld['build']>>, workers = 1): void {
  const firstAtMs = told.find(({ leftMs }) => leftMs !== null)?.atMs ?? tookMs
  assert.ok(firstAtMs <= tookMs * (workers === 1 ? 0.15 : 0.5), `first told at ${firstAtMs} of ${tookMs}`)
  const counting = told.filter(({ atMs }) => atMs >= Math.max(firstAtMs, tookMs / 10))
  assert.ok(counting.length > 10, `${counting.length} reports`)
  for (const { atMs, leftMs } of counting) {
    const left = tookMs - atMs
    const isRight = leftMs !== null && Math.abs(leftMs - left) <= 0.2 * Math.max(left, 5_000)
    assert.ok(isRight, `at ${atMs} of ${tookMs}: ${leftMs} told, ${left} left`)
  }
}

const shapes: readonly Shape[] = [
  { name: 'one object in no order', parts: [2_400] },
  { name: 'one object, one shard', parts: [2_400], job: { shardCount: 1 } },
  {
    name: 'one object in order',
    parts: [2_400],
    job: { keyOrder: 'ORDERED', shardCount: 1 },
    isInOrder: true,
  },
  { name: 'one packed object, which is read ahead', parts: [2_400], readsAhead: 60_000 },
  { name: 'several objects and one thread', parts: [100, 1_300, 20, 980] },
  { name: 'several objects and two threads', parts: [600, 600, 600, 600], job: { workers: 2 } },
  { name: 'a small object first, and two threads', parts: [5, 2_400], job: { workers: 2 } },
  { name: 'so many runs that some are merged before', parts: [2_400], job: { sortBytes: MB } },
  { name: 'what fits into memory', parts: [2_400], job: { sortBytes: 128 * MB } },
]
for (const shape of shapes) {
  test(`${shape.name}: the time left is right within 20 % while each row takes as long as the last`, async () => {
    const ended = await new TimedWorld(shape).build()
    assert.ok(ended.isBuilt)
    assertRight(ended, shape.job?.workers)
  })
}

for (const parts of [[2_400], [800, 800, 800]]) {
  for (const workers of [1, 2]) {
    test(`a load that another process goes on with: the time left is right at once (${parts.length} objects, workers: ${workers})`, async () => {
      const world = new TimedWorld({ name: '', parts, job: { workers } })
      world.breaksAt = 1_500
      assert.ok(!(await world.build()).isBuilt)
      world.breaksAt = Infinity
      const ended = await world.build()
      assert.ok(ended.isBuilt)
      assertRight(ended, workers)
    })
  }
}
