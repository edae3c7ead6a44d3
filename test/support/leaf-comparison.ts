/** Runs the steps of a history on a shard and answers what it said, in a form that two shards are compared by. */
import assert from 'node:assert/strict'
import { KVError } from '../../src/base/errors.js'
import type { MutateResult } from '../../src/model/request.js'
import { ALL_VERSIONS, WHOLE_ROW } from '../../src/model/row.js'
import type { RowBound } from '../../src/model/row-order.js'
import type { HistoryStep, ReadStep, RowEnd, WriteStep } from './leaf-histories.js'
import { ROW_KEYS, tokenOf } from './leaf-histories.js'
import { type LeafHarness, plain, plainCell, plainRow } from './leaf-engines.js'
import { walkRows, walkScan } from './leaf-walks.js'

const EVERYTHING = { withTimestamps: true, withTtl: true }

/** Runs a step on both and compares; answers how many operations it was. */
export async function compareStep(
  shard: LeafHarness,
  oracle: LeafHarness,
  step: HistoryStep,
): Promise<number> {
  const [answer, expected] = [await runStep(shard, step), await runStep(oracle, step)]
  assert.deepEqual(answer, expected, `a step of ${step.kind}`)
  return step.kind === 'write' ? step.writes.length : 1
}

/** No deletion of a history is older. */
const LONG_GRACE_SECONDS = 1e9

/** What is there, before and behind the purge of everything that may go. */
export async function compareEnd(shard: LeafHarness, oracle: LeafHarness): Promise<void> {
  await compareAll(shard, oracle)
  await purge(shard, 0)
  await compareAll(shard, oracle)
}

/** Reads are the same before, during and behind it. */
async function purge(shard: LeafHarness, graceSeconds: number): Promise<void> {
  const everything = { selector: { ...WHOLE_ROW, maxVersions: ALL_VERSIONS }, ...EVERYTHING }
  const read = async () => plain(await shard.read(ROW_KEYS, everything))
  const before = await read()
  const [during] = await Promise.all([read(), shard.purge(graceSeconds)])
  assert.deepEqual([during, await read()], [before, before], 'a purge changed what is read')
}

/** Everything that is there, row by row and scanned. */
export async function compareAll(shard: LeafHarness, oracle: LeafHarness): Promise<void> {
  const selectors = ROW_KEYS.map(() => null)
  const scan = {
    selector: null,
    where: [],
    limit: null,
    lower: null,
    upper: null,
    pageRows: 5,
    pageBytes: 500,
  }
  await compareStep(shard, oracle, { kind: 'read', rowKeys: ROW_KEYS, selectors, pageBytes: null })
  for (const isReversed of [false, true]) {
    await compareStep(shard, oracle, { kind: 'scan', ...scan, isReversed })
  }
}

async function runStep(shard: LeafHarness, step: HistoryStep): Promise<unknown> {
  switch (step.kind) {
    case 'write':
      return Promise.all(step.writes.map(async (write) => plainResult(await runWrite(shard, write), write)))
    case 'clock':
      shard.clock.ms += step.ms
      return null
    case 'reopen':
      return shard.reopen()
    case 'purge':
      return purge(shard, LONG_GRACE_SECONDS)
    case 'read':
    case 'scan':
      return runRead(shard, step)
  }
}

function runWrite(shard: LeafHarness, write: WriteStep): Promise<MutateResult | KVError> {
  const { rowKey, request, isSynced } = write
  const idempotency = tokenOf(write, shard.clock.nowUs())
  const durability = isSynced ? 'LOG_SYNCED' : 'LOG'
  return shard.mutate(rowKey, { ...request, idempotency }, { durability })
}

function plainResult(outcome: MutateResult | KVError, { request }: WriteStep): unknown {
  if (outcome instanceof KVError) return [outcome.code, outcome.outcome]
  const { timestamp, isApplied, isRepeated, row, counters } = outcome
  return {
    timestamp: mayWriteUnseen(request) ? 'not compared' : timestamp,
    isApplied,
    isRepeated,
    row: plainRow(row),
    counters: counters.map(({ localKey, value }) => [localKey.toString('latin1'), value]),
  }
}

/** Whether it depends on what was purged, which no read can see, if a mutation wrote anything. */
function mayWriteUnseen({ mutations = [], otherwise = [] }: WriteStep['request']): boolean {
  return [...mutations, ...otherwise].some(
    (mutation) => mutation.kind === 'DELETE' && mutation.scope === 'EXACT_TIMESTAMP',
  )
}

async function runRead(shard: LeafHarness, step: ReadStep): Promise<unknown> {
  if (step.kind === 'read') {
    const { rowKeys, selectors, pageBytes } = step
    const [selector = null] = selectors
    const isSame = selectors.every((one) => one === selector)
    const which = isSame ? { selector } : { selectorsByKey: selectors }
    if (pageBytes === null) return plain(await shard.read(rowKeys, { ...which, ...EVERYTHING }))
    const rows = await walkRows(shard, rowKeys, { ...EVERYTHING, pageBytes, selectors })
    return rows.map((row) => (row instanceof KVError ? row.code : (row?.map(plainCell) ?? null)))
  }
  const { lower, upper, pageRows, pageBytes, selector, where, limit, isReversed } = step
  const span = { lower: boundOf(shard, lower), upper: boundOf(shard, upper) }
  const request = { selector, where, limit, isReversed, ...EVERYTHING }
  const rows = await walkScan(shard, request, { span, pageRows, pageBytes })
  if (rows instanceof KVError) return rows.code
  return rows.map(({ rowKey, cells }) => [rowKey.toString('latin1'), cells.map(plainCell)])
}

function boundOf(shard: LeafHarness, end: RowEnd | null): RowBound | null {
  return end === null ? null : { ...end, token: shard.tokenOf(end.rowKey) }
}
