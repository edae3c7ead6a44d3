/** Generated calls of HBase clients, of both gateways. */
import fc from 'fast-check'
import type { Operation } from './hbase-answers.js'
import { operation } from './hbase-calls.js'
import { reads1, reads2 } from './hbase-read-calls.js'
import { openings1, scans1, scans2 } from './hbase-scan-calls.js'
import { changes1, writes1 } from './hbase-write-calls.js'
import { writes2 } from './hbase-write2-calls.js'

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 5, arbitrary: operation(1, writes1) },
  { weight: 2, arbitrary: operation(1, changes1) },
  { weight: 3, arbitrary: operation(1, reads1) },
  { weight: 3, arbitrary: operation(1, scans1) },
  { weight: 1, arbitrary: operation(1, openings1) },
  { weight: 5, arbitrary: operation(2, writes2) },
  { weight: 2, arbitrary: operation(2, reads2) },
  { weight: 2, arbitrary: operation(2, scans2) },
)
