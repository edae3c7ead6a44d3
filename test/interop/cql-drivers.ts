/**
 * What every driver of CQL is put through, unedited as its registry has it: a program of its language does the same checks
 * in each version and compression that it offers, with a password over TLS, through a restart of the gateway, and with two
 * gateways of which one goes and comes back.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type TestContext, after, before, test } from 'node:test'
import { CqlPair, type CqlPlace, GuardedGateway, startCqlGateway } from '../support/cql.js'
import type { Gateway } from '../support/gateway.js'
import { root } from '../support/tree.js'
import { type Command, driversLeftOut, isRequired, missing, runChecks } from './languages.js'

const CHECKS = [
  'a_node_of_cassandra_3_0_is_found',
  'schemas_are_made_and_described',
  'what_exists_is_not_made_again',
  'rows_are_written_and_read',
  'values_of_every_kind_come_back',
  'pages_are_fetched_one_after_the_other',
  'a_batch_writes_all_of_its_rows',
  'conditions_say_whether_they_were_met',
  'times_and_lives_of_cells_are_told',
  'counters_count',
  'an_index_finds_rows',
  'system_tables_are_selected_like_others',
  'changes_of_the_schema_are_heard_of',
  'refusals_are_cassandras',
  'a_keyspace_is_dropped_with_all_that_is_in_it',
]
/** A driver that waits for ever is a failure. */
const PROGRAM_TIMEOUT_MS = 90_000

export interface CqlDriver {
  /** In the tests' titles. */
  readonly name: string
  /** As GODWIT_REQUIRE_INTEROP names it. */
  readonly language: string
  /** Programs without which it cannot be built. */
  readonly needs: readonly string[]
  /** Makes its program ready. */
  readonly build: () => Promise<Command>
  /** Protocol versions, 0 for the one that the driver finds out, and compressions. */
  readonly runs: readonly (readonly [version: number, compression: 'none' | 'lz4' | 'snappy'])[]
}

/** Registers its tests. */
export function testDriver({ name, language, needs, build, runs }: CqlDriver): void {
  let command: Command | null = null
  /** Why it cannot run here. */
  let lack = ''
  let gateway: Gateway | null = null
  let place: CqlPlace | null = null

  before(async () => {
    if (driversLeftOut !== '' && language !== 'python') {
      lack = driversLeftOut
      return
    }
    const lacking = await missing(needs)
    if (lacking.length > 0) lack = `this machine lacks ${lacking.join(', ')}`
    else {
      command = await build().catch((error: unknown) => {
        lack = `its program could not be built: ${error instanceof Error ? error.message : String(error)}`
        return null
      })
    }
    if (command !== null) ({ gateway, place } = await startCqlGateway())
    else if (isRequired(language)) assert.fail(`${name} must not be left out of this run, but ${lack}`)
  })

  after(() => gateway?.dispose())

  const check = (
    title: string,
    run: (ready: Command, place: CqlPlace, gateway: Gateway) => Promise<void>,
  ) => {
    test(`${name}: ${title}`, async (t: TestContext) => {
      if (command === null || place === null || gateway === null) t.skip(`not run: ${lack}`)
      else await run(command, place, gateway)
    })
  }

  for (const [version, compression] of runs) {
    const what = `${version === 0 ? 'the version that it finds out' : `version ${version}`}, ${compression}`
    check(`the checks, with ${what}`, async (ready, at) => {
      await runChecks([...ready, ...argumentsOf({ mode: 'checks', ...at, version, compression })], CHECKS)
    })
  }

  check('a password and TLS; a wrong password is refused', async (ready) => {
    await checkGuarded(ready, runs[0] ?? [0, 'none'])
  })

  check('a session outlives a restart of the gateway', async (ready, at, running) => {
    const lines = await runInSteps(
      [...ready, ...argumentsOf({ mode: 'restart', ...at })],
      [() => running.restart()],
    )
    assert.deepEqual(lines, ['ok a_session_outlives_a_restart'])
  })

  check('two gateways are found and asked, without the one that is gone for a while', checkPair)
}

async function checkGuarded(
  ready: Command,
  [version, compression]: CqlDriver['runs'][number],
): Promise<void> {
  const guarded = await GuardedGateway.start()
  try {
    const { certificate: ca } = guarded
    const at = { host: '127.0.0.1', port: guarded.gateway.port('rocksandra'), ca }
    const { user, password } = GuardedGateway
    const right = { mode: 'checks', ...at, user, password, version, compression }
    await runChecks([...ready, ...argumentsOf(right)], CHECKS)
    const wrong = { ...right, mode: 'wrong', password: 'guessed' }
    await runChecks([...ready, ...argumentsOf(wrong)], ['a_wrong_password_is_refused'])
  } finally {
    await guarded.dispose()
  }
}

async function checkPair(ready: Command): Promise<void> {
  const pair = await CqlPair.start()
  try {
    const [, second] = pair.gateways
    const at = { host: '127.0.0.1', port: pair.port }
    const lines = await runInSteps(
      [...ready, ...argumentsOf({ mode: 'pair', ...at })],
      [() => second.stop(), () => second.start()],
    )
    assert.deepEqual(lines, ['ok both_gateways_are_found_and_asked'])
  } finally {
    await pair.dispose()
  }
}

function argumentsOf(settings: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(settings).map(([name, value]) => `${name}=${value}`)
}

/** Runs a program that says `ready` whenever it waits for the next step; answers what else it says. */
async function runInSteps(
  [file, ...args]: Command,
  steps: readonly (() => Promise<unknown>)[],
): Promise<string[]> {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  const child = spawn(file, args, { cwd: root, env, timeout: PROGRAM_TIMEOUT_MS })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  child.stdin.on('error', () => undefined)
  const lines: string[] = []
  const left = [...steps]
  const ended = once(child, 'close')
  for await (const line of createInterface(child.stdout)) {
    const step = line === 'ready' ? left.shift() : undefined
    if (step === undefined) lines.push(line)
    else {
      await step()
      child.stdin.write('\n')
    }
  }
  await ended
  return left.length === 0 && child.exitCode === 0 ? lines : [...lines, complaints]
}
