// Runs the checks and the test suites: `node scripts/test.mjs [suite ...]`, without names those of `npm test`. Plain Node,
// because it installs and compiles first. It lists the files itself: node --test on Node 20 expands no globs.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { ensureEverything, root } from './ensure.mjs'

/**
 * Budget: seconds on 2 cores as .ci/run asks for them, which has half an hour for all; going over it is said, not failed,
 * because machines differ. Suites that start whole gateways run one file at a time: two gateways beside each other on 2
 * cores would measure each other.
 */
const SUITES = {
  tidy: { budget: 15, files: 2 },
  unit: { budget: 120, files: 2 },
  contract: { budget: 80, files: 2 },
  wire: { budget: 15, files: 2 },
  integration: { budget: 480, files: 1 },
  compat: { budget: 60, files: 1 },
  fault: { budget: 420, files: 1 },
  interop: { budget: 600, files: 1 },
  soak: { budget: 900, files: 1 },
}
const CHECKS = [
  ['lint', 'node_modules/eslint/bin/eslint.js', ['.', '--max-warnings=0']],
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

function testFiles(suite) {
  const folder = join(root, 'dist', 'test', suite)
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}

/** The figures that node's TAP reporter closes with: `# tests 12`, `# pass 12`, `# fail 0`, ... */
function figuresOf(tapFile) {
  const figures = { tests: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 }
  const text = existsSync(tapFile) ? readFileSync(tapFile, 'utf8') : ''
  for (const [, name, count] of text.matchAll(/^# (\w+) (\d+)$/gm))
    if (name in figures) figures[name] = Number(count)
  return figures
}

function runSuite(suite) {
  const { budget, files: concurrency } = SUITES[suite]
  const files = testFiles(suite)
  say(`\n== ${suite}: ${files.length} files`)
  const started = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'godwit-test-'))
  try {
    const tap = join(folder, 'tap')
    const reporters = [
      ['spec', 'stdout'],
      ['tap', tap],
    ].flatMap(([reporter, destination]) => {
      return [`--test-reporter=${reporter}`, `--test-reporter-destination=${destination}`]
    })
    const timeoutMs = Math.max(MIN_TEST_TIMEOUT_MS, budget * 2000, CONTRACT_TIMEOUT_MS)
    const limits = [`--test-concurrency=${concurrency}`, `--test-timeout=${timeoutMs}`]
    // Without files node would look for tests by itself and find those of the dependencies.
    const status =
      files.length === 0 ? 1 : node(['--enable-source-maps', '--test', ...limits, ...reporters, ...files])
    const figures = figuresOf(tap)
    if (figures.tests === 0) say(`${suite}: no test ran`)
    const seconds = (performance.now() - started) / 1000
    return {
      suite,
      ...figures,
      seconds,
      budget,
      isGood: status === 0 && figures.tests > 0 && figures.fail === 0,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function runChecks() {
  say('\n== check: types (the compiler ran clean)')
  const failed = []
  for (const [name, script, args] of CHECKS) {
    say(`== check: ${name}`)
    if (node([join(root, script), ...args]) !== 0) failed.push(name)
  }
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
ensureEverything()
const failedChecks = wanted.includes('check') ? runChecks() : []
const results = wanted.filter((name) => name !== 'check').map(runSuite)
closeWith(results, failedChecks)
process.exit(failedChecks.length === 0 && results.every((result) => result.isGood) ? 0 : 1)
