/** `--explode thrift`: the options of a load, and the IDL files that go along with it. */
import { readFileSync } from 'node:fs'
import { dirname, join, posix, resolve } from 'node:path'
import { Option, type Command } from 'commander'
import type { IdlFile, ThriftEncoding } from '../base/thrift-layout.js'
import { CliError, EXIT, type CliIo } from './io.js'

export interface ExplodeOptions {
  readonly explode?: 'thrift' | 'none'
  readonly idl?: string
  readonly struct?: string
  readonly protocol?: ThriftEncoding
  readonly value?: string
}

/** As the admin API takes it. */
export interface ExplodeWish {
  readonly protocol: ThriftEncoding
  readonly struct: string
  readonly valueField: string
  readonly idl: readonly IdlFile[]
}

const PROTOCOLS: readonly ThriftEncoding[] = ['binary', 'compact']

export function withExplodeOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--explode <encoding>',
        "make columns of each value's fields, beside the value; none: not, whatever was done before",
      ).choices(['thrift', 'none']),
    )
    .option('--idl <file>', 'with --explode: the IDL file; what it includes is found beside it')
    .option('--struct <name>', 'with --explode: the struct that the values are')
    .addOption(
      new Option('--protocol <name>', 'with --explode: how the values are written (default: binary)').choices(
        PROTOCOLS,
      ),
    )
}

export function withValueOption(command: Command): Command {
  return command.option(
    '--value <field>',
    'with --explode: field that holds the value (not of hfile, which has none)',
  )
}

/**
 * Null: values are to stay as they are; undefined: nothing is said of it.
 * @throws {CliError} when an option is missing or a file cannot be read
 */
export function explodeWish(io: CliIo, options: ExplodeOptions): ExplodeWish | null | undefined {
  const { explode, idl, struct, protocol, value } = options
  if (explode !== 'thrift') {
    const [stray] = Object.entries({ idl, struct, protocol, value }).filter(
      ([, given]) => given !== undefined,
    )
    if (stray === undefined) return explode === 'none' ? null : undefined
    throw new CliError(EXIT.USAGE, `--${stray[0]} is for --explode thrift`, 'see the help of the command')
  }
  if (idl === undefined || struct === undefined) {
    const missing = idl === undefined ? '--idl' : '--struct'
    throw new CliError(EXIT.USAGE, `--explode thrift needs ${missing}`, 'see the help of the command')
  }
  const files = idlFiles(resolve(io.workingDirectory, idl))
  return { protocol: protocol ?? 'binary', struct, valueField: value ?? '', idl: files }
}

/** The file and all that it includes, each once, by their paths from it. The gateway says what it misses. */
function idlFiles(main: string): IdlFile[] {
  const folder = dirname(main)
  const first = main.slice(folder.length).replace(/^\//, '')
  const files = new Map([[first, readIdl(main)]])
  for (const [name, text] of files) {
    for (const included of includesOf(text)) {
      const path = posix.join(posix.dirname(name), included)
      if (!files.has(path)) files.set(path, readIdl(join(folder, path)))
    }
  }
  return Array.from(files, ([name, text]) => ({ name, text }))
}

function includesOf(text: string): string[] {
  const withoutComments = text.replaceAll(/\/\*[^]*?\*\//g, '')
  return [...withoutComments.matchAll(/^[ \t]*include[ \t]+(["'])(.+?)\1/gm)].map(([, , path = '']) => path)
}

function readIdl(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CliError(EXIT.USAGE, `the IDL cannot be read: ${reason}`)
  }
}
