/** CQL as DataStax's Python driver sees it, unedited from PyPI: each protocol version and compression, and passwords. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, after, before, test } from 'node:test'
import { hashPassword } from '../../src/base/passwords.js'
import { CQL_CONFIG, CQL_PORTS } from '../support/cql.js'
import { Gateway } from '../support/gateway.js'
import { pythonWith } from '../support/python.js'
import { root } from '../support/tree.js'
import { isRequired, missing, runChecks } from './languages.js'

const PACKAGES = ['cassandra-driver==3.29.3', 'lz4==4.4.5', 'python-snappy==0.7.3']
const PROGRAM = join(root, 'test', 'interop', 'python', 'cql.py')
const CHECKS = [
  'the_newest_version_that_is_served_is_found',
  'keyspaces_and_tables_are_made_and_described',
  'what_exists_is_not_made_again',
  'rows_are_written_and_read_prepared_and_not',
  'values_of_every_kind_come_back',
  'pages_are_fetched_one_after_the_other',
  'a_batch_writes_all_of_its_rows',
  'conditions_say_whether_they_were_met',
  'times_and_lives_of_cells_are_told',
  'system_tables_are_selected_like_others',
  'changes_of_the_schema_are_heard_of',
  'refusals_are_cassandras',
  'a_keyspace_is_dropped_with_all_that_is_in_it',
]
const PASSWORD = 'the password of the tests'

let python = ''
/** Why the checks cannot run here; empty when they can. */
let lack = ''
let open: Gateway | null = null
let guarded: Gateway | null = null

before(async () => {
  try {
    const lacking = await missing(['python3'])
    if (lacking.length > 0) throw new Error(`this machine lacks ${lacking.join(', ')}`)
    python = join(await pythonWith(PACKAGES), 'python')
  } catch (error) {
    lack = error instanceof Error ? error.message : String(error)
    if (isRequired('python')) assert.fail(`python must not be left out of this run, but ${lack}`)
    return
  }
  open = await Gateway.start({ ports: CQL_PORTS, config: CQL_CONFIG })
  const users = `  users: { ada: { password: '${await hashPassword(PASSWORD)}' } }\n`
  guarded = await Gateway.start({ ports: CQL_PORTS, config: CQL_CONFIG + users })
})

after(async () => {
  await open?.dispose()
  await guarded?.dispose()
})

async function check(t: TestContext, gateway: Gateway | null, args: readonly string[]): Promise<void> {
  if (gateway === null) t.skip(`not run: ${lack}`)
  else await runChecks([python, PROGRAM, String(gateway.port('rocksandra')), ...args], CHECKS)
}

test('a driver that begins with the newest version steps down to 4, with LZ4', async (t) => {
  await check(t, open, ['0', 'lz4'])
})

test('version 4 without compression', async (t) => {
  await check(t, open, ['4', 'none'])
})

test('version 3 with Snappy', async (t) => {
  await check(t, open, ['3', 'snappy'])
})

test('a user with a password', async (t) => {
  await check(t, guarded, ['4', 'none', 'ada', PASSWORD])
})
