/**
 * Which consistency levels a statement may have: ConsistencyLevel.java of Cassandra 3.0. What passes is answered alike:
 * a row has one leaf that writes it, and an acknowledged write is what every read sees.
 */
import { invalid } from '../cql/errors.js'
import type { BatchPart } from './batch-run.js'
import { CONSISTENCY, type QueryOptions } from './contract.js'

/** @throws {CqlError} */
export function checkRead(consistency: number): void {
  if (consistency === CONSISTENCY.ANY) throw invalid('ANY ConsistencyLevel is only supported for writes')
}

/** @throws {CqlError} */
export function checkWrite(
  { consistency, serialConsistency }: Pick<QueryOptions, 'consistency' | 'serialConsistency'>,
  parts: readonly BatchPart[],
): void {
  const isSerial = (level: number) => level === CONSISTENCY.SERIAL || level === CONSISTENCY.LOCAL_SERIAL
  if (parts.some(({ modification }) => modification.condition !== null)) {
    if (serialConsistency !== null && !isSerial(serialConsistency)) {
      throw invalid('Invalid consistency for conditional update. Must be one of SERIAL or LOCAL_SERIAL')
    }
    if (isSerial(consistency)) {
      const name = consistency === CONSISTENCY.SERIAL ? 'SERIAL' : 'LOCAL_SERIAL'
      throw invalid(
        `${name} is not supported as conditional update commit consistency. Use ANY if you mean "make sure it is ` +
          `accepted but I don't care how many replicas commit it for non-SERIAL reads"`,
      )
    }
    return
  }
  if (isSerial(consistency)) throw invalid('You must use conditional updates for serializable writes')
  const counter = parts.find(({ modification }) => modification.table.isCounter)
  if (counter !== undefined && consistency === CONSISTENCY.ANY) {
    const { name } = counter.modification.table
    throw invalid(`Consistency level ANY is not yet supported for counter table ${name}`)
  }
}
