/** What shims and the admin API call: hop 3's front door. */
import type { Done } from '../base/errors.js'
import type { DatasetEntry } from './cluster-map.js'
import type { MutateRequest, MutateResult, ReadRequest, ReadResult } from './request.js'
import type { ScanRequest, ScanResult } from './scan.js'

export interface KVStore {
  read(request: ReadRequest, done: Done<ReadResult>): void
  /** One page. */
  scan(request: ScanRequest, done: Done<ScanResult>): void
  mutate(request: MutateRequest, done: Done<MutateResult>): void
  /** @throws {KVError} DATASET_NOT_FOUND */
  describeDataset(name: string): DatasetEntry
}
