/**
 * What making columns of thrift structs is worth to their readers: 2 fields of 30 by name, against the whole value that is
 * fetched and decoded, of the same rows of the same dataset, which holds both. Small structs, as most are, and large ones.
 */
import { join } from 'node:path'
import type { ExplodeRequest } from './explode-caller.js'
import { callAdmin, createDataset, loadDataset, startGateway } from './gateway.js'
import type { Gateway } from './gateway.js'
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
      SIZES.flatMap(({ name, dataset }, index) =>
        (['columns', 'whole'] as const).map((kind): Variant => {
          const label = variantName(kind, name)
          return {
            name: label,
            unit: 'rows',
            async measure() {
              const sample = await callers[index]?.measure(context, gateway.pid, { dataset, kind })
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
        ...SIZES.map(({ name }) => noteOf(samples, name)),
        ...stored,
        mostToGain(series),
        'The CPU time is that of server and callers together, 16 callers in one process; answers and structs are decoded by npm thrift.',
      ],
    }
  },
}

function variantName(kind: 'columns' | 'whole', size: string): string {
  return kind === 'columns' ? `2 of 30 fields, ${size}` : `whole and decode, ${size}`
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
  const [columns, whole] = (['columns', 'whole'] as const).map((kind) => variantName(kind, size))
  const bytes = (name = '') => samples.get(name)?.at(-1)?.bytesEach ?? Number.NaN
  const ratio = bytes(whole) / bytes(columns)
  const [bytesGoal, timeGoal] = isSmall
    ? [goals.explodedBytesSmall, goals.explodedTimeSmall]
    : [goals.explodedBytesLarge, goals.explodedTimeLarge]
  return [
    { goal: bytesGoal, value: { median: ratio, min: ratio, max: ratio } },
    judge(timeGoal, seriesNamed(series, columns ?? ''), seriesNamed(series, whole ?? '')),
  ]
}

/** Two fields of small structs are next to no bytes: what they cost is a request's, which no projection takes away. */
function mostToGain(series: readonly Series[]): string {
  const [small, large] = SIZES
  const rate = (kind: 'columns' | 'whole', size: string) =>
    summarise(seriesNamed(series, variantName(kind, size)).samples.map(perCpuSecondOf)).median
  const most = rate('columns', small.name) / rate('whole', large.name)
  return `A value of ${large.name} costs ${most.toFixed(1)} times what two fields of a struct of ${small.name} do, of which nearly all is the request's own: more than that columns cannot gain.`
}

function noteOf(samples: ReadonlyMap<string, readonly ExplodeSample[]>, size: string): string {
  const parts = (['columns', 'whole'] as const).map((kind) => {
    const counted = samples.get(variantName(kind, size))?.slice(1) ?? []
    const us = (of: (sample: ExplodeSample) => number) =>
      summarise(counted.map((sample) => (of(sample) / sample.count) * 1e6)).median.toFixed(0)
    const server = us(({ cpuSeconds, callerCpuSeconds }) => cpuSeconds - callerCpuSeconds)
    const caller = us(({ callerCpuSeconds }) => callerCpuSeconds)
    return `${kind} ${counted.at(-1)?.bytesEach ?? 0} bytes an answer, CPU ${server} us of the server and ${caller} us of the caller`
  })
  return `Structs of ${size}: ${parts.join('; ')}.`
}
