/** What the gateway and its load process, and that process and its reading threads, tell each other. Plain JSON. */
import type { ErrorCode } from '../base/errors.js'
import type { KeyOrder } from '../model/dataset.js'
import type { BuildPhase, FileBadLine, LoadRequest } from '../model/load.js'
import type { ObjectSettings } from '../objects/objects.js'
import type { SourcePart } from './load-source.js'
import type { RunRecord } from './load-state.js'
import type { Trial } from './time-left.js'
import type { TrialTurn } from './trial-shard.js'

/** Everything the load process needs to know: its task. It reports BuildProgress and answers VersionFigures. */
export interface BuildJob {
  readonly request: LoadRequest
  readonly keyOrder: KeyOrder
  readonly maxValueBytes: number
  /** Bytes that the version may have; null: no limit. */
  readonly maxVersionBytes: number | null
  readonly shardCount: number
  /** Holds what the load writes; what an earlier process left there is gone on with. */
  readonly staging: string
  /** Threads that read, at least 1; never more than there are objects. */
  readonly workers: number
  /** Memory in which one thread sorts rows before it writes them to disk. */
  readonly sortBytes: number
  /** JavaScript heap of one reading thread. */
  readonly heapMb: number
  readonly objects: ObjectSettings
}

export interface BuildProgress {
  readonly phase: BuildPhase
  readonly rows: number
  readonly readBytes: number
  readonly totalBytes: number
  readonly rowsPerSecond: number
  readonly bytesPerSecond: number
  readonly leftMs: number | null
  /** What it does now goes on without a word: `leftMs` becomes less meanwhile. */
  readonly countsDown: boolean
  readonly duplicateCount: number
  readonly badLineCount: number
  readonly badLines: readonly FileBadLine[]
  readonly foreignCellCount: number
}

export const NO_PROGRESS: BuildProgress = {
  phase: 'READING',
  rows: 0,
  readBytes: 0,
  totalBytes: 0,
  rowsPerSecond: 0,
  bytesPerSecond: 0,
  leftMs: null,
  countsDown: false,
  duplicateCount: 0,
  badLineCount: 0,
  badLines: [],
  foreignCellCount: 0,
}

/** What a reading thread is told. */
export type ReaderOrder =
  | { readonly kind: 'read'; readonly part: SourcePart; readonly afterLine: number }
  /** Nothing more will come: write what is in memory. */
  | { readonly kind: 'finish' }

/** What a reading thread is made with. */
export interface ReaderSetup {
  readonly job: BuildJob
  /** Begins the names of its files. */
  readonly name: string
  /** Of all objects as they are stored. */
  readonly totalBytes: number
  /** Shared by all of them; who takes it tries how long writing takes (trial-shard.ts). */
  readonly trialTurn: TrialTurn
}

/** How far one part was read. */
export interface PartFigures {
  readonly part: number
  readonly rows: number
  readonly readBytes: number
  /** Of `readBytes`, what was passed over because its rows were in runs before, and how long that took. */
  readonly skippedBytes: number
  readonly skippedMs: number
  /** Of the other rows, as they are sorted. */
  readonly packedBytes: number
  /** Time that they took but for writing what was read. */
  readonly readMs: number
  readonly badLineCount: number
  readonly badLines: readonly FileBadLine[]
  readonly foreignCellCount: number
  readonly unseenColumns: readonly string[]
}

export type ReaderMessage =
  | { readonly kind: 'progress'; readonly figures: PartFigures }
  /** Read to its end; its last rows may still be in memory. */
  | { readonly kind: 'read'; readonly figures: PartFigures }
  /** Written and synced; `positions` is what it and the runs before it hold. */
  | { readonly kind: 'run'; readonly run: RunRecord }
  | { readonly kind: 'trial'; readonly trial: Trial }
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }
