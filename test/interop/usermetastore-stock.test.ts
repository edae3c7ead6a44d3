/** UserMetaStore as stock clients see it, generated from the IDL and unedited: npm thrift and Java libthrift. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Gateway } from '../support/gateway.js'
import { root } from '../support/tree.js'
import { type Command, PAIRS, build, isRequired, javaOf, missing, ready, runChecks } from './languages.js'
import { CHECKS, startWithTables, tableOf } from './usermetastore-checks.js'

const IDL = 'idl/usermetastore.thrift'

interface StockClient {
  readonly language: 'node' | 'java'
  readonly peer: string
  readonly needs: readonly string[]
  readonly checks: (folder: string) => Command
}

const CLIENTS: readonly StockClient[] = [
  {
    language: 'node',
    peer: 'npm thrift',
    needs: ['thrift'],
    checks: (folder) => [process.execPath, join(sources('node'), 'checks.mjs'), folder],
  },
  {
    language: 'java',
    peer: 'Java libthrift',
    needs: ['thrift', 'mvn', 'javac', 'java'],
    checks: (folder) => javaOf(folder, 'Checks'),
  },
]

function sources(language: StockClient['language']): string {
  return join(root, 'test', 'interop', `usermetastore-${language}`)
}

for (const { language, peer, needs, checks } of CLIENTS) {
  describe(peer, () => {
    let gateway: Gateway | null = null
    let folder = ''
    /** Why the checks cannot run here; empty when they can. */
    let lack = ''

    before(async () => {
      const lacking = await missing(needs)
      if (lacking.length > 0) lack = `this machine lacks ${lacking.join(', ')}`
      else {
        const name = `usermetastore-${language}` as const
        const make = (into: string) => build('sh', [join(sources(language), 'build.sh'), into])
        folder = await ready({ name, build: make, idl: IDL }).catch((error: unknown) => {
          lack = `its program could not be built: ${error instanceof Error ? error.message : String(error)}`
          return ''
        })
      }
      if (lack === '') gateway = await startWithTables()
      else if (isRequired(language)) assert.fail(`${language} must not be left out of this run, but ${lack}`)
    })

    after(() => gateway?.dispose())

    for (const pair of PAIRS) {
      test(`uses every method as the IDL has it, ${pair}`, async (t) => {
        if (gateway === null) t.skip(`not run: ${lack}`)
        else {
          const port = String(gateway.port('usermetastore'))
          await runChecks([...checks(folder), port, tableOf(pair), ...pair.split(' ')], CHECKS)
        }
      })
    }
  })
}
