/**
 * Properties that compare an engine with the memory engine, which is the oracle, over as many generated operations as are
 * asked for:
 *
 *     GODWIT_CONTRACT_OPERATIONS=1000000 npm run test:contract     how many, of all kinds of shards together
 *     GODWIT_CONTRACT_SEED=42                                      the same ones again; every run prints its seed
 *
 * A failure is made short and printed with its seed.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { WritableFormat } from '../../src/model/cluster-map.js'
import type { KeyOrder } from '../../src/model/dataset.js'
import { compareAll, compareEnd, compareStep } from './leaf-comparison.js'
import { leafHarnesses, MemoryHarness, type SealedRows } from './leaf-engines.js'
import {
  history,
  type HistoryStep,
  readable,
  readableSteps,
  reads,
  type ReadStep,
  sealedRows,
  type ShardShape,
  shardShape,
} from './leaf-histories.js'
import { shrunk, shrunkWrites } from './leaf-shrinking.js'

type EngineName = keyof typeof leafHarnesses

const OPERATIONS = Number(process.env['GODWIT_CONTRACT_OPERATIONS'] ?? 6_000)
const SEED = Number(process.env['GODWIT_CONTRACT_SEED'] ?? Date.now() % 2 ** 31)

/** Of all operations; the rest is shared by the formats that can be written. */
const SEALED_SHARE = 0.1

/** Steps of one history: long enough for rows to grow old, short enough to be shrunk. */
const MAX_STEPS = 400
/** Histories of a batch. */
const BATCH = 10
const MAX_SEALED_STEPS = 300
const PROGRESS_MS = 10_000

/** Writes of all kinds, conditions, programs, clock steps in both directions, reopenings, purges, reads and scans. */
export async function compareHistories(name: EngineName, format: WritableFormat): Promise<void> {
  await inBatches(`${name}, ${format}`, (OPERATIONS * (1 - SEALED_SHARE)) / 2, async (seed, count) => {
    const property = fc.asyncProperty(shardShape(format), history(MAX_STEPS), async (shape, steps) => {
      count(await runHistory(name, shape, steps))
    })
    // Its own shrinking takes thousands of runs for histories of this length: see leaf-shrinking.ts.
    const { counterexample } = await fc.check(property, { numRuns: BATCH, seed, endOnFailure: true })
    const [shape, steps] = counterexample ?? []
    if (shape === undefined || steps === undefined) return
    const failure = (some: readonly HistoryStep[]) => runHistory(name, shape, some).then(() => null, String)
    const fails = async (some: readonly HistoryStep[]) => (await failure(some)) !== null
    const least = await shrunkWrites(await shrunk(await shrunk(steps, fails), fails), fails)
    failWith(seed, { shape, steps: least, why: await failure(least) })
  })
}

/** Rows of sealed shards, read and scanned in every way. */
export async function compareSealed(name: EngineName): Promise<void> {
  await inBatches(`${name}, sealed`, OPERATIONS * SEALED_SHARE, async (seed, count) => {
    const keyOrders = fc.constantFrom('HASHED' as const, 'ORDERED' as const)
    const property = fc.asyncProperty(keyOrders, sealedRows, reads(MAX_SEALED_STEPS), async (...drawn) => {
      count(await runSealed(name, ...drawn))
    })
    const { counterexample } = await fc.check(property, { numRuns: BATCH, seed, endOnFailure: true })
    const [keyOrder, rows, steps] = counterexample ?? []
    if (keyOrder === undefined || rows === undefined || steps === undefined) return
    const failure = (someRows: SealedRows, some: readonly ReadStep[]) =>
      runSealed(name, keyOrder, someRows, some).then(() => null, String)
    const leastSteps = await shrunk(steps, async (some) => (await failure(rows, some)) !== null)
    const leastRows = await shrunk(rows, async (some) => (await failure(some, leastSteps)) !== null)
    const why = await failure(leastRows, leastSteps)
    failWith(seed, { shape: { keyOrder, rows: leastRows }, steps: leastSteps, why })
  })
}

async function runHistory(
  name: EngineName,
  shape: ShardShape,
  steps: readonly HistoryStep[],
): Promise<number> {
  const shard = await leafHarnesses[name](shape.keyOrder)
  const oracle = new MemoryHarness(shape.keyOrder)
  let operations = 0
  try {
    await shard.create(shape.format, shape.maxCellVersions)
    await oracle.create(shape.format, shape.maxCellVersions)
    for (const step of steps) operations += await compareStep(shard, oracle, step)
    await compareEnd(shard, oracle)
  } finally {
    await shard.dispose()
  }
  return operations
}

async function runSealed(
  name: EngineName,
  keyOrder: KeyOrder,
  rows: SealedRows,
  steps: readonly ReadStep[],
): Promise<number> {
  const shard = await leafHarnesses[name](keyOrder)
  const oracle = new MemoryHarness(keyOrder)
  let operations = 0
  try {
    await shard.loadSealed(rows)
    await oracle.loadSealed(rows)
    for (const [index, step] of steps.entries()) {
      operations += await compareStep(shard, oracle, step)
      if (index % 100 === 99) await compareStep(shard, oracle, { kind: 'clock', ms: 1_500 })
    }
    await compareAll(shard, oracle)
    await compareStep(shard, oracle, { kind: 'reopen' })
    await compareAll(shard, oracle)
  } finally {
    await shard.dispose()
  }
  return operations
}

interface Failure {
  readonly shape: unknown
  readonly steps: readonly HistoryStep[]
  readonly why: string | null
}

function failWith(seed: number, { shape, steps, why }: Failure): never {
  const what = `${readable(shape)}:${readableSteps(steps)}`
  assert.fail(`seed ${seed}, ${what}\n${why ?? 'it does not fail again'}`)
}

/** Batch after batch with rising seeds until so many operations were run, saying now and then how far it is. */
async function inBatches(
  what: string,
  wanted: number,
  batch: (seed: number, count: (operations: number) => void) => Promise<void>,
): Promise<void> {
  assert.ok(
    Number.isSafeInteger(SEED) && wanted > 0,
    'GODWIT_CONTRACT_OPERATIONS and GODWIT_CONTRACT_SEED are numbers',
  )
  const startedMs = performance.now()
  let saidMs = startedMs
  let done = 0
  for (let seed = SEED; done < wanted; seed++) {
    let inBatch = 0
    await batch(seed, (operations) => (inBatch += operations))
    assert.ok(inBatch > 0, 'a batch ran nothing')
    done += inBatch
    const nowMs = performance.now()
    if (nowMs - saidMs < PROGRESS_MS && done < wanted) continue
    saidMs = nowMs
    const perSecond = Math.round((done * 1_000) / (nowMs - startedMs))
    process.stdout.write(
      `${what}: ${done} of ${Math.ceil(wanted)} operations, ${perSecond} a second, seed ${SEED}\n`,
    )
  }
}
