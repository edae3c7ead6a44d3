/**
 * HBase's Thrift gateways as clients in Python see them: happybase, unedited from PyPI, for the first one; thriftpy2
 * and the code of
 * Apache Thrift's compiler for the second. Each over both transports and both protocols.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, after, before, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { HBASE_PORTS, createTable } from '../support/hbase.js'
import { pythonWith } from '../support/python.js'
import { root } from '../support/tree.js'
import { PAIRS, build, isRequired, missing, runChecks } from './languages.js'

const PACKAGES = ['happybase==1.3.0', 'thrift==0.25.0', 'thriftpy2==0.7.1']
const IDL = join(root, 'idl', 'hbase2.thrift')
const HAPPYBASE = join(root, 'test', 'interop', 'python', 'hbase.py')
const SECOND = join(root, 'test', 'interop', 'python', 'hbase2.py')
const HAPPYBASE_CHECKS = [
  'a_table_is_made_described_and_listed',
  'a_table_that_exists_is_not_made_again',
  'rows_are_put_and_read_whole_and_by_columns',
  'many_rows_are_read_without_the_missing_ones',
  'versions_are_read_newest_first',
  'no_more_versions_are_kept_than_the_family_says',
  'deletions_take_columns_families_and_rows',
  'batches_write_and_delete_many_rows',
  'counters_count',
  'scans_have_ranges_limits_filters_and_directions',
  'refusals_begin_with_the_name_of_the_exception',
  'a_pool_of_connections_is_shared_by_threads',
  'a_disabled_table_is_refused_and_keeps_its_rows',
  'a_table_is_deleted_once_it_is_disabled',
]
const SECOND_CHECKS = [
  'values_empty_ones_and_bytes_that_are_no_text_come_back',
  'a_row_that_is_not_there_is_a_result_without_a_row',
  'versions_are_read_by_count_by_time_and_by_range',
  'each_kind_of_deletion_takes_what_it_names',
  'conditions_counters_and_appends_answer_what_became_of_the_row',
  'scanners_have_ranges_directions_limits_and_filters',
  'refusals_carry_the_message_of_the_exception',
  'the_table_describes_itself',
]
const TABLE = 'second'

let python = ''
/** Why the checks cannot run here; empty when they can. */
let lack = ''
let gateway: Gateway | null = null

/** The running gateway; null: the test's report says why there is none. */
function running(t: TestContext): Gateway | null {
  if (gateway === null) t.skip(`not run: ${lack}`)
  return gateway
}

before(async () => {
  try {
    python = join(await pythonWith(PACKAGES), 'python')
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 300) : String(error)
    lack = `there is no Python with ${PACKAGES.join(', ')}: ${reason}`
    if (isRequired('python')) assert.fail(`python must not be left out of this run, but ${lack}`)
    return
  }
  gateway = await Gateway.start({ ports: HBASE_PORTS })
  await createTable(gateway, TABLE, [
    { name: 'a', maxVersions: 100 },
    { name: 'b', maxVersions: 1 },
  ])
})

after(() => gateway?.dispose())

for (const pair of PAIRS) {
  test(`happybase, as it comes from PyPI, does its ordinary work: ${pair}`, async (t) => {
    const port = running(t)?.port('hbase1')
    if (port !== undefined)
      await runChecks([python, HAPPYBASE, String(port), ...pair.split(' ')], HAPPYBASE_CHECKS)
  })

  test(`thriftpy2, which reads the IDL when it runs, uses the second gateway: ${pair}`, async (t) => {
    const port = running(t)?.port('hbase2')
    if (port === undefined) return
    await runChecks(
      [python, SECOND, 'thriftpy2', IDL, String(port), ...pair.split(' '), TABLE],
      SECOND_CHECKS,
    )
  })
}

test('stock Python thrift, generated from the IDL, uses the second gateway', async (t) => {
  const found = running(t)
  if (found === null) return
  if ((await missing(['thrift'])).length > 0) {
    t.skip('not run: this machine lacks thrift')
    return
  }
  const generated = join(found.folder, 'generated')
  mkdirSync(generated)
  await build('thrift', ['--gen', 'py', '-out', generated, IDL])
  for (const pair of PAIRS) {
    const args = ['thrift', generated, String(found.port('hbase2')), ...pair.split(' '), TABLE]
    await runChecks([python, SECOND, ...args], SECOND_CHECKS)
  }
})
