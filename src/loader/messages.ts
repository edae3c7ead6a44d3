/** What the gateway and its load process tell each other. Plain JSON. */
import type { ErrorCode } from '../base/errors.js'
import type { KeyOrder } from '../model/dataset.js'
import type { VersionFigures } from '../model/metastore.js'
import type { BadLine, LoadRequest } from '../model/operations.js'

/** Everything the load process needs to know; the first and only message to it. */
export interface BuildJob {
  readonly request: LoadRequest
  readonly keyOrder: KeyOrder
  readonly maxValueBytes: number
  /** One a shard, in shard order; they do not exist yet. */
  readonly directories: readonly string[]
}

export interface BuildProgress {
  readonly rows: number
  readonly readBytes: number
  readonly badLineCount: number
  readonly badLines: readonly BadLine[]
}

export type BuildMessage =
  | { readonly kind: 'progress'; readonly progress: BuildProgress }
  | { readonly kind: 'built'; readonly progress: BuildProgress; readonly figures: VersionFigures }
  | {
      readonly kind: 'failed'
      readonly progress: BuildProgress
      readonly code: ErrorCode
      readonly message: string
    }
