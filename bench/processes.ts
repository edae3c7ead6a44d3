/**
 * Child processes of a bench: pinned to a core where taskset is there, and gone when the bench is gone, whatever ends
 * it. Servers of the bench's own answer `{ port }` over the IPC channel and end when the channel does.
 */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'

/** Servers on core 0, load generators on core 1; null: wherever the kernel puts them. */
export type Core = 0 | 1 | null

/** Why processes cannot be pinned here; null: they can. */
export const pinningProblem: string | null = findPinningProblem()

function findPinningProblem(): string | null {
  if (availableParallelism() < 2) return 'not pinned: one core only'
  const found = spawnSync('taskset', ['--version'], { stdio: 'ignore' }).error === undefined
  return found ? null : 'not pinned: taskset is missing (Debian: apt-get install util-linux)'
}

const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/** Ends whatever a failed bench left running. */
export async function stopChildren(): Promise<void> {
  const ended = [...children].map((child) => once(child, 'exit'))
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(ended)
}

export function start(
  command: string,
  args: readonly string[],
  core: Core,
  options: SpawnOptions,
): ChildProcess {
  const isPinned = core !== null && pinningProblem === null
  const child = isPinned
    ? spawn('taskset', ['--cpu-list', String(core), command, ...args], options)
    : spawn(command, args, options)
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** A server of the bench that runs and listens. */
export interface Server {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

export interface ServerOptions {
  readonly core: Core
  readonly env?: Readonly<Record<string, string>>
  /** Sent to it before it answers its port. */
  readonly set: object
}

/** Starts `script` (a compiled file of this folder) and waits until it says that it listens. */
export async function startServer(script: string, options: ServerOptions): Promise<Server> {
  const child = startChild(script, options.core, options.env)
  child.send(options.set)
  const answer = await nextMessage(child, script)
  if (!hasPort(answer) || child.pid === undefined) throw new Error(`${script} did not answer its port`)
  return { port: answer.port, pid: child.pid, stop: () => stopChild(child) }
}

export function startChild(
  script: string,
  core: Core,
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  return start(process.execPath, [`${import.meta.dirname}/${script}`], core, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...env },
  })
}

/** The child's next message; its end is an error that names the script. */
export async function nextMessage(child: ChildProcess, script: string): Promise<unknown> {
  const done = new AbortController()
  const ended = once(child, 'exit', { signal: done.signal }).then(([code, signal]: unknown[]) => {
    throw new Error(`${script} ended early (${String(code ?? signal)}); its messages stand above`)
  })
  ended.catch(() => undefined)
  try {
    const [message] = (await Promise.race([
      once(child, 'message', { signal: done.signal }),
      ended,
    ])) as unknown[]
    return message
  } finally {
    done.abort()
  }
}

export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  if (child.connected) child.disconnect()
  else child.kill('SIGTERM')
  await exit
}

function hasPort(message: unknown): message is { port: number } {
  return (
    typeof message === 'object' && message !== null && 'port' in message && typeof message.port === 'number'
  )
}

/** For the child's side: the first message of the parent. The channel's end ends the process. */
export async function receiveSettings(): Promise<unknown> {
  process.once('disconnect', () => process.exit(0))
  const [message] = (await once(process, 'message')) as unknown[]
  return message
}

/** For the child's side. */
export function answerParent(message: object): void {
  process.send?.(message)
}
