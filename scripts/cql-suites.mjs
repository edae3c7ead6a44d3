// The integration suites of two drivers of Cassandra against a gateway of this checkout, on 127.0.0.1:9042:
//
//   node scripts/cql-suites.mjs gocql               the suite of gocql 1.7, from the Go module proxy; needs go
//   node scripts/cql-suites.mjs python CHECKOUT     of DataStax's Python driver; no registry has it: a checkout of 3.29.2
//
// Prints what failed and what was skipped, each with its first reason, and then how many of each there were. Nothing of the
// suites is kept: they run in a temporary directory. What of them fails and why stands in docs/COMPATIBILITY.md.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ensureProgram, root } from './ensure.mjs'

const GOCQL = 'github.com/gocql/gocql@v1.7.0'
/** The driver as it is published, and what its suite imports. */
const PYTHON = ['cassandra-driver==3.29.2', 'pytest==8.4.2', 'pytest-timeout==2.4.0', 'ccm==3.1.5']
const PYTHON_HELPERS = 'pytz packaging futurist lz4 pure-sasl scales six sure cryptography'.split(' ')
const RELEASE = '3.0.15'
const HOST = '127.0.0.1'
const PORT = 9042
const SUITE_TIMEOUT_MS = 3_600_000
const START_TIMEOUT_MS = 60_000

const folder = mkdtempSync(join(tmpdir(), 'godwit-cql-suite-'))

async function startGateway() {
  if (process.env.GODWIT_SUITE_DIST === undefined) ensureProgram()
  const config = join(folder, 'godwit.yaml')
  const ready = join(folder, 'ready.json')
  writeFileSync(
    config,
    'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
      `  rocksandra: { host: ${HOST}, port: ${PORT}, enabled: true }\n` +
      'rocksandra:\n  owner: { name: suites, contact: suites@example.org }\n',
  )
  const flags = ['--config', config, '--data', join(folder, 'data'), '--ready-file', ready]
  const main = join(process.env.GODWIT_SUITE_DIST ?? join(root, 'dist'), 'src', 'main.js')
  const child = spawn(process.execPath, [main, 'serve', ...flags], { stdio: 'ignore' })
  const until = performance.now() + START_TIMEOUT_MS
  while (!existsSync(ready)) {
    if (child.exitCode !== null) throw new Error(`the gateway ended: is port ${PORT} taken?`)
    if (performance.now() > until) throw new Error('the gateway was not ready in time')
    await pause(100)
  }
  return child
}

/** Answers the results, as [outcome, name, reason]. */
function runGocql() {
  const { Dir: source } = JSON.parse(
    execFileSync('go', ['mod', 'download', '-json', GOCQL], { cwd: folder, encoding: 'utf8' }),
  )
  const suite = join(folder, 'gocql')
  cpSync(source, suite, { recursive: true })
  // The module cache cannot be written to, and neither can a copy of it.
  execFileSync('chmod', ['-R', 'u+w', suite])
  const tested = [
    'test',
    '-tags',
    'cassandra integration',
    '-timeout',
    `${SUITE_TIMEOUT_MS / 1_000}s`,
    '-json',
    '.',
  ]
  const cluster = [`-cluster=${HOST}`, '-proto=4', '-rf=1', '-clusterSize=1', '-autowait=0s']
  const args = [...tested, '-args', ...cluster, `-gocql.cversion=${RELEASE}`]
  const { stdout } = spawnSync('go', args, { cwd: suite, encoding: 'utf8', maxBuffer: 1 << 28 })
  const said = new Map()
  const results = []
  for (const line of stdout.split('\n')) {
    if (!line.startsWith('{')) continue
    const { Action: action, Test: name, Output: output = '' } = JSON.parse(line)
    if (name === undefined) continue
    // `file_test.go:123: why`, among what the driver logs.
    if (/^\s+\w+_test\.go:\d+: |panic/.test(output) && !said.has(name)) said.set(name, output.trim())
    if (['pass', 'fail', 'skip'].includes(action)) results.push([action, name, said.get(name) ?? ''])
  }
  return results
}

function runPython(checkout) {
  if (checkout === undefined)
    throw new Error('name a checkout of the driver: node scripts/cql-suites.mjs python CHECKOUT')
  const suite = join(folder, 'python')
  cpSync(join(checkout, 'tests'), join(suite, 'tests'), { recursive: true })
  execFileSync('python3', ['-m', 'venv', join(folder, 'venv')])
  const python = join(folder, 'venv', 'bin', 'python')
  execFileSync(python, ['-m', 'pip', 'install', '--quiet', ...PYTHON, ...PYTHON_HELPERS], {
    stdio: 'inherit',
  })
  const report = join(folder, 'report.xml')
  const tested = ['tests/integration/standard', 'tests/integration/cqlengine']
  const options = ['-q', '-p', 'no:cacheprovider', '--timeout', '120', '--continue-on-collection-errors']
  const target = {
    USE_CASS_EXTERNAL: '1',
    CASSANDRA_VERSION: RELEASE,
    CLUSTER_IP: HOST,
    PROTOCOL_VERSION: '4',
  }
  spawnSync(python, ['-m', 'pytest', ...options, `--junitxml=${report}`, ...tested], {
    cwd: suite,
    env: { ...process.env, ...target },
    timeout: SUITE_TIMEOUT_MS,
    stdio: 'ignore',
  })
  return resultsOf(readFileSync(report, 'utf8'))
}

/** Of pytest's report. */
function resultsOf(xml) {
  return [
    ...xml.matchAll(/<testcase classname="([^"]*)" name="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs),
  ].map(([, group, name, inside = '']) => {
    const [, kind, reason = ''] = /<(failure|error|skipped)[^>]*?message="([^"]*)"/.exec(inside) ?? []
    const outcome = kind === undefined ? 'pass' : kind === 'skipped' ? 'skip' : 'fail'
    return [outcome, `${group.split('.').at(-1)}.${name}`, reason]
  })
}

const [which, checkout] = process.argv.slice(2)
if (which !== 'gocql' && which !== 'python') {
  process.stderr.write('usage: node scripts/cql-suites.mjs gocql | python CHECKOUT\n')
  process.exit(2)
}
let gateway
try {
  gateway = await startGateway()
  const results = which === 'gocql' ? runGocql() : runPython(checkout)
  for (const wanted of ['fail', 'skip']) {
    for (const [outcome, name, reason] of results) {
      if (outcome === wanted)
        console.log(`${outcome} ${name}: ${reason.split(/\n|&#10;/, 1)[0].slice(0, 200)}`)
    }
  }
  const count = (outcome) => results.filter(([one]) => one === outcome).length
  console.log(`passed ${count('pass')}, failed ${count('fail')}, skipped ${count('skip')}`)
} finally {
  gateway?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}
