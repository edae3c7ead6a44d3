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
  sleep(ms: number): Promise<void>
}

/** Documented in `godwit --help`. Never renumber: scripts rely on them. */
export const EXIT = { OK: 0, FAILED: 1, USAGE: 2, NOT_FOUND: 3, UNREACHABLE: 4 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

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
