/**
 * What projection is worth: 2 columns of a row of 30, against the same row as one value that is fetched and
 * decoded, as the old stores have it. Both are decoded by stock thrift code.
 */
import { startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Variant } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import { parseCpuSeconds, readStat } from './proc.js'
import type { Server } from './processes.js'
import { nextMessage, startChild, stopChild } from './processes.js'
import type { WideAnswer, WideRequest } from './wide-caller.js'
import { copyOfLoaded } from './workspace.js'

const CALLER = 'wide-caller.js'

interface Reader {
  measure(what: WideRequest['what']): Promise<WideSample>
  stop(): Promise<void>
}

/** With the bytes that the caller received for each row. */
interface WideSample extends Sample {
  readonly bytesEach: number
}

export const wideColumn: Bench = {
  name: 'wide-column',
  question: 'what do 2 of 30 columns cost, held against fetching and decoding the row as a blob?',
  async run(context) {
    const gateway = await startGateway({
      folder: await copyOfLoaded(context, 'wide-column'),
      dataThreads: 1,
      core: 0,
    })
    const caller = await startCaller(context, gateway)
    const bytes: Record<WideRequest['what'], number> = { columns: 0, blob: 0 }
    const variant = (name: string, what: WideRequest['what']): Variant => ({
      name,
      unit: 'rows',
      async measure() {
        const sample = await caller.measure(what)
        bytes[what] = sample.bytesEach
        return sample
      },
    })
    const series = await alternate(context, [variant('2 of 30 columns', 'columns'), variant('blob', 'blob')])
    await Promise.all([gateway.stop(), caller.stop()])
    const columns = seriesNamed(series, '2 of 30 columns')
    const blob = seriesNamed(series, 'blob')
    const ratio = bytes.blob / bytes.columns
    return {
      series,
      verdicts: [
        { goal: goals.projectionBytes, value: { median: ratio, min: ratio, max: ratio } },
        judge(goals.projectionTime, columns, blob),
      ],
      notes: [
        `Bytes of an answer: ${bytes.columns} with 2 columns, ${bytes.blob} with the blob.`,
        'The time is CPU time of server and callers together: 16 callers in one process, each with one request in flight.',
      ],
    }
  },
}

async function startCaller(context: BenchContext, gateway: Server): Promise<Reader> {
  const child = startChild(CALLER, 1)
  child.send({ port: gateway.port })
  await nextMessage(child, CALLER)
  const ask = async (what: WideRequest['what'], measureMs: number): Promise<WideAnswer> => {
    child.send({ what, measureMs } satisfies WideRequest)
    // What wide-caller.ts answers to a request.
    return (await nextMessage(child, CALLER)) as WideAnswer
  }
  return {
    async measure(what) {
      await ask(what, context.warmUpMs)
      const before = parseCpuSeconds(readStat(gateway.pid))
      const answer = await ask(what, context.measureMs)
      const serverCpu = parseCpuSeconds(readStat(gateway.pid)) - before
      return { ...answer, cpuSeconds: answer.cpuSeconds + serverCpu }
    },
    stop: () => stopChild(child),
  }
}
