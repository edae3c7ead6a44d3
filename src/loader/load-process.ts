/** Starts the load process, follows it and says how it ended; its death is an answer, not an accident. */
import { fork } from 'node:child_process'
import { NO_PROGRESS, type BuildJob, type BuildMessage } from './messages.js'

export interface RunningBuild {
  /** Never rejects. Resolves when the process is gone: what it said last, or how it died. */
  readonly ended: Promise<BuildMessage>
  /** At once; `ended` then says so. */
  kill(): void
}

/** Starts building; `report` gets the messages on the way, but not the last one. */
export type StartBuild = (job: BuildJob, report: (message: BuildMessage) => void) => RunningBuild

export interface LoadProcessOptions {
  /** Path of the compiled composition root of the load process. */
  readonly entry: string
  /** Its JavaScript heap. */
  readonly heapMb: number
}

const KEPT_STDERR = 4_096

/** A StartBuild that forks `entry`, which calls serveBuildJob (load-child.ts). */
export function forkedBuild(options: LoadProcessOptions): StartBuild {
  return (job, report) => {
    const child = fork(options.entry, [], {
      execArgv: [`--max-old-space-size=${options.heapMb}`, '--enable-source-maps'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let last: BuildMessage | null = null
    let stderr = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-KEPT_STDERR)
    })
    child.on('message', (received) => {
      // The child is this same program (load-child.ts).
      const message = received as BuildMessage
      last = message
      if (message.kind === 'progress') report(message)
    })
    const ended = new Promise<BuildMessage>((resolve) => {
      child.once('error', (error) => resolve(death(last, `it could not run: ${error.message}`, false)))
      child.once('close', (code, signal) => {
        if (last !== null && last.kind !== 'progress') resolve(last)
        else
          resolve(
            isOutOfMemory(stderr)
              ? outOfMemory(last, options)
              : death(last, howItEnded(code, signal, stderr), true),
          )
      })
    })
    // A child that died before it read the job reports that by its end.
    child.send(job, () => undefined)
    return { ended, kill: () => child.kill('SIGKILL') }
  }
}

function howItEnded(code: number | null, signal: string | null, stderr: string): string {
  const how = signal === null ? `it exited with ${String(code)}` : `it died of ${signal}`
  const lastLine = stderr.trim().split('\n').at(-1) ?? ''
  return lastLine === '' ? how : `${how}: ${lastLine}`
}

function isOutOfMemory(stderr: string): boolean {
  return stderr.includes('heap out of memory') || stderr.includes('heap limit')
}

function outOfMemory(last: BuildMessage | null, { heapMb }: LoadProcessOptions): BuildMessage {
  const message = `the load process used up its heap of ${heapMb} MB; raise loads.heapMb or load smaller rows`
  return { kind: 'failed', progress: last?.progress ?? NO_PROGRESS, code: 'TOO_LARGE', message }
}

function death(last: BuildMessage | null, how: string, isCrash: boolean): BuildMessage {
  const message = `the load process ended before its work was done: ${how}`
  return { kind: 'failed', progress: last?.progress ?? NO_PROGRESS, code: 'INTERNAL', message, isCrash }
}
