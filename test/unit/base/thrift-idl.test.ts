/** IDL files as teams have them: includes, typedefs, enums, unions, structs that contain themselves; and broken ones. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { compileThriftStruct } from '../../../src/base/thrift-idl.js'
import { thriftPaths, type IdlFile } from '../../../src/base/thrift-layout.js'

function idl(text: string): IdlFile[] {
  return [{ name: 'main.thrift', text }]
}

function assertRefused(files: readonly IdlFile[], struct: string, reason: RegExp): void {
  assert.throws(
    () => compileThriftStruct(files, struct),
    (error) => error instanceof KVError && error.code === 'INVALID_ARGUMENT' && reason.test(error.message),
  )
}

describe('what an IDL says', () => {
  test('nested structs, unions, typedefs and enums of included files become paths', () => {
    const files = [
      {
        name: 'pins/pin.thrift',
        text: `
          namespace java com.example
          include "../shared/common.thrift"
          const i32 LIMIT = 5
          /** A pin. */
          struct Pin {
            1: required common.Id id,
            2: optional common.Kind kind = common.Kind.IMAGE;
            3: common.Place place (since = "3")
            4: list<common.Place> places
            5: map<common.Id, Link> links
            6: Link link
          }
          union Link { 1: string url; 2: binary key }
          service Pins { Pin get(1: i64 id) throws (1: common.Gone gone) }`,
      },
      {
        name: 'shared/common.thrift',
        text: `
          typedef i64 RawId
          typedef RawId Id
          enum Kind { IMAGE = 1, VIDEO }
          struct Place { 1: double lat, 2: double lon, 3: optional bool exact }
          exception Gone { 1: string why }`,
      },
    ]
    const fields = compileThriftStruct(files, 'Pin')
    assert.deepEqual(thriftPaths(fields), [
      ...['id', 'kind', 'place.lat', 'place.lon', 'place.exact', 'places', 'links', 'link.url', 'link.key'],
    ])
    assert.deepEqual(
      fields.map(({ type, isRequired, elements }) => [type, isRequired, ...elements]),
      [
        ['i64', true],
        ['i32', false],
        ['struct', false],
        ['list', false, 'struct'],
        ['map', false, 'i64', 'struct'],
        ['struct', false],
      ],
    )
  })

  test('a struct that contains itself, directly or not, stays whole where it does', () => {
    const fields = compileThriftStruct(
      idl('struct A { 1: i32 n, 2: optional B b, 3: list<A> all }\nstruct B { 1: optional A a, 2: i32 m }'),
      'A',
    )
    assert.deepEqual(thriftPaths(fields), ['n', 'b.a', 'b.m', 'all'])
  })

  test('the same struct may stand in several places', () => {
    const fields = compileThriftStruct(idl('struct P { 1: i32 x }\nstruct L { 1: P from_, 2: P to }'), 'L')
    assert.deepEqual(thriftPaths(fields), ['from_.x', 'to.x'])
  })

  test('files may include each other', () => {
    const files = [
      { name: 'a.thrift', text: 'include "b.thrift"\nstruct A { 1: b.B b }\ntypedef i32 Number' },
      { name: 'b.thrift', text: 'include "a.thrift"\nstruct B { 1: a.Number n }' },
    ]
    assert.deepEqual(thriftPaths(compileThriftStruct(files, 'A')), ['b.n'])
  })
})

describe('what is refused, with what and where', () => {
  for (const [what, text, struct, reason] of [
    ['no such struct', 'struct A { 1: i32 n }\nenum E { X }', 'B', /main.thrift has no struct "B"; it has A/],
    ['an enum where a struct belongs', 'enum E { X }', 'E', /has no struct "E"/],
    ['no thrift', 'this is not thrift', 'A', /main.thrift does not parse: it is no Thrift IDL/],
    ['a struct that is cut off', 'struct A {\n 1: i32 n', 'A', /main.thrift does not parse: line 2/],
    ['an unknown type', 'struct A { 1: Nowhere n }', 'A', /there is no type Nowhere/],
    [
      'an include that was not given',
      'include "x.thrift"\nstruct A { 1: i32 n }',
      'A',
      /main.thrift includes x.thrift/,
    ],
    ['a field without an id', 'struct A { i32 n }', 'A', /field n of A in main.thrift has no id/],
    ['an id twice', 'struct A { 1: i32 n, 1: i32 m }', 'A', /A has the field id 1 twice/],
    ['a name twice', 'struct A { 1: i32 n, 2: i32 n }', 'A', /A has the field n twice/],
    ['a definition twice', 'struct A { 1: i32 n }\nstruct A { 1: i32 n }', 'A', /defines A twice/],
    ['a typedef of itself', 'typedef T T\nstruct A { 1: T n }', 'A', /defined by themselves/],
    ['a service as a type', 'service S {}\nstruct A { 1: S n }', 'A', /S is not a type/],
    ['endless nesting', `struct A { 1: ${'list<'.repeat(20_000)}i32${'>'.repeat(20_000)} n }`, 'A', /./],
    [
      'too large',
      `struct A { 1: i32 n }\n// ${'x'.repeat(limits.maxIdlBytes)}`,
      'A',
      /the IDL has \d+ bytes/,
    ],
  ] as const) {
    test(what, () => {
      assertRefused(idl(text), struct, reason)
    })
  }

  test('structs that contain each other twice, which would be thousands of fields', () => {
    const levels = Array.from({ length: 20 }, (_, n) => `struct S${n} { 1: S${n + 1} a, 2: S${n + 1} b }`)
    assertRefused(idl([...levels, 'struct S20 { 1: i32 n }'].join('\n')), 'S0', /more than 1000 fields/)
  })
})
