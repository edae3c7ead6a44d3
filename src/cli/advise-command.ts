/** `godwit advise`: which columns of a dataset are asked for, and what reading only those would save. */
import type { Command } from 'commander'
import type { AdviceReport, ColumnAdvice, Estimate, ReaderAdvice } from '../base/usage.js'
import type { CommandHost, CommandRun } from './context.js'
import { formatBytes, formatCount, formatTime, right } from './format.js'

/** Columns that are shown; --json has all. */
const SHOWN_COLUMNS = 40

export function addAdviseCommand(program: Command, host: CommandHost): void {
  const advise = program
    .command('advise <dataset>')
    .description('print which columns callers ask for, and what reading only those would save')
    .addHelpText(
      'after',
      `
Looks at a sample of the requests since the gateway was started, and at the sizes of some stored rows. Intervals hold the true
value with a certainty of 95 %. What callers make of values that they fetch whole cannot be seen: ask their owners.

Example:
  godwit advise pins`,
    )
  host.action(advise, async (run, [dataset = '']) => {
    const advice = await run.client().advice(dataset)
    return run.result(advice, () => showAdvice(run, advice))
  })
}

function showAdvice(run: CommandRun, advice: AdviceReport): void {
  const { sampledRequests, sinceMs, rows, areRowsRandom, readers, columns } = advice
  const which = areRowsRandom ? 'a random sample' : 'the first ones, which may not stand for all'
  run.pairs([
    ['dataset', advice.dataset],
    ['requests', `${formatCount(sampledRequests)} sampled since ${formatTime(sinceMs)}`],
    ['rows', `${formatCount(rows)} looked at for sizes: ${which}`],
  ])
  if (readers.length > 0) {
    run.line('')
    run.table(
      [
        'API',
        'CALLER',
        right('SAMPLED'),
        right('WHOLE'),
        right('VALUE'),
        'COLUMNS',
        right('NOW'),
        right('SAVED A ROW'),
      ],
      readers.map(readerRow),
    )
  }
  if (columns.length > 0) {
    run.line('')
    run.table(
      ['COLUMN', right('IN ROWS'), right('BYTES'), right('ASKED FOR BY'), 'CALLERS'],
      columns.slice(0, SHOWN_COLUMNS).map((column) => columnRow(column, sampledRequests)),
    )
    if (columns.length > SHOWN_COLUMNS) {
      run.line(`${columns.length - SHOWN_COLUMNS} further columns are left out; --json has them`)
    }
  }
  run.line('')
  for (const sentence of sentencesOf(advice)) run.line(sentence)
}

function readerRow({
  api,
  caller,
  requests,
  whole,
  unnamed,
  columns,
  bytesNow,
  saved,
}: ReaderAdvice): string[] {
  const names = columns.length === 0 ? '-' : columns.join(', ')
  const counts = [requests, whole, unnamed].map(formatCount)
  return [api, caller ?? '(unnamed)', ...counts, names, bytesOf(bytesNow), bytesOf(saved)]
}

function columnRow(
  { column, presence, bytes, requests, shareAtMost, readers }: ColumnAdvice,
  of: number,
): string[] {
  const share = of === 0 ? '-' : requests === 0 ? `none (< ${percent(shareAtMost)})` : percent(requests / of)
  const name = column === '' ? '(the unnamed value)' : column
  return [name, percent(presence), bytesOf(bytes), share, readers.length === 0 ? '-' : readers.join(', ')]
}

function sentencesOf({ sampledRequests, rows, readers, columns: all }: AdviceReport): string[] {
  if (sampledRequests === 0) return ['No request was seen yet: ask again when callers have read the dataset.']
  if (rows === 0) return ['No stored row could be looked at, so that sizes are not known.']
  const named = all.filter(({ column, requests }) => requests > 0 && column !== '')
  const wholeReaders = readers.filter(({ whole, unnamed }) => whole + unnamed > 0)
  if (wholeReaders.length === 0)
    return ['Every sampled request names its columns: there is nothing more to save.']
  if (named.length === 0) {
    return [
      'No sampled request names a column, so that it cannot be told which ones would do. The largest ones above are where',
      'naming columns would save most.',
    ]
  }
  return wholeReaders.map(({ api, caller, bytesNow, saved }) => {
    const share = bytesNow === null || saved === null || bytesNow.mean === 0 ? 0 : saved.mean / bytesNow.mean
    const who = `${api} ${caller ?? '(unnamed)'} reads whole rows or values`
    const columns = named.length === 1 ? '1 column' : `${named.length} columns`
    return `${who}; the ${columns} that callers name would be ${percent(Math.max(0, share))} fewer bytes, if it needs no others.`
  })
}

function bytesOf(value: Estimate | null): string {
  if (value === null) return '-'
  return `${formatBytes(Math.round(value.mean))} ± ${formatBytes(Math.round(value.high - value.mean))}`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.01 ? 2 : share < 0.1 ? 1 : 0)} %`
}
