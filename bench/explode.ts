/**
 * What making columns of thrift structs is worth to their readers: 2 fields of 30 by name, against the whole value that is
 * fetched and decoded, of the same rows of the same dataset, which holds both. Small structs, as most are, and large ones;
 * one by one, where a request's own cost counts in full, and twenty a request, where it is shared.
 */
import { join } from 'node:path'
import type { ExplodeRequest } from './explode-caller.js'
import { callAdmin, createDataset, loadDataset, startGateway } from './gateway.js'
import type { Gateway } from './gateway.js'
import { KEYS_PER_MULTI_GET } from './dataset.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Series, Variant } from './harness.js'
import { alternate, judge, perCpuSecondOf, seriesNamed } from './harness.js'
import { parseCpuSeconds, readStat } from './proc.js'
import { nextMessage, startChild, stopChild } from './processes.js'
import type { RowCallAnswer, RowCallSettings } from './row-callers.js'
import { summarise } from './statistics.js'
import { STRUCT_EXPLODE, writeStructFiles } from './struct-data.js'

const CALLER = 'explode-caller.js'

/** Datasets by the size of their structs: 30 fields of 100 bytes, and of 2,160. */
const SIZES = [
  { name: '3 KB', dataset: 'small', fieldSize: 100, rows: 20_000 },
  { name: '64 KB', dataset: 'large', fieldSize: 2_160, rows: 1_000 },
] as const

/** Rows of a request. */
const ROWS_EACH = [1, KEYS_PER_MULTI_GET] as const

/** What is asked for. */
interface Asked {
  readonly kind: 'columns' | 'whole'
  readonly size: string
  readonly rowsEach: (typeof ROWS_EACH)[number]
}

interface ExplodeSample extends Sample {
  readonly bytesEach: number
  readonly callerCpuSeconds: number
}

export const explode: Bench = {
  name: 'explode',
  question: 'what do 2 of 30 thrift fields cost as columns, held against the whole value and decoding it?',
  async run(context) {
    const folder = join(context.folder, 'explode')
    const gateway = await startGateway({ folder, dataThreads: 1, core: 0 })
    const stored = await loadAll(context, gateway)
    const samples = new Map<string, ExplodeSample[]>()
    const callers = await Promise.all(SIZES.map(({ rows }) => startCaller(gateway, rows)))
    const series = await alternate(
      context,
      SIZES.flatMap(({ name: size, dataset }, index) =>
        askedOf(size).map((asked): Variant => {
          const label = variantName(asked)
          const { kind, rowsEach } = asked
          return {
            name: label,
            unit: 'rows',
            async measure() {
              const sample = await callers[index]?.measure(context, gateway.pid, { dataset, kind, rowsEach })
              if (sample === undefined) throw new Error(`nobody asks for ${dataset}`)
              samples.set(label, [...(samples.get(label) ?? []), sample])
              return sample
            },
          }
        }),
      ),
    )
    await Promise.all([gateway.stop(), ...callers.map((caller) => caller.stop())])
    return {
      series,
      verdicts: SIZES.flatMap(({ name }, index) => verdictsOf(series, samples, name, index === 0)),
      notes: [
        ...SIZES.flatMap(({ name }) => ROWS_EACH.map((rowsEach) => noteOf(samples, name, rowsEach))),
        ...stored,
        mostToGain(series),
        'The CPU time is that of server and callers together, 16 callers in one process; answers and structs are decoded by npm thrift.',
      ],
    }
  },
}

function askedOf(size: string): Asked[] {
  return ROWS_EACH.flatMap((rowsEach) =>
    (['columns', 'whole'] as const).map((kind) => ({ kind, size, rowsEach })),
  )
}

function variantName({ kind, size, rowsEach }: Asked): string {
  const together = rowsEach === 1 ? '' : `, ${rowsEach} at once`
  return `${kind === 'columns' ? '2 of 30 fields' : 'whole and decode'}, ${size}${together}`
}

async function loadAll(context: BenchContext, gateway: Gateway): Promise<string[]> {
  const notes: string[] = []
  for (const { name, dataset, fieldSize, rows } of SIZES) {
    context.log(`loading structs of ${name}`)
    const files = writeStructFiles(join(context.folder, `explode-${dataset}`), { rows, fieldSize, parts: 1 })
    const input = { format: 'hfile', keyField: '' }
    await createDataset(gateway, dataset, 'BATCH')
    await loadDataset(gateway, dataset, files.folder, { ...input, explode: STRUCT_EXPLODE })
    await createDataset(gateway, `${dataset}-whole`, 'BATCH')
    await loadDataset(gateway, `${dataset}-whole`, files.folder, input)
    const [columns, whole] = await Promise.all([
      sealedBytes(gateway, dataset),
      sealedBytes(gateway, `${dataset}-whole`),
    ])
    notes.push(
      `Stored for structs of ${name}: ${(columns / rows).toFixed(0)} bytes a row with the columns beside the value, ${(whole / rows).toFixed(0)} with the value alone.`,
    )
  }
  return notes
}

/** Of the version that is served. */
async function sealedBytes(gateway: Gateway, name: string): Promise<number> {
  // As the admin API answers a dataset.
  const answer = (await callAdmin(gateway, 'GET', `/v1/datasets/${name}`)) as {
    readonly dataset: { readonly versions: readonly { readonly bytes: number }[] }
  }
  return answer.dataset.versions[0]?.bytes ?? Number.NaN
}

async function startCaller(gateway: Gateway, rows: number) {
  const child = startChild(CALLER, 1)
  child.send({ port: gateway.port, rows } satisfies RowCallSettings)
  await nextMessage(child, CALLER)
  const ask = async (request: ExplodeRequest): Promise<RowCallAnswer> => {
    child.send(request)
    // What row-callers.ts answers to a request.
    return (await nextMessage(child, CALLER)) as RowCallAnswer
  }
  return {
    async measure(
      { warmUpMs, measureMs }: BenchContext,
      pid: number,
      what: Omit<ExplodeRequest, 'measureMs'>,
    ): Promise<ExplodeSample> {
      await ask({ ...what, measureMs: warmUpMs })
      const before = parseCpuSeconds(readStat(pid))
      const answer = await ask({ ...what, measureMs })
      const serverCpu = parseCpuSeconds(readStat(pid)) - before
      return { ...answer, cpuSeconds: answer.cpuSeconds + serverCpu, callerCpuSeconds: answer.cpuSeconds }
    },
    stop: () => stopChild(child),
  }
}

function verdictsOf(
  series: readonly Series[],
  samples: ReadonlyMap<string, readonly ExplodeSample[]>,
  size: string,
  isSmall: boolean,
) {
  const [columns = '', whole = '', columnsTogether = '', wholeTogether = ''] = askedOf(size).map(variantName)
  const bytes = (name: string) => samples.get(name)?.at(-1)?.bytesEach ?? Number.NaN
  const ratio = bytes(whole) / bytes(columns)
  const [bytesGoal, timeGoal, togetherGoal] = isSmall
    ? [goals.explodedBytesSmall, goals.explodedTimeSmall, goals.explodedTogetherSmall]
    : [goals.explodedBytesLarge, goals.explodedTimeLarge, goals.explodedTogetherLarge]
  return [
    { goal: bytesGoal, value: { median: ratio, min: ratio, max: ratio } },
    judge(timeGoal, seriesNamed(series, columns), seriesNamed(series, whole)),
    judge(togetherGoal, seriesNamed(series, columnsTogether), seriesNamed(series, wholeTogether)),
  ]
}

/** Two fields of small structs are next to no bytes: what they cost is a request's, which no projection takes away. */
function mostToGain(series: readonly Series[]): string {
  const [small, large] = SIZES
  const rate = (kind: 'columns' | 'whole', size: string) => {
    const { samples } = seriesNamed(series, variantName({ kind, size, rowsEach: 1 }))
    return summarise(samples.map(perCpuSecondOf)).median
  }
  const most = rate('columns', small.name) / rate('whole', large.name)
  return `A value of ${large.name} costs ${most.toFixed(1)} times what two fields of a struct of ${small.name} do, of which nearly all is the request's own: more than that columns cannot gain.`
}

function noteOf(
  samples: ReadonlyMap<string, readonly ExplodeSample[]>,
  size: string,
  rowsEach: Asked['rowsEach'],
): string {
  const parts = (['columns', 'whole'] as const).map((kind) => {
    const counted = samples.get(variantName({ kind, size, rowsEach }))?.slice(1) ?? []
    const us = (of: (sample: ExplodeSample) => number) =>
      summarise(counted.map((sample) => (of(sample) / sample.count) * 1e6)).median.toFixed(0)
    const server = us(({ cpuSeconds, callerCpuSeconds }) => cpuSeconds - callerCpuSeconds)
    const caller = us(({ callerCpuSeconds }) => callerCpuSeconds)
    return `${kind} ${counted.at(-1)?.bytesEach ?? 0} bytes a row, CPU ${server} us of the server and ${caller} us of the caller`
  })
  return `Structs of ${size}, ${rowsEach} a request: ${parts.join('; ')}.`
}
