/** `godwit versions diff`: what a new upload changed, before it is published. */
import { isUtf8 } from 'node:buffer'
import type { Command } from 'commander'
import { versionsCommand } from './archive-commands.js'
import { type CommandHost, type CommandRun, wholeNumberOption } from './context.js'
import { formatCount, right } from './format.js'
import type { ExitCode } from './io.js'
import { followJob } from './job-commands.js'
import { versionId } from './version-id.js'

interface DiffOptions {
  readonly limit?: number
}

const DEFAULT_LIMIT = 10
const MAX_SHOWN_COLUMNS = 30

/** What a job of this kind answers (archive/version-diff.ts). Keys and columns are base64. */
interface VersionDiff {
  readonly added: number
  readonly removed: number
  readonly changed: number
  readonly equal: number
  readonly samples: Readonly<Record<'added' | 'removed' | 'changed', readonly Sample[]>>
  readonly columns: readonly {
    readonly column: string
    readonly added: number
    readonly removed: number
    readonly changed: number
  }[]
  readonly hasMoreColumns: boolean
}

interface Sample {
  readonly key: string
  readonly columns: readonly string[]
}

/** Behind addVersionCommands. */
export function addDiffCommand(program: Command, host: CommandHost): void {
  const diff = versionsCommand(program)
    .command('diff <dataset> <before> <after>')
    .description('count the rows that differ between two versions, and name the first of them')
    .addOption(wholeNumberOption('--limit <count>', 'rows of each kind to name (default: 10)'))
    .addHelpText(
      'after',
      `
Keys and columns are printed as text where they are text, as 0x... otherwise.

Examples:
  godwit versions diff cities 1714550000000 1717228800000
  godwit versions diff cities 1714550000000 1717228800000 --limit 100 --json`,
    )
  host.action(diff, (run, args) => diffVersions(run, args, diff.opts<DiffOptions>()))
}

async function diffVersions(
  run: CommandRun,
  [name = '', before = '', after = '']: readonly string[],
  { limit = DEFAULT_LIMIT }: DiffOptions,
): Promise<ExitCode> {
  const what = { before: versionId(before), after: versionId(after), limit }
  const job = await followJob(run, await run.client().diffVersions(name, what))
  const diff = job.result as VersionDiff
  return run.result(diff, () => print(run, diff))
}

function print(run: CommandRun, diff: VersionDiff): void {
  const { added, removed, changed, equal, samples, columns, hasMoreColumns } = diff
  run.pairs([
    ['added', formatCount(added)],
    ['removed', formatCount(removed)],
    ['changed', formatCount(changed)],
    ['equal', formatCount(equal)],
  ])
  for (const kind of ['added', 'removed', 'changed'] as const) {
    if (samples[kind].length === 0) continue
    run.line('')
    run.line(`${kind}:`)
    for (const { key, columns: names } of samples[kind]) {
      run.line(`  ${bytesShown(key)}${names.length === 0 ? '' : `  (${names.map(bytesShown).join(', ')})`}`)
    }
  }
  if (columns.length === 0) return
  run.line('')
  run.table(
    ['COLUMN', right('ADDED'), right('REMOVED'), right('CHANGED')],
    columns
      .slice(0, MAX_SHOWN_COLUMNS)
      .map((one) => [bytesShown(one.column), ...[one.added, one.removed, one.changed].map(formatCount)]),
  )
  if (hasMoreColumns || columns.length > MAX_SHOWN_COLUMNS) run.line('and more columns, see --json')
}

/** Bytes in base64 as text where they are text, as 0x... otherwise. */
export function bytesShown(base64: string): string {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.length === 0) return '(no name)'
  const isText = isUtf8(bytes) && !/\p{Cc}/u.test(bytes.toString('utf8'))
  return isText ? bytes.toString('utf8') : `0x${bytes.toString('hex')}`
}
