/** Terrapin's read services as a Finagle client of Maven Central sees them, with and without its upgrade. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { root } from '../support/tree.js'
import { build, isRequired, javaOf, missing, ready, runChecks } from './languages.js'
import { Pins } from './terrapin-data.js'

const CHECKS = [
  'values_empty_ones_and_missing_ones',
  'many_keys_at_once',
  'refusals_have_their_codes_and_texts',
  'an_unknown_method_is_said_to_be_one',
  'one_connection_has_served_all_of_this',
  'many_calls_in_flight_are_answered_each_its_own',
  'a_resource_names_its_version',
]

let folder = ''
/** Why the checks cannot run here; empty when they can. */
let lack = ''
let pins: Pins | null = null

before(async () => {
  const lacking = await missing(['mvn', 'javac', 'java'])
  if (lacking.length > 0) lack = `this machine lacks ${lacking.join(', ')}`
  else {
    try {
      const script = join(root, 'test', 'interop', 'terrapin-java', 'build.sh')
      folder = await ready({ name: 'terrapin-java', build: (into) => build('sh', [script, into]) })
    } catch (error) {
      lack = `its programs could not be built: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  if (lack === '') pins = await Pins.start()
  else if (isRequired('java')) assert.fail(`java must not be left out of this run, but ${lack}`)
})

after(() => pins?.dispose())

for (const [mode, title] of [
  ['upgraded', 'a Finagle client that upgrades its connections reads both services as they are'],
  ['plain', 'a Finagle client that does not upgrade reads both services as they are'],
] as const) {
  test(title, async (t) => {
    if (pins === null) t.skip(`not run: ${lack}`)
    else await runChecks([...javaOf(folder, 'Checks'), mode, ...pins.args], CHECKS)
  })
}
