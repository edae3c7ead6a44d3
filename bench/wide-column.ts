/**
 * What projection is worth: 2 columns of a row of 30, against the same row as one value that is fetched and
 * decoded, as the old stores have it. Both are decoded by stock thrift code, and the two values taken by name.
 */
import { startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, Variant } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import { summarise } from './statistics.js'
import type { WideRequest } from './wide-caller.js'
import type { WideSample } from './wide-peer.js'
import { startWideReader } from './wide-peer.js'
import { BLOB, WIDE, WIDE_ROWS, copyOfLoaded } from './workspace.js'

const COLUMNS = '2 of 30 columns'
const WHOLE_BLOB = 'blob'

export const wideColumn: Bench = {
  name: 'wide-column',
  question: 'what do 2 of 30 columns cost, held against fetching and decoding the row as a blob?',
  async run(context) {
    const gateway = await startGateway({
      folder: await copyOfLoaded(context, 'wide-column'),
      dataThreads: 1,
      core: 0,
    })
    const reader = await startWideReader(context, gateway, WIDE_ROWS)
    const samples: Record<string, WideSample[]> = { [COLUMNS]: [], [WHOLE_BLOB]: [] }
    const variant = (name: string, what: Omit<WideRequest, 'measureMs'>): Variant => ({
      name,
      unit: 'rows',
      async measure() {
        const sample = await reader.measure(what)
        samples[name]?.push(sample)
        return sample
      },
    })
    const series = await alternate(context, [
      variant(COLUMNS, { dataset: WIDE, columns: 2 }),
      variant(WHOLE_BLOB, { dataset: BLOB, columns: 'blob' }),
    ])
    await Promise.all([gateway.stop(), reader.stop()])
    const bytes = (name: string) => samples[name]?.at(-1)?.bytesEach ?? Number.NaN
    const ratio = bytes(WHOLE_BLOB) / bytes(COLUMNS)
    return {
      series,
      verdicts: [
        { goal: goals.projectionBytes, value: { median: ratio, min: ratio, max: ratio } },
        judge(goals.projectionTime, seriesNamed(series, COLUMNS), seriesNamed(series, WHOLE_BLOB)),
      ],
      notes: [
        `Bytes of an answer: ${bytes(COLUMNS)} with 2 columns, ${bytes(WHOLE_BLOB)} with the blob.`,
        'The time is CPU time of server and callers together: 16 callers in one process, each with one request in flight.',
        `Of it the server's, in us a row: ${serverUs(samples[COLUMNS])} with 2 columns, ${serverUs(samples[WHOLE_BLOB])} with the blob; the callers': ${callerUs(samples[COLUMNS])} and ${callerUs(samples[WHOLE_BLOB])}.`,
      ],
    }
  },
}

function serverUs(samples: readonly WideSample[] = []): string {
  return medianUs(samples, ({ cpuSeconds, callerCpuSeconds }) => cpuSeconds - callerCpuSeconds)
}

function callerUs(samples: readonly WideSample[] = []): string {
  return medianUs(samples, ({ callerCpuSeconds }) => callerCpuSeconds)
}

/** The first is not of a counted round. */
function medianUs(samples: readonly WideSample[], of: (sample: WideSample) => number): string {
  return summarise(samples.slice(1).map((sample) => (of(sample) / sample.count) * 1e6)).median.toFixed(0)
}
