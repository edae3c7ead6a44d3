/** The `godwit` command: parses arguments, runs one command, answers its exit code. */
import { Command, CommanderError } from 'commander'
import { KVError } from '../base/errors.js'
import { addAdviseCommand } from './advise-command.js'
import { addArchiveCommands } from './archive-commands.js'
import { addCompletionCommand } from './completion-command.js'
import { CommandHost } from './context.js'
import { addClusterCommands } from './cluster-commands.js'
import { addDatasetCommands } from './dataset-commands.js'
import { addDiffCommand } from './diff-command.js'
import { addDifferencesCommand } from './differences-command.js'
import { addDumpCommand } from './dump-command.js'
import { CliError, EXIT, type CliIo, type ExitCode } from './io.js'
import { addExplainCommand } from './explain-command.js'
import { addHelpCommand } from './help.js'
import { addJobCommands } from './job-commands.js'
import { addLoadCommand } from './load-commands.js'
import { addLocalCommands, type LocalCommands } from './local-commands.js'
import { addMigrateCommand } from './migrate-commands.js'
import { addRowCommands } from './row-commands.js'
import { addScanCommand } from './scan-command.js'
import { addSnapshotCommands } from './snapshot-commands.js'
import { addAuditCommand, addStatusCommand } from './status-command.js'
import { addPasswordCommand } from './password-command.js'
import { addTokenCommand } from './token-command.js'
import { addUsageCommand } from './usage-command.js'
import { addVersionCommands } from './version-commands.js'

export interface CliOptions {
  readonly io: CliIo
  readonly local: LocalCommands
  /** Of the program, for --version. */
  readonly version: string
}

const HELP = `
Examples:
  godwit serve --samples                            run a gateway with sample data
  godwit get cities 2643743 --column name           read one column of a row
  godwit put profiles alice --column city=London    write a column
  godwit dataset list                               what there is
  godwit load cities --from cities.ndjson --key cityId --publish

Every command but serve and check-config talks to a running gateway, by default the one at
http://127.0.0.1:7380; --server URL or GODWIT_SERVER name another.

"godwit help" explains the words and shows all commands by task, "godwit help exit-codes" what their ends say.`

/** Runs the command that `args` (without node and script) name. Never rejects. */
export async function runCli(args: readonly string[], { io, local, version }: CliOptions): Promise<ExitCode> {
  const host = new CommandHost(io)
  const program = createProgram(io, version)
  addLocalCommands(program, host, local)
  addRowCommands(program, host)
  addDatasetCommands(program, host)
  addVersionCommands(program, host)
  addMigrateCommand(program, host)
  addExplainCommand(program, host)
  addClusterCommands(program, host)
  addArchiveCommands(program, host)
  addDiffCommand(program, host)
  addLoadCommand(program, host)
  addSnapshotCommands(program, host)
  addJobCommands(program, host)
  addScanCommand(program, host)
  addStatusCommand(program, host)
  addAuditCommand(program, host)
  addUsageCommand(program, host)
  addDifferencesCommand(program, host)
  addDumpCommand(program, host)
  addAdviseCommand(program, host)
  addTokenCommand(program, host)
  addPasswordCommand(program, host)
  addCompletionCommand(program, host)
  addHelpCommand(program, host)
  try {
    await program.parseAsync(args, { from: 'user' })
    return host.exitCode
  } catch (error) {
    return report(error, io)
  }
}

function createProgram(io: CliIo, version: string): Command {
  return new Command('godwit')
    .description(
      'Runs and operates a Godwit gateway: legacy key-value APIs and one new API over one RocksDB tier.',
    )
    .version(version)
    .option('--server <url>', "the gateway's admin API (default: GODWIT_SERVER, or http://127.0.0.1:7380)")
    .option('--json', 'print the result as JSON')
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => (io.stdout.isTerminal ? io.stdout.width : 100),
      getErrHelpWidth: () => (io.stderr.isTerminal ? io.stderr.width : 100),
    })
    .showHelpAfterError('(add --help for what it takes, and examples)')
    .addHelpText('after', HELP)
    .exitOverride()
}

function report(error: unknown, io: CliIo): ExitCode {
  if (error instanceof CommanderError) {
    // Its message has been printed already.
    return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE
  }
  if (error instanceof CliError) {
    io.stderr.write(`godwit: ${error.message}\n${error.hint === null ? '' : `  ${error.hint}\n`}`)
    return error.exitCode
  }
  if (error instanceof KVError) {
    io.stderr.write(`godwit: ${error.message}\n`)
    // Of serve and check-config: the configuration is wrong, and will be when it is started again.
    return error.code === 'INVALID_ARGUMENT' ? EXIT.USAGE : EXIT.FAILED
  }
  io.stderr.write(
    `godwit: a fault of this command: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  )
  return EXIT.FAILED
}
