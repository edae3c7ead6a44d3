/** What the admin API needs from the composition root. */
import type { Logger } from '../base/logger.js'
import type { Metastore } from '../model/metastore.js'
import type { GatewayStatus, Loads, Readiness } from '../model/operations.js'
import type { MutateResult } from '../model/request.js'
import type { Cell, Row } from '../model/row.js'

/** Rows through the same admission and routing as every client's. Failures are rejections with a KVError. */
export interface RowAccess {
  /** Null local keys: the whole row. Null: no such row, or nothing of it selected. */
  get(dataset: string, rowKey: Buffer, localKeys: readonly Buffer[] | null): Promise<Row | null>
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
  status(): GatewayStatus
  readiness(): Readiness
  /** All threads' metrics in Prometheus' text format. */
  renderMetrics(): Promise<string>
}
