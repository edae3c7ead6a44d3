/**
 * One task in a child process of its own: its memory, its crashes and its priority are then its own, and its end can be
 * forced. Both ends of the conversation. Tasks, reports and results are plain JSON; both ends are the same program.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { type ErrorCode, KVError, toKVError } from './errors.js'

/** The process of a task died before it had an answer; another one may do better. */
export class TaskDiedError extends KVError {}

export interface RunningTask {
  /** What the task answered, when its process is gone. @throws {KVError} what it failed with; {TaskDiedError} */
  readonly ended: Promise<unknown>
  /** At once; `ended` then says so. */
  kill(): void
}

/** Starts a task; `report` gets what it reports on the way. */
export type StartTask = (task: object, report: (message: unknown) => void) => RunningTask

export interface TaskProcessOptions {
  /** Path of the compiled composition root of the child, which calls serveTask. */
  readonly entry: string
  /** Its JavaScript heap. */
  readonly heapMb: number
  /** For messages: `jobs.heapMb`. */
  readonly heapSetting: string
}

type ChildMessage =
  | { readonly kind: 'report'; readonly report: unknown }
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'failure'; readonly code: ErrorCode; readonly message: string }

const KEPT_STDERR = 4_096

/** A StartTask that forks `entry`. */
export function forkedTask(options: TaskProcessOptions): StartTask {
  return (task, report) => {
    const child = fork(options.entry, [], {
      execArgv: [`--max-old-space-size=${options.heapMb}`, '--enable-source-maps'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const ended = follow(child, report, options)
    // A child that died before it read the task reports that by its end.
    child.send(task, () => undefined)
    return { ended, kill: () => child.kill('SIGKILL') }
  }
}

function follow(
  child: ChildProcess,
  report: (message: unknown) => void,
  options: TaskProcessOptions,
): Promise<unknown> {
  let last: ChildMessage | null = null
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR)
  })
  child.on('message', (received) => {
    const message = received as ChildMessage
    if (message.kind === 'report') report(message.report)
    else last = message
  })
  return new Promise<unknown>((resolve, reject) => {
    child.once('error', (error) => {
      reject(new KVError('INTERNAL', `the task's process could not run: ${error.message}`))
    })
    child.once('close', (code, signal) => {
      if (last?.kind === 'result') resolve(last.result)
      else if (last?.kind === 'failure') reject(new KVError(last.code, last.message))
      else reject(howItDied({ code, signal, stderr }, options))
    })
  })
}

function howItDied(
  { code, signal, stderr }: { code: number | null; signal: string | null; stderr: string },
  { heapMb, heapSetting }: TaskProcessOptions,
): KVError {
  if (stderr.includes('heap out of memory') || stderr.includes('heap limit'))
    return new KVError('TOO_LARGE', `the task used up its heap of ${heapMb} MB; raise ${heapSetting}`)
  const how = signal === null ? `it exited with ${String(code)}` : `it died of ${signal}`
  const lastLine = stderr.trim().split('\n').at(-1) ?? ''
  const said = lastLine === '' ? how : `${how}: ${lastLine}`
  return new TaskDiedError('INTERNAL', `the task's process ended before its work was done: ${said}`)
}

/**
 * The child's end: runs the one task that the parent sends, and ends with it; ends too when the parent is gone. Requests
 * come first: it takes what the serving threads leave.
 */
export function serveTask(
  run: (task: unknown, report: (message: unknown) => void) => Promise<unknown>,
): void {
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  process.once('disconnect', () => process.exit(1))
  process.once('message', (task) => {
    const send = (message: ChildMessage) => process.send?.(message)
    const finish = (message: ChildMessage) => process.send?.(message, () => process.exit(0))
    run(task, (report) => send({ kind: 'report', report })).then(
      (result) => finish({ kind: 'result', result }),
      (thrown: unknown) => {
        const { code, message } = toTaskError(thrown)
        finish({ kind: 'failure', code, message })
      },
    )
  })
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full, make room',
  EDQUOT: 'the quota is used up, make room',
  ENOENT: 'it is not there, or was removed meanwhile',
}

/** What a task failed with; what the system refused (a full disk, too many files) is no fault of the program. */
export function toTaskError(thrown: unknown): KVError {
  const error = toKVError(thrown, 'the task failed')
  const { cause } = error
  if (error.code !== 'INTERNAL' || !(cause instanceof Error) || !('syscall' in cause)) return error
  const advice = ADVICE['code' in cause ? String(cause.code) : ''] ?? 'check the disk'
  return new KVError('UNAVAILABLE', `${cause.message}: ${advice}`, { cause })
}
