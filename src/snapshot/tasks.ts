/** What the gateway asks the task process to do with snapshots. Plain JSON. */
import type { SnapshotExport } from './export.js'
import type { SnapshotImport } from './import.js'

export type SnapshotTask =
  | (SnapshotExport & { readonly kind: 'SNAPSHOT' })
  | (SnapshotImport & { readonly kind: 'IMPORT' })
  /** Removes what a snapshot left that did not finish. */
  | { readonly kind: 'CLEAR'; readonly url: string }
