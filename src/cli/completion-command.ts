/** `godwit completion`, and what the shells call behind it. */
import { Argument, type Command } from 'commander'
import { AdminClient } from './client.js'
import { complete, FILES, type Candidate, type NameSource } from './completion.js'
import { COMPLETION_SCRIPTS, SHELLS, SWITCH_ON, type Shell } from './completion-scripts.js'
import { serverUrl, type CommandHost, type CommandRun } from './context.js'
import { EXIT, type CliIo, type ExitCode } from './io.js'

/** Whoever pressed the key waits. */
const NAMES_TIMEOUT_MS = 1_000

export function addCompletionCommand(program: Command, host: CommandHost): void {
  const completion = program
    .command('completion')
    .description("print what a shell needs to complete this command's words")
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
It completes commands, options and their values, and the names of datasets and versions of the gateway that the
environment names (GODWIT_SERVER).

Examples:
${SHELLS.map((shell) => `  ${SWITCH_ON[shell]}`).join('\n')}`,
    )
  host.action(completion, (run, [shell = '']) => {
    // One of them, as its choices say.
    run.io.stdout.write(COMPLETION_SCRIPTS[shell as Shell])
    return Promise.resolve(EXIT.OK)
  })

  const question = program.command('__complete [line]', { hidden: true }).helpOption(false)
  host.action(question, (run, [line = '']) => printCandidates(run, program, line))
}

/** `text<tab>description` a line; `:files` where the shell should offer files. */
async function printCandidates(run: CommandRun, program: Command, line: string): Promise<ExitCode> {
  const candidates = await complete(program, wordsOf(line), gatewayNames(run.io))
  if (candidates === FILES) run.line(':files')
  else for (const { text, description } of candidates) run.line(`${text}\t${description}`)
  return EXIT.OK
}

/** As a shell splits it, as far as names of ours go; the last word is what is typed so far. */
function wordsOf(line: string): readonly string[] {
  const words = [...line.matchAll(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"?|'[^']*'?)+/g)].map(([word]) =>
    word.replaceAll(/\\(.)|["']/g, '$1'),
  )
  return line === '' || /\s$/.test(line) ? [...words, ''] : words
}

function withState({ id, state }: { readonly id: string; readonly state: string }): Candidate {
  return { text: id, description: state }
}

function gatewayNames(io: CliIo): NameSource {
  const token = io.environment['GODWIT_TOKEN']
  const ask = async <T>(question: (client: AdminClient) => Promise<readonly T[]>): Promise<readonly T[]> => {
    const options = { timeoutMs: NAMES_TIMEOUT_MS, ...(token !== undefined && { token }) }
    try {
      return await question(new AdminClient(serverUrl({}, io), options))
    } catch {
      // No names are better than an error in the middle of a command line.
      return []
    }
  }
  return {
    datasets: () => ask(async (client) => (await client.datasets()).map(({ name }) => name)),
    versions: (dataset) =>
      ask(async (client) =>
        (await client.dataset(dataset)).versions.map(({ id, state }) => ({
          text: String(id),
          description: state,
        })),
      ),
    clusters: () => ask(async (client) => (await client.clusters()).map(({ name }) => name)),
    loads: () => ask(async (client) => (await client.loads()).map(withState)),
    jobs: () => ask(async (client) => (await client.jobs()).map(withState)),
  }
}
