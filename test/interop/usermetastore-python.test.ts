/** UserMetaStore as a Python client sees it that reads the IDL when it runs: thriftpy2, in each transport and protocol. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Gateway } from '../support/gateway.js'
import { pythonWith } from '../support/python.js'
import { root } from '../support/tree.js'
import { PAIRS, isRequired, runChecks } from './languages.js'
import { CHECKS, startWithTables, tableOf } from './usermetastore-checks.js'

const PACKAGES = ['thrift==0.25.0', 'thriftpy2==0.7.1']
const IDL = join(root, 'idl', 'usermetastore.thrift')
const PROGRAM = join(root, 'test', 'interop', 'python', 'usermetastore.py')

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
  gateway = await startWithTables()
})

after(() => gateway?.dispose())

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
