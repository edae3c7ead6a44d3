// Runs the checks and the test suites: `node scripts/test.mjs [suite ...]`, without names those of `npm test`. Plain Node,
// because it installs and compiles first. It lists the files itself: node --test on Node 20 expands no globs.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { ensureEverything, ensureInstalled, root } from './ensure.mjs'

/** Files of a suite that run beside each other, unless the suite says otherwise. */
const AT_ONCE = 2
/**
 * Budget: seconds on 2 cores as .ci/run asks for them, which has half an hour for all; going over it is said, not failed,
 * because machines differ. Alone: files that measure time or memory so narrowly that another gateway on the 2 cores would be
 * measured with theirs. They run after the others, one at a time.
 */
const SUITES = {
  tidy: { budget: 15 },
  unit: { budget: 160 },
  contract: { budget: 80 },
  wire: { budget: 15 },
  integration: { budget: 480, atOnce: 1 },
  compat: { budget: 70, atOnce: 1 },
  fault: {
    budget: 420,
    alone: [
      'connections',
      'hbase-hostile',
      'hostile-reads',
      'hostile-traffic',
      'hot-key',
      'migration-stall',
      'origin-crowd',
      'origin-faults',
    ],
  },
  interop: { budget: 600, atOnce: 1 },
  soak: { budget: 900 },
}
/** A long one that needs nothing of what the compiler writes: it runs beside that and the other checks. */
const LINT = ['lint', 'node_modules/eslint/bin/eslint.js', ['.', '--max-warnings=0']]
const CHECKS = [
  ['format', 'node_modules/prettier/bin/prettier.cjs', ['--check', '--log-level=warn', '.']],
  ['generated code', 'scripts/gen-thrift.mjs', ['--check']],
  ['tables of the documents', 'scripts/gen-docs.mjs', ['--check']],
]
const DEFAULT = ['check', 'tidy', 'unit', 'contract', 'wire']
/** Milliseconds that no test of a suite takes, unless it hangs; then it is failed by name. */
const MIN_TEST_TIMEOUT_MS = 600_000
/** Of test/support/leaf-oracle.ts, of which as many operations are run as this asks for: 3 ms each at the slowest. */
const CONTRACT_TIMEOUT_MS = 3 * Number(process.env.GODWIT_CONTRACT_OPERATIONS ?? 0)

function say(message) {
  process.stdout.write(`${message}\n`)
}

function node(args) {
  return spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status
}

/** Starts a check whose output is kept until `end` is asked for; that answers whether it found nothing. */
function beginCheck([name, script, args]) {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-check-'))
  const output = join(folder, 'output')
  const descriptor = openSync(output, 'w')
  const stdio = ['ignore', descriptor, descriptor]
  const child = spawn(process.execPath, [join(root, script), ...args], { cwd: root, stdio })
  closeSync(descriptor)
  // Whatever goes on beside it may end this process.
  process.once('exit', () => {
    child.kill()
    rmSync(folder, { recursive: true })
  })
  const ended = once(child, 'exit')
  const end = async () => {
    const [status] = await ended
    say(`== check: ${name}`)
    process.stdout.write(readFileSync(output, 'utf8'))
    return status === 0
  }
  return { name, end }
}

function testFiles(suite) {
  const folder = join(root, 'dist', 'test', suite)
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}

const NO_FIGURES = { tests: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0 }

/** The figures that node's TAP reporter closes with: `# tests 12`, `# pass 12`, `# fail 0`, ... */
function figuresOf(tapFile) {
  const figures = { ...NO_FIGURES }
  const text = existsSync(tapFile) ? readFileSync(tapFile, 'utf8') : ''
  for (const [, name, count] of text.matchAll(/^# (\w+) (\d+)$/gm))
    if (name in figures) figures[name] = Number(count)
  return figures
}

function runFiles(files, atOnce, timeoutMs) {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-test-'))
  try {
    const tap = join(folder, 'tap')
    const reporters = [
      ['spec', 'stdout'],
      ['tap', tap],
    ].flatMap(([reporter, destination]) => {
      return [`--test-reporter=${reporter}`, `--test-reporter-destination=${destination}`]
    })
    const limits = [`--test-concurrency=${atOnce}`, `--test-timeout=${timeoutMs}`]
    const status = node(['--enable-source-maps', '--test', ...limits, ...reporters, ...files])
    return { ...figuresOf(tap), isGood: status === 0 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function runSuite(suite) {
  const { budget, atOnce = AT_ONCE, alone = [] } = SUITES[suite]
  const files = testFiles(suite)
  say(`\n== ${suite}: ${files.length} files`)
  const started = performance.now()
  const single = alone.map((name) => join('dist', 'test', suite, `${name}.test.js`))
  const missing = single.filter((file) => !files.includes(file))
  for (const file of missing) say(`${suite}: ${file} is to run alone and is not there`)
  const timeoutMs = Math.max(MIN_TEST_TIMEOUT_MS, budget * 2000, CONTRACT_TIMEOUT_MS)
  // Without files node would look for tests by itself and find those of the dependencies.
  const parts = [
    [files.filter((file) => !single.includes(file)), atOnce],
    [single.filter((file) => !missing.includes(file)), 1],
  ]
    .filter(([some]) => some.length > 0)
    .map(([some, count]) => runFiles(some, count, timeoutMs))
  const sum = (name) => parts.reduce((total, part) => total + part[name], 0)
  const figures = Object.fromEntries(Object.keys(NO_FIGURES).map((name) => [name, sum(name)]))
  if (figures.tests === 0) say(`${suite}: no test ran`)
  const seconds = (performance.now() - started) / 1000
  const isGood =
    missing.length === 0 && figures.tests > 0 && figures.fail === 0 && parts.every((part) => part.isGood)
  return { suite, ...figures, seconds, budget, isGood }
}

async function runChecks(lint) {
  say('\n== check: types (the compiler ran clean)')
  const failed = []
  for (const [name, script, args] of CHECKS) {
    say(`== check: ${name}`)
    if (node([join(root, script), ...args]) !== 0) failed.push(name)
  }
  if (!(await lint.end())) failed.push(lint.name)
  return failed
}

function closeWith(results, failedChecks) {
  say('\nsuite         tests   pass   fail   skip   seconds of budget')
  for (const r of results) {
    const counts = [r.tests, r.pass, r.fail + r.cancelled, r.skipped]
      .map((n) => String(n).padStart(7))
      .join('')
    const time = `${r.seconds.toFixed(1).padStart(8)} of ${r.budget}${r.seconds > r.budget ? '  OVER ITS BUDGET' : ''}`
    say(`${r.suite.padEnd(12)}${counts}  ${time}${r.isGood ? '' : '  FAILED'}`)
  }
  for (const name of failedChecks) say(`check of ${name}: FAILED`)
  const sum = (name) => results.reduce((total, result) => total + result[name], 0)
  say(
    `\n# tests ${sum('tests')}\n# pass ${sum('pass')}\n# fail ${sum('fail') + sum('cancelled')}\n# skipped ${sum('skipped')}`,
  )
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : DEFAULT
const unknown = wanted.filter((name) => name !== 'check' && !(name in SUITES))
if (unknown.length > 0) {
  say(`unknown suite ${unknown.join(', ')}; there are check, ${Object.keys(SUITES).join(', ')}`)
  process.exit(2)
}
ensureInstalled()
const lint = wanted.includes('check') ? beginCheck(LINT) : null
ensureEverything()
const failedChecks = lint === null ? [] : await runChecks(lint)
const results = wanted.filter((name) => name !== 'check').map(runSuite)
closeWith(results, failedChecks)
process.exit(failedChecks.length === 0 && results.every((result) => result.isGood) ? 0 : 1)
