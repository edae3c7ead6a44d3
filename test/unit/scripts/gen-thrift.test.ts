import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { generate as runGenerator } from '../thrift/everything.js'

let folder: string
let idl: string
let out: string

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-gen-'))
  idl = join(folder, 'idl')
  out = join(folder, 'out')
})

after(() => rmSync(folder, { recursive: true, force: true }))

beforeEach(() => {
  for (const each of [idl, out]) {
    rmSync(each, { recursive: true, force: true })
    mkdirSync(each)
  }
})

function generate(source: string, options: { readonly check?: boolean } = {}): Promise<void> {
  writeFileSync(join(idl, 'sample.thrift'), source)
  return runGenerator({ idl, out, ...options })
}

const REFUSED: readonly (readonly [what: string, source: string, message: RegExp])[] = [
  ['a type that does not exist', 'struct A { 1: B b }', /no type B/],
  ['a field without an id', 'struct A { i32 b }', /A\.b has no id/],
  ['an id used twice', 'struct A { 1: i32 b, 1: i32 c }', /id 1 is used twice/],
  ['a name used twice', 'struct A { 1: i32 b, 2: i32 b }', /name b is used twice/],
  ['an id of 0', 'struct A { 0: i32 b }', /ids are 1 to 32767/],
  ['a default that does not fit', 'struct A { 1: byte b = 128 }', /128 does not fit Byte/],
  ['a constant that does not exist', 'struct A { 1: i32 b = NONE }', /no constant NONE/],
  ['a struct defined twice', 'struct A {} struct A {}', /A is defined twice/],
  ['a thrown struct', 'struct A {} service S { void f() throws (1: A a) }', /A, which is no exception/],
  ['a oneway method with an answer', 'service S { oneway i32 f() }', /oneway methods answer nothing/],
  ['an enum value used twice', 'enum E { A = 1, B = 1 }', /value 1 twice/],
  ['what does not parse', 'struct A { 1: }', /does not parse/],
]

describe('gen-thrift', () => {
  for (const [what, source, message] of REFUSED) {
    test(`refuses ${what} and writes nothing`, async () => {
      await assert.rejects(generate(source), message)
      assert.deepEqual(readdirSync(out), [])
    })
  }

  test('a check passes on what was generated and fails on anything else, changing nothing', async () => {
    await generate('struct A { 1: i32 b }')
    await generate('struct A { 1: i32 b }', { check: true })
    const file = join(out, 'sample.ts')
    const edited = `${readFileSync(file, 'utf8')}// edited\n`
    writeFileSync(file, edited)
    await assert.rejects(generate('struct A { 1: i32 b }', { check: true }), /sample\.ts/)
    assert.equal(readFileSync(file, 'utf8'), edited)
  })

  test('a check fails on a generated file whose IDL is gone', async () => {
    writeFileSync(join(out, 'gone.ts'), '')
    await assert.rejects(generate('struct A {}', { check: true }), /gone\.ts/)
  })

  test('the committed files are what the IDL gives', async () => {
    await runGenerator({ check: true })
  })
})
