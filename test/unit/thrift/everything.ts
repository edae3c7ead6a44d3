/** Compiles test/fixtures/thrift/everything.thrift with the generator and loads the result, as a build would. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc, { type Arbitrary } from 'fast-check'
import ts from 'typescript'
import type { ThriftMethod, ThriftReader, ThriftService, ThriftWriter } from '../../../src/thrift/protocol.js'
import { root } from '../../support/tree.js'

export type Fields = Readonly<Record<string, unknown>>

/** What of the generated module the tests use. */
export interface EverythingModule {
  readonly Colour: Fields
  readonly LARGEST: bigint
  readonly NAMES: readonly string[]
  readonly NUMBERS: ReadonlyMap<string, number>
  readonly ORIGIN: Fields
  colourName(value: number): string | null
  makeEverything(given?: Fields): Fields
  makeLeaf(given?: Fields): Fields
  makeChoice(given?: Fields): Fields
  makeBroken(given?: Fields): Fields
  makeMissing(): Fields
  readEmpty(input: ThriftReader): Fields
  readEverything(input: ThriftReader): Fields
  writeEverything(output: ThriftWriter, value: Fields): void
  readLeaf(input: ThriftReader): Fields
  writeLeaf(output: ThriftWriter, value: Fields): void
  readonly AllMethods: Readonly<
    Record<'ping' | 'echo' | 'keys' | 'tell', ThriftMethod<unknown, unknown, unknown>>
  >
  bindAll(handler: object): ThriftService
}

/** The compiled folder of the sources under test. */
const SOURCES = new URL('../../../src/thrift/', import.meta.url)

export interface GeneratorOptions {
  readonly check?: boolean
  readonly idl?: string
  readonly out?: string
  /** Where the generated code finds protocol.js. */
  readonly protocol?: string
}

/** @throws {Error} what the generator has to say */
export async function generate(options: GeneratorOptions): Promise<void> {
  const script = pathToFileURL(join(root, 'scripts', 'gen-thrift.mjs')).href
  // Scripts are plain JavaScript without types.
  const generator = (await import(script)) as { generate(options: GeneratorOptions): void }
  generator.generate(options)
}

export async function loadEverything(): Promise<EverythingModule> {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-thrift-'))
  try {
    const protocol = new URL('protocol.js', SOURCES).href
    await generate({ idl: join(root, 'test', 'fixtures', 'thrift'), out: folder, protocol })
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
      const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 }
      const { outputText } = ts.transpileModule(readFileSync(join(folder, file), 'utf8'), { compilerOptions })
      writeFileSync(join(folder, file.replace(/\.ts$/, '.js')), outputText)
    }
    // The module is made while the test runs, so that only this interface can say what is in it.
    return (await import(pathToFileURL(join(folder, 'everything.js')).href)) as EverythingModule
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const text = fc.string({ unit: 'grapheme', maxLength: 60 })
const nullable = <T>(arbitrary: Arbitrary<T>): Arbitrary<T | null> => fc.option(arbitrary, { nil: null })

/** With the prototype that decoded objects have. */
const record = (fields: Readonly<Record<string, Arbitrary<unknown>>>): Arbitrary<Fields> => {
  return fc.record(fields, { noNullPrototype: true })
}

/** Any Everything, nested to a small depth. */
export function anyEverything(module: EverythingModule): Arbitrary<Fields> {
  const leaf = record({ key: nullable(bytes), count: i64 })
  const choice = fc.oneof(
    record({ text: nullable(text), number: fc.constant(null) }),
    record({ text: fc.constant(null), number: i32 }),
  )
  const flat = {
    flag: nullable(fc.boolean()),
    small: nullable(fc.integer({ min: -128, max: 127 })),
    short: nullable(fc.integer({ min: -32768, max: 32767 })),
    number: nullable(i32),
    large: nullable(i64),
    real: nullable(fc.double()),
    text: nullable(text),
    bytes: nullable(bytes),
    colour: nullable(i32),
    leaf: nullable(leaf),
    numbers: nullable(fc.array(i32)),
    words: nullable(fc.array(text).map((words) => new Set(words))),
    counts: nullable(fc.array(fc.tuple(text, i64)).map((entries) => new Map(entries))),
    leavesByKey: nullable(fc.array(fc.tuple(bytes, leaf))),
    keys: nullable(fc.array(bytes)),
    table: nullable(fc.array(fc.array(leaf), { maxLength: 3 })),
    stamp: nullable(i64),
    leaves: nullable(fc.array(leaf)),
    choice: nullable(choice),
    bytesByStamp: nullable(fc.array(fc.tuple(i64, bytes)).map((entries) => new Map(entries))),
    defaultColour: i32,
    defaultNames: fc.array(text),
    defaultReal: fc.double({ noNaN: true }),
    far: nullable(text),
  }
  return record({ ...flat, inner: nullable(record(flat)) }).map(({ inner, ...outer }) => {
    // Made by the record above.
    return module.makeEverything({
      ...outer,
      inner: inner === null ? null : module.makeEverything(inner as Fields),
    })
  })
}
