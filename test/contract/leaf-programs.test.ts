/** Row programs of the RocksDB engine against the memory engine: any writes of a row, sent one by one or in one group. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KVError } from '../../src/base/errors.js'
import { MemoryEngine } from '../../src/leaf/memory/engine.js'
import { MemoryStore } from '../../src/leaf/memory/store.js'
import type { WritableFormat } from '../../src/model/cluster-map.js'
import type { MutateRequest, MutateResult } from '../../src/model/request.js'
import { ALL_VERSIONS, type Cell, WHOLE_ROW } from '../../src/model/row.js'
import { writeRequest } from '../support/random-writes.js'
import { WriterShard } from '../support/writer-shard.js'

const FORMATS: readonly { readonly format: WritableFormat; readonly maxCellVersions: number }[] = [
  { format: 'mutable', maxCellVersions: 1 },
  { format: 'history', maxCellVersions: 3 },
]

/** Everything of a row that is alive. */
const EVERYTHING = { ...WHOLE_ROW, maxVersions: ALL_VERSIONS }

const steps = fc.array(
  fc.record({
    advanceMs: fc.constantFrom(0, 0, 1, 1_000, 6_000),
    // Sent with those before it in one batch.
    isGrouped: fc.boolean(),
    request: writeRequest({ near: 1_700_000_001_000_000n }),
  }),
  { minLength: 1, maxLength: 8 },
)

for (const { format, maxCellVersions } of FORMATS) {
  test(`any writes of a ${format} row answer as the memory engine answers them`, async (t) => {
    const shard = await WriterShard.create(format, maxCellVersions)
    t.after(() => shard.dispose())
    const store = new MemoryStore()
    await store.createWritable('shard', format)
    const location = { datasetId: 'd', shard: 0, format, maxCellVersions, directory: 'shard' }
    const incarnation = await store.open(location)
    const oracle = new MemoryEngine(store, shard.clock)
    let row = 0
    const expect = (rowKey: string, request: Partial<MutateRequest>): unknown => {
      let outcome: MutateResult | KVError | null = null
      oracle.mutate({ ...shard.shardMutate(rowKey, request), incarnation }, (answer) => (outcome = answer))
      return plainResult(outcome)
    }
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const rowKey = `row-${row++}`
        const expected: unknown[] = []
        const actual: Promise<MutateResult | KVError>[] = []
        for (const { advanceMs, isGrouped, request } of all) {
          if (!isGrouped) {
            shard.flush()
            await Promise.all(actual)
            shard.clock.ms += advanceMs
          }
          expected.push(expect(rowKey, request))
          actual.push(shard.add(rowKey, request))
        }
        const nothing = { mutations: [{ kind: 'TOUCH', selector: NO_COLUMN, ttlSeconds: null }] } as const
        const look = { ...nothing, returnAfter: EVERYTHING }
        expected.push(expect(rowKey, look))
        actual.push(shard.add(rowKey, look))
        shard.flush()
        assert.deepEqual((await Promise.all(actual)).map(plainResult), expected)
      }),
      { numRuns: Number(process.env['GODWIT_PROPERTY_RUNS'] ?? 400) },
    )
    assert.deepEqual(shard.failed, [])
  })
}

const NO_COLUMN = { ...WHOLE_ROW, localKeys: [Buffer.from('no such column')] }

function plainResult(outcome: MutateResult | KVError | null): unknown {
  if (outcome === null) return 'no answer'
  if (outcome instanceof KVError) return [outcome.code, outcome.outcome]
  const { timestamp, isApplied, isRepeated, row, counters } = outcome
  return {
    timestamp,
    isApplied,
    isRepeated,
    cells: row === null ? null : row.cells.map(plainCell),
    next: row?.next ?? null,
    counters: counters.map(({ localKey, value }) => [localKey.toString('hex'), value]),
  }
}

function plainCell({ localKey, value, timestamp, ttlSeconds }: Cell): unknown {
  return [localKey.toString('hex'), value.toString('hex'), timestamp, ttlSeconds]
}
