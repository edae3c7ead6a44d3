/** What the admin API needs to say what was seen of datasets that move. */
import type { DifferenceReport, FlightRecord } from '../model/difference.js'

export interface DifferenceAccess {
  /** Those of the last so many milliseconds, in groups. @throws {KVError} UNAVAILABLE, as a rejection */
  differences(dataset: string, lastMs: number): Promise<DifferenceReport>
  /** The decisions of the last so many milliseconds, oldest first. @param dataset null: all */
  flights(lastMs: number, dataset: string | null): Promise<readonly FlightRecord[]>
}
