// `npm run demo:migration`: a Terrapin dataset moves to Godwit, back, and for good, under clients that read, with the
// command alone. On the way somebody changes the old store behind the gateway, twice: comparison finds it, and a ramp takes
// itself back. Everything runs on loopback, in a folder that is removed at the end. Another Godwit passes for the real
// Terrapin. `--fast` runs it on fewer rows and without a process for each command, as its test does; `--dist FOLDER` takes a
// compiled program from elsewhere.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensureEverything, root } from './ensure.mjs'

const { values: given } = parseArgs({
  options: { dist: { type: 'string' }, fast: { type: 'boolean', default: false } },
})
// The old store and the readers are of the tests.
if (given.dist === undefined) ensureEverything()
const dist = join(root, given.dist ?? 'dist')
const { MigrationPair, Readers, someRows } = await import(join(dist, 'test', 'support', 'migration-pair.js'))
const { godwit: inProcess } = await import(join(dist, 'test', 'unit', 'cli', 'run-cli.js'))

/** Small figures, so that it shows in minutes what takes days. */
const SETTINGS =
  'migration: { minComparisons: 200, minRequests: 200, maxMismatchShare: 0.02, maxUnstableShare: 0.02, maxErrorShare: 0.02, soakMs: 0,' +
  ' maxLatencyRatio: 50, latencySlackMs: 200, breachWindowMs: 3000, watchEveryMs: 500, owedRetryMs: 500 }\n'
const FIRST = 1_700_000_000_000
const DATASET = 'pins'
const REASON = ['--reason', 'a demonstration']
const MAX_SECONDS = 180
const COLUMNS = 80

const startedAtMs = performance.now()
const rows = someRows(given.fast ? 1_000 : 5_000)
const keys = [...rows.keys()]
/** What somebody puts into the old store behind everybody's back. */
const damaged = new Map(
  [...rows].map(([key, value], index) => [key, index % 10 === 0 ? `spoilt ${value}` : value]),
)

function secondsPassed() {
  return (performance.now() - startedAtMs) / 1000
}

/** In lines that fit a terminal of 80 columns. */
function say(text) {
  const lines = [`[${secondsPassed().toFixed(0).padStart(3)} s]`]
  for (const word of text.split(' ')) {
    const line = `${lines.at(-1)} ${word}`
    if (line.length > COLUMNS) lines.push(`${' '.repeat(7)} ${word}`)
    else lines[lines.length - 1] = line
  }
  console.log(`\n\u001b[1m${lines.join('\n')}\u001b[0m`)
}

/** As it is typed into a shell, in lines that fit. */
function typed(args) {
  const lines = ['$ godwit']
  for (const arg of args) {
    const word = /^[\w.:/%,=-]+$/.test(arg) ? arg : `'${arg}'`
    const line = `${lines.at(-1)} ${word}`
    // Room for what says that it goes on.
    if (line.length > COLUMNS - 2) lines.push(`    ${word}`)
    else lines[lines.length - 1] = line
  }
  return lines.join(' \\\n')
}

/** The demonstration: a gateway before an old store, and the command as an operator types it. */
class Demonstration {
  /** Versions are named by their upload's time; the next one is later. */
  #version = FIRST

  constructor(pair) {
    this.pair = pair
  }

  /** Runs `godwit`; answers its exit code. */
  async godwit(...args) {
    console.log(`\u001b[36m${typed(args)}\u001b[0m`)
    const admin = `http://127.0.0.1:${this.pair.front.port('admin')}`
    if (given.fast) {
      const { exitCode, stdout, stderr } = await inProcess(args, { admin, width: COLUMNS })
      console.log(`${stdout}${stderr}`)
      return exitCode
    }
    const env = { ...process.env, GODWIT_SERVER: admin }
    const child = spawn(process.execPath, [join(dist, 'src', 'main.js'), ...args], { env, stdio: 'inherit' })
    return await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => resolve(code ?? 1))
    })
  }

  async must(...args) {
    const code = await this.godwit(...args)
    if (code !== 0) throw new Error(`godwit ${args.join(' ')} ended with ${code}`)
  }

  /** As `must`, of the migration, which wants a reason. */
  async migrate(...args) {
    await this.must('migrate', DATASET, ...args, ...REASON)
  }

  async mustRefuse(...args) {
    if ((await this.godwit(...args)) === 0) throw new Error(`godwit ${args.join(' ')} was not refused`)
  }

  /** Waits until the move onwards is allowed, and shows the plan of it. */
  async plan() {
    await this.pair.allowed(DATASET)
    await this.must('migrate', DATASET, 'plan')
  }

  async until(isIt, what) {
    return await this.pair.until(DATASET, isIt, what)
  }

  /** As an uploader does, by Godwit or behind its back. */
  async load(what, to = 'front') {
    this.#version += 1
    const answer = await this.pair.load(DATASET, this.pair.write(DATASET, this.#version, what), to)
    console.log(
      `loadFileSet of ${DATASET}/${this.#version} by ${to === 'front' ? 'Godwit' : 'the old controller'}: ${answer}`,
    )
  }

  /** To both sides, and waits until they have it. */
  async loadBoth() {
    await this.load(rows)
    await this.pair.loaded(DATASET, this.#version)
  }
}

async function demonstrate(demo) {
  say(
    'The old store has a dataset; its clients and its uploader are pointed at Godwit, which asks the old store.',
  )
  const owner = ['--owner', 'pins', '--contact', '#pins']
  await demo.must('dataset', 'create', DATASET, '--mode', 'BATCH', '--origin', 'west', ...owner, ...REASON)
  await demo.load(rows)
  const isRight = (key, value) => value === rows.get(key) || value === damaged.get(key)
  // What is waited for is evidence.
  const reading = { name: DATASET, keys, isRight, clients: 2, pauseMs: given.fast ? 1 : 5 }
  const readers = [
    await Readers.start(demo.pair.front, reading),
    await Readers.start(demo.pair.front, { ...reading, clients: 1, keysEach: 10 }),
  ]
  try {
    await compare(demo)
    await ramp(demo)
    await goBack(demo)
    await goForGood(demo)
  } finally {
    for (const one of readers) await one.stop()
  }
  const [gets, multiGets] = readers
  const wrong = readers.flatMap((one) => one.wrong)
  say(`${gets.count} gets and ${multiGets.count} multiGets meanwhile, ${wrong.length} wrong or failed.`)
  if (wrong.length > 0) throw new Error(wrong.slice(0, 5).join('\n'))
}

async function compare(demo) {
  say('From now on, loads go to both sides.')
  await demo.migrate('switch')
  await demo.loadBoth()

  say('Shadow reads compare the sides. But somebody has changed the old store behind the gateway.')
  await demo.migrate('switch')
  await demo.load(damaged, 'old')
  const { currentVersion } = await demo.pair.report(DATASET)
  await demo.migrate('origin-version', String(currentVersion))
  await demo.migrate('shadow', '100', '--baseline', '10')
  await demo.until(({ figures }) => figures.shadow.mismatched >= 25, 'the fault is found')
  console.log('The move onwards is refused, and the differences say why:')
  await demo.mustRefuse('migrate', DATASET, 'plan')
  await demo.must('diff', DATASET, '--last', '10m')

  say('Repaired by a new load to both sides; with enough evidence the plan agrees.')
  await demo.loadBoth()
  await demo.plan()
}

async function ramp(demo) {
  say('A share of the keys is answered by Godwit; explain says which.')
  await demo.migrate('switch')
  await demo.migrate('split', '10', '--dry-run')
  await demo.migrate('split', '10')
  await demo.must('explain', DATASET, keys[0])
  await demo.migrate('ramp', '--to', '100', '--step', '45', '--every', '2s')
  await demo.until(({ migration }) => migration.dials.splitShare > 1_000, 'the first step')

  say(
    'Again somebody changes the old store. The ramp goes back by itself, to the 10 % from which it began, and to 0 % while these differ, too.',
  )
  await demo.load(damaged, 'old')
  await demo.until(({ migration }) => migration.ramp?.state === 'BREACHED', 'the breach')
  await demo.must('migrate', DATASET, 'status')
  await demo.must('audit', '--dataset', DATASET, '--limit', '3')
  console.log('Godwit was found to differ: it does not stand in for the old store any more.')
  await demo.must('explain', DATASET, keys[0])

  say('Repaired once more; the ramp is begun again, and ends.')
  await demo.loadBoth()
  await demo.migrate('ramp', '--to', '100', '--step', '45', '--every', '1s')
  await demo.until(({ migration }) => migration.ramp?.state === 'DONE', 'the ramp')
  await demo.plan()

  say('Godwit answers everything; the old store is compared with, and stands by.')
  await demo.migrate('switch')
  await demo.must('migrate', DATASET, 'status')
}

async function goBack(demo) {
  say('All the way back, at once, without a client that notices.')
  for (let state = ''; state !== 'ORIGIN_ONLY'; state = (await demo.pair.report(DATASET)).state) {
    await demo.migrate('revert')
  }
}

async function goForGood(demo) {
  say('And forth again, for good.')
  await demo.migrate('switch')
  await demo.loadBoth()
  await demo.migrate('switch')
  await demo.migrate('shadow', '100')
  await demo.pair.allowed(DATASET)
  await demo.migrate('switch')
  await demo.migrate('ramp', '--to', '100', '--step', '100', '--every', '1s')
  await demo.until(({ migration }) => migration.ramp?.state === 'DONE', 'the ramp')
  await demo.pair.allowed(DATASET)
  await demo.migrate('switch')
  await demo.pair.allowed(DATASET)
  await demo.migrate('switch')

  say('Nothing asks the old store any more; the migration is complete, and the old store is switched off.')
  await demo.plan()
  await demo.migrate('complete', '--yes')
  await demo.pair.old.stop()
  await demo.must('audit', '--dataset', DATASET, '--limit', '12')
}

let pair = null
try {
  pair = await MigrationPair.start(SETTINGS)
  await demonstrate(new Demonstration(pair))
  const seconds = secondsPassed()
  // Its test runs where others take the processors, too.
  if (!given.fast && seconds > MAX_SECONDS)
    throw new Error(`it took ${seconds.toFixed(0)} s, more than ${MAX_SECONDS}`)
  say('Done.')
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await pair?.dispose()
}
