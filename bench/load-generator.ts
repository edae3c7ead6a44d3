/** Runs bench/loadgen.c: compiles it when its text changed, hands it frames, checks that every answer was a good one. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { root } from './paths.js'
import type { BenchContext, Sample, Variant } from './harness.js'
import type { Core, Server } from './processes.js'
import { pinningProblem, start } from './processes.js'

/** The line that the generator prints; counts are of the measuring window, faults of the whole run. */
export interface LoadResult {
  readonly seconds: number
  readonly replies: number
  readonly exceptions: number
  readonly malformed: number
  readonly outOfOrder: number
  /** Successful answers that hold nothing: reads that missed. */
  readonly emptyReplies: number
  readonly bytesReceived: number
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
  readonly serverCpuSeconds: number
  /** Share of the window in which the generator had something to do. */
  readonly busyShare: number
}

export interface Load {
  readonly port: number
  /** Whose CPU time is read. */
  readonly pid: number
  readonly frames: string
  readonly connections: number
  /** Requests in flight on each connection. */
  readonly depth: number
  readonly warmUpMs: number
  readonly measureMs: number
  /** Requests a second, sent whether answers come or not; absent: as fast as answers come. */
  readonly rate?: number
  /** The server's answers carry no sequence numbers of ours (echo). */
  readonly ignoresSeqid?: boolean
  /** The frames are of CQL's native protocol and not thrift. */
  readonly isCql?: boolean
  /** Rows of each answer, where it is CQL's and has rows; absent: one or more. */
  readonly rowsEach?: number
  readonly core: Core
}

/** Busier than this, the generator and not the server limits the wall figure. */
const BOUND_SHARE = 0.9

/**
 * The compiled generator's path. @throws when gcc is missing or the text does not compile
 */
export function compileLoadGenerator(): string {
  const source = join(root, 'bench', 'loadgen.c')
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16)
  const binary = join(import.meta.dirname, `loadgen-${hash}`)
  if (existsSync(binary)) return binary
  const fresh = `${binary}.${process.pid}`
  const gcc = spawnSync('gcc', ['-O2', '-Wall', '-Wextra', '-o', fresh, source], { encoding: 'utf8' })
  if (gcc.error !== undefined) {
    throw new Error(
      'the load generator needs gcc (Debian: apt-get install gcc libc6-dev), which is not there',
    )
  }
  if (gcc.status !== 0) throw new Error(`gcc cannot compile bench/loadgen.c:\n${gcc.stderr}`)
  renameSync(fresh, binary)
  return binary
}

/** @throws when the server answered anything but good replies in order, or lost a connection */
export async function generateLoad(load: Load): Promise<LoadResult> {
  const args = Object.entries({
    port: load.port,
    pid: load.pid,
    frames: load.frames,
    connections: load.connections,
    depth: load.depth,
    'warm-up-ms': load.warmUpMs,
    'measure-ms': load.measureMs,
    rate: load.rate ?? 0,
  }).flatMap(([name, value]) => [`--${name}`, String(value)])
  // A generator with a core of its own polls; see bench/loadgen.c for why.
  if (load.core !== null && pinningProblem === null && load.rate === undefined) args.push('--spin')
  if (load.ignoresSeqid) args.push('--ignore-seqid')
  if (load.isCql) args.push('--cql', '--rows', String(load.rowsEach ?? 0))
  const child = start(compileLoadGenerator(), args, load.core, { stdio: ['ignore', 'pipe', 'inherit'] })
  if (child.stdout === null) throw new Error('the load generator has no output')
  const line = await text(child.stdout)
  // Checked by the format that loadgen.c prints; a line that does not parse throws here.
  const result = JSON.parse(line || 'null') as LoadResult | null
  if (result === null) throw new Error('the load generator failed; its message stands above')
  refuseFaults(result)
  return result
}

function refuseFaults({ replies, exceptions, malformed, outOfOrder, emptyReplies }: LoadResult): void {
  const faults = { exceptions, malformed, outOfOrder, emptyReplies }
  if (Object.values(faults).some((count) => count > 0)) {
    throw new Error(`the server's answers are not what was asked for: ${JSON.stringify(faults)}`)
  }
  if (replies === 0) throw new Error('the server answered nothing within the measuring window')
}

/** A round's sample; `unitsEach` is how many units of work (keys of a multiGet) a request holds. */
export function toSample(result: LoadResult, unitsEach = 1): Sample {
  return {
    count: result.replies * unitsEach,
    seconds: result.seconds,
    cpuSeconds: result.serverCpuSeconds,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    isGeneratorBound: result.busyShare > BOUND_SHARE,
  }
}

/** 256 requests in flight. */
export const PIPELINED = { connections: 16, depth: 16 } as const

export interface ServedOptions {
  readonly context: BenchContext
  readonly core: Core
  /** 64 and 1 unless given. */
  readonly connections?: number
  readonly depth?: number
  readonly rate?: number
  readonly ignoresSeqid?: boolean
  readonly isCql?: boolean
  readonly rowsEach?: number
  /** Units of work a request. */
  readonly unitsEach?: number
  /** What the units are: requests, or keys if there are several a request. */
  readonly unit?: string
}

/** Long enough for V8 to compile what a request runs through. */
const BURST_MS = 3_000

/**
 * Asks the server as much as it takes, for a while. A thousand requests a second do not compile its code within a bench:
 * they would be measured at several times their cost, and their p99 would be that of the compiler.
 */
export async function warmUp(server: Server, frames: string, core: Core): Promise<void> {
  const { port, pid } = server
  const all = { connections: 64, depth: 1, warmUpMs: 0, measureMs: BURST_MS }
  await generateLoad({ ...all, port, pid, frames, core })
}

/** The variant that replays the frames against a server. */
export function served(name: string, server: Server, frames: string, options: ServedOptions): Variant {
  const { context, unitsEach = 1, connections = 64, depth = 1 } = options
  const { warmUpMs, measureMs } = context
  const { port, pid } = server
  const load = { connections, depth, ...options, port, pid, frames, warmUpMs, measureMs }
  return {
    name,
    unit: options.unit ?? (unitsEach === 1 ? 'requests' : 'keys'),
    measure: async () => toSample(await generateLoad(load), unitsEach),
  }
}
