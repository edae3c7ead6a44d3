/**
 * What tests of KVSM share: a clock that is set by hand, a usual draft, a usual change, a logger that keeps
 * its lines.
 */
import assert from 'node:assert/strict'
import type { Clock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import type { ErrorCode } from '../../../src/base/errors.js'
import type { Logger } from '../../../src/base/logger.js'
import type { ChangeContext, DatasetRecord, VersionRecord, VersionState } from '../../../src/model/dataset.js'
import type { DatasetDraft } from '../../../src/model/metastore.js'

export const START_MS = 1_700_000_000_000

export interface ManualClock extends Clock {
  ms: number
}

export function manualClock(): ManualClock {
  return {
    ms: START_MS,
    nowMs() {
      return this.ms
    },
    nowUs() {
      return BigInt(this.ms) * 1000n
    },
    monotonicMs() {
      return this.ms
    },
  }
}

export const CHANGE: ChangeContext = { actor: 'ada', reason: 'a test', ifRevision: null, isDryRun: false }

export function batchDraft(name: string, more: Partial<DatasetDraft> = {}): DatasetDraft {
  return { name, owner: { name: 'search', contact: 'search@example.org' }, mode: 'BATCH', ...more }
}

export const FIGURES = { rows: 3, bytes: 100, checksum: 'cafe' }

/** A record with the versions given as `id: state`, newest first by id. */
export function recordWith(
  states: Readonly<Record<number, VersionState>>,
  retainedVersions = 3,
): DatasetRecord {
  const versions = Object.entries(states).map(([id, state]) => version(Number(id), state))
  return {
    id: 'd1-00000000',
    name: 'cities',
    owner: { name: 'search', contact: 'search@example.org' },
    description: '',
    mode: 'BATCH',
    keyOrder: 'HASHED',
    timestampUnit: 'MICROSECONDS',
    shardCount: 1,
    cluster: 'local',
    replicas: 1,
    retainedVersions,
    canary: null,
    maxVersionBytes: null,
    maxValueBytes: 1024,
    maxCellVersions: 1,
    graceSeconds: 864_000,
    defaultTtlSeconds: null,
    defaultDurability: 'LOG_SYNCED',
    migrationState: 'TARGET_ONLY',
    origin: null,
    generation: 0,
    versions: versions.sort((a, b) => b.id - a.id),
    createdAtMs: START_MS,
    revision: 7,
  }
}

export function version(id: number, state: VersionState): VersionRecord {
  return {
    id,
    state,
    rows: 0,
    bytes: 0,
    checksum: '',
    source: 'a.ndjson',
    loadedBy: 'ada',
    createdAtMs: START_MS,
    archive: null,
  }
}

/** `id: state` of a record's versions. */
export function statesOf(record: Pick<DatasetRecord, 'versions'>): Record<number, VersionState> {
  return Object.fromEntries(record.versions.map(({ id, state }) => [id, state]))
}

/** For assert.throws and assert.rejects: a KVError of that code whose message matches every pattern. */
export function kvError(code: ErrorCode, ...patterns: readonly RegExp[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof KVError, `expected a KVError, got ${String(error)}`)
    assert.equal(error.code, code, error.message)
    for (const pattern of patterns) assert.match(error.message, pattern)
    return true
  }
}

export interface LogLine {
  readonly level: string
  readonly fields: object
  readonly message: string
}

export function recordingLogger(lines: LogLine[]): Logger {
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message })
  }
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  }
  return logger
}
