/** `godwit dump`: the last decisions about requests for datasets that move. */
import type { Command } from 'commander'
import type { FlightRecord } from '../model/difference.js'
import type { CommandHost, CommandRun } from './context.js'
import { bytesShown } from './diff-command.js'
import { durationOption } from './durations.js'
import { right } from './format.js'
import { type ExitCode } from './io.js'

interface DumpOptions {
  readonly last: number
}

const DEFAULT_LAST_MS = 10_000

export function addDumpCommand(program: Command, host: CommandHost): void {
  const last = durationOption('--last <duration>', 'how far back, such as 30s (default: 10s)')
  const dump = program
    .command('dump')
    .argument('[dataset]', 'only decisions about this dataset')
    .description('print the last decisions about requests for datasets that move, oldest first')
    .addOption(last.default(DEFAULT_LAST_MS, '10s'))
    .addHelpText(
      'after',
      `
Each data thread remembers its last 20,000 decisions. A ramp that goes back by itself leaves them in a file below dumps/ of
the data directory.

Examples:
  godwit dump
  godwit dump pins --last 2s --json`,
    )
  host.action(dump, (run, [dataset]) => printFlights(run, dataset ?? null, dump.opts<DumpOptions>()))
}

async function printFlights(
  run: CommandRun,
  dataset: string | null,
  { last }: DumpOptions,
): Promise<ExitCode> {
  const flights = await run.client().flights(dataset, last)
  return run.result({ flights }, () => {
    if (flights.length === 0) run.line('no decisions are remembered of that time')
    else run.table(HEAD, flights.map(flightRow))
  })
}

const HEAD = ['TIME', 'DATASET', 'KEY', 'SIDE', 'WHY', 'CALLER', right('MS'), 'RESULT']

function flightRow(flight: FlightRecord): string[] {
  const { atMs, dataset, key, keys, isKeyCut, side, why, bucket, caller, durationMs, code } = flight
  const shown = key === null ? '-' : `${bytesShown(key)}${isKeyCut ? '...' : ''}`
  const results = [code ?? 'OK']
  if (flight.hasFallenBack) results.push('by the other side')
  if (flight.isShadowed) results.push('compared')
  return [
    ...[new Date(atMs).toISOString().slice(11, 23), dataset],
    ...[keys > 1 ? `${shown} and ${keys - 1} more` : shown, side],
    ...[bucket === null ? why : `${why} ${bucket}`, caller ?? '(unnamed)'],
    ...[durationMs.toFixed(2), results.join(', ')],
  ]
}
