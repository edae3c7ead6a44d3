/**
 * Hop 4: decides which side answers a request and, for the leaf tier, which shard holds which key. A request has one
 * side, and all keys of a BATCH read are answered by one version, because both are taken from one ClusterMap snapshot.
 * Nothing here waits: the decision reads memory only.
 */
import { KVError } from '../base/errors.js'
import { traceHop } from '../base/trace.js'
import type { Backend } from '../model/backend.js'
import type { DatasetEntry, Incarnation, ServedVersion } from '../model/cluster-map.js'
import type { AdmittedMutate, AdmittedRead, MutatePlan, ReadPlan, ShardRead } from '../model/plan.js'
import { shardOfToken } from '../model/sharding.js'

export class Router {
  readonly #leafTier: Backend
  readonly #origins: ReadonlyMap<string, Backend>

  constructor(leafTier: Backend, origins: ReadonlyMap<string, Backend>) {
    this.#leafTier = leafTier
    this.#origins = origins
  }

  /** @throws {KVError} NO_VERSION_ONLINE, VERSION_NOT_FOUND, SHARD_NOT_SERVING, UNAVAILABLE (origin not configured) */
  planRead(admitted: AdmittedRead): ReadPlan {
    traceHop('routing.router')
    const { entry, request } = admitted
    if (entry.record.migrationState === 'ORIGIN_ONLY') {
      return { admitted, backend: this.#originOf(entry), version: null, shardReads: [] }
    }
    if (entry.record.mode === 'BATCH') {
      const version = servedVersion(entry, request.datasetVersion)
      return {
        admitted,
        backend: this.#leafTier,
        version,
        shardReads: splitByShard(admitted, version.shards),
      }
    }
    return {
      admitted,
      backend: this.#leafTier,
      version: null,
      shardReads: splitByShard(admitted, entry.live),
    }
  }

  /** @throws {KVError} SHARD_NOT_SERVING, UNAVAILABLE (origin not configured), with outcome NOT_APPLIED */
  planMutate(admitted: AdmittedMutate): MutatePlan {
    traceHop('routing.router')
    const { entry, request } = admitted
    if (entry.record.migrationState === 'ORIGIN_ONLY') {
      return { admitted, backend: this.#originOf(entry), shardMutate: null }
    }
    const shard = shardOfToken(admitted.token, entry.record.shardCount)
    const shardMutate = {
      incarnation: servingShard(entry, entry.live, shard),
      keyOrder: entry.record.keyOrder,
      rowKey: request.rowKey,
      token: admitted.token,
      mutation: request.mutation,
      durability: admitted.durability,
      deadline: request.context.deadline,
    }
    return { admitted, backend: this.#leafTier, shardMutate }
  }

  #originOf(entry: DatasetEntry): Backend {
    const { name, origin } = entry.record
    const backend = origin === null ? undefined : this.#origins.get(origin)
    if (backend !== undefined) return backend
    throw new KVError(
      'UNAVAILABLE',
      `dataset ${name} is served by origin ${origin ?? '(none)'}, which this gateway has no connection settings for: ` +
        'add it under origins in the configuration',
      { dataset: name, outcome: 'NOT_APPLIED' },
    )
  }
}

function servedVersion(entry: DatasetEntry, pinned: number | null): ServedVersion {
  const { name } = entry.record
  if (pinned === null) {
    if (entry.current !== null) return entry.current
    throw new KVError(
      'NO_VERSION_ONLINE',
      `dataset ${name} has no version online yet: load and publish one`,
      {
        dataset: name,
      },
    )
  }
  const version = entry.versions.find((candidate) => candidate.id === pinned)
  if (version !== undefined) return version
  throw new KVError('VERSION_NOT_FOUND', `dataset ${name} keeps no version ${pinned}`, { dataset: name })
}

function servingShard(
  entry: DatasetEntry,
  shards: readonly (Incarnation | null)[],
  shard: number,
): Incarnation {
  const incarnation = shards[shard]
  if (incarnation !== undefined && incarnation !== null) return incarnation
  const { name } = entry.record
  throw new KVError(
    'SHARD_NOT_SERVING',
    `shard ${shard} of dataset ${name} is not open: see status for the reason`,
    {
      dataset: name,
      outcome: 'NOT_APPLIED',
    },
  )
}

function splitByShard(admitted: AdmittedRead, shards: readonly (Incarnation | null)[]): readonly ShardRead[] {
  const { entry, request, tokens } = admitted
  const { shardCount } = entry.record
  if (shardCount === 1) {
    const whole = shardRead(admitted, servingShard(entry, shards, 0), null)
    return [whole]
  }
  if (tokens.length === 1) {
    const shard = tokens[0] === undefined ? 0 : shardOfToken(tokens[0], shardCount)
    return [shardRead(admitted, servingShard(entry, shards, shard), null)]
  }
  const positionsByShard = new Map<number, number[]>()
  for (const [position, token] of tokens.entries()) {
    const shard = shardOfToken(token, shardCount)
    const positions = positionsByShard.get(shard)
    if (positions === undefined) positionsByShard.set(shard, [position])
    else positions.push(position)
  }
  if (request.rowKeys.length > 0 && positionsByShard.size === 1) {
    const [shard] = positionsByShard.keys()
    return [shardRead(admitted, servingShard(entry, shards, shard ?? 0), null)]
  }
  return Array.from(positionsByShard, ([shard, positions]) =>
    shardRead(admitted, servingShard(entry, shards, shard), positions),
  )
}

function shardRead(
  admitted: AdmittedRead,
  incarnation: Incarnation,
  positions: readonly number[] | null,
): ShardRead {
  const { entry, request, tokens } = admitted
  return {
    incarnation,
    keyOrder: entry.record.keyOrder,
    rowKeys: positions === null ? request.rowKeys : pick(request.rowKeys, positions),
    tokens: positions === null ? tokens : pick(tokens, positions),
    selector: request.selector,
    selectorsByKey:
      positions === null || request.selectorsByKey === null
        ? request.selectorsByKey
        : pick(request.selectorsByKey, positions),
    withTimestamps: request.withTimestamps,
    withTtl: request.withTtl,
    deadline: request.context.deadline,
    positions,
  }
}

function pick<T>(items: readonly T[], positions: readonly number[]): T[] {
  const picked: T[] = []
  for (const position of positions) {
    const item = items[position]
    if (item !== undefined) picked.push(item)
  }
  return picked
}
