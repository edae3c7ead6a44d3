/** 1,000 datasets of 10 versions: how long a start takes until requests are answered, and a change of one dataset. */
import { join } from 'node:path'
import { catalogueDataset, makeCatalogue } from './catalogue.js'
import { callAdmin, startGateway, type Gateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Report } from './harness.js'
import { summarise } from './statistics.js'

const SIZE = { datasets: 1_000, versions: 10 } as const
const CHANGES = 50

export const metastoreScale: Bench = {
  name: 'metastore-scale',
  question: 'how long does a start take with 1,000 datasets of 10 versions, and a change?',
  run,
}

async function run(context: BenchContext): Promise<Report> {
  const folder = join(context.folder, 'thousand')
  context.log(`making ${SIZE.datasets} datasets of ${SIZE.versions} versions`)
  await makeCatalogue(folder, SIZE)
  const emptyMs: number[] = []
  const startMs: number[] = []
  const changeMs: number[] = []
  for (let round = 0; round < context.rounds; round++) {
    emptyMs.push(await timeStart(join(context.folder, `empty-${round}`), () => Promise.resolve()))
    startMs.push(
      await timeStart(folder, async (gateway) => {
        const durations: number[] = []
        for (let index = 0; index < CHANGES; index++)
          durations.push(await timeChange(gateway, round * CHANGES + index))
        changeMs.push(Math.max(...durations))
      }),
    )
    const [start, change] = [startMs.at(-1) ?? 0, changeMs.at(-1) ?? 0]
    context.log(`round ${round + 1}: start ${start.toFixed(0)} ms, slowest change ${change.toFixed(1)} ms`)
  }
  return {
    series: [],
    verdicts: [
      { goal: goals.startOfThousand, value: summarise(startMs) },
      { goal: goals.changeAmongThousand, value: summarise(changeMs) },
    ],
    notes: [
      `A start is from the process to the file that says ready; of an empty data directory it takes ${summarise(emptyMs).median.toFixed(0)} ms here.`,
      'Changes are made at once after the start, while versions are still being opened behind it.',
    ],
  }
}

async function timeStart(folder: string, use: (gateway: Gateway) => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  const gateway = await startGateway({ folder, dataThreads: 2, core: null })
  const tookMs = performance.now() - startedAt
  await use(gateway)
  await gateway.stop()
  return tookMs
}

async function timeChange(gateway: Gateway, index: number): Promise<number> {
  const path = `/v1/datasets/${catalogueDataset(index % SIZE.datasets)}`
  // The admin API's answer.
  const { dataset } = (await callAdmin(gateway, 'GET', path)) as {
    readonly dataset: { readonly revision: number }
  }
  const startedAt = performance.now()
  const patch = { description: `changed at revision ${dataset.revision}` }
  await callAdmin(gateway, 'PATCH', path, patch, { 'if-match': `"${dataset.revision}"` })
  return performance.now() - startedAt
}
