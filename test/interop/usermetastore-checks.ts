/** What programs of several languages check of UserMetaStore, and the tables that they do it on. */
import { Gateway } from '../support/gateway.js'
import { PAIRS } from './languages.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n  usermetastore: { port: 0, enabled: true }\n'

/** Under these names, over every pair of transport and protocol. */
export const CHECKS = [
  'bytes_that_are_not_utf8_are_kept',
  'an_empty_value_is_no_missing_column',
  'timestamps_and_counters_keep_64_bits',
  'versions_come_newest_first',
  'rows_are_removed_up_to_a_time',
  'a_change_is_made_on_its_condition_only',
  'a_repeated_increment_counts_once',
  'values_grow',
  'many_rows_answer_each_for_itself',
  'columns_and_rows_are_scanned_by_pages',
  'tables_are_described',
  'errors_carry_code_retryability_and_outcome',
]

/** A gateway with an empty table for each pair: ordered keys, three versions of a cell. */
export async function startWithTables(): Promise<Gateway> {
  const gateway = await Gateway.start({ ports: PORTS })
  for (const pair of PAIRS) {
    const settings = { keyOrder: 'ORDERED', timestampUnit: 'MILLISECONDS', maxCellVersions: 3 }
    await gateway.createDataset(tableOf(pair), settings)
  }
  return gateway
}

export function tableOf(pair: string): string {
  return `pins-${pair.replace(' ', '-')}`
}
