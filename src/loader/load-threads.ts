/** Reads objects with several threads, each with memory of its own; what they write is put down here. */
import { Worker } from 'node:worker_threads'
import { KVError } from '../base/errors.js'
import type { BuildContext, ReaderThread, StartReaderThread } from './load-build.js'
import type { SourcePart } from './load-source.js'
import type { ReaderMessage } from './messages.js'
import { newTrialTurn, type TrialTurn } from './trial-shard.js'

/** Threads that run `entry`, which calls serveReader (load-reader.ts). */
export function readerThreads(entry: URL): StartReaderThread {
  return (setup, on) => {
    const { heapMb } = setup.job
    const worker = new Worker(entry, {
      workerData: setup,
      // The process's own --max-old-space-size holds for each of its threads; this is for whoever starts it without.
      resourceLimits: { maxOldGenerationSizeMb: heapMb },
    })
    worker.on('message', (message) => on.message(message as ReaderMessage)) // the thread is this same program
    worker.on('error', (error) => {
      const isOutOfMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
      on.end(
        isOutOfMemory
          ? new KVError(
              'TOO_LARGE',
              `a reading thread used up its heap of ${heapMb} MB; raise loads.heapMb or load smaller rows`,
            )
          : new KVError('INTERNAL', `a reading thread died: ${error.message}`, { cause: error }),
      )
    })
    worker.on('exit', () =>
      on.end(new KVError('INTERNAL', 'a reading thread ended before its work was done')),
    )
    return {
      send: (order) => worker.postMessage(order),
      end: async () => {
        await worker.terminate()
      },
    }
  }
}

/** Every part is read and all its rows are in runs when it resolves. */
export async function readWithThreads(
  context: BuildContext,
  parts: readonly SourcePart[],
  count: number,
): Promise<void> {
  const waiting = [...parts]
  const threads: ReaderThread[] = []
  const trialTurn = newTrialTurn(context.state.trial !== null)
  try {
    await Promise.all(
      Array.from({ length: count }, (_, index) => runThread(context, waiting, { index, threads, trialTurn })),
    )
  } finally {
    await Promise.all(threads.map((thread) => thread.end()))
  }
}

interface ThreadPlace {
  readonly index: number
  /** All of them; it adds itself. */
  readonly threads: ReaderThread[]
  readonly trialTurn: TrialTurn
}

/** Resolves when nothing waits any more and the thread has written all it read. */
function runThread(
  { job, state, tally, dependencies, report }: BuildContext,
  waiting: SourcePart[],
  { index, threads, trialTurn }: ThreadPlace,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const sendNext = (): void => {
      const part = waiting.shift()
      if (part === undefined) thread.send({ kind: 'finish' })
      else thread.send({ kind: 'read', part, afterLine: state.positions.get(part.index)?.line ?? 0 })
    }
    const take = (message: ReaderMessage): void => {
      switch (message.kind) {
        case 'progress':
          tally.note(message.figures)
          report()
          return
        case 'read':
          tally.note(message.figures)
          tally.checkBadLines(job.request.maxBadLines)
          sendNext()
          return
        case 'run':
          state.addRun(message.run)
          tally.noteRun(message.run)
          return
        case 'trial':
          state.addTrial(message.trial)
          tally.noteTrial(message.trial)
          return
        case 'finished':
          resolve()
          return
        case 'failed':
          reject(new KVError(message.code, message.message))
      }
    }
    const setup = { job, name: `${state.starts}-${index}`, totalBytes: tally.totalBytes, trialTurn }
    const thread = dependencies.startReader(setup, {
      message: (message) => {
        try {
          take(message)
        } catch (error) {
          reject(error instanceof Error ? error : new KVError('INTERNAL', String(error)))
        }
      },
      end: reject,
    })
    threads.push(thread)
    sendNext()
  })
}
