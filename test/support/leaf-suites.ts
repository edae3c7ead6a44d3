/** Runs a part of the contract suite on a shard of every engine, format and key order, with short words for its tests. */
import { after, before, suite } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { leafEngines } from '../../src/leaf/registry.js'
import type { WritableFormat } from '../../src/model/cluster-map.js'
import type { KeyOrder } from '../../src/model/dataset.js'
import type { ShardPage } from '../../src/model/leaf-engine.js'
import type { DeleteMutation, Mutation, PutMutation } from '../../src/model/mutation.js'
import type { ShardMutate, ShardRead, ShardScan } from '../../src/model/plan.js'
import type { MutateRequest, MutateResult } from '../../src/model/request.js'
import {
  type ByteRange,
  type Cell,
  type CellSelector,
  type Comparison,
  type Condition,
  type Row,
  WHOLE_ROW,
} from '../../src/model/row.js'
import type { ScanRequest } from '../../src/model/scan.js'
import { bytes, type LeafHarness, leafHarnesses, plainRow, put, remove } from './leaf-engines.js'

export const KEY_ORDERS: readonly KeyOrder[] = ['HASHED', 'ORDERED']

/** Versions of a cell that history shards of these suites keep. */
export const MAX_CELL_VERSIONS = 3

/** One shard for all tests of a suite: each takes row keys of its own. */
export function forWritableShards(
  what: string,
  tests: (verbs: Verbs, format: WritableFormat) => void,
  formats: readonly WritableFormat[] = ['mutable', 'history'],
): void {
  for (const { name } of leafEngines) {
    for (const format of formats) {
      for (const keyOrder of KEY_ORDERS) {
        suite(`${what}: ${name}, ${format}, ${keyOrder}`, () => {
          let shard: LeafHarness | null = null
          before(async () => {
            shard = await leafHarnesses[name](keyOrder)
            await shard.create(format, format === 'mutable' ? 1 : MAX_CELL_VERSIONS)
          })
          after(() => shard?.dispose())
          const shardOf = (): LeafHarness => {
            if (shard === null) throw new Error('there is no shard yet')
            return shard
          }
          tests(new Verbs(shardOf), format)
        })
      }
    }
  }
}

/** What a test does with a shard. Failures are thrown as the KVErrors that they are. */
export class Verbs {
  readonly #shardOf: () => LeafHarness

  constructor(shardOf: () => LeafHarness) {
    this.#shardOf = shardOf
  }

  get shard(): LeafHarness {
    return this.#shardOf()
  }

  /** The row as text, with timestamps where they are asked for. */
  async get(
    key: string,
    selector: Partial<CellSelector> = {},
    how: Partial<ShardRead> = {},
  ): Promise<unknown> {
    return plainRow(await this.row(key, { selector: select(selector), ...how }))
  }

  /** As `get`, with timestamps. */
  timed(key: string, selector: Partial<CellSelector> = {}): Promise<unknown> {
    return this.get(key, selector, { withTimestamps: true })
  }

  async row(key: string, how: Partial<ShardRead>): Promise<Row | null> {
    const [row = null] = answered(await this.shard.read([bytes(key)], how))
    if (row instanceof KVError) throw row
    return row
  }

  async put(key: string, cells: readonly Cell[], more: Partial<PutMutation> = {}): Promise<MutateResult> {
    return answered(await this.shard.put(bytes(key), cells, more))
  }

  async remove(key: string, more: Partial<DeleteMutation> = {}): Promise<MutateResult> {
    return answered(await this.shard.remove(bytes(key), more))
  }

  async mutate(
    key: string,
    request: Partial<MutateRequest>,
    how: Partial<ShardMutate> = {},
  ): Promise<MutateResult> {
    return answered(await this.shard.mutate(bytes(key), request, how))
  }

  /** These mutations, in one request. */
  apply(key: string, ...mutations: readonly Mutation[]): Promise<MutateResult> {
    return this.mutate(key, { mutations })
  }

  async scan(request: Partial<ScanRequest> = {}, how: Partial<ShardScan> = {}): Promise<ShardPage> {
    return answered(await this.shard.scan(request, how))
  }
}

export function answered<T>(outcome: T | KVError): T {
  if (outcome instanceof KVError) throw outcome
  return outcome
}

export function select(selector: Partial<CellSelector>): CellSelector {
  return { ...WHOLE_ROW, ...selector }
}

/** Columns by name, in the order that selectors have them in. */
export function named(...localKeys: readonly string[]): { readonly localKeys: readonly Buffer[] } {
  return { localKeys: localKeys.map(bytes).sort((a, b) => a.compare(b)) }
}

/** Columns from the first to before the second; null: to the last. */
export function range(from: string, to: string | null): ByteRange {
  return { from: bytes(from), to: to === null ? null : bytes(to) }
}

export function condition(
  localKey: string,
  comparison: Comparison,
  more: Partial<Condition> = {},
): Condition {
  return {
    localKey: bytes(localKey),
    comparison,
    value: Buffer.alloc(0),
    timestamp: null,
    ifMissing: false,
    ...more,
  }
}

export function increment(localKey: string, delta: bigint, ttlSeconds: number | null = null): Mutation {
  return { kind: 'INCREMENT', deltas: [{ localKey: bytes(localKey), delta, ttlSeconds }] }
}

export function append(...cells: readonly Cell[]): Mutation {
  return { kind: 'APPEND', cells }
}

export function touch(ttlSeconds: number | null, selector: Partial<CellSelector> | null = null): Mutation {
  return { kind: 'TOUCH', selector: selector === null ? null : select(selector), ttlSeconds }
}

export { put, remove }

/** A counter's value as it is stored. */
export function counter(value: bigint): Buffer {
  const stored = Buffer.alloc(8)
  stored.writeBigInt64BE(value)
  return stored
}
