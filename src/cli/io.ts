/** What a command sees of the world, so that tests can be the world. */

export interface OutputStream {
  write(text: string): void
  readonly isTerminal: boolean
  /** Columns of the terminal; meaningless otherwise. */
  readonly width: number
}

export interface CliIo {
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Login name, the actor of changes unless another is given. */
  readonly userName: string
  readonly workingDirectory: string
  /** Somebody sits at the terminal and can be asked. */
  readonly isInteractive: boolean
  sleep(ms: number): Promise<void>
  /** The line that is typed in answer; null: input ended. */
  ask(question: string): Promise<string | null>
}

/** `godwit help exit-codes` prints them. Never renumber: scripts rely on them. */
export const EXIT = {
  OK: 0,
  FAILED: 1,
  USAGE: 2,
  NOT_FOUND: 3,
  UNREACHABLE: 4,
  CONFLICT: 5,
  UNAVAILABLE: 6,
  DENIED: 7,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  OK: 'done',
  FAILED: 'failed, or the answer is no: not ready, data damaged, a fault of the gateway',
  USAGE: 'wrong usage or configuration, or a question that nobody was there to answer; nothing was tried',
  NOT_FOUND: 'no such row, dataset, version or load',
  UNREACHABLE: 'no gateway answers',
  CONFLICT:
    'the state of things forbids it: it changed meanwhile, exists already, or something else must come first',
  UNAVAILABLE: 'the gateway cannot do it now, for lack of room or of a part; trying again later can help',
  DENIED: 'the caller may not do this',
}

/** A failure that is reported as its message and ends with its exit code. */
export class CliError extends Error {
  readonly exitCode: ExitCode
  /** What to do next; printed on a line of its own. */
  readonly hint: string | null

  constructor(exitCode: ExitCode, message: string, hint: string | null = null) {
    super(message)
    this.name = 'CliError'
    this.exitCode = exitCode
    this.hint = hint
  }
}
