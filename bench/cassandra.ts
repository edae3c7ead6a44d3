/**
 * CQL here and by Apache Cassandra itself, asked the same by the same load: prepared statements on the same rows. Both
 * servers run on core 0 and take turns; a JVM is warm after some seconds of each load, not after one round.
 */
import { join } from 'node:path'
import { Cassandra } from '../test/interop/cassandra-server.js'
import { CqlCaller, batchFrame, executeFrame, i32 } from './cql-frames.js'
import {
  KEYSPACE,
  PARTITION_ROWS,
  POINTS,
  SLICES,
  SLICE_ROWS,
  fillPoints,
  fillSlices,
  makeTables,
  sliceRow,
} from './cql-table.js'
import { pickRows, rowKey, rowValue } from './dataset.js'
import { frameFile } from './frames.js'
import type { Gateway } from './gateway.js'
import { callAdmin, startGateway } from './gateway.js'
import type { Goal } from './goals.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Series, Variant, Verdict } from './harness.js'
import { alternate, judge, perSecondOf, seriesNamed } from './harness.js'
import { served } from './load-generator.js'
import type { Server } from './processes.js'
import { pinningProblem } from './processes.js'

const LOAD = { connections: 16, depth: 4 } as const
const BATCH_ROWS = 5
/** Of each load on each server, before the first round. */
const WARM_UP_MS = 10_000
/** Below it too few answers are slow for a p99. */
const MIN_MEASURE_MS = 3_000
/** Room for what Cassandra keeps of the written rows before it has to write files. */
const HEAP = ['-Xms2g', '-Xmx2g']
const REQUESTS = 50_000

export const cassandra: Bench = {
  name: 'cassandra',
  question: 'what do prepared statements of CQL cost here, held against Apache Cassandra?',
  async run(given) {
    const context = { ...given, measureMs: Math.max(given.measureMs, MIN_MEASURE_MS) }
    const theirs = await startCassandra()
    if (typeof theirs === 'string') return { series: [], verdicts: [], notes: [`Not run: ${theirs}.`] }
    try {
      const gateway = await startGateway({
        folder: join(context.folder, 'cassandra'),
        dataThreads: 1,
        core: 0,
        servesCql: true,
        settings: { rocksandra: { owner: { name: 'bench', contact: 'bench@localhost' } } },
      })
      const ours = { ...gateway, port: gateway.cqlPort ?? 0 }
      const servers = [
        { name: 'Cassandra', frames: await prepare(context, 'Cassandra', theirs.port), server: theirs },
        { name: 'Godwit', frames: await prepare(context, 'Godwit', ours.port), server: ours },
      ]
      await writeAsCassandra(gateway)
      const series = await measure(context, servers)
      await gateway.stop()
      return { series, verdicts: verdictsOf(series), notes: notes() }
    } finally {
      await theirs.stop()
    }
  },
}

/** A string says why it cannot run here. */
async function startCassandra(): Promise<Server | string> {
  const launcher = pinningProblem === null ? ['taskset', '--cpu-list', '0'] : []
  const started = await Cassandra.start({ heap: HEAP, launcher })
  if (typeof started === 'string') return started
  return { port: started.port, pid: started.pid, stop: () => started.dispose() }
}

/** Cassandra acknowledges what is in its log and syncs that every ten seconds; so do these tables now. */
async function writeAsCassandra(gateway: Gateway): Promise<void> {
  for (const table of ['points', 'slices']) {
    const path = `/v1/datasets/${KEYSPACE}.${table}`
    // The admin API's answer.
    const { dataset } = (await callAdmin(gateway, 'GET', path)) as { dataset: { revision: number } }
    const headers = { 'if-match': `"${dataset.revision}"` }
    await callAdmin(gateway, 'PATCH', path, { defaultDurability: 'LOG' }, headers)
  }
}

interface Peer {
  readonly name: string
  readonly server: Server
  readonly frames: Frames
}

/** Files for the load generator; ids are the server's own. */
type Frames = Readonly<Record<Call, string>>

const CALLS = ['point read', 'point write', 'slice of 20 rows', 'logged batch of 5 rows'] as const
type Call = (typeof CALLS)[number]

/** Makes and fills the tables, too. */
async function prepare({ log, ...context }: BenchContext, name: string, port: number): Promise<Frames> {
  log(`filling ${name}`)
  const { hotRows } = context
  const partitions = Math.ceil(hotRows / PARTITION_ROWS)
  const caller = await CqlCaller.connect(port)
  await makeTables(caller)
  await fillPoints(
    caller,
    Array.from({ length: hotRows }, (_, row) => rowKey(row)),
  )
  await fillSlices(caller, partitions)
  const read = await caller.prepare(POINTS.read)
  const write = await caller.prepare(POINTS.write)
  const slice = await caller.prepare(SLICES.read)
  const row = await caller.prepare(SLICES.write)
  caller.close()
  const points = pickRows(REQUESTS, hotRows)
  const places = pickRows(REQUESTS, partitions)
  const file = (call: Call, frames: readonly Buffer[]) =>
    frameFile({ log, ...context }, `${name} ${call}`, () => Buffer.concat(frames))
  const fromOf = (index: number, rows: number) => index % (PARTITION_ROWS - rows)
  return {
    'point read': file(
      'point read',
      points.map((point) => executeFrame(read, [rowKey(point)])),
    ),
    'point write': file(
      'point write',
      points.map((point) => executeFrame(write, [rowKey(point), rowValue(point)])),
    ),
    'slice of 20 rows': file(
      'slice of 20 rows',
      places.map((place, index) => executeFrame(slice, [rowKey(place), i32(fromOf(index, SLICE_ROWS))])),
    ),
    'logged batch of 5 rows': file(
      'logged batch of 5 rows',
      places.map((place, index) => {
        const from = fromOf(index, BATCH_ROWS)
        const rows = Array.from({ length: BATCH_ROWS }, (_, each) => sliceRow(place, from + each))
        return batchFrame('LOGGED', row, rows)
      }),
    ),
  }
}

async function measure(context: BenchContext, peers: readonly Peer[]): Promise<Series[]> {
  const variants = (during: BenchContext): Variant[] =>
    CALLS.flatMap((call) =>
      peers.map(({ name, server, frames }) => {
        const rowsEach = call === 'slice of 20 rows' ? { rowsEach: SLICE_ROWS } : {}
        const load = { context: during, core: 1, isCql: true, ...LOAD, ...rowsEach } as const
        return served(`${name} ${call}`, server, frames[call], load)
      }),
    )
  const warmUp = { ...context, warmUpMs: 0, measureMs: WARM_UP_MS }
  for (const variant of variants(warmUp)) {
    context.log(`warming up: ${variant.name}`)
    await variant.measure()
  }
  return await alternate(context, variants(context))
}

function verdictsOf(series: readonly Series[]): Verdict[] {
  const judged = (call: Call, throughput: Goal, p99: Goal): Verdict[] => {
    const [ours, theirs] = [seriesNamed(series, `Godwit ${call}`), seriesNamed(series, `Cassandra ${call}`)]
    return [
      judge(throughput, ours, theirs, perSecondOf),
      judge(p99, ours, theirs, ({ p99Us = Number.NaN }) => p99Us),
    ]
  }
  return [
    ...judged('point read', goals.cassandraRead, goals.cassandraReadP99),
    ...judged('point write', goals.cassandraWrite, goals.cassandraWriteP99),
    ...judged('slice of 20 rows', goals.cassandraSlice, goals.cassandraSliceP99),
    ...judged('logged batch of 5 rows', goals.cassandraBatch, goals.cassandraBatchP99),
  ]
}

function notes(): string[] {
  return [
    `${LOAD.connections} connections with ${LOAD.depth} requests in flight each, protocol version 4; values of 200 bytes.`,
    'Neither syncs its log before it acknowledges: Cassandra does so every ten seconds, Godwit has durability LOG for both tables. One data thread.',
    `Slices begin within partitions of ${PARTITION_ROWS} rows. Each load ran ${WARM_UP_MS / 1_000} s on each server before the first round.`,
  ]
}
