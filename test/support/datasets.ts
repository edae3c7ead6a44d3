/** Builders of records, entries and requests for tests: every field has a plain default, a test names what it is about. */
import type { ClusterMap, DatasetEntry, Incarnation, ServedVersion } from '../../src/model/cluster-map.js'
import type { DatasetRecord } from '../../src/model/dataset.js'
import type { MutateRequest, ReadRequest, RequestContext } from '../../src/model/request.js'
import { NO_DEADLINE } from '../../src/base/deadline.js'

export function datasetRecord(changes: Partial<DatasetRecord> = {}): DatasetRecord {
  return {
    id: 'd1',
    name: 'cities',
    owner: { name: 'team-a', contact: 'team-a@example.com' },
    description: '',
    mode: 'READ_WRITE',
    keyOrder: 'HASHED',
    timestampUnit: 'MICROSECONDS',
    shardCount: 1,
    cluster: 'local',
    replicas: 1,
    retainedVersions: 3,
    canary: null,
    maxVersionBytes: null,
    maxValueBytes: 1_048_576,
    maxCellVersions: 1,
    graceSeconds: 864_000,
    defaultTtlSeconds: null,
    defaultDurability: 'LOG_SYNCED',
    migrationState: 'TARGET_ONLY',
    origin: null,
    generation: 1,
    versions: [],
    createdAtMs: 1_000,
    revision: 1,
    ...changes,
  }
}

export function incarnation(id: number, changes: Partial<Incarnation> = {}): Incarnation {
  return {
    id,
    datasetId: 'd1',
    shard: 0,
    format: 'mutable',
    maxCellVersions: 1,
    hasRangeTombstones: new SharedArrayBuffer(4),
    engine: 'memory',
    handle: 0n,
    directory: `/nowhere/${id}`,
    ...changes,
  }
}

export function servedVersion(id: number, ...incarnationIds: number[]): ServedVersion {
  return {
    id,
    shards: incarnationIds.map((one, shard) => incarnation(one, { shard, format: 'sealed' })),
  }
}

export function datasetEntry(
  record: Partial<DatasetRecord>,
  serving: Partial<Omit<DatasetEntry, 'record'>> = {},
): DatasetEntry {
  return { record: datasetRecord(record), versions: [], current: null, live: [], ...serving }
}

export function mapOf(...entries: DatasetEntry[]): ClusterMap {
  const datasets = new Map(entries.map((entry) => [entry.record.name, entry]))
  return { epoch: 1, datasets, clusterNames: new Set() }
}

const CONTEXT: RequestContext = { api: 'test', caller: null, deadline: NO_DEADLINE }

export function readRequest(
  keys: readonly (string | Buffer)[],
  changes: Partial<ReadRequest> = {},
): ReadRequest {
  return {
    dataset: 'cities',
    rowKeys: keys.map((key) => (typeof key === 'string' ? Buffer.from(key) : key)),
    selector: null,
    selectorsByKey: null,
    datasetVersion: null,
    withTimestamps: false,
    withTtl: false,
    pageBytes: null,
    position: null,
    context: CONTEXT,
    ...changes,
  }
}

export function putRequest(key: string, value: string, changes: Partial<MutateRequest> = {}): MutateRequest {
  return {
    dataset: 'cities',
    rowKey: Buffer.from(key),
    mutations: [{ kind: 'PUT', cells: [cell('', value)], timestamp: null, replaceRow: false }],
    conditions: [],
    otherwise: [],
    returnOnConflict: undefined,
    returnAfter: undefined,
    idempotency: null,
    durability: null,
    context: CONTEXT,
    ...changes,
  }
}

export function cell(
  localKey: string,
  value: string,
  timestamp: bigint | null = null,
  ttlSeconds: number | null = null,
) {
  return { localKey: Buffer.from(localKey), value: Buffer.from(value), timestamp, ttlSeconds }
}
