/**
 * Hop 4: decides which side answers a request and, for the leaf tier, which shard holds which key. A request has one
 * side, and all keys of a BATCH read are answered by one version (the current one, the pinned one, or for a share of the
 * keys the canary), because both are taken from one ClusterMap snapshot. Reads of datasets with two sides are handed to
 * migrating-reads.ts, which asks for the plan of the leaf tier here.
 * Nothing here waits: the decision reads memory only. A shard that is not open fails its own keys, not those of others.
 */
import { KVError } from '../base/errors.js'
import { traceHop } from '../base/trace.js'
import type { Backend } from '../model/backend.js'
import type { DatasetEntry, Incarnation, ServedVersion } from '../model/cluster-map.js'
import type {
  AdmittedMutate,
  AdmittedRead,
  AdmittedScan,
  MutatePlan,
  ReadPlan,
  ScanPlan,
  ShardRead,
  ShardScan,
  UnservedKeys,
} from '../model/plan.js'
import { entryOf } from '../model/row-order.js'
import { shardOfToken } from '../model/sharding.js'
import { canaryVersion } from './canary.js'
import { pick } from './read-parts.js'
import { spanOfScan, spansByShard } from './scan-spans.js'
import type { GuardedRoles } from './sides.js'

/** Shards that are open, by number. */
type Shards = readonly (Incarnation | null)[]

export class Router {
  readonly #leafTier: Backend
  readonly #origins: ReadonlyMap<string, GuardedRoles>
  #twoSided: Backend | null = null

  constructor(leafTier: Backend, origins: ReadonlyMap<string, GuardedRoles>) {
    this.#leafTier = leafTier
    this.#origins = origins
  }

  /** Gives reads of datasets with two sides to `backend`, which plans them with `planTarget` and `originOf`. */
  giveTwoSided(backend: Backend): void {
    this.#twoSided = backend
  }

  /** @throws {KVError} NO_VERSION_ONLINE, VERSION_NOT_FOUND, SHARD_NOT_SERVING, UNAVAILABLE (origin not configured) */
  planRead(admitted: AdmittedRead): ReadPlan {
    traceHop('routing.router')
    if (isTargetAlone(admitted.entry)) return this.planTarget(admitted)
    return { admitted, backend: this.#elsewhere(admitted.entry), version: null, shardReads: [] }
  }

  /** @throws {KVError} as planRead; SHARD_NOT_SERVING when the page begins in a shard that is not open */
  planScan(admitted: AdmittedScan): ScanPlan {
    traceHop('routing.router')
    if (isTargetAlone(admitted.entry)) return this.planTargetScan(admitted)
    return { admitted, backend: this.#elsewhere(admitted.entry), version: null, shardScans: [] }
  }

  /** A read by the leaf tier, whatever the state says. @throws {KVError} as planRead */
  planTarget(admitted: AdmittedRead): ReadPlan {
    const { entry, request } = admitted
    if (entry.record.mode === 'BATCH') {
      const pinned = request.datasetVersion
      const canary =
        pinned === null && entry.record.canary !== null ? canaryVersion(entry, request.rowKeys) : null
      const goesOn = request.position !== null || request.mayBeLeaving === true
      const version = canary ?? servedVersion(entry, pinned, goesOn)
      return planShards(admitted, version.shards, { backend: this.#leafTier, version })
    }
    return planShards(admitted, entry.live, { backend: this.#leafTier, version: null })
  }

  /** @throws {KVError} as planScan */
  planTargetScan(admitted: AdmittedScan): ScanPlan {
    const { entry, request } = admitted
    const isBatch = entry.record.mode === 'BATCH'
    const version = isBatch ? servedVersion(entry, request.datasetVersion, request.position !== null) : null
    const shards = version === null ? entry.live : version.shards
    return { admitted, backend: this.#leafTier, version, ...scanShards(admitted, shards) }
  }

  /** @throws {KVError} SHARD_NOT_SERVING, UNAVAILABLE (origin not configured), with outcome NOT_APPLIED */
  planMutate(admitted: AdmittedMutate): MutatePlan {
    traceHop('routing.router')
    const { entry, request } = admitted
    if (entry.record.migrationState === 'ORIGIN_ONLY') {
      return { admitted, backend: this.originOf(entry).primary, shardMutate: null }
    }
    const shard = shardOfToken(admitted.token, entry.record.shardCount)
    const shardMutate = {
      incarnation: servingShard(entry, entry.live, shard),
      keyOrder: entry.record.keyOrder,
      rowKey: request.rowKey,
      token: admitted.token,
      request,
      durability: admitted.durability,
      deadline: request.context.deadline,
    }
    return { admitted, backend: this.#leafTier, shardMutate }
  }

  /** @throws {KVError} UNAVAILABLE when the dataset's origin is not configured */
  originOf(entry: DatasetEntry): GuardedRoles {
    const { name, origin } = entry.record
    const roles = origin === null ? undefined : this.#origins.get(origin)
    if (roles !== undefined) return roles
    throw new KVError(
      'UNAVAILABLE',
      `dataset ${name} is served by origin ${origin ?? '(none)'}, which this gateway has no connection settings for: ` +
        'add it under origins in the configuration',
      { dataset: name, outcome: 'NOT_APPLIED' },
    )
  }

  #elsewhere(entry: DatasetEntry): Backend {
    if (entry.record.migrationState === 'ORIGIN_ONLY') return this.originOf(entry).primary
    if (this.#twoSided !== null) return this.#twoSided
    throw new KVError('INTERNAL', 'nothing is there that reads datasets with two sides')
  }
}

/** @param goesOn a later page of what was begun, or a caller that may read versions that leave */
function servedVersion(entry: DatasetEntry, pinned: number | null, goesOn: boolean): ServedVersion {
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
  if (version !== undefined && (goesOn || version.isLeaving === undefined)) return version
  throw new KVError('VERSION_NOT_FOUND', `dataset ${name} keeps no version ${pinned}`, { dataset: name })
}

/** Nobody looks at how the sides do. In TARGET_ONLY somebody does while there is an origin to go back to. */
function isTargetAlone({ record: { migrationState, origin } }: DatasetEntry): boolean {
  return migrationState === 'RETIRED' || (migrationState === 'TARGET_ONLY' && origin === null)
}

function servingShard(entry: DatasetEntry, shards: Shards, shard: number): Incarnation {
  const incarnation = shards[shard]
  if (incarnation !== undefined && incarnation !== null) return incarnation
  throw notServing(entry, shard)
}

function notServing(entry: DatasetEntry, shard: number): KVError {
  const { name } = entry.record
  return new KVError(
    'SHARD_NOT_SERVING',
    `shard ${shard} of dataset ${name} is not open: see status for the reason`,
    {
      dataset: name,
      outcome: 'NOT_APPLIED',
    },
  )
}

function planShards(
  admitted: AdmittedRead,
  shards: Shards,
  { backend, version }: Pick<ReadPlan, 'backend' | 'version'>,
): ReadPlan {
  const { entry, tokens } = admitted
  const { shardCount } = entry.record
  if (shardCount === 1 || tokens.length === 1) {
    const shard = shardCount === 1 || tokens[0] === undefined ? 0 : shardOfToken(tokens[0], shardCount)
    const shardReads = [shardRead(admitted, servingShard(entry, shards, shard), null)]
    return { admitted, backend, version, shardReads }
  }
  const positionsByShard = new Map<number, number[]>()
  for (const [position, token] of tokens.entries()) {
    const shard = shardOfToken(token, shardCount)
    const positions = positionsByShard.get(shard)
    if (positions === undefined) positionsByShard.set(shard, [position])
    else positions.push(position)
  }
  const [only] = positionsByShard.keys()
  if (only !== undefined && positionsByShard.size === 1) {
    const shardReads = [shardRead(admitted, servingShard(entry, shards, only), null)]
    return { admitted, backend, version, shardReads }
  }
  const shardReads: ShardRead[] = []
  const unserved: UnservedKeys[] = []
  for (const [shard, positions] of positionsByShard) {
    const incarnation = shards[shard] ?? null
    if (incarnation === null) unserved.push({ positions, error: notServing(entry, shard) })
    else shardReads.push(shardRead(admitted, incarnation, positions))
  }
  const plan = { admitted, backend, version, shardReads }
  return unserved.length === 0 ? plan : { ...plan, unserved }
}

/** Up to the first shard that is not open: what lies before it is answered. */
function scanShards(admitted: AdmittedScan, shards: Shards): Pick<ScanPlan, 'shardScans' | 'blocked'> {
  const { entry, request } = admitted
  const { keyOrder, shardCount } = entry.record
  const shardScans: ShardScan[] = []
  const whole = spanOfScan(request, keyOrder)
  if (whole === null) return { shardScans }
  for (const { shard, span } of spansByShard(whole, shardCount, request.isReversed)) {
    const incarnation = shards[shard] ?? null
    if (incarnation === null) {
      const error = notServing(entry, shard)
      if (shardScans.length === 0) throw error
      return { shardScans, blocked: { error, at: entryOf(span, request.isReversed) } }
    }
    shardScans.push({
      incarnation,
      keyOrder,
      span,
      request,
      pageRows: request.limit === null ? request.pageRows : Math.min(request.pageRows, request.limit),
      pageBytes: request.pageBytes,
      deadline: request.context.deadline,
    })
  }
  return { shardScans }
}

/** The shard's share of a page: as its keys of all keys. */
function shareOfPage(pageBytes: number, keys: number, allKeys: number): number {
  return Math.max(1, Math.floor((pageBytes * keys) / allKeys))
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
    pageBytes:
      positions === null || request.pageBytes === null
        ? request.pageBytes
        : shareOfPage(request.pageBytes, positions.length, request.rowKeys.length),
    position: request.position,
    deadline: request.context.deadline,
    connection: request.context.connection ?? null,
    place: request.context.place ?? null,
    positions,
  }
}
