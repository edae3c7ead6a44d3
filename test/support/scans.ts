/** A scan of everything of one dataset, for tests to change. */
import { NO_DEADLINE } from '../../src/base/deadline.js'
import type { ScanRequest } from '../../src/model/scan.js'

export function scanRequest(changes: Partial<ScanRequest> = {}): ScanRequest {
  return {
    dataset: 'cities',
    range: null,
    selector: null,
    where: [],
    limit: null,
    isReversed: false,
    segment: null,
    pageRows: 100,
    pageBytes: 1 << 20,
    position: null,
    datasetVersion: null,
    withTimestamps: false,
    withTtl: false,
    context: { api: 'test', caller: null, deadline: NO_DEADLINE },
    ...changes,
  }
}
