/**
 * What a second data thread brings. Nothing is pinned and the load generator shares both cores, so the second thread
 * cannot double the throughput even where it costs nothing.
 */
import { getFrames } from './frames.js'
import { startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench } from './harness.js'
import { alternate, judge, perSecondOf, seriesNamed } from './harness.js'
import { PIPELINED, served } from './load-generator.js'
import { NARROW, copyOfLoaded } from './workspace.js'

export const dataThreads: Bench = {
  name: 'data-threads',
  question: 'what does a second data thread bring?',
  async run(context) {
    const folder = (threads: number) => copyOfLoaded(context, `data-threads-${threads}`)
    const one = await startGateway({ folder: await folder(1), dataThreads: 1, core: null })
    const two = await startGateway({ folder: await folder(2), dataThreads: 2, core: null })
    const frames = getFrames(context, NARROW)
    const unpinned = { context, core: null }
    const series = await alternate(context, [
      served('1 thread, 64 x 1', one, frames, unpinned),
      served('2 threads, 64 x 1', two, frames, unpinned),
      served('1 thread, 16 x 16', one, frames, { ...unpinned, ...PIPELINED }),
      served('2 threads, 16 x 16', two, frames, { ...unpinned, ...PIPELINED }),
    ])
    await Promise.all([one.stop(), two.stop()])
    const named = (name: string) => seriesNamed(series, name)
    return {
      series,
      verdicts: [
        judge(goals.twoThreads, named('2 threads, 64 x 1'), named('1 thread, 64 x 1'), perSecondOf),
        judge(
          goals.twoThreadsPipelined,
          named('2 threads, 16 x 16'),
          named('1 thread, 16 x 16'),
          perSecondOf,
        ),
      ],
      notes: ['Nothing is pinned: server and load generator share the cores.'],
    }
  },
}
