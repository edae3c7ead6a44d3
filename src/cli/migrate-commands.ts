/** `godwit migrate`: how a migration is, what its next move needs, its dials, moves and ramp. */
import { Argument, type Command } from 'commander'
import type { MigrationOutcome, MigrationPlan } from '../model/migration-plan.js'
import type { Change } from './client.js'
import { withYesOption, type CommandHost, type CommandRun } from './context.js'
import { CliError, EXIT, type ExitCode } from './io.js'
import { percent, showPlan, showReport } from './migration-tables.js'
import { withRevisionOption, type RevisionOptions } from './revision.js'

const VERBS = {
  status: 'what was seen, and what each move from here would need',
  plan: 'whether the move onwards may be made; exit code 1 when it may not',
  shadow: 'share of the requests that the other side reads as well',
  split: 'share of the keys, or callers, that the target answers',
  ramp: 'raises the split step by step, and back by itself',
  switch: 'on by one state',
  revert: 'back by one state',
  abort: 'gives it up: the origin answers alone again',
  complete: 'ends it: the origin is forgotten',
  'origin-version': 'says which version the origin serves',
} as const
type Verb = keyof typeof VERBS

interface MigrateOptions extends RevisionOptions {
  readonly baseline?: string
  readonly callers?: string
  readonly to?: string
  readonly step?: string
  readonly every?: string
  readonly stop?: boolean
  readonly force?: boolean
}

const HELP = `
Verbs:
${Object.entries(VERBS)
  .map(([verb, what]) => `  ${verb.padEnd(16)}${what}`)
  .join('\n')}

A migration goes ORIGIN_ONLY, ARMING (loads reach both sides), VERIFY (shadow reads compare them), RAMP (a share of
the keys is the target's), TARGET_PRIMARY, TARGET_ONLY, and ends RETIRED. Every move onwards has guards; --dry-run
shows them with what was found. Shares are percents with two decimals at most. Raising a split moves no key back.

Examples:
  godwit migrate cities status
  godwit migrate cities switch --reason 'loads reach both sides from now on'
  godwit migrate cities shadow 10 --baseline 1 --reason 'compare'
  godwit migrate cities split 0.25 --dry-run --reason 'a first look'
  godwit migrate cities split 5 --callers maps-web,maps-batch --reason 'the maps team goes first'
  godwit migrate cities ramp --to 100 --step 5 --every 10m --reason 'nothing differed for a week'
  godwit migrate cities ramp --stop --reason 'we look at it on Monday'`

export function addMigrateCommand(program: Command, host: CommandHost): void {
  const migrate = program
    .command('migrate')
    .argument('<dataset>', 'the dataset that moves')
    .addArgument(new Argument('<verb>', 'what to do, see below').choices(Object.keys(VERBS)))
    .argument('[value]', 'shadow, split: a percentage; origin-version: the id of a version, or none')
    .description('move a dataset from its old store to Godwit, step by step, and back')
    .option('--baseline <percent>', 'shadow: of these, the origin is read twice')
    .option('--callers <names>', 'split: callers that the target answers, with commas between; none: no more')
    .option('--to <percent>', 'ramp: where it ends')
    .option('--step <percent>', 'ramp: what each step adds')
    .option('--every <time>', 'ramp: time between two steps, such as 30s, 10m, 2h')
    .option('--stop', 'ramp: end it where it is')
    .option('--force', 'past guards that may be forced; the audit names them')
  withYesOption(withRevisionOption(migrate)).addHelpText('after', HELP)
  host.action(migrate, (run, args) => act(run, args, migrate.opts<MigrateOptions>()))
}

async function act(run: CommandRun, args: readonly string[], options: MigrateOptions): Promise<ExitCode> {
  const [dataset = '', verb = '', value] = args
  // One of them, as the argument's choices say.
  const known = verb as Verb
  if (value !== undefined && !['shadow', 'split', 'origin-version'].includes(known)) {
    throw new CliError(EXIT.USAGE, `${known} takes no ${value}`, 'see --help for examples')
  }
  switch (known) {
    case 'status':
      return printStatus(run, dataset)
    case 'plan':
      return printPlan(run, dataset)
    case 'shadow':
    case 'split':
      return change(run, dataset, options, {
        method: 'PUT',
        path: '/dials',
        body: dialsOf(known, value, options),
      })
    case 'ramp':
      return changeRamp(run, dataset, options)
    case 'origin-version':
      return change(run, dataset, options, {
        method: 'PUT',
        path: '/originVersion',
        body: { versionId: versionOf(value) },
      })
    case 'complete':
      await run.confirm(`end the migration of ${dataset} and forget its origin`)
      return change(run, dataset, options, { method: 'POST', path: '/complete', body: {} })
    case 'switch':
    case 'revert':
    case 'abort':
      return change(run, dataset, options, { method: 'POST', path: `/${known}`, body: {} })
  }
}

async function printStatus(run: CommandRun, dataset: string): Promise<ExitCode> {
  const report = await run.client().migration(dataset)
  return run.result(report, () => showReport(run, report))
}

async function printPlan(run: CommandRun, dataset: string): Promise<ExitCode> {
  const report = await run.client().migration(dataset)
  const onwards = report.plans.find(({ from, to }) => isOnwards(from, to))
  if (onwards === undefined) {
    throw new CliError(
      EXIT.CONFLICT,
      `dataset ${dataset} is ${report.state}, from where nothing leads onwards`,
    )
  }
  run.result(onwards, () => showPlan(run, onwards))
  return onwards.isAllowed ? EXIT.OK : EXIT.FAILED
}

function isOnwards(from: MigrationPlan['from'], to: MigrationPlan['to']): boolean {
  const order = ['ORIGIN_ONLY', 'ARMING', 'VERIFY', 'RAMP', 'TARGET_PRIMARY', 'TARGET_ONLY', 'RETIRED']
  return order.indexOf(to) > order.indexOf(from)
}

function dialsOf(verb: 'shadow' | 'split', value: string | undefined, options: MigrateOptions): object {
  const { baseline, callers } = options
  if (verb === 'shadow') {
    if (value === undefined && baseline === undefined) throw usage('shadow needs a percentage', 'shadow 10')
    return {
      ...(value !== undefined && { shadowShare: shareOf(value, 'shadow') }),
      ...(baseline !== undefined && { baselineShare: shareOf(baseline, '--baseline') }),
    }
  }
  if (value === undefined && callers === undefined)
    throw usage('split needs a percentage or --callers', 'split 5')
  return {
    ...(value !== undefined && { splitShare: shareOf(value, 'split') }),
    ...(callers !== undefined && { splitCallers: callers === 'none' ? [] : namesOf(callers) }),
  }
}

function changeRamp(run: CommandRun, dataset: string, options: MigrateOptions): Promise<ExitCode> {
  const { to, step, every, stop = false } = options
  if (stop) return change(run, dataset, options, { method: 'DELETE', path: '/ramp', body: {} })
  if (to === undefined || step === undefined || every === undefined) {
    throw usage(
      'a ramp needs --to, --step and --every, or --stop alone',
      'ramp --to 100 --step 5 --every 10m',
    )
  }
  const body = {
    toShare: shareOf(to, '--to'),
    stepShare: shareOf(step, '--step'),
    everyMs: millisecondsOf(every),
  }
  return change(run, dataset, options, { method: 'PUT', path: '/ramp', body })
}

async function change(
  run: CommandRun,
  dataset: string,
  { ifRevision: wished, force = false }: MigrateOptions,
  how: { readonly method: 'PUT' | 'POST' | 'DELETE'; readonly path: string; readonly body: object },
): Promise<ExitCode> {
  const asked: Change = run.change(null)
  const client = run.client()
  const ifRevision = wished ?? (await client.dataset(dataset)).revision
  const body = { ...how.body, ...(force && { force }) }
  const outcome = await client.changeMigration(dataset, { ...how, body, ifRevision, change: asked })
  run.result(outcome, () => showOutcome(run, outcome, asked.isDryRun))
  // What the change itself would have ended with.
  return outcome.plan.isAllowed ? EXIT.OK : EXIT.CONFLICT
}

function showOutcome(
  run: CommandRun,
  { plan, dataset, adoptedAfterMs }: MigrationOutcome,
  isDryRun: boolean,
): void {
  if (isDryRun) {
    showPlan(run, plan)
    return
  }
  const when =
    adoptedAfterMs === null
      ? 'stored, but some threads do not route by it yet: see "godwit status"'
      : `on every thread after ${adoptedAfterMs.toFixed(0)} ms`
  run.sentence(`dataset ${plan.dataset}: ${plan.change}, ${when}`)
  if (plan.movedShare > 0)
    run.line(`${percent(plan.movedShare)} of its keys are answered by the other side now`)
  if (dataset.migrationState === 'ABORTING')
    run.line('the origin answers; what was begun is undone in a moment')
  for (const warning of plan.warnings) run.sentence(`note: ${warning}`)
}

/** `2.5` percent are 250. */
function shareOf(text: string, what: string): number {
  const share = Math.round(Number(text) * 100)
  if (/^\d{1,3}(\.\d{1,2})?$/.test(text) && share <= 10_000) return share
  throw new CliError(
    EXIT.USAGE,
    `${what} ${text} is no percentage from 0 to 100`,
    'two decimals at most: 0.25',
  )
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function millisecondsOf(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const factor = UNITS[unit]
  if (factor !== undefined) return Number(count) * factor
  throw new CliError(EXIT.USAGE, `--every ${text} is no time`, 'a whole number and s, m, h or d: 10m')
}

function namesOf(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  if (!names.includes('')) return names
  throw new CliError(EXIT.USAGE, `--callers ${text} has an empty name`, 'names with commas between, or none')
}

function versionOf(value: string | undefined): number | null {
  if (value === 'none') return null
  if (value !== undefined && /^\d{1,15}$/.test(value)) return Number(value)
  throw usage('origin-version needs the id of a version, or none', 'origin-version 1714550000000')
}

function usage(what: string, example: string): CliError {
  return new CliError(EXIT.USAGE, what, `for example: godwit migrate cities ${example} --reason '...'`)
}
