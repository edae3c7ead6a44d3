/** What the admin API needs of migrations. Failures are rejections with a KVError. */
import type { ChangeContext } from '../model/dataset.js'
import type { MigrationDials } from '../model/migration.js'
import type {
  Explanation,
  MigrationMove,
  MigrationOutcome,
  MigrationReport,
} from '../model/migration-plan.js'

/** Who asks for a change, and whether past guards that may be forced. */
export interface MigrationBy {
  readonly change: ChangeContext
  readonly isForced: boolean
}

/** Shares are in hundredths of a percent. */
export interface RampBody {
  readonly toShare: number
  readonly stepShare: number
  readonly everyMs: number
}

export interface MigrationAccess {
  report(dataset: string): Promise<MigrationReport>
  move(dataset: string, move: Exclude<MigrationMove, 'end'>, by: MigrationBy): Promise<MigrationOutcome>
  dial(dataset: string, dials: Partial<MigrationDials>, by: MigrationBy): Promise<MigrationOutcome>
  startRamp(dataset: string, ramp: RampBody, by: MigrationBy): Promise<MigrationOutcome>
  stopRamp(dataset: string, by: MigrationBy): Promise<MigrationOutcome>
  /** Null: not known any more. */
  setOriginVersion(dataset: string, versionId: number | null, by: MigrationBy): Promise<MigrationOutcome>
  /** @throws {KVError} DATASET_NOT_FOUND */
  explain(dataset: string, rowKey: Buffer, caller: string | null): Explanation
}
