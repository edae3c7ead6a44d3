// `npm run demo:migration`: a Terrapin dataset moves to Godwit and back under reading clients, with the command alone; a
// fault is planted on the way, found by comparison and repaired. Everything runs on loopback, in a folder that is removed at
// the end. Another Godwit passes for the real Terrapin. `--dist FOLDER` takes a compiled program from elsewhere.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ensureProgram, root } from './ensure.mjs'

const { values: given } = parseArgs({ options: { dist: { type: 'string' } } })
if (given.dist === undefined) ensureProgram()
const dist = join(root, given.dist ?? 'dist')
const { MigrationPair, Readers, someRows } = await import(join(dist, 'test', 'support', 'migration-pair.js'))

const SETTINGS =
  'migration: { minComparisons: 500, minRequests: 500, maxMismatchShare: 0.01, maxUnstableShare: 0.02, maxErrorShare: 0.02, soakMs: 0,' +
  ' maxLatencyRatio: 50, latencySlackMs: 100, watchEveryMs: 500, owedRetryMs: 500 }\n'
const FIRST = 1_700_000_000_000
const WAIT_MS = 60_000
const DATASET = 'pins'
const REASON = ['--reason', 'a demonstration']

const startedAtMs = performance.now()
const rows = someRows(5_000)
const keys = [...rows.keys()]
/** What somebody puts into the old store behind everybody's back. */
const damaged = new Map(
  [...rows].map(([key, value], index) => [key, index % 25 === 0 ? `spoilt ${value}` : value]),
)

function say(text) {
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(0).padStart(3)
  console.log(`\n\u001b[1m[${seconds} s] ${text}\u001b[0m`)
}

/** Runs `godwit` as an operator does; answers its exit code. */
function godwit(pair, args, { isQuiet = false } = {}) {
  const shown = args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg)).join(' ')
  if (!isQuiet) console.log(`\u001b[36m$ godwit ${shown}\u001b[0m`)
  const env = { ...process.env, GODWIT_SERVER: `http://127.0.0.1:${pair.front.port('admin')}` }
  const stdio = isQuiet ? 'ignore' : 'inherit'
  const child = spawn(process.execPath, [join(dist, 'src', 'main.js'), ...args], { env, stdio })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}

async function must(pair, ...args) {
  const code = await godwit(pair, args)
  if (code !== 0) throw new Error(`godwit ${args.join(' ')} ended with ${code}`)
}

/** Waits until the plan onwards is allowed, then shows it. */
async function untilAllowed(pair, isAllowed = 0) {
  const untilMs = performance.now() + WAIT_MS
  while ((await godwit(pair, ['migrate', DATASET, 'plan'], { isQuiet: true })) !== isAllowed) {
    if (performance.now() > untilMs) break
    await pause(300)
  }
  return await godwit(pair, ['migrate', DATASET, 'plan'])
}

async function untilReport(pair, isIt) {
  const untilMs = performance.now() + WAIT_MS
  for (;;) {
    const report = await pair.report(DATASET)
    if (isIt(report)) return report
    if (performance.now() > untilMs) throw new Error(`not in time: ${JSON.stringify(report.migration)}`)
    await pause(200)
  }
}

async function load(pair, version, what = rows, to = 'front') {
  const answer = await pair.load(DATASET, pair.write(DATASET, version, what), to)
  console.log(
    `loadFileSet of ${DATASET}/${version} by ${to === 'front' ? 'Godwit' : 'the old controller'}: ${answer}`,
  )
}

const bothHave = (version) => (report) =>
  report.currentVersion === version && report.migration.owed.length === 0

async function demonstrate(pair) {
  say(
    'The old store has a dataset; its clients and its uploader are pointed at Godwit, which asks the old store.',
  )
  await must(
    pair,
    'dataset',
    'create',
    DATASET,
    '--mode',
    'BATCH',
    '--origin',
    'west',
    '--owner',
    'pins',
    '--contact',
    '#pins',
    ...REASON,
  )
  await load(pair, FIRST)
  const isRight = (key, value) => value === rows.get(key) || value === damaged.get(key)
  const readers = await Readers.start(pair.front, { name: DATASET, keys, isRight, clients: 2, pauseMs: 5 })
  try {
    await goForthAndBack(pair)
  } finally {
    await readers.stop()
  }
  say(`${readers.count} reads meanwhile, ${readers.wrong.length} wrong or failed.`)
  if (readers.wrong.length > 0) throw new Error(readers.wrong.slice(0, 5).join('\n'))
}

async function goForthAndBack(pair) {
  say('From now on, loads go to both sides.')
  await must(pair, 'migrate', DATASET, 'switch', ...REASON)
  await load(pair, FIRST + 1)
  await untilReport(pair, bothHave(FIRST + 1))

  say('Shadow reads compare the sides. But somebody has changed the old store behind the gateway.')
  await must(pair, 'migrate', DATASET, 'switch', ...REASON)
  await load(pair, FIRST + 9, damaged, 'old')
  await must(pair, 'migrate', DATASET, 'origin-version', String(FIRST + 1), ...REASON)
  await must(pair, 'migrate', DATASET, 'shadow', '100', '--baseline', '10', ...REASON)
  await untilReport(pair, ({ figures }) => figures.shadow.mismatched >= 50)
  console.log('The move onwards is refused, and the differences say why:')
  await godwit(pair, ['migrate', DATASET, 'plan'])
  await godwit(pair, ['diff', DATASET, '--last', '10m'])

  say('Repaired by a new load to both sides; with enough evidence the plan agrees.')
  await load(pair, FIRST + 20)
  await untilReport(pair, bothHave(FIRST + 20))
  await untilAllowed(pair)
  await must(pair, 'migrate', DATASET, 'switch', ...REASON)

  say('A share of the keys is answered by Godwit; explain says which.')
  await must(pair, 'migrate', DATASET, 'split', '10', '--dry-run', ...REASON)
  await must(pair, 'migrate', DATASET, 'split', '10', ...REASON)
  await must(pair, 'explain', DATASET, keys[0])
  await must(pair, 'migrate', DATASET, 'ramp', '--to', '100', '--step', '45', '--every', '2s', ...REASON)
  await untilReport(pair, ({ migration }) => migration.ramp?.state === 'DONE')
  await untilAllowed(pair)

  say('Godwit answers everything; the old store is compared with, and stands by.')
  await must(pair, 'migrate', DATASET, 'switch', ...REASON)
  await must(pair, 'migrate', DATASET, 'status')

  say('And all the way back, at once, without a client that notices.')
  for (let state = ''; state !== 'ORIGIN_ONLY'; state = (await pair.report(DATASET)).state) {
    await must(pair, 'migrate', DATASET, 'revert', ...REASON)
  }
  await must(pair, 'audit', '--dataset', DATASET, '--limit', '12')
}

let pair = null
try {
  pair = await MigrationPair.start(SETTINGS)
  await demonstrate(pair)
  say('Done.')
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await pair?.dispose()
}
