/** `godwit explain`: where a read of one key goes now, and why. */
import type { Command } from 'commander'
import type { Explanation } from '../model/migration-plan.js'
import { textToBuffer } from './bytes.js'
import type { CommandHost, CommandRun } from './context.js'
import { CliError, EXIT, type ExitCode } from './io.js'
import { nameOf, percent } from './migration-tables.js'
import { keyFormatOption, type ByteOptions } from './row-options.js'

interface ExplainOptions extends Pick<ByteOptions, 'keyFormat'> {
  readonly caller?: string
}

export function addExplainCommand(program: Command, host: CommandHost): void {
  const explain = program
    .command('explain <dataset> <key>')
    .description('print where a read of this key goes now, and why')
    .option('--caller <name>', 'who would read, as callers name themselves')
    .addOption(keyFormatOption())
    .addHelpText(
      'after',
      `
It is worked out by what requests go through, from the same map and with the breakers as they are. Nothing is read.

Examples:
  godwit explain cities 2643743
  godwit explain cities 2643743 --caller maps-web --json`,
    )
  host.action(explain, (run, args) => printExplanation(run, args, explain.opts<ExplainOptions>()))
}

async function printExplanation(
  run: CommandRun,
  [dataset = '', key = '']: readonly string[],
  { caller, keyFormat }: ExplainOptions,
): Promise<ExitCode> {
  if (key === '') throw new CliError(EXIT.USAGE, 'the key is empty, which no row has')
  const explanation = await run.client().explain(dataset, textToBuffer(key, keyFormat), caller ?? null)
  return run.result(explanation, () => run.pairs(pairsOf(explanation, key)))
}

function pairsOf(explained: Explanation, key: string): (readonly [string, string])[] {
  const { side, reason, bucket, splitShare, version, isCanary } = explained
  const place =
    bucket === null ? 'not split by key' : `${bucket} of 10,000, the target has those below ${splitShare}`
  return [
    ['dataset', explained.dataset],
    ['key', key],
    ['caller', explained.caller ?? 'unnamed'],
    ['state', `${explained.state}, map epoch ${explained.epoch}`],
    ['decided', `${nameOf(side)}: ${reason}`],
    ['place in the split', place],
    ['answered by', answererText(explained)],
    ['otherwise by', otherwiseText(explained)],
    ['served by', explained.servedBy],
    ['version', `${version ?? 'unknown'}${isCanary ? ', the canary' : ''}`],
    ['origin', originText(explained)],
    [
      'compared',
      `${percent(explained.shadowShare)} of such reads, ${percent(explained.baselineShare)} of these twice`,
    ],
    ['token', `${explained.token}, shard ${explained.shard}`],
  ]
}

/** Who answers at this moment, and why it is not the side that was decided. */
function answererText({ side, answeredBy, instead }: Explanation): string {
  if (answeredBy === null) return `nobody: ${instead}`
  return answeredBy === side ? nameOf(side) : `${nameOf(answeredBy)}, which stands in: ${instead}`
}

function otherwiseText({ side, fallback, alone, answeredBy, standInAfterMs }: Explanation): string {
  if (alone !== '') return `nobody: ${alone}`
  if (fallback === null || answeredBy !== side) return 'nobody'
  const orSlow = standInAfterMs === 0 ? '' : `, or has not answered after ${standInAfterMs} ms`
  return `${nameOf(fallback)}, when ${nameOf(side)} fails${orSlow}`
}

function originText({ origin, hedgeAfterMs }: Explanation): string {
  if (origin === null) return 'none'
  const breaker = origin.isBreakerOpen ? 'its breaker is open' : 'its breaker is closed'
  const hedge = hedgeAfterMs === 0 ? '' : `, asked again after ${hedgeAfterMs} ms without an answer`
  return `${origin.name}, ${breaker}${hedge}`
}
