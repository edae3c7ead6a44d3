/** `godwit get`, `put` and `delete`. */
import type { Command } from 'commander'
import { bytesToText, printable, textToBuffer, textToBytes } from './bytes.js'
import type { CellJson, RowAddress, RowJson } from './client.js'
import { collect, type CommandHost, type CommandRun } from './context.js'
import { CliError, EXIT, type ExitCode } from './io.js'
import {
  columnsOf,
  keyFormatOption,
  valueFormatOption,
  type ByteOptions,
  type ColumnOptions,
} from './row-options.js'

interface RowOptions extends ByteOptions, ColumnOptions {}

export function addRowCommands(program: Command, host: CommandHost): void {
  const get = rowCommand(program, 'get <dataset> <key>', 'print a row, or some columns of it')
    .option('--columns <names>', 'only these columns, with commas between')
    .option('-c, --column <name>', 'only this column; may be given several times', collect, [])
    .addOption(valueFormatOption('how values are printed'))
    .addHelpText(
      'after',
      `
One column is printed as its bare value, several as a table. Exit code 3: there is no such row or column.
Bytes that are no text are printed as base64:..., or all as --value-format says.

Examples:
  godwit get cities 2643743
  godwit get cities 2643743 --column name
  godwit get cities 2643743 --columns name,country --json
  godwit get events 0a1b2c --key-format hex --value-format hex`,
    )
  host.action(get, (run, args) => getRow(run, args, get.opts<RowOptions>()))

  const put = rowCommand(program, 'put <dataset> <key> [value]', 'write a value, or columns, of a row')
    .option('-c, --column <name=value>', 'a column and its value; may be given several times', collect, [])
    .addOption(valueFormatOption('how values are written'))
    .addHelpText(
      'after',
      `
VALUE is the row's unnamed value, for datasets that have one value a key. Other columns of the row stay.

Examples:
  godwit put profiles alice --column city=London --column plan=free
  godwit put sessions 8f2c 'opaque text'
  godwit put sessions 8f2c AAEC/w== --value-format base64`,
    )
  host.action(put, (run, args) => putRow(run, args, put.opts<RowOptions>()))

  const remove = rowCommand(program, 'delete <dataset> <key>', 'delete a row, or some columns of it')
    .option('--columns <names>', 'only these columns, with commas between')
    .option('-c, --column <name>', 'only this column; may be given several times', collect, [])
    .addHelpText(
      'after',
      `
Examples:
  godwit delete profiles alice
  godwit delete profiles alice --column plan`,
    )
  host.action(remove, (run, args) => deleteRow(run, args, remove.opts<RowOptions>()))
}

function rowCommand(program: Command, usage: string, description: string): Command {
  const [name = '', ...args] = usage.split(' ')
  const command = program.command(name).description(description)
  for (const argument of args) command.argument(argument)
  return command.addOption(keyFormatOption())
}

function addressOf(
  args: readonly string[],
  { keyFormat }: RowOptions,
  columns: readonly string[],
): RowAddress {
  const [dataset = '', key = ''] = args
  if (key === '') throw new CliError(EXIT.USAGE, 'the key is empty, which no row has')
  return {
    dataset,
    key: textToBuffer(key, keyFormat),
    columns: columns.map((column) => textToBuffer(column, keyFormat)),
  }
}

async function getRow(run: CommandRun, args: readonly string[], options: RowOptions): Promise<ExitCode> {
  const columns = columnsOf(options)
  const row = await run.client().row(addressOf(args, options, columns))
  if (row === null) {
    if (run.isJson) run.line('null')
    else run.io.stderr.write(`godwit: ${absence(args, columns)}\n`)
    return EXIT.NOT_FOUND
  }
  return run.result(row, () => printRow(run, row, { ...options, askedCount: columns.length }))
}

function absence([dataset = '', key = '']: readonly string[], columns: readonly string[]): string {
  const what =
    columns.length === 0 ? '' : ` or it has no ${columns.map((column) => `"${column}"`).join(', ')}`
  return printable(`dataset "${dataset}" has no row "${key}"${what}`)
}

function printRow(
  run: CommandRun,
  { cells }: RowJson,
  { keyFormat, valueFormat, askedCount }: RowOptions & { readonly askedCount: number },
): void {
  const [first] = cells
  const isPlain = cells.length === 1 && first !== undefined && bytesToText(first.column) === ''
  if (first !== undefined && (askedCount === 1 || (askedCount === 0 && isPlain))) {
    const value = bytesToText(first.value, valueFormat)
    run.line(run.io.stdout.isTerminal ? printable(value) : value)
    return
  }
  run.table(
    ['COLUMN', 'VALUE'],
    cells.map(({ column, value }) => [bytesToText(column, keyFormat), bytesToText(value, valueFormat)]),
  )
}

async function putRow(run: CommandRun, args: readonly string[], options: RowOptions): Promise<ExitCode> {
  const [, , value] = args
  const cells = options.column.map((text) => cellOf(text, options))
  if (value === undefined && cells.length === 0) {
    throw new CliError(EXIT.USAGE, 'there is nothing to write', 'give a VALUE or --column NAME=VALUE')
  }
  const body = { cells, ...(value !== undefined && { value: textToBytes(value, options.valueFormat) }) }
  const written = await run.client().putRow(addressOf(args, options, []), body)
  return run.result(written, () => run.line(`written at ${written.timestamp}`))
}

function cellOf(text: string, { keyFormat, valueFormat }: RowOptions): CellJson {
  const split = text.indexOf('=')
  if (split === -1) throw new CliError(EXIT.USAGE, `--column ${text} has no "="`, 'write --column NAME=VALUE')
  return {
    column: textToBytes(text.slice(0, split), keyFormat),
    value: textToBytes(text.slice(split + 1), valueFormat),
  }
}

async function deleteRow(run: CommandRun, args: readonly string[], options: RowOptions): Promise<ExitCode> {
  const deleted = await run.client().deleteRow(addressOf(args, options, columnsOf(options)))
  return run.result(deleted, () => run.line(`deleted at ${deleted.timestamp}`))
}
