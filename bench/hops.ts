/**
 * Where the CPU time of a request goes, hop by hop: a gateway runs under V8's profiler, once for each kind of request,
 * and the CPU time that the kernel counted for the whole process is divided as the samples of its threads are.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { KEYS_PER_MULTI_GET } from './dataset.js'
import { getFrames, multiGetFrames, projectionFrames, putFrames } from './frames.js'
import { startGateway } from './gateway.js'
import type { Bench, BenchContext } from './harness.js'
import type { LoadResult } from './load-generator.js'
import { PIPELINED, generateLoad } from './load-generator.js'
import type { ThreadKind } from './profile.js'
import { HOPS, readProfiles, timesByHop } from './profile.js'
import { markdownTable } from './report.js'
import { MUTABLE, NARROW, copyOfLoaded } from './workspace.js'

/** Each hop needs some hundred samples. */
const MIN_MEASURE_MS = 2_000
const SAMPLE_US = 200

interface Workload {
  readonly name: string
  readonly frames: (context: BenchContext) => string
  readonly connections: number
  readonly depth: number
}

const WORKLOADS: readonly Workload[] = [
  { name: 'get, 64 x 1', frames: (context) => getFrames(context, NARROW), connections: 64, depth: 1 },
  { name: 'get, 16 x 16', frames: (context) => getFrames(context, NARROW), ...PIPELINED },
  {
    name: `multiGet(${KEYS_PER_MULTI_GET}), 16 x 1`,
    frames: (context) => multiGetFrames(context, NARROW, KEYS_PER_MULTI_GET),
    connections: 16,
    depth: 1,
  },
  { name: 'get 2 of 30, 16 x 1', frames: projectionFrames, connections: 16, depth: 1 },
  { name: 'put, 256 x 1', frames: (context) => putFrames(context, MUTABLE), connections: 256, depth: 1 },
]

export const hops: Bench = {
  name: 'hops',
  question: 'where does the CPU time of a request go, hop by hop?',
  async run(context) {
    const columns: Column[] = []
    for (const [index, workload] of WORKLOADS.entries()) {
      context.log(workload.name)
      columns.push(await measure(context, workload, `hops-${index}`))
    }
    return {
      series: [],
      verdicts: [],
      table: tableOf(columns),
      notes: [
        'CPU time of a request in us, and its share; `get 2 of 30` selects two columns of 64 KB rows. One data thread on core 0, the load generator on core 1; the profiler itself costs some of it.',
        'A durable put is served by two threads; what the writer thread does (group commit, RocksDB, sync) is one row. The main thread is left out: it serves no request.',
        'V8 samples by the clock: the writer thread counts as busy while it waits for the disk, so its row is too high.',
        '`other` is what has no frame of a hop above it: event loop, timers, epoll.',
      ],
    }
  },
}

/** Microseconds a request, by row of the table. */
interface Column {
  readonly name: string
  readonly us: ReadonlyMap<string, number>
}

async function measure(context: BenchContext, workload: Workload, name: string): Promise<Column> {
  const profiles = join(context.folder, `${name}-profiles`)
  mkdirSync(profiles)
  const gateway = await startGateway({
    folder: await copyOfLoaded(context, name),
    dataThreads: 1,
    core: 0,
    nodeOptions: ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-interval=${SAMPLE_US}`],
  })
  const { connections, depth } = workload
  const load = {
    port: gateway.port,
    pid: gateway.pid,
    frames: workload.frames(context),
    connections,
    depth,
    // Compiling is no part of a request.
    warmUpMs: context.warmUpMs + 1_000,
    measureMs: Math.max(context.measureMs, MIN_MEASURE_MS),
    core: 1,
  } as const
  const startUs = nowUs()
  const result = await generateLoad(load)
  const window = { fromUs: startUs + load.warmUpMs * 1_000, toUs: nowUs() }
  await gateway.stop()
  return { name: workload.name, us: divide(result, profiles, window) }
}

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}

interface ProfileWindow {
  readonly fromUs: number
  readonly toUs: number
}

const WRITER = 'writer thread'

function divide({ serverCpuSeconds, replies }: LoadResult, folder: string, { fromUs, toUs }: ProfileWindow) {
  const busy = new Map<string, number>()
  const add = (row: string, us: number) => busy.set(row, (busy.get(row) ?? 0) + us)
  for (const { kind, profile } of readProfiles(folder)) {
    const times = timesByHop(profile, fromUs, toUs)
    for (const hop of HOPS) {
      const row = rowOf(kind, hop)
      if (row !== null) add(row, times[hop])
    }
  }
  const inAll = [...busy.values()].reduce((sum, us) => sum + us, 0)
  const each = (serverCpuSeconds * 1e6) / replies
  return new Map([...busy].map(([row, us]) => [row, (us / inAll) * each]))
}

function rowOf(kind: ThreadKind, hop: string): string | null {
  if (kind === 'main') return null
  return kind === 'writer' ? WRITER : hop
}

function tableOf(columns: readonly Column[]): string {
  const cells = (row: string) =>
    columns.map(({ us }) => {
      const all = sumOf(us)
      const own = us.get(row) ?? 0
      return own < all / 1_000
        ? '-'
        : `${own.toFixed(own < 10 ? 1 : 0)} (${((own / all) * 100).toFixed(0)} %)`
    })
  const rows = [...HOPS, WRITER].map((row) => [row, ...cells(row)])
  const sums = ['in all', ...columns.map(({ us }) => sumOf(us).toFixed(1))]
  return markdownTable(['hop', ...columns.map(({ name }) => name)], [...rows, sums])
}

function sumOf(us: ReadonlyMap<string, number>): number {
  return [...us.values()].reduce((sum, one) => sum + one, 0)
}
