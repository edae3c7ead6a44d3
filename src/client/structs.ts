/** The structs of idl/kvstore.thrift: each public type's fields and how they travel. A test compares them with the IDL. */
import {
  absentAs,
  bool,
  bytes,
  bytesOrEmpty,
  enumOf,
  i32,
  i64,
  type Kind,
  listOf,
  listOrEmpty,
  struct,
  text,
  union,
} from './codec.js'
import * as enums from './enums.js'
import { errorOfDetail, type WireErrorDetail } from './errors.js'
import type * as types from './types.js'

/** Requests carry this beside the public type's fields. */
interface WithContext {
  readonly context?: types.CallerContext & { readonly deadlineMs?: number }
}

const context = struct<Required<WithContext>['context']>({
  deadlineMs: i32,
  caller: text,
  traceId: text,
  priority: enumOf(enums.PRIORITIES),
  credential: bytes,
  mustUnderstand: listOf(text),
})

const readOptions = struct<types.ReadOptions>({
  consistency: enumOf(enums.CONSISTENCIES),
  maxStalenessMs: i32,
  sessionToken: bytes,
  datasetVersion: i64,
  withTimestamps: bool,
  withTtl: bool,
  withInfo: bool,
  pageSizeBytes: i32,
})

const idempotencyToken = struct<types.IdempotencyToken>({ generationTime: i64, nonce: bytes })

const writeOptions = struct<types.WriteOptions>({
  durability: enumOf(enums.DURABILITIES),
  idempotencyToken,
  withSessionToken: bool,
})

const cell = struct<types.Cell>({
  localKey: bytesOrEmpty,
  value: bytesOrEmpty,
  timestamp: i64,
  ttlSeconds: i32,
})
const cells = listOf(cell)

const byteRange = struct<types.ByteRange>({
  lower: bytes,
  upper: bytes,
  lowerExclusive: bool,
  upperInclusive: bool,
})

const cellSelector = struct<types.CellSelector>({
  localKeys: listOf(bytes),
  ranges: listOf(byteRange),
  prefixes: listOf(bytes),
  limit: i32,
  reversed: bool,
  maxVersions: i32,
  minTimestamp: i64,
  maxTimestamp: i64,
  keysOnly: bool,
})

const condition = struct<types.Condition>({
  localKey: bytes,
  comparison: enumOf(enums.COMPARISONS),
  value: bytes,
  timestamp: i64,
  ifMissing: bool,
})

const putFields = { value: bytes, cells, timestamp: i64, ttlSeconds: i32, replaceRow: bool }
const removeFields = { cells: cellSelector, timestamp: i64, scope: enumOf(enums.DELETE_SCOPES) }
const counterDelta = struct<types.CounterDelta>({ localKey: bytes, delta: i64, ttlSeconds: i32 })
// The default is given here because stock code's own is an Int64, which the protocols of stock.ts do not take.
const withDelta: Kind = {
  ...counterDelta,
  encode: (value, path) => ({ delta: 1n, ...(counterDelta.encode(value, path) as object) }), // a struct's is an object
}
const incrementFields = { deltas: listOf(withDelta) }

/** The members' names are those of the public type's alternatives. */
const mutation = union({
  put: struct<types.PutMutation>(putFields),
  remove: struct<types.DeleteMutation>(removeFields),
  increment: struct<types.IncrementMutation>(incrementFields),
  append: struct<types.AppendMutation>({ cells }),
  touch: struct<types.TouchMutation>({ cells: cellSelector, ttlSeconds: i32 }),
})
const mutations = listOf(mutation)

const errorDetail: Kind = {
  type: 'ErrorDetail',
  encode: (value) => value,
  decode: (value, dataset) => errorOfDetail(value as WireErrorDetail, dataset), // what stock code reads this field as
}

/** A failed write always says what is known of its outcome. */
const writeErrorDetail: Kind = {
  type: 'ErrorDetail',
  encode: (value) => value,
  decode: (value, dataset) => {
    const error = errorOfDetail(value as WireErrorDetail, dataset) // as above
    return error.with({ outcome: error.outcome ?? 'UNKNOWN' })
  },
}

const readInfo = struct<types.ReadInfo>({
  datasetVersion: i64,
  stalenessMs: i32,
  sessionToken: bytes,
  cluster: text,
})

const rowContents = {
  value: bytes,
  cells: listOrEmpty(cell),
  nextPageToken: bytes,
  timestamp: i64,
  ttlSeconds: i32,
}
const row = struct<types.Row>({ ...rowContents, error: errorDetail, key: bytes })

const counterValue = struct<types.CounterValue>({
  localKey: bytesOrEmpty,
  value: absentAs(i64, () => 0n),
  missing: absentAs(bool, () => false),
})

const writeResult = struct<types.WriteResult>({ timestamp: i64, sessionToken: bytes, repeated: bool })

/** Requests and answers under their names in the IDL. */
export const REQUESTS = {
  GetRequest: struct<types.GetRequest & WithContext>({
    dataset: text,
    key: bytes,
    cells: cellSelector,
    pageToken: bytes,
    options: readOptions,
    context,
  }),
  MultiGetRequest: struct<types.MultiGetRequest & WithContext>({
    dataset: text,
    keys: listOf(bytes),
    cells: cellSelector,
    cellsByKey: listOf(cellSelector),
    options: readOptions,
    context,
  }),
  ScanRequest: struct<types.ScanRequest & WithContext>({
    dataset: text,
    keys: byteRange,
    keyPrefix: bytes,
    cells: cellSelector,
    where: listOf(condition),
    limit: i32,
    reversed: bool,
    order: enumOf(enums.SCAN_ORDERS),
    pageToken: bytes,
    pageRows: i32,
    segment: i32,
    totalSegments: i32,
    options: readOptions,
    context,
  }),
  GetCountersRequest: struct<types.GetCountersRequest & WithContext>({
    dataset: text,
    keys: listOf(bytes),
    localKeys: listOf(bytes),
    options: readOptions,
    context,
  }),
  PutRequest: struct<types.PutRequest & WithContext>({
    dataset: text,
    key: bytes,
    ...putFields,
    options: writeOptions,
    context,
  }),
  DeleteRequest: struct<types.RemoveRequest & WithContext>({
    dataset: text,
    key: bytes,
    ...removeFields,
    options: writeOptions,
    context,
  }),
  MutateRequest: struct<types.MutateRequest & WithContext>({
    dataset: text,
    key: bytes,
    mutations,
    conditions: listOf(condition),
    returnOnConflict: cellSelector,
    returnAfter: cellSelector,
    otherwise: mutations,
    options: writeOptions,
    context,
  }),
  IncrementRequest: struct<types.IncrementRequest & WithContext>({
    dataset: text,
    key: bytes,
    ...incrementFields,
    options: writeOptions,
    context,
  }),
  MultiMutateRequest: struct<types.MultiMutateRequest & WithContext>({
    dataset: text,
    rows: listOf(struct<types.RowMutations>({ key: bytes, mutations })),
    options: writeOptions,
    context,
  }),
}

export const ANSWERS = {
  GetResponse: struct<types.GetResult>({ ...rowContents, info: readInfo }),
  MultiGetResponse: struct<types.MultiGetResult>({ rows: listOrEmpty(row), info: readInfo }),
  ScanResponse: struct<types.ScanPage>({ rows: listOrEmpty(row), nextPageToken: bytes, info: readInfo }),
  GetCountersResponse: struct<types.GetCountersResult>({
    rows: listOrEmpty(struct<types.CounterRow>({ counters: listOrEmpty(counterValue), error: errorDetail })),
  }),
  WriteResponse: writeResult,
  MutateResponse: struct<types.MutateResult>({
    applied: absentAs(bool, () => false),
    write: writeResult,
    row,
  }),
  IncrementResponse: struct<types.IncrementResult>({
    counters: listOrEmpty(counterValue),
    write: writeResult,
  }),
  MultiMutateResponse: struct<types.MultiMutateResult>({
    rows: listOrEmpty(struct<types.RowWriteResult>({ error: writeErrorDetail, timestamp: i64 })),
    sessionToken: bytes,
  }),
  DatasetInfo: struct<types.DatasetInfo>({
    name: absentAs(text, () => ''),
    owner: text,
    description: text,
    mode: enumOf(enums.DATASET_MODES),
    keyOrder: enumOf(enums.KEY_ORDERS),
    timestampUnit: enumOf(enums.TIMESTAMP_UNITS),
    conflictRule: enumOf(enums.CONFLICT_RULES),
    maxCellVersions: i32,
    defaultTtlSeconds: i32,
    defaultConsistency: enumOf(enums.CONSISTENCIES),
    defaultDurability: enumOf(enums.DURABILITIES),
    currentVersion: i64,
    maxValueBytes: i32,
    idempotencyWindowSeconds: i32,
  }),
  ServerInfo: struct<types.ServerInfo>({
    apiVersion: absentAs(i32, () => 1),
    build: text,
    features: listOrEmpty(text),
    maxRequestBytes: i32,
    maxBatchRows: i32,
  }),
}

/** Each method's structs in the IDL and whether it writes; describe methods take no struct. */
export const METHODS = {
  get: { request: 'GetRequest', answer: 'GetResponse', isWrite: false },
  multiGet: { request: 'MultiGetRequest', answer: 'MultiGetResponse', isWrite: false },
  scan: { request: 'ScanRequest', answer: 'ScanResponse', isWrite: false },
  put: { request: 'PutRequest', answer: 'WriteResponse', isWrite: true },
  remove: { request: 'DeleteRequest', answer: 'WriteResponse', isWrite: true },
  mutate: { request: 'MutateRequest', answer: 'MutateResponse', isWrite: true },
  multiMutate: { request: 'MultiMutateRequest', answer: 'MultiMutateResponse', isWrite: true },
  increment: { request: 'IncrementRequest', answer: 'IncrementResponse', isWrite: true },
  getCounters: { request: 'GetCountersRequest', answer: 'GetCountersResponse', isWrite: false },
  describeDataset: { request: null, answer: 'DatasetInfo', isWrite: false },
  describeServer: { request: null, answer: 'ServerInfo', isWrite: false },
} as const satisfies Record<
  string,
  { request: keyof typeof REQUESTS | null; answer: keyof typeof ANSWERS; isWrite: boolean }
>

export type MethodName = keyof typeof METHODS
