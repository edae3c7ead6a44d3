/** `godwit scan`. */
import type { Command } from 'commander'
import { bytesToText, textToBuffer } from './bytes.js'
import type { AdminClient, ScanJson } from './client.js'
import { collect, wholeNumberOption, type CommandHost, type CommandRun } from './context.js'
import { CliError, EXIT, type ExitCode } from './io.js'
import {
  columnsOf,
  keyFormatOption,
  valueFormatOption,
  type ByteOptions,
  type ColumnOptions,
} from './row-options.js'

interface ScanOptions extends ByteOptions, ColumnOptions {
  readonly limit: number
  readonly from?: string
  readonly to?: string
  readonly prefix?: string
  readonly keysOnly?: boolean
}

const DEFAULT_LIMIT = 20
const PAGE_ROWS = 500

export function addScanCommand(program: Command, host: CommandHost): void {
  const scan = program
    .command('scan <dataset>')
    .description('print the first rows of a dataset')
    .addOption(wholeNumberOption('--limit <count>', 'rows to print; 0: all').default(DEFAULT_LIMIT))
    .option('--columns <names>', 'only these columns, with commas between')
    .option('-c, --column <name>', 'only this column; may be given several times', collect, [])
    .option('--keys-only', 'print the keys alone')
    .option('--from <key>', 'ORDERED datasets: the first key')
    .option('--to <key>', 'ORDERED datasets: the key to stop before')
    .option('--prefix <key>', 'ORDERED datasets: only keys that begin with this')
    .addOption(keyFormatOption())
    .addOption(valueFormatOption('how values are printed'))
    .addHelpText(
      'after',
      `
Rows come in the order of the scan: by key where keys are ORDERED, by the hash of the key otherwise. With --json, each
row is one line.

Examples:
  godwit scan cities --limit 5 --columns name,country
  godwit scan events --prefix 2026-11- --keys-only
  godwit scan profiles --limit 0 --json > profiles.ndjson`,
    )
  host.action(scan, (run, args) => scanRows(run, args, scan.opts<ScanOptions>()))
}

type ScannedRow = ScanJson['rows'][number]

async function scanRows(
  run: CommandRun,
  [dataset = '']: readonly string[],
  options: ScanOptions,
): Promise<ExitCode> {
  const table = run.isJson ? null : new RowPrinter(run, options)
  for await (const rows of pages(run.client(), dataset, options)) {
    if (table === null) for (const row of rows) run.line(JSON.stringify(row))
    else table.print(rows)
  }
  return EXIT.OK
}

async function* pages(
  client: AdminClient,
  dataset: string,
  options: ScanOptions,
): AsyncGenerator<readonly ScannedRow[]> {
  const query = queryOf(options)
  let left = options.limit === 0 ? Infinity : options.limit
  let page: readonly [string, string][] = []
  while (left > 0) {
    const limit = String(Math.min(left, PAGE_ROWS))
    const { rows, next } = await client.scan(dataset, [...query, ...page, ['limit', limit]])
    left -= rows.length
    yield rows
    if (next === null) return
    page = [['page', next]]
  }
}

function queryOf(options: ScanOptions): readonly [string, string][] {
  const { keyFormat, from, to, prefix } = options
  if (prefix !== undefined && (from !== undefined || to !== undefined)) {
    throw new CliError(EXIT.USAGE, '--prefix and --from or --to exclude each other')
  }
  const encoded = (name: string, bytes: Buffer): [string, string] => [name, bytes.toString('base64url')]
  const range: [string, string][] = []
  if (prefix !== undefined) {
    const first = textToBuffer(prefix, keyFormat)
    const end = afterPrefix(first)
    range.push(encoded('from', first))
    if (end !== null) range.push(encoded('to', end))
  }
  if (from !== undefined) range.push(encoded('from', textToBuffer(from, keyFormat)))
  if (to !== undefined) range.push(encoded('to', textToBuffer(to, keyFormat)))
  const columns = columnsOf(options).map((name) => encoded('column', textToBuffer(name, keyFormat)))
  return [...range, ...columns, ['keyEncoding', 'base64url']]
}

/** The first key behind all that begin with `prefix`; null: there is none. */
function afterPrefix(prefix: Buffer): Buffer | null {
  const end = Buffer.from(prefix)
  for (let index = end.length - 1; index >= 0; index--) {
    const byte = end[index] ?? 0
    if (byte === 0xff) continue
    end[index] = byte + 1
    return end.subarray(0, index + 1)
  }
  return null
}

/** Rows as a table a page: the widths of a dataset are not known before its end. */
class RowPrinter {
  readonly #run: CommandRun
  readonly #options: ScanOptions

  constructor(run: CommandRun, options: ScanOptions) {
    this.#run = run
    this.#options = options
  }

  print(rows: readonly ScannedRow[]): void {
    const { keyFormat, valueFormat, keysOnly = false } = this.#options
    const keyOf = ({ key }: ScannedRow): string => bytesToText(key, keyFormat)
    if (rows.length === 0) return
    if (keysOnly) {
      this.#run.table(
        ['KEY'],
        rows.map((row) => [keyOf(row)]),
      )
      return
    }
    this.#run.table(
      ['KEY', 'COLUMN', 'VALUE'],
      rows.flatMap((one) =>
        one.row.cells.map(({ column, value }, index) => [
          index === 0 ? keyOf(one) : '',
          bytesToText(column, keyFormat),
          bytesToText(value, valueFormat),
        ]),
      ),
    )
  }
}
