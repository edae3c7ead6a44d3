/** HBase's second Thrift gateway as the classes see it that HBase itself generates, from Maven Central. */
import { after, before, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { HBASE_PORTS, createTable } from '../support/hbase.js'
import { builtPrograms } from './hbase-oracle.js'
import { PAIRS, javaOf, runChecks } from './languages.js'

const CHECKS = [
  'values_come_back_and_missing_rows_are_empty_results',
  'versions_and_deletions_of_one',
  'counters_and_appends_answer_what_became',
  'scanners_answer_until_none_is_left',
  'refusals_are_the_exceptions_of_the_interface',
  'the_server_says_which_it_is',
]
const TABLE = 'second'

/** Their folder, or why they cannot run here. */
let programs = ''
let gateway: Gateway | null = null

before(async () => {
  programs = await builtPrograms()
  if (!programs.startsWith('/')) return
  gateway = await Gateway.start({ ports: HBASE_PORTS })
  await createTable(gateway, TABLE, [{ name: 'a', maxVersions: 100 }])
})

after(() => gateway?.dispose())

for (const pair of PAIRS) {
  test(`HBase's own client classes use the second gateway: ${pair}`, async (t) => {
    if (gateway === null) t.skip(`not run: ${programs}`)
    else {
      const port = String(gateway.port('hbase2'))
      await runChecks([...javaOf(programs, 'Checks'), port, ...pair.split(' '), TABLE], CHECKS)
    }
  })
}
