/**
 * `npm run bench [-- NAME ...] [--quick]`: runs the named benches, or all, prints their figures and, after a full run,
 * writes them to bench/RESULTS.md.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bulkLoad } from './bulk-load.js'
import { cassandra } from './cassandra.js'
import { chunkSweep } from './chunk-sweep.js'
import { cqlParse } from './cql-parse.js'
import { cql } from './cql.js'
import { dataThreads } from './data-threads.js'
import { durableWrites } from './durable-writes.js'
import { explode } from './explode.js'
import type { Bench, BenchContext } from './harness.js'
import { hbase } from './hbase.js'
import { hfileLoad } from './hfile-load.js'
import { hops } from './hops.js'
import { loadEstimate } from './load-estimate.js'
import { machineFacts } from './machine.js'
import { metastoreScale } from './metastore-scale.js'
import { migration } from './migration.js'
import { origin } from './origin.js'
import { root } from './paths.js'
import { stopChildren } from './processes.js'
import { purge } from './purge.js'
import { publish } from './publish.js'
import { readPath } from './read-path.js'
import { formatReport } from './report.js'
import { remoteLeaf } from './remote-leaf.js'
import { scans } from './scans.js'
import { selfCheck } from './self-check.js'
import { shadowOverhead } from './shadow-overhead.js'
import { shadowStall } from './shadow-stall.js'
import { terrapin } from './terrapin.js'
import { usermetastore } from './usermetastore.js'
import { wideColumn } from './wide-column.js'

const benches: readonly Bench[] = [
  selfCheck,
  readPath,
  terrapin,
  usermetastore,
  hbase,
  cql,
  cqlParse,
  cassandra,
  origin,
  shadowOverhead,
  shadowStall,
  migration,
  dataThreads,
  wideColumn,
  explode,
  chunkSweep,
  scans,
  durableWrites,
  purge,
  bulkLoad,
  hfileLoad,
  loadEstimate,
  publish,
  metastoreScale,
  hops,
  remoteLeaf,
]

const FULL = { rounds: 5, warmUpMs: 400, measureMs: 1500, rows: 1_000_000, hotRows: 100_000 }
const QUICK = { rounds: 3, warmUpMs: 200, measureMs: 500, rows: 100_000, hotRows: 20_000 }

const USAGE = `usage: npm run bench -- [NAME ...] [--quick] [--rows N] [--rounds N]

${benches.map((bench) => `  ${bench.name.padEnd(16)} ${bench.question}`).join('\n')}

Without names all of them run, and a full run (without --quick) writes bench/RESULTS.md.
`

function fail(message: string): never {
  process.stderr.write(`bench: ${message}\n`)
  process.exit(1)
}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      rows: { type: 'string' },
      rounds: { type: 'string' },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const chosen = positionals.map(
    (name) => benches.find((bench) => bench.name === name) ?? fail(`no bench is called ${name}\n${USAGE}`),
  )
  const defaults = values.quick ? QUICK : FULL
  return {
    chosen: chosen.length > 0 ? chosen : benches,
    isComplete:
      chosen.length === 0 && !values.quick && values.rows === undefined && values.rounds === undefined,
    sizes: {
      ...defaults,
      rows: readCount(values.rows, defaults.rows),
      rounds: readCount(values.rounds, defaults.rounds),
    },
  }
}

function readCount(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const count = Number(text)
  return Number.isInteger(count) && count > 0 ? count : fail(`not a count: ${text}`)
}

/** A temporary folder that is gone when the process is, whatever ends it. */
function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  return folder
}

/** The bench's section of the report; null when it failed, which the others need not suffer from. */
async function runBench(bench: Bench, context: BenchContext): Promise<string | null> {
  context.log(`\n${bench.name}: ${bench.question}`)
  try {
    return formatReport(bench, await bench.run(context))
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    process.stderr.write(`bench: ${bench.name} FAILED: ${reason}\n`)
    return null
  } finally {
    await stopChildren()
  }
}

async function main(): Promise<void> {
  const { chosen, isComplete, sizes } = readArguments()
  const startedAt = performance.now()
  const context: BenchContext = {
    ...sizes,
    folder: makeFolder(),
    log: (line) => process.stderr.write(`${line}\n`),
  }
  const sections = [machineFacts(context)]
  process.stdout.write(`${sections.join('')}\n`)
  for (const bench of chosen) {
    const section = await runBench(bench, context)
    if (section === null) continue
    sections.push(section)
    process.stdout.write(`\n${section}\n`)
  }
  context.log(`\n${((performance.now() - startedAt) / 1000).toFixed(0)} s in all`)
  if (sections.length <= chosen.length) process.exit(1)
  if (isComplete) writeFileSync(join(root, 'bench', 'RESULTS.md'), `${sections.join('\n\n')}\n`)
}

main().then(
  () => process.exit(0),
  (thrown: unknown) => fail(thrown instanceof Error ? thrown.message : String(thrown)),
)
