/** Loads: what is asked for, what is answered about them. Plain data, as the admin API takes and answers it. */
import type { JobState, JobStatus } from '../base/job.js'
import type { ValueLayout } from '../base/thrift-layout.js'
import type { ChangeContext, VersionRecord } from './dataset.js'
import type { VersionFigures } from './metastore.js'

/** What the objects of a load hold, in gzip or zstd or as they are; FORMATS.md says how their values become bytes. */
export const LOAD_FORMATS = ['ndjson', 'csv', 'tsv', 'parquet', 'hfile'] as const
export type LoadFormat = (typeof LOAD_FORMATS)[number]

/** What two rows of one key are: a reason to fail, or one row, that of the first or of the last line. */
export const DUPLICATE_RULES = ['fail', 'first', 'last'] as const
export type DuplicateRule = (typeof DUPLICATE_RULES)[number]

/** A version with less than half of the last one's rows or bytes is refused unless a load says otherwise. */
export const DEFAULT_MIN_RATIO = 0.5

/** A new version of a BATCH dataset from objects that the gateway can read. */
export interface LoadRequest {
  readonly dataset: string
  /** An absolute path of the gateway's machine, or a `file:`, `s3:` or `hdfs:` URL: of an object, a directory, a prefix. */
  readonly from: string
  readonly format: LoadFormat
  /** The field that becomes the row key; empty where the format has no fields (hfile). */
  readonly keyField: string
  /** The fields that become columns; null: every field but the key. */
  readonly columns: readonly string[] | null
  /** Separated values: the names of the fields of files without a header line; null: each file begins with one. */
  readonly header: readonly string[] | null
  /** Publish the version as soon as it is there. */
  readonly publish: boolean
  /** Lines that may be wrong, and are left out, before the load fails. */
  readonly maxBadLines: number
  readonly onDuplicate: DuplicateRule
  /** A version with less than this share of the last one's rows or bytes is refused; 0 to 1. */
  readonly minRatio: number
  /** Takes the version however small it is. */
  readonly force: boolean
  /** Absent: no file set of Terrapin's. */
  readonly fileSet?: FileSetLoad
  /**
   * Absent: of HFiles what the dataset says of its values, else they become columns as they are; null: they do so whatever
   * the dataset says. What is said here becomes the dataset's when the version is there.
   */
  readonly explode?: ThriftExplode | null
}

/**
 * Each row's one value is a Thrift struct whose fields become columns, beside the value itself. `columns` of the load then
 * names fields by their paths; null: all.
 */
export interface ThriftExplode extends Omit<ValueLayout, 'columns'> {
  /** Where the value stands: a field of the format; empty where the format has none (hfile). */
  readonly valueField: string
}

/** What Terrapin's loadFileSet asks for beyond what other loads do. */
export interface FileSetLoad {
  /** Null: the time of the load, as for others. */
  readonly versionId: number | null
  /** The files `part-00000` and so on that are read, so many, and no others. */
  readonly partCount: number
  /** Becomes the dataset's with the version's publication. */
  readonly retainedVersions: number
}

/** A load whose input comes with the request. */
export type UploadRequest = Omit<LoadRequest, 'from'>

/** A job's, and what it does while it runs; from ADOPTING on it cannot be cancelled. */
export type LoadState = Exclude<JobState, 'RUNNING'> | 'BUILDING' | 'ADOPTING' | 'PUBLISHING'

/** What a load that is BUILDING does: it reads and sorts, then it writes the shards and reads them back. */
export type BuildPhase = 'READING' | 'WRITING'

/** A line of the input that did not become a row. Never holds what the line says. */
export interface BadLine {
  /** From 1. */
  readonly line: number
  readonly reason: string
}

export interface FileBadLine extends BadLine {
  /** URL of the object. */
  readonly file: string
}

export interface LoadStatus {
  /** `<dataset>-<version>`: unique, and the same for whoever asks. */
  readonly id: string
  readonly request: LoadRequest
  readonly version: VersionRecord['id']
  readonly state: LoadState
  /** Null unless BUILDING. */
  readonly phase: BuildPhase | null
  /** Rows read. */
  readonly rows: number
  /** While it is UPLOADING: bytes that have come. */
  readonly readBytes: number
  /** Of all objects, as they are stored; while it is UPLOADING what the sender announced, 0: nothing. */
  readonly totalBytes: number
  /** Of late; 0 until there is something to go by. */
  readonly rowsPerSecond: number
  readonly bytesPerSecond: number
  /** Until the version is built; null: not known yet. */
  readonly leftMs: number | null
  /** Rows left out because another one has their key. */
  readonly duplicateCount: number
  readonly badLineCount: number
  /** The first of them. */
  readonly badLines: readonly FileBadLine[]
  /** HFile: cells that Terrapin does not show (other families, qualifiers, timestamps, types), which are left out. */
  readonly foreignCellCount: number
  /** Times that it went on from what was on disk, after its process or the gateway had ended. */
  readonly resumeCount: number
  /** Null until the version is built. */
  readonly figures: VersionFigures | null
  /** Null unless FAILED or CANCELLED. */
  readonly error: JobStatus['error']
  readonly startedAtMs: number
  /** Null while it runs. */
  readonly endedAtMs: number | null
}

/** What the loader offers to the admin API. */
export interface Loads {
  /**
   * Answers as soon as the version is reserved; the rest goes on behind it.
   * @throws {KVError} INVALID_ARGUMENT, DATASET_NOT_FOUND, CONFLICT, FAILED_PRECONDITION (it is being loaded), OVERLOADED
   */
  start(request: LoadRequest, change: ChangeContext): Promise<LoadStatus>
  /**
   * Writes the content to disk, then loads it like `start`. Of content that ends early a FAILED version is left.
   * @param content with its size in bytes, where its sender says so
   * @throws {KVError} what `start` and the content throw; TOO_LARGE, UNAVAILABLE (no room on the disk)
   */
  upload(
    request: UploadRequest,
    content: { readonly bytes: AsyncIterable<Buffer>; readonly sizeBytes: number | null },
    change: ChangeContext,
  ): Promise<LoadStatus>
  /** Newest first; finished ones are forgotten after a while and at a restart. */
  list(): readonly LoadStatus[]
  get(id: string): LoadStatus | null
  /**
   * Ends a load that is uploaded, waits or builds and removes what it wrote; answers when it has ended. Null: no such load.
   * @throws {KVError} FAILED_PRECONDITION when it has ended, or is past being cancelled
   */
  cancel(id: string): Promise<LoadStatus | null>
}
