/** What every command shares: options that all take, the client, how results are printed. */
import { Option, type Command } from 'commander'
import { AdminClient, DEFAULT_ADMIN_URL, type Change } from './client.js'
import { printable } from './bytes.js'
import { formatPairs, formatTable, wrapText, type Heading, type TableCell } from './format.js'
import { CliError, EXIT, type CliIo, type ExitCode } from './io.js'
import { paletteOf, type Palette } from './palette.js'

interface SharedOptions {
  readonly server?: string
  readonly json?: boolean
}

interface ChangeOptions {
  readonly actor?: string
  readonly reason?: string
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** The gateway that is meant: by option, by environment, or the one of this machine. */
export function serverUrl(options: SharedOptions, { environment }: CliIo): string {
  return options.server ?? given(environment['GODWIT_SERVER']) ?? DEFAULT_ADMIN_URL
}

/** An environment variable that is set to nothing is as good as none. */
function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** One invocation of one command. */
export class CommandRun {
  readonly io: CliIo
  readonly isJson: boolean
  readonly palette: Palette
  readonly #options: SharedOptions & ChangeOptions

  constructor(io: CliIo, command: Command) {
    this.io = io
    this.#options = command.optsWithGlobals<SharedOptions & ChangeOptions>()
    this.isJson = this.#options.json ?? false
    this.palette = paletteOf(io)
  }

  client(): AdminClient {
    const token = given(this.io.environment['GODWIT_TOKEN'])
    return new AdminClient(serverUrl(this.#options, this.io), token === undefined ? {} : { token })
  }

  /** @param defaultReason null: the operator must give one */
  change(defaultReason: string | null): Change {
    const { actor, reason = defaultReason, dryRun = false } = this.#options
    if (reason === null) {
      throw new CliError(
        EXIT.USAGE,
        'this change needs a reason for the audit log',
        'say why with --reason TEXT',
      )
    }
    return {
      actor: actor ?? given(this.io.environment['GODWIT_ACTOR']) ?? this.io.userName,
      reason,
      isDryRun: dryRun,
    }
  }

  /**
   * For what cannot be undone: goes on with --yes, with --dry-run, or when whoever sits there agrees.
   * @param what `delete dataset cities and all its data`
   * @throws {CliError} when nobody agreed
   */
  async confirm(what: string): Promise<void> {
    const { yes = false, dryRun = false } = this.#options
    if (yes || dryRun) return
    if (!this.io.isInteractive) {
      throw new CliError(
        EXIT.USAGE,
        `nobody is there to agree to ${what}`,
        'add --yes, or look first with --dry-run',
      )
    }
    const answer = await this.io.ask(`${what}, which cannot be undone? [y/N] `)
    if (!/^y(es)?$/i.test(answer?.trim() ?? '')) throw new CliError(EXIT.FAILED, 'nothing was changed')
  }

  line(text: string): void {
    this.io.stdout.write(`${text}\n`)
  }

  /** `{...}` in one line with --json, else what `people` prints. */
  result(value: unknown, people: () => void): ExitCode {
    if (this.isJson) this.line(JSON.stringify(value))
    else people()
    return EXIT.OK
  }

  /** Of any origin: harmless to a terminal, and broken where its lines end. */
  sentence(text: string, indent = 0): void {
    this.line(' '.repeat(indent) + wrapText(printable(text), this.#width, indent))
  }

  table(head: readonly Heading[], rows: readonly (readonly TableCell[])[]): void {
    this.io.stdout.write(formatTable(head, rows, { width: this.#width, palette: this.palette }))
  }

  pairs(pairs: readonly (readonly [string, string])[]): void {
    this.io.stdout.write(formatPairs(pairs, this.#width))
  }

  /** Null: no terminal shows it. */
  get #width(): number | null {
    const { stdout } = this.io
    return stdout.isTerminal ? stdout.width : null
  }
}

/** Hands commands their actions and keeps the exit code. */
export class CommandHost {
  readonly io: CliIo
  exitCode: ExitCode = EXIT.OK

  constructor(io: CliIo) {
    this.io = io
  }

  /** `act` gets the arguments in their order, fewer when optional ones were left out. */
  action(command: Command, act: (run: CommandRun, args: readonly string[]) => Promise<ExitCode>): void {
    command.action(async () => {
      this.exitCode = await act(new CommandRun(this.io, command), command.args)
    })
  }
}

export function withChangeOptions(command: Command): Command {
  return command
    .option('--reason <text>', 'why, for the audit log')
    .option('--actor <name>', 'who, for the audit log (default: GODWIT_ACTOR, or your login name)')
    .option('--dry-run', 'check everything, change nothing')
}

/** For commands that `CommandRun.confirm`. */
export function withYesOption(command: Command): Command {
  return command.option('--yes', 'do it without asking')
}

/** For an option that may be given several times. */
export function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, value]
}

/** A whole number of at least 0. */
export function wholeNumberOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    if (!/^\d{1,15}$/.test(text))
      throw new CliError(EXIT.USAGE, `${flags.split(' ', 1)[0] ?? ''} ${text} is not a whole number`)
    return Number(text)
  })
}
