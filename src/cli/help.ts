/** `godwit help`: what the words mean, what there is to do, what exit codes say. */
import type { Command } from 'commander'
import type { CommandHost, CommandRun } from './context.js'
import { formatPairs } from './format.js'
import { CliError, EXIT, EXIT_MEANINGS, type ExitCode } from './io.js'

const CONCEPTS = `Godwit stores rows in datasets and serves them by the KVStore API (Thrift) to programs, and by this command and
the admin HTTP API to people.

  dataset    Rows of one kind with one owner, who answers for them. Its mode says how it changes: READ_WRITE row by
             row, BATCH as a whole, by loading a version.
  row        A key and its columns; a column is a name and a value. Keys, names and values are bytes. A row with one
             column without a name is a plain key-value pair.
  version    One upload of a BATCH dataset, named by its time in milliseconds. At most one is CURRENT and served;
             READY ones are at hand. Publishing and rolling back move that pointer, in one step, for all readers.
  cluster    Leaves, that is processes that hold data, under one name. "local" is the gateway's own process.
  owner      Who answers for a dataset. Every change also names its actor and a reason; "godwit audit" shows them.
  revision   Rises with every change of a dataset. A change is made only if nobody else made one meanwhile.

A BATCH dataset's life:
  godwit dataset create towns --mode BATCH --owner maps --contact maps@example.com
  godwit load towns --from towns.ndjson --key id --publish
  godwit get towns 2643743
  godwit versions rollback towns --reason 'the new data is incomplete'`

const MORE = `godwit COMMAND --help has the options of a command, and examples. Most commands talk to a running gateway: --server URL
or GODWIT_SERVER name it (default: http://127.0.0.1:7380). --json prints results for programs. --dry-run shows what a change
would do. "godwit help exit-codes" lists what a command's end says to scripts, "godwit help concepts" the words above.`

/** What people come to do -> commands, by their first word. */
const TASKS: readonly (readonly [string, readonly string[]])[] = [
  ['Run a gateway', ['serve', 'check-config', 'token', 'password']],
  ['See how it is', ['status', 'audit', 'usage', 'advise']],
  ['Read and write rows', ['get', 'scan', 'put', 'delete']],
  ['Keep datasets', ['dataset', 'cluster']],
  ['Move a dataset from an old store', ['migrate', 'explain', 'diff', 'dump']],
  ['Bring in data, serve it, keep it', ['load', 'versions', 'snapshot', 'jobs']],
  ['This command', ['help', 'completion']],
]

export const HELP_TOPICS: Readonly<Record<string, string>> = {
  concepts: 'the words that Godwit uses',
  'exit-codes': 'what the end of a command says',
}

/** The last command to be added: it replaces what the others have of their own. */
export function addHelpCommand(program: Command, host: CommandHost): void {
  const topics = Object.entries(HELP_TOPICS).map(([name, what]) => `  ${name.padEnd(12)}${what}`)
  // One way to ask for help of everything is enough.
  for (const command of [program, ...program.commands]) command.helpCommand(false)
  const help = program
    .command('help [topic...]')
    .description('explain Godwit, a topic or a command')
    .addHelpText(
      'after',
      `
Topics, beside every command:
${topics.join('\n')}

Examples:
  godwit help
  godwit help exit-codes
  godwit help versions publish`,
    )
  host.action(help, (run, words) => Promise.resolve(printHelp(run, program, words)))
}

function printHelp(run: CommandRun, program: Command, words: readonly string[]): ExitCode {
  const [topic] = words
  if (topic === undefined) run.line(`${CONCEPTS}\n\n${tasksText(program)}\n${MORE}`)
  else if (topic === 'concepts') run.line(CONCEPTS)
  else if (topic === 'exit-codes') printExitCodes(run)
  else run.io.stdout.write(commandOf(program, words).helpInformation())
  return EXIT.OK
}

function printExitCodes(run: CommandRun): void {
  const names = Object.keys(EXIT) as (keyof typeof EXIT)[] // its own keys
  const codes = names.map((name) => ({ code: EXIT[name], name, meaning: EXIT_MEANINGS[name] }))
  run.result(codes, () => run.pairs(codes.map(({ code, meaning }) => [String(code), meaning])))
}

function commandOf(program: Command, words: readonly string[]): Command {
  let command = program
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word)
    if (next === undefined) {
      throw new CliError(
        EXIT.USAGE,
        `there is no command or topic "${words.join(' ')}"`,
        'see "godwit help" for all of them',
      )
    }
    command = next
  }
  return command
}

function tasksText(program: Command): string {
  const named = new Set(TASKS.flatMap(([, names]) => names))
  const others = program.commands
    .filter((command) => command.description() !== '')
    .map((command) => command.name())
    .filter((name) => !named.has(name))
  const tasks = others.length === 0 ? TASKS : [...TASKS, ['Other', others] as const]
  return tasks
    .map(([title, names]) => {
      const leaves = names
        .flatMap((name) => program.commands.filter((one) => one.name() === name))
        .flatMap(leavesOf)
      return `${title}\n${indent(formatPairs(leaves))}`
    })
    .join('\n')
}

/** `versions publish <dataset> <version>`, `serve this version`: a line for each command that does something. */
function leavesOf(command: Command): (readonly [string, string])[] {
  const below = command.commands
    .flatMap(leavesOf)
    .map(([usage, what]) => [`${command.name()} ${usage}`, what] as const)
  // A group of commands alone does nothing itself.
  if (below.length > 0 && command.registeredArguments.length === 0) return below
  const names = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}...` : argument.name()
    return argument.required ? name.toUpperCase() : `[${name.toUpperCase()}]`
  })
  // Commands that are for scripts alone have no description.
  if (command.description() === '') return []
  return [[[command.name(), ...names].join(' '), command.description()], ...below]
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ')
}
