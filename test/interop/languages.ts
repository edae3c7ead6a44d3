/**
 * Clients of other languages as programs: how each is made ready, and what it has to print. Toolchains and builds are kept
 * in node_modules, outside what is committed, and made anew when their sources change.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { Gateway } from '../support/gateway.js'
import { onlyOne } from '../support/only-one.js'
import { filesBelow, isGenerated, root, textOf } from '../support/tree.js'

const run = promisify(execFile)
const FOLDER = 'test/interop'
const CACHE = join(root, 'node_modules', '.cache', 'godwit-interop')
const IDL = 'idl/kvstore.thrift'
/** A program that hangs is a failure, not a suite that ends at its limit. */
const PROGRAM_TIMEOUT_MS = 120_000
/** Downloads among it. */
const BUILD_TIMEOUT_MS = 500_000
const dataset = 'interop'

/** `transport protocol`, as the programs' arguments name them. */
export const PAIRS = ['framed binary', 'framed compact', 'buffered binary', 'buffered compact'] as const

/** What every language checks over every pair, under these names. */
const CHECKS = [
  'timestamps_keep_64_bits',
  'bytes_that_are_not_utf8_are_kept',
  'empty_values_are_values',
  'values_of_4_mebibytes_come_back',
  'columns_are_selected',
  'many_keys_are_answered_by_position',
  'rows_and_columns_are_removed',
  'rows_written_together_are_scanned_by_pages',
  'a_change_is_made_on_its_condition_only',
  'counters_count_in_64_bits',
  'errors_carry_code_kind_and_retryability',
  'dataset_and_server_describe_themselves',
]

/** What every example prints. */
export const EXAMPLE = [
  'ada is in London',
  'moved: yes',
  'repeated: yes',
  'visits: 3',
  'rows: 2',
  'error: DATASET_NOT_FOUND, retry: no',
]

export type Command = readonly [file: string, ...args: string[]]

export interface Language {
  readonly name:
    | 'python'
    | 'java'
    | 'go'
    | 'node'
    | 'terrapin-java'
    | 'terrapin-hdfs'
    | 'hbase-java'
    | 'cassandra-java'
    | 'cql-go'
    | 'cql-java'
  /** Programs without which it cannot be built. */
  readonly needs: readonly string[]
  /** Makes the programs ready in an empty folder; with nothing to do, absent. */
  readonly build?: (folder: string) => Promise<void>
  readonly checks: (folder: string) => Command
  readonly example: (folder: string) => Command
  /** Checks /openapi.json of the admin API. */
  readonly description?: (folder: string) => Command
}

/**
 * Where the toolchains are known to be, their absence is a fault and no reason to skip: GODWIT_REQUIRE_INTEROP is 1 for all
 * languages, or names some, with commas between.
 */
export function isRequired(language: string): boolean {
  const required = process.env['GODWIT_REQUIRE_INTEROP'] ?? ''
  return required === '1' || required.split(',').includes(language)
}

/** Real servers of other stores take minutes, and their downloads more: GODWIT_SERVERS=0 leaves them out, and says so. */
export const serversLeftOut =
  process.env['GODWIT_SERVERS'] === '0' ? 'GODWIT_SERVERS=0 leaves real servers out' : ''

/** CQL's drivers take minutes together: GODWIT_DRIVERS=0 leaves out all but those of Node and Python, and says so. */
export const driversLeftOut =
  process.env['GODWIT_DRIVERS'] === '0' ? 'GODWIT_DRIVERS=0 leaves this driver out' : ''

export async function missing(needs: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    needs.map((program) =>
      run('sh', ['-c', 'command -v "$0"', program]).then(
        () => true,
        () => false,
      ),
    ),
  )
  return needs.filter((_, index) => found[index] !== true)
}

/** What is built of the folder of its name. */
interface Buildable extends Pick<Language, 'build'> {
  readonly name: string
  /** That it is generated from; KVStore's unless given. */
  readonly idl?: string
}

/** Answers the folder of the finished build. */
export async function ready({ name, build, idl = IDL }: Buildable): Promise<string> {
  const hash = createHash('sha256')
  for (const path of [idl, ...filesBelow(`${FOLDER}/${name}`)])
    if (!isGenerated(path)) hash.update(textOf(path))
  const folder = join(CACHE, `${name}-${hash.digest('hex').slice(0, 16)}`)
  const stamp = join(folder, '.complete')
  if (build === undefined || existsSync(stamp)) return folder
  await mkdir(CACHE, { recursive: true })
  // All that Maven builds under one lock: its downloads are not made for two at a time.
  const what = /java|hdfs/.test(name) ? 'maven' : name
  await onlyOne(join(CACHE, what), async () => {
    if (existsSync(stamp)) return
    const old = (await readdir(CACHE)).filter((entry) => entry.startsWith(`${name}-`))
    for (const entry of old) await rm(join(CACHE, entry), { recursive: true, force: true })
    await mkdir(folder)
    await build(folder)
    await writeFile(stamp, '')
  })
  return folder
}

/** One language against one gateway. */
export class Interop {
  readonly #language: Language
  #gateway: Gateway | null = null
  #folder = ''
  /** Why it cannot run here; empty when it can. */
  #lack = ''

  constructor(language: Language) {
    this.#language = language
  }

  async start(): Promise<void> {
    const { name, needs } = this.#language
    const lacking = await missing(needs)
    if (lacking.length > 0) this.#lack = `this machine lacks ${lacking.join(', ')}`
    else {
      this.#folder = await ready(this.#language).catch((error: unknown) => {
        this.#lack = `its programs could not be built: ${error instanceof Error ? error.message : String(error)}`
        return ''
      })
    }
    if (this.#lack === '') {
      this.#gateway = await Gateway.start()
      await this.#gateway.createDataset(dataset, { maxValueBytes: 8 << 20, keyOrder: 'ORDERED' })
    } else if (isRequired(name)) assert.fail(`${name} must not be left out of this run, but ${this.#lack}`)
  }

  async stop(): Promise<void> {
    await this.#gateway?.dispose()
  }

  async check(t: TestContext, pair: string): Promise<void> {
    const lines = await this.#print(t, this.#language.checks(this.#folder), pair.split(' '))
    if (lines !== null) assertAllOk(lines, CHECKS)
  }

  async example(t: TestContext): Promise<void> {
    const lines = await this.#print(t, this.#language.example(this.#folder), [])
    if (lines !== null) assert.deepEqual(lines, EXAMPLE)
  }

  /** What another program makes of the admin API's description. */
  async description(t: TestContext): Promise<void> {
    const { description } = this.#language
    assert.ok(description, `${this.#language.name} has no program for it`)
    const lines = await this.#print(t, description(this.#folder), [String(this.#gateway?.port('admin'))])
    if (lines !== null) assert.match(lines.join('\n'), /^ok: \d+ operations$/)
  }

  /** What the program prints, or null when it cannot run here, which the test's report then says. */
  async #print(t: TestContext, [file, ...args]: Command, more: readonly string[]): Promise<string[] | null> {
    if (this.#gateway === null) {
      t.skip(`not run: ${this.#lack}`)
      return null
    }
    return linesOf([file, ...args, String(this.#gateway.port('kvstore')), dataset, ...more])
  }
}

/** What the program prints; of one that failed without saying `not ok` also why. */
async function linesOf([file, ...args]: Command): Promise<string[]> {
  // Without the first python would leave compiled files in the tree.
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  const options = { cwd: root, env, timeout: PROGRAM_TIMEOUT_MS }
  const { stdout } = await run(file, args, options).catch((error: unknown) => {
    // execFile's error carries what the program printed before it failed.
    const { stdout: printed = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return { stdout: printed.includes('not ok ') ? printed : `${printed}${String(error)}\n${stderr}` }
  })
  return stdout.trim().split('\n')
}

/** Every one of the checks is said to be ok, and nothing else is said. */
function assertAllOk(lines: readonly string[], checks: readonly string[]): void {
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('ok ')),
    [],
  )
  assert.deepEqual(lines.map((line) => line.slice('ok '.length)).sort(), [...checks].sort())
}

/** Runs a program of checks, of which none may fail or be missing. */
export async function runChecks(command: Command, checks: readonly string[]): Promise<void> {
  assertAllOk(await linesOf(command), checks)
}

function inTree(path: string): string {
  return join(root, FOLDER, path)
}

/** Runs one step of making a program ready. */
export async function build(command: string, args: readonly string[]): Promise<void> {
  await run(command, args, { timeout: BUILD_TIMEOUT_MS, maxBuffer: 1 << 26 })
}

export const python: Language = {
  name: 'python',
  needs: ['python3'],
  build: async (folder) => {
    await build('python3', ['-m', 'venv', folder])
    const quiet = ['install', '--quiet', '--disable-pip-version-check']
    await build(join(folder, 'bin', 'pip'), [...quiet, '-r', inTree('python/requirements.txt')])
  },
  checks: (folder) => [join(folder, 'bin', 'python'), inTree('python/kvstore_client.py')],
  example: (folder) => [join(folder, 'bin', 'python'), inTree('python/example.py')],
  description: (folder) => [join(folder, 'bin', 'python'), inTree('python/openapi.py')],
}

export function javaOf(folder: string, main: string): Command {
  return ['java', '-cp', `${join(folder, 'classes')}:${join(folder, 'lib')}/*`, main]
}

export const java: Language = {
  name: 'java',
  needs: ['thrift', 'mvn', 'javac', 'java'],
  build: (folder) => build('sh', [inTree('java/build.sh'), folder]),
  checks: (folder) => javaOf(folder, 'Checks'),
  example: (folder) => javaOf(folder, 'Example'),
}

export const go: Language = {
  name: 'go',
  needs: ['thrift', 'go'],
  build: (folder) => build('sh', [inTree('go/build.sh'), folder]),
  checks: (folder) => [join(folder, 'bin', 'checks')],
  example: (folder) => [join(folder, 'bin', 'example')],
}

export const node: Language = {
  name: 'node',
  needs: [],
  checks: () => [process.execPath, inTree('node/checks.mjs')],
  example: () => [process.execPath, inTree('node/example.mjs')],
}
