/**
 * What the admin API answers, as schemas: its description is made from them, and a test holds every route's answers
 * against them. Each is bound to the type that the code answers, so that neither can change without the other. One with
 * an id is described once, under that name.
 */
import { z } from 'zod'
import { ERROR_CODES, ERROR_KINDS, isErrorCode, type ErrorCode, type ErrorKind } from '../base/errors.js'
import type {
  AuditLine,
  Canary,
  ClusterRecord,
  DatasetRecord,
  LeafRecord,
  Owner,
  VersionRecord,
} from '../model/dataset.js'
import type { CqlTable, TableSettings } from '../model/table-call.js'
import type { BackendStatus, GatewayStatus, LeafStatus, ListenerStatus } from '../model/operations.js'
import type { PlacementStatus, Readiness } from '../model/operations.js'
import type { BytesJson } from './bytes-json.js'
import { layoutSchema } from './explode-body.js'
import { migrationSchema, stateSchema } from './migration-schemas.js'

const whole = z.int().min(0)
const timeMs = whole.describe('Milliseconds since 1970.')

export const ownerSchema: z.ZodType<Owner> = z.strictObject({ name: z.string(), contact: z.string() })

export const versionSchema: z.ZodType<VersionRecord> = z
  .strictObject({
    id: whole.describe('Time of its upload, milliseconds since 1970; unique within the dataset.'),
    state: z.enum(['LOADING', 'READY', 'CURRENT', 'ARCHIVED', 'FAILED', 'DELETED']),
    rows: whole,
    bytes: whole,
    checksum: z.string().describe('Hex digest over the content, whatever the order of its rows.'),
    source: z.string(),
    loadedBy: z.string(),
    createdAtMs: timeMs,
    archive: z.string().nullable().describe('URL of its copy in object storage; null: it has none.'),
    formerArchives: z
      .array(z.string())
      .exactOptional()
      .describe('URLs of earlier copies that are still there.'),
    cluster: z.string().exactOptional().describe("Serves it; absent: the gateway's own process."),
  })
  .meta({ id: 'Version' })

export const canarySchema: z.ZodType<Canary> = z.strictObject({
  versionId: whole,
  share: z.int().min(1).max(9_999).describe('Of the row keys, in hundredths of a percent.'),
})

const tableSchema: z.ZodType<TableSettings> = z.strictObject({
  families: z.array(
    z.strictObject({
      name: z.string(),
      maxVersions: whole,
      ttlSeconds: whole.nullable(),
      compression: z.string(),
      bloomFilter: z.string(),
      isInMemory: z.boolean(),
      isBlockCached: z.boolean(),
    }),
  ),
  isDisabled: z.boolean().describe('HBase clients are refused its data.'),
})

const cqlTableSchema: z.ZodType<CqlTable> = z.strictObject({
  keyspace: z.string(),
  name: z.string(),
  id: z.string(),
  columns: z.array(
    z.strictObject({
      name: z.string(),
      type: z.string().describe('As CQL writes it.'),
      kind: z.enum(['partition_key', 'clustering', 'static', 'regular']),
      position: z.int().describe('Among the parts of a key of its kind; -1 for the others.'),
      isReversed: z.boolean(),
    }),
  ),
  isCompact: z.boolean(),
  options: z.record(z.string(), z.union([z.string(), z.record(z.string(), z.string())])),
  indexes: z.array(
    z.strictObject({
      name: z.string(),
      column: z.string(),
      target: z.enum(['simple', 'values', 'keys', 'entries', 'full']),
    }),
  ),
  dropped: z.array(z.strictObject({ name: z.string(), type: z.string(), droppedAtUs: z.string() })),
})

export const datasetSchema: z.ZodType<DatasetRecord> = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    owner: ownerSchema,
    description: z.string(),
    mode: z.enum(['BATCH', 'READ_WRITE', 'STREAMING']),
    keyOrder: z.enum(['HASHED', 'ORDERED']),
    timestampUnit: z.enum(['MICROSECONDS', 'MILLISECONDS', 'OPAQUE']),
    shardCount: whole,
    cluster: z.string(),
    replicas: whole,
    retainedVersions: whole,
    canary: canarySchema.nullable(),
    maxVersionBytes: whole.nullable(),
    maxValueBytes: whole,
    defaultTtlSeconds: whole.nullable(),
    maxCellVersions: whole,
    graceSeconds: whole,
    defaultDurability: z.enum(['LOG', 'LOG_SYNCED']),
    migrationState: stateSchema,
    origin: z.string().nullable(),
    migration: migrationSchema.exactOptional().describe('Absent: nothing was dialled.'),
    table: tableSchema.exactOptional().describe('Absent: it was not made by an HBase client.'),
    cql: cqlTableSchema.exactOptional().describe('Absent: it was not made by a CQL client.'),
    explode: layoutSchema
      .exactOptional()
      .describe('Absent: values of HFiles stay as they are in loads that do not say otherwise.'),
    generation: whole,
    versions: z.array(versionSchema).describe('Newest first.'),
    createdAtMs: timeMs,
    revision: whole.describe('Rises with every change; what If-Match must name.'),
  })
  .meta({ id: 'Dataset' })

const leafSchema: z.ZodType<LeafRecord> = z.strictObject({ name: z.string(), url: z.string() })

export const clusterSchema: z.ZodType<ClusterRecord> = z
  .strictObject({
    name: z.string(),
    aliases: z.array(z.string()),
    leaves: z.array(leafSchema),
    createdAtMs: timeMs,
    revision: whole,
  })
  .meta({ id: 'Cluster' })

export const auditLineSchema: z.ZodType<AuditLine> = z
  .strictObject({
    sequence: whole,
    atMs: timeMs,
    actor: z.string(),
    reason: z.string(),
    action: z.string(),
    dataset: z.string(),
    detail: z.string(),
  })
  .meta({ id: 'AuditLine' })

export const errorCodeSchema: z.ZodType<ErrorCode> = z.enum(Object.keys(ERROR_CODES).filter(isErrorCode))

const kindNames = Object.keys(ERROR_KINDS) as ErrorKind[] // its own keys

/** Of every error, whoever notices it. */
export const errorSchema = z
  .strictObject({
    error: z.strictObject({
      code: errorCodeSchema,
      kind: z.enum(kindNames),
      message: z.string(),
      retryable: z.boolean().describe('Whether sending the same request again can help.'),
      outcome: z
        .enum(['NOT_APPLIED', 'UNKNOWN'])
        .describe('Of a write: whether it was applied, where that is known.')
        .optional(),
      retryAfterMs: z.number().optional(),
    }),
  })
  .meta({ id: 'Error' })

const listenerSchema: z.ZodType<ListenerStatus> = z.strictObject({
  name: z.string(),
  host: z.string(),
  port: whole,
  isTls: z.boolean().exactOptional(),
})

const readinessSchema: z.ZodType<Readiness> = z.strictObject({
  isReady: z.boolean(),
  reasons: z.array(z.string()).describe('What keeps it from being ready; empty when it is.'),
})

const placementSchema: z.ZodType<PlacementStatus> = z.strictObject({
  version: whole,
  cluster: z.string(),
  wanted: whole.describe('Copies of its shards that there should be.'),
  confirmed: whole.describe('Of these, on leaves that answer.'),
  replicas: whole.describe('Copies of each shard that the dataset asks for.'),
  shards: whole,
  wholeShards: whole.describe('Shards that have that many on leaves that answer.'),
  isReadFromLeaves: z.boolean().describe("False: from the gateway's own copy, until the leaves have it."),
  leavesFailedForMs: z
    .number()
    .nullable()
    .describe('Its leaves failed reads: they are asked again in so long.'),
})

const leafStatusSchema: z.ZodType<LeafStatus> = z.strictObject({
  cluster: z.string(),
  name: z.string(),
  url: z.string(),
  problem: z.string().nullable().describe('Why it is not read from; null: it is.'),
  copies: whole,
  wanted: whole.describe('Copies that it should have for this cluster.'),
  held: whole.describe('Of these, those that it has and that are read.'),
  copying: whole.describe('Copies that it gets just now.'),
  openBreakers: whole.describe('Data threads that do not ask it for a moment, because it failed too often.'),
})

const backendStatusSchema: z.ZodType<BackendStatus> = z.strictObject({
  name: z.string(),
  role: z.enum(['primary', 'shadow']).describe("For callers' requests, or for reads that are only compared."),
  isOpen: z.boolean().describe('It failed too often and is not asked for a moment.'),
  openings: whole,
  sinceMs: timeMs.nullable().describe('When it last changed; null: never.'),
})

export const statusSchema: z.ZodType<GatewayStatus> = z
  .strictObject({
    version: z.string(),
    processId: whole,
    startedAtMs: timeMs,
    uptimeMs: z.number(),
    readiness: readinessSchema,
    epoch: whole,
    dataThreads: whole,
    dataDirectory: z.string(),
    listeners: z.array(listenerSchema),
    datasets: z.array(
      z.strictObject({
        name: z.string(),
        mode: z.enum(['BATCH', 'READ_WRITE', 'STREAMING']),
        currentVersion: whole.nullable(),
        problems: z.array(z.string()),
        placement: z.array(placementSchema).describe('Versions on leaf processes, newest first.'),
      }),
    ),
    leaves: z.array(leafStatusSchema),
    backends: z.array(backendStatusSchema).describe('Each origin of the configuration in each role.'),
  })
  .meta({ id: 'Status' })

/** Bytes in answers. */
export const bytesJsonSchema: z.ZodType<BytesJson> = z
  .union([z.strictObject({ utf8: z.string() }), z.strictObject({ base64: z.string() })])
  .meta({ id: 'Bytes' })

/** 64 bits, which a JSON number does not hold. */
export const timestampTextSchema = z.string().regex(/^-?\d{1,19}$/)

export const rowSchema = z
  .strictObject({
    cells: z.array(
      z.strictObject({
        column: bytesJsonSchema,
        value: bytesJsonSchema,
        timestamp: timestampTextSchema.optional(),
        ttlSeconds: whole.optional(),
      }),
    ),
  })
  .meta({ id: 'Row' })
