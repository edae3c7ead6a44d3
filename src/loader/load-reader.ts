/** A reading thread of the load process: reads the objects that it is told, and writes their rows as sorted runs. */
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { toKVError } from '../base/errors.js'
import type { BuildDependencies } from './load-build.js'
import { RUNS_FOLDER } from './load-state.js'
import type { ReaderMessage, ReaderOrder, ReaderSetup } from './messages.js'
import { PartSorter } from './part-sorter.js'
import { takeTrialTurn, tryWriting } from './trial-shard.js'

/** Answers what the port brings, for as long as the thread lives. */
export function serveReader(
  port: MessagePort,
  { job, name, totalBytes, trialTurn }: ReaderSetup,
  dependencies: Pick<BuildDependencies, 'clock' | 'openSource' | 'pack' | 'createShardWriter'>,
): void {
  const tell = (message: ReaderMessage): void => port.postMessage(message)
  const folder = join(job.staging, RUNS_FOLDER)
  const spill = (parts: PartSorter): void => {
    const written = parts.writeRun(folder, name)
    if (written !== null) tell({ kind: 'run', run: written })
  }
  const parts = new PartSorter({
    job,
    source: dependencies.openSource(job),
    clock: dependencies.clock,
    pack: dependencies.pack,
    onProgress: (figures) => tell({ kind: 'progress', figures }),
    onFull: spill,
    totalBytes,
    takesTrial: () => takeTrialTurn(trialTurn),
    onTrialSize: async (rows, size) => {
      const trial = await tryWriting(rows, size, { ...job, ...dependencies })
      if (trial !== null) tell({ kind: 'trial', trial })
    },
  })
  const obey = async (order: ReaderOrder): Promise<void> => {
    try {
      if (order.kind === 'read') {
        tell({ kind: 'read', figures: await parts.read(order.part, order.afterLine) })
        return
      }
      spill(parts)
      tell({ kind: 'finished' })
    } catch (error) {
      const { code, message } = toKVError(error, `reading ${job.request.from} failed`)
      tell({ kind: 'failed', code, message })
    }
  }
  port.on('message', (order: ReaderOrder) => void obey(order))
}
