/** What a build needs and what its steps share. */
import type { Clock } from '../base/clock.js'
import type { KVError } from '../base/errors.js'
import type { Cell } from '../model/row.js'
import type { LoadSource } from './load-source.js'
import type { LoadState } from './load-state.js'
import type { LoadTally } from './load-tally.js'
import type { BuildJob, ReaderMessage, ReaderOrder, ReaderSetup } from './messages.js'
import type { EntryPlace, PackedRow } from './run-entry.js'
import type { CreateShardWriter } from './version-writer.js'

export interface ReaderThread {
  send(order: ReaderOrder): void
  /** At once. */
  end(): Promise<void>
}

/** `onEnd` is called when it ends by itself, which it never should. */
export type StartReaderThread = (
  setup: ReaderSetup,
  on: { readonly message: (message: ReaderMessage) => void; readonly end: (why: KVError) => void },
) => ReaderThread

export interface BuildDependencies {
  readonly clock: Clock
  readonly openSource: (job: BuildJob) => LoadSource
  /** Makes a row what will be stored; valid until the next call. @throws {KVError} when it cannot be stored */
  readonly pack: (cells: readonly Cell[]) => PackedRow
  readonly createShardWriter: CreateShardWriter
  readonly startReader: StartReaderThread
}

/** What the steps of a build share. */
export interface BuildContext {
  readonly job: BuildJob
  readonly dependencies: BuildDependencies
  readonly source: LoadSource
  readonly state: LoadState
  readonly tally: LoadTally
  /** Tells the gateway how far it is, unless it was told just now. */
  readonly report: () => void
  /** Tells it in any case. */
  readonly reportNow: () => void
  /** As `report`, and lets messages come and go. */
  readonly pause: () => Promise<void>
  /** `file:line` of a row. */
  readonly nameOf: (place: EntryPlace) => string
}
