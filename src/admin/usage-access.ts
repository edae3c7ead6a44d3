/** What the admin API needs to say who asks for what. */
import type { AdviceReport, UsageReport } from '../base/usage.js'

export interface UsageAccess {
  /** Up to now. @param dataset null: all */
  usage(dataset: string | null): Promise<UsageReport>
  /** @throws {KVError} DATASET_NOT_FOUND, as a rejection */
  advice(dataset: string): Promise<AdviceReport>
}
