/** What the admin API needs from the composition root. */
import type { Logger } from '../base/logger.js'
import type { Metastore } from '../model/metastore.js'
import type { Loads } from '../model/load.js'
import type { GatewayStatus, Readiness } from '../model/operations.js'
import type { MutateResult } from '../model/request.js'
import type { ByteRange, Cell, Row } from '../model/row.js'
import type { RowPosition } from '../model/row-order.js'
import type { ScanResult } from '../model/scan.js'
import type { DifferenceAccess } from './difference-access.js'
import type { JobAccess } from './job-access.js'
import type { MigrationAccess } from './migration-access.js'
import type { UsageAccess } from './usage-access.js'

/** What one page of a scan asks for. */
export interface ScanPage {
  /** Null: whole rows. */
  readonly localKeys: readonly Buffer[] | null
  /** ORDERED datasets: only these row keys; null: all. */
  readonly range: ByteRange | null
  readonly maxRows: number
  readonly position: RowPosition | null
  /** BATCH: the version that the pages before came from; null: the current one. */
  readonly datasetVersion: number | null
}

/** Rows through the same admission and routing as every client's. Failures are rejections with a KVError. */
export interface RowAccess {
  /** Null local keys: the whole row. Null: no such row, or nothing of it selected. */
  get(dataset: string, rowKey: Buffer, localKeys: readonly Buffer[] | null): Promise<Row | null>
  /** A page of the rows in the order of a scan, which goes on behind `position`. */
  scan(dataset: string, page: ScanPage): Promise<ScanResult>
  /** Writes these cells and leaves the row's others as they are. */
  put(dataset: string, rowKey: Buffer, cells: readonly Cell[]): Promise<MutateResult>
  /** Null local keys: the whole row. */
  remove(dataset: string, rowKey: Buffer, localKeys: readonly Buffer[] | null): Promise<MutateResult>
}

export interface AdminDependencies {
  readonly logger: Logger
  readonly metastore: Metastore
  readonly rows: RowAccess
  readonly loads: Loads
  readonly jobs: JobAccess
  readonly migrations: MigrationAccess
  readonly usage: UsageAccess
  readonly differences: DifferenceAccess
  status(): GatewayStatus
  readiness(): Readiness
  /** All threads' metrics in Prometheus' text format. */
  renderMetrics(): Promise<string>
}
