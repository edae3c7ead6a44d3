/** What migrations need of the rest of the gateway; the composition root gives it. */
import type { Clock, StartTimer } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { Metastore } from '../model/metastore.js'
import type { MigrationFigures } from '../model/migration.js'
import type { CallerUsage, OriginFacts, TargetFacts } from './facts.js'
import type { MigrationSettings } from './settings.js'

export interface MigrationWorld {
  readonly metastore: Pick<Metastore, 'get' | 'list' | 'migrate'>
  readonly settings: MigrationSettings
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly logger: Logger
  /** Of all threads together, since the gateway began. */
  figures(dataset: string): MigrationFigures
  /** Asks the origin whether it is there. Null: it is not configured. Never rejects. */
  origin(record: DatasetRecord): Promise<OriginFacts | null>
  target(record: DatasetRecord): TargetFacts
  /** Who asks for the dataset. Null: not known. Never rejects. */
  usage(dataset: string): Promise<CallerUsage | null>
  /** Called when a ramp goes back by itself; what led to it should be kept. */
  onBreach(dataset: string, note: string): void
}
