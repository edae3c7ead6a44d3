/**
 * What can follow the words of a command line, for the shells. Made from the tree of commands, so that it knows every
 * command and option that there is; names of datasets and versions come from the gateway.
 */
import type { Argument, Command, Option } from 'commander'
import { HELP_TOPICS } from './help.js'

export interface Candidate {
  readonly text: string
  readonly description: string
}

/** The shell completes names of files. */
export const FILES = 'files'

/** Names that only the gateway knows. Empty where it does not answer. */
export interface NameSource {
  datasets(): Promise<readonly string[]>
  /** Newest first, with their states. */
  versions(dataset: string): Promise<readonly Candidate[]>
  clusters(): Promise<readonly string[]>
  /** Newest first, with their states; so are jobs. */
  loads(): Promise<readonly Candidate[]>
  jobs(): Promise<readonly Candidate[]>
}

/** The words before the last are complete, the last is what is typed so far; without the program's name. */
export async function complete(
  program: Command,
  words: readonly string[],
  names: NameSource,
): Promise<readonly Candidate[] | typeof FILES> {
  const typed = words.at(-1) ?? ''
  const place = placeOf(program, words.slice(0, -1))
  const candidates = await candidatesAt(program, place, { typed, names })
  if (candidates === FILES) return FILES
  return candidates.filter(({ text }) => text.startsWith(typed))
}

/** Where in the tree the next word stands. */
interface Place {
  readonly command: Command
  /** The option whose value the next word is. */
  readonly option: Option | null
  /** Words that are arguments of the command. */
  readonly args: readonly string[]
  readonly areOptionsOver: boolean
}

function placeOf(program: Command, words: readonly string[]): Place {
  let command = program
  let option: Option | null = null
  let areOptionsOver = false
  let args: string[] = []
  for (const word of words) {
    if (option !== null) {
      option = null
    } else if (!areOptionsOver && word === '--') {
      areOptionsOver = true
    } else if (!areOptionsOver && word.startsWith('-')) {
      const found = optionsOf(program, command).find(({ long, short }) => word === long || word === short)
      option = found?.required === true ? found : null
    } else {
      const next = args.length === 0 ? command.commands.find((one) => one.name() === word) : undefined
      if (next === undefined) args = [...args, word]
      else command = next
    }
  }
  return { command, option, args, areOptionsOver }
}

function optionsOf(program: Command, command: Command): readonly Option[] {
  const own = command === program ? [] : command.options
  return [...own, ...program.options].filter(({ hidden }) => !hidden)
}

async function candidatesAt(
  program: Command,
  { command, option, args, areOptionsOver }: Place,
  { typed, names }: { readonly typed: string; readonly names: NameSource },
): Promise<readonly Candidate[] | typeof FILES> {
  if (option !== null) return await valuesOf(option, args, names)
  if (typed.startsWith('-') && !areOptionsOver) {
    const help = { text: '--help', description: 'what it takes, and examples' }
    const known = optionsOf(program, command).map(({ long, description }) => ({
      text: long ?? '',
      description,
    }))
    return [...known, help]
  }
  const below = args.length === 0 ? visibleCommands(command) : []
  if (command.registeredArguments.length === 0) return below
  const argument = command.registeredArguments[args.length] ?? command.registeredArguments.at(-1)
  const isPast = args.length >= command.registeredArguments.length
  if (argument === undefined || (isPast && !argument.variadic)) return []
  if (command.name() === 'help') return topicsBelow(program, args)
  const values = await argumentsAt(argument, args, names)
  return values === FILES ? FILES : [...below, ...values]
}

/** `help` takes the words of a command, or a topic. */
function topicsBelow(program: Command, words: readonly string[]): readonly Candidate[] {
  let command = program
  for (const word of words) command = command.commands.find((one) => one.name() === word) ?? command
  if (words.length > 0) return command === program ? [] : visibleCommands(command)
  const topics = Object.entries(HELP_TOPICS).map(([text, description]) => ({ text, description }))
  return [...visibleCommands(program), ...topics]
}

/** Commands without a description are for scripts alone. */
function visibleCommands(command: Command): readonly Candidate[] {
  return command.commands
    .map((one) => ({ text: one.name(), description: one.description() }))
    .filter(({ description }) => description !== '')
}

async function valuesOf(
  option: Option,
  args: readonly string[],
  names: NameSource,
): Promise<readonly Candidate[] | typeof FILES> {
  if (option.argChoices !== undefined) return option.argChoices.map((text) => ({ text, description: '' }))
  const value = /<(.+)>/.exec(option.flags)?.[1] ?? ''
  if (FILE_PLACES.test(value)) return FILES
  return await namesOf(value, args, names)
}

async function argumentsAt(
  argument: Argument,
  args: readonly string[],
  names: NameSource,
): Promise<readonly Candidate[] | typeof FILES> {
  if (argument.argChoices !== undefined) return argument.argChoices.map((text) => ({ text, description: '' }))
  if (FILE_PLACES.test(argument.name())) return FILES
  return await namesOf(argument.name(), args, names)
}

/** By what the place is called: `<dataset>`, `<version>`. */
async function namesOf(
  name: string,
  [dataset = '']: readonly string[],
  names: NameSource,
): Promise<readonly Candidate[]> {
  const bare = (texts: readonly string[]): Candidate[] => texts.map((text) => ({ text, description: '' }))
  switch (name) {
    case 'dataset':
      return bare(await names.datasets())
    case 'cluster':
      return bare(await names.clusters())
    case 'version':
    case 'before':
    case 'after':
      return await names.versions(dataset)
    case 'load':
      return await names.loads()
    case 'job':
      return await names.jobs()
    default:
      return []
  }
}

/** What places are called that take names of files; a URL is typed as it is. */
const FILE_PLACES = /^(file|directory|path|place)$/
