/** UserMetaStore as a Python client sees it that reads the IDL when it runs: thriftpy2, in each transport and protocol. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { pythonWith } from '../support/python.js'
import { root } from '../support/tree.js'
import { PAIRS, isRequired, runChecks } from './languages.js'

const PACKAGES = ['thrift==0.25.0', 'thriftpy2==0.7.1']
const IDL = join(root, 'idl', 'usermetastore.thrift')
const PROGRAM = join(root, 'test', 'interop', 'python', 'usermetastore.py')
const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n  usermetastore: { port: 0, enabled: true }\n'
const CHECKS = [
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

let gateway: Gateway | null = null
let python = ''
/** Why the checks cannot run here; empty when they can. */
let lack = ''

before(async () => {
  try {
    python = join(await pythonWith(PACKAGES), 'python')
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 300) : String(error)
    lack = `there is no Python with ${PACKAGES.join(' and ')}: ${reason}`
    return
  }
  gateway = await Gateway.start({ ports: PORTS })
  for (const pair of PAIRS) {
    const settings = { keyOrder: 'ORDERED', timestampUnit: 'MILLISECONDS', maxCellVersions: 3 }
    await gateway.createDataset(tableOf(pair), settings)
  }
})

after(() => gateway?.dispose())

function tableOf(pair: string): string {
  return `pins-${pair.replace(' ', '-')}`
}

for (const pair of PAIRS) {
  test(`thriftpy2 uses every method as the IDL has it, ${pair}`, async (t) => {
    if (gateway === null) {
      if (isRequired('python')) assert.fail(`python must not be left out of this run, but ${lack}`)
      t.skip(`not run: ${lack}`)
      return
    }
    const port = String(gateway.port('usermetastore'))
    await runChecks([python, PROGRAM, IDL, port, tableOf(pair), ...pair.split(' ')], CHECKS)
  })
}
