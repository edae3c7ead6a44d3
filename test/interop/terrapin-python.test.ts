/**
 * Terrapin's read services as thin Python clients see them, over HFiles that HBase wrote: with the code of Apache Thrift's
 * compiler for PyPI thrift, and with thriftpy2, which reads the IDL when it runs.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { after, before, test } from 'node:test'
import { pythonWith } from '../support/python.js'
import { root } from '../support/tree.js'
import { build, isRequired, missing, runChecks } from './languages.js'
import { Pins } from './terrapin-data.js'

const PACKAGES = ['thrift==0.25.0', 'thriftpy2==0.7.1']
const IDL = join(root, 'idl', 'terrapin.thrift')
const PROGRAM = join(root, 'test', 'interop', 'python', 'terrapin.py')
const CHECKS = [
  'keys_and_values_that_are_not_utf8_are_kept',
  'an_empty_value_and_the_empty_key_are_no_missing_ones',
  'many_keys_are_answered_by_key_without_the_missing_ones',
  'keys_asked_for_repeatedly_are_answered_once',
  'thousands_of_keys_are_one_answer',
  'a_key_of_40000_bytes_fails_alone',
  'an_unknown_file_set_is_named',
  'clusters_are_refused_when_neither_of_the_first_two_is_known',
  'options_are_taken',
  'a_resource_names_the_version_that_is_read',
  'what_is_not_served_is_said_key_by_key',
]

let programs = ''
/** Why the checks cannot run here; empty when they can. */
let lack = ''
let pins: Pins | null = null

/** Says in the test's report why it did not run, or fails where that must not be. */
function leaveOut(t: TestContext, why: string): void {
  if (isRequired('python')) assert.fail(`python must not be left out of this run, but ${why}`)
  t.skip(`not run: ${why}`)
}

before(async () => {
  try {
    programs = await pythonWith(PACKAGES)
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 300) : String(error)
    lack = `there is no Python with ${PACKAGES.join(' and ')}: ${reason}`
    return
  }
  pins = await Pins.start()
})

after(() => pins?.dispose())

/** Every check passes with the library, whose client is made of `source`. */
function check({ args }: Pins, library: 'thrift' | 'thriftpy2', source: string): Promise<void> {
  return runChecks([join(programs, 'python'), PROGRAM, library, source, ...args], CHECKS)
}

test('stock Python thrift, generated from the IDL, reads both services as they are', async (t) => {
  if (pins === null) {
    leaveOut(t, lack)
    return
  }
  if ((await missing(['thrift'])).length > 0) {
    leaveOut(t, 'this machine lacks thrift')
    return
  }
  const generated = join(pins.folder, 'generated')
  mkdirSync(generated)
  await build('thrift', ['--gen', 'py', '-out', generated, IDL])
  await check(pins, 'thrift', generated)
})

test('thriftpy2, which reads the IDL when it runs, reads both services as they are', async (t) => {
  if (pins === null) leaveOut(t, lack)
  else await check(pins, 'thriftpy2', IDL)
})
