/** The client's tables against the IDL, and what they refuse. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, enumOf, i32, i64, type Kind } from '../../../src/client/codec.js'
import * as enums from '../../../src/client/enums.js'
import { KVStoreError } from '../../../src/client/errors.js'
import { ANSWERS, METHODS, REQUESTS } from '../../../src/client/structs.js'
import { textOf } from '../../support/tree.js'

const idl = textOf('idl/kvstore.thrift').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')

function bodyOf(name: string): string | undefined {
  return new RegExp(`\\b(?:struct|union|enum) ${name} \\{([^}]*)\\}`).exec(idl)?.[1]
}

/** A type of the IDL spelt out as Kind.type spells it. */
function idlType(name: string): string {
  const item = /^list<(.+)>$/.exec(name)?.[1]
  if (item !== undefined) return `list<${idlType(item)}>`
  const body = bodyOf(name)
  if (name === 'ErrorDetail' || body === undefined) return name
  const members = [...body.matchAll(/^\s*(\w+) = (\d+)/gm)]
  if (members.length > 0) {
    return `enum ${JSON.stringify(Object.fromEntries(members.map(([, member, number]) => [member, Number(number)])))}`
  }
  const fields = [...body.matchAll(/^\s*\d+: (?:optional )?([\w<>]+) (\w+)/gm)]
  return `{${fields
    .map(([, type = '', field]) => `${String(field)}: ${idlType(type)}`)
    .sort()
    .join(', ')}}`
}

test('every request, answer, nested struct and enum has exactly the fields, types and members of the IDL', () => {
  const kinds: Record<string, Kind> = { ...REQUESTS, ...ANSWERS }
  for (const [name, { type }] of Object.entries(kinds)) {
    assert.ok(bodyOf(name) !== undefined, `${name} is not in the IDL`)
    assert.equal(type, idlType(name), name)
  }
})

test('every method has the request and the answer that the IDL gives it', () => {
  const service = idl.split('service KVStore {')[1] ?? ''
  const methods = [...service.matchAll(/^ {2}(\w+) (\w+)\((?:1: (\w+) )?/gm)].map(
    ([, answer, name, argument]) => {
      return [name, argument === 'string' || argument === undefined ? null : argument, answer]
    },
  )
  assert.deepEqual(
    Object.entries(METHODS).map(([name, { request, answer }]) => [name, request, answer]),
    methods,
  )
})

test('the enums that no request carries are those of the IDL too', () => {
  for (const [name, table] of [
    ['ErrorCode', enums.ERROR_CODES],
    ['ErrorKind', enums.ERROR_KINDS],
    ['WriteOutcome', enums.WRITE_OUTCOMES],
  ] as const) {
    assert.equal(enumOf(table).type, idlType(name))
  }
})

const key = 'k'
const REFUSED: readonly (readonly [what: string, request: object, path: RegExp])[] = [
  ['a misspelt field', { key, cells: { localKey: ['a'] } }, /GetRequest\.cells\.localKey must be left out/],
  ['a number where bytes belong', { key: 5 }, /GetRequest\.key must be a Uint8Array or a string/],
  ['a string where a list belongs', { key, cells: { localKeys: 'a' } }, /cells\.localKeys must be an array/],
  ['an item of the wrong type', { key, cells: { localKeys: ['a', 1] } }, /cells\.localKeys\[1\] must be/],
  [
    'an enum member that is none',
    { key, options: { consistency: 'strong' } },
    /options\.consistency must be one of/,
  ],
  ['a number of 33 bits', { key, cells: { limit: 2 ** 31 } }, /cells\.limit must be an integer of 32 bits/],
  ['a fraction', { key, cells: { limit: 1.5 } }, /cells\.limit must be an integer/],
  [
    'a number for a bigint',
    { key, options: { datasetVersion: 1 } },
    /datasetVersion must be a bigint of 64 bits/,
  ],
  [
    'a bigint below the least',
    { key, cells: { minTimestamp: -(2n ** 63n) - 1n } },
    /must be a bigint of 64 bits/,
  ],
  [
    'a bigint of 65 bits',
    { key, cells: { minTimestamp: 2n ** 63n } },
    /minTimestamp must be a bigint of 64 bits/,
  ],
  ['a number for a boolean', { key, options: { withTtl: 1 } }, /withTtl must be a boolean/],
  ['a string where a struct belongs', { key, options: 'x' }, /GetRequest\.options must be an object/],
]

for (const [what, request, path] of REFUSED) {
  test(`${what} is refused by its path before anything is sent`, () => {
    assert.throws(
      () => REQUESTS.GetRequest.encode({ dataset: 'd', ...request }, 'GetRequest'),
      (error) =>
        error instanceof KVStoreError && error.code === 'INVALID_ARGUMENT' && path.test(error.message),
    )
  })
}

test('a mutation has exactly one member', () => {
  for (const mutation of [{}, { put: { value: 'a' }, remove: {} }]) {
    const request = { dataset: 'd', key, mutations: [mutation] }
    assert.throws(
      () => REQUESTS.MutateRequest.encode(request, 'r'),
      /r\.mutations\[0\] must be an object with exactly one of/,
    )
  }
})

test('64-bit numbers are taken up to both ends, bytes as views and as strings', () => {
  for (const value of [-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n]) assert.equal(i64.encode(value, 'x'), value)
  for (const value of [-(2 ** 31), 2 ** 31 - 1]) assert.equal(i32.encode(value, 'x'), value)
  const view = new Uint8Array([9, 1, 2, 9]).subarray(1, 3)
  assert.deepEqual(bytes.encode(view, 'x'), Buffer.from([1, 2]))
  assert.deepEqual(bytes.encode('é', 'x'), Buffer.from('c3a9', 'hex'))
})

test('an enum member that this client is too old to know reads as an absent field', () => {
  const info = ANSWERS.DatasetInfo.decode({ name: 'd', mode: 99, keyOrder: 2 }, 'd')
  assert.deepEqual(info, { name: 'd', keyOrder: 'ORDERED' })
})

test('a delta that is left out is sent as one', () => {
  const request = { dataset: 'd', key, deltas: [{ localKey: 'a' }, { delta: -5n }] }
  const encoded = REQUESTS.IncrementRequest.encode(request, 'r') as { deltas: { delta: bigint }[] }
  assert.deepEqual(
    encoded.deltas.map(({ delta }) => delta),
    [1n, -5n],
  )
})
