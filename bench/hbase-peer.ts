/** The parent's side of hbase-caller.ts: scans, and what they cost the server. */
import type { BenchContext, Sample } from './harness.js'
import { SCANNED_ROWS, type ScanAnswer, type ScanLoad, type ScanSettings } from './hbase-caller.js'
import { parseCpuSeconds, readStat } from './proc.js'
import { nextMessage, startChild, stopChild } from './processes.js'

const CALLER = 'hbase-caller.js'
/** Busier than this, the callers and not the server limit the figure. */
const BOUND_SHARE = 0.9

export interface ScanCaller {
  measure(
    server: { readonly port: number; readonly pid: number },
    during: Pick<BenchContext, 'warmUpMs' | 'measureMs'>,
    connections: number,
  ): Promise<Sample>
  stop(): Promise<void>
}

export async function startScanCaller(settings: ScanSettings): Promise<ScanCaller> {
  const child = startChild(CALLER, 1)
  child.send(settings)
  await nextMessage(child, CALLER)
  const ask = async (load: ScanLoad): Promise<ScanAnswer> => {
    child.send(load)
    // What hbase-caller.ts answers to a load.
    return (await nextMessage(child, CALLER)) as ScanAnswer
  }
  return {
    async measure({ port, pid }, { warmUpMs, measureMs }, connections) {
      if (warmUpMs > 0) await ask({ port, connections, measureMs: warmUpMs })
      const before = parseCpuSeconds(readStat(pid))
      const { scans, seconds, cpuSeconds, p50Us, p99Us } = await ask({ port, connections, measureMs })
      return {
        count: scans * SCANNED_ROWS,
        seconds,
        cpuSeconds: parseCpuSeconds(readStat(pid)) - before,
        p50Us,
        p99Us,
        isGeneratorBound: cpuSeconds / seconds > BOUND_SHARE,
      }
    },
    stop: () => stopChild(child),
  }
}
