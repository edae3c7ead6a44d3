/** The parent's side of wide-caller.ts: what rows cost server and callers together. */
import type { BenchContext, Sample } from './harness.js'
import { parseCpuSeconds, readStat } from './proc.js'
import type { Server } from './processes.js'
import { nextMessage, startChild, stopChild } from './processes.js'
import type { RowCallAnswer, RowCallSettings } from './row-callers.js'
import type { WideRequest } from './wide-caller.js'

const CALLER = 'wide-caller.js'

export interface WideReader {
  measure(what: Omit<WideRequest, 'measureMs'>): Promise<WideSample>
  stop(): Promise<void>
}

export interface WideSample extends Sample {
  /** Bytes that the caller received for each row. */
  readonly bytesEach: number
  /** The callers' part of the CPU time. */
  readonly callerCpuSeconds: number
}

export async function startWideReader(
  { warmUpMs, measureMs }: Pick<BenchContext, 'warmUpMs' | 'measureMs'>,
  server: Server,
  rows: number,
): Promise<WideReader> {
  const child = startChild(CALLER, 1)
  child.send({ port: server.port, rows } satisfies RowCallSettings)
  await nextMessage(child, CALLER)
  const ask = async (request: WideRequest): Promise<RowCallAnswer> => {
    child.send(request)
    // What row-callers.ts answers to a request.
    return (await nextMessage(child, CALLER)) as RowCallAnswer
  }
  return {
    async measure(what) {
      await ask({ ...what, measureMs: warmUpMs })
      const before = parseCpuSeconds(readStat(server.pid))
      const answer = await ask({ ...what, measureMs })
      const serverCpu = parseCpuSeconds(readStat(server.pid)) - before
      return { ...answer, cpuSeconds: answer.cpuSeconds + serverCpu, callerCpuSeconds: answer.cpuSeconds }
    },
    stop: () => stopChild(child),
  }
}
