/** Options of the commands that name rows and columns. */
import { Option } from 'commander'
import { BYTE_FORMATS, type ByteFormat } from './bytes.js'

export interface ByteOptions {
  readonly keyFormat: ByteFormat
  readonly valueFormat: ByteFormat
}

export interface ColumnOptions {
  readonly column: readonly string[]
  readonly columns?: string
}

export function keyFormatOption(): Option {
  return formatOption('--key-format <format>', 'how keys and column names are written and printed')
}

export function valueFormatOption(description: string): Option {
  return formatOption('--value-format <format>', description)
}

function formatOption(flags: string, description: string): Option {
  return new Option(flags, description).choices(BYTE_FORMATS).default('text')
}

/** Names given one by one and with commas between. */
export function columnsOf({ column, columns }: ColumnOptions): readonly string[] {
  return columns === undefined ? column : [...column, ...columns.split(',')]
}
