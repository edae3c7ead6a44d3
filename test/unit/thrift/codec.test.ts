import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { BinaryReader } from '../../../src/thrift/binary-reader.js'
import { BinaryWriter } from '../../../src/thrift/binary-writer.js'
import { ThriftProtocolError, ThriftType } from '../../../src/thrift/protocol.js'
import type { ThriftCall, ThriftReader, ThriftWriter } from '../../../src/thrift/protocol.js'
import { field, i32, struct, T, text } from '../../support/frames.js'
import { anyEverything, loadEverything, type EverythingModule, type Fields } from './everything.js'

let everything: EverythingModule

before(async () => {
  everything = await loadEverything()
})

function write(writer: (output: ThriftWriter) => void): Buffer {
  const output = new BinaryWriter()
  writer(output)
  return output.take()
}

function read<V>(bytes: Buffer, reader: (input: ThriftReader) => V): V {
  const input = new BinaryReader()
  input.reset(bytes, 0, bytes.length)
  const value = reader(input)
  assert.equal(input.remaining, 0)
  return value
}

const writeAll = (value: Fields): Buffer => write((output) => everything.writeEverything(output, value))
const readAll = (bytes: Buffer): Fields => read(bytes, (input) => everything.readEverything(input))

function assertMalformed(bytes: Buffer, reason: string): void {
  assert.throws(
    () => readAll(bytes),
    (error) => error instanceof ThriftProtocolError && error.reason === reason,
    `${reason} expected of ${bytes.toString('hex')}`,
  )
}

describe('generated codecs', () => {
  test('any value reads back as it was written', () => {
    fc.assert(
      fc.property(anyEverything(everything), (value) => {
        assert.deepEqual(readAll(writeAll(value)), value)
      }),
      { numRuns: 300 },
    )
  })

  test('the edges of every type read back exactly', () => {
    const edges: readonly Fields[] = [
      { small: -128, short: -32768, number: -2147483648, large: -(2n ** 63n), real: Number.NaN, flag: false },
      { small: 127, short: 32767, number: 2147483647, large: 2n ** 63n - 1n, real: -0, flag: true },
      { real: Number.MIN_VALUE, stamp: 0n, text: '', bytes: Buffer.alloc(0), far: '' },
      { real: Number.NEGATIVE_INFINITY, text: 'a\u0000ü€😀', bytes: Buffer.from([0, 255, 128, 195]) },
      { text: 'x'.repeat(5_000), far: '€'.repeat(5_000), bytes: Buffer.alloc(70_000, 0xc3) },
      {
        numbers: [],
        words: new Set(),
        counts: new Map(),
        leavesByKey: [],
        keys: [],
        table: [[]],
        leaves: [],
      },
    ]
    for (const edge of edges) {
      const value = everything.makeEverything(edge)
      assert.deepEqual(readAll(writeAll(value)), value)
    }
  })

  test('an absent field is null, or its default where the IDL gives one', () => {
    const value = readAll(struct())
    assert.deepEqual(value, everything.makeEverything())
    const { defaultColour, defaultNames, defaultReal, number } = value
    const defaults = { defaultColour: 6, defaultNames: ['a', 'b'], defaultReal: -1.5, number: null }
    assert.deepEqual({ defaultColour, defaultNames, defaultReal, number }, defaults)
    assert.equal(Object.keys(value).length, 27)
  })

  test('constants have their values', () => {
    assert.equal(everything.LARGEST, 9223372036854775807n)
    assert.deepEqual(everything.NUMBERS, new Map([['one', 1], ['minus', -1]])) // prettier-ignore
    assert.deepEqual(everything.ORIGIN, { key: null, count: 3n })
    assert.equal(everything.Colour['BLUE'], 6)
  })

  test('a map with binary keys keeps every key that is not text, in order, repeats included', () => {
    const leaf = everything.makeLeaf()
    const keys = [
      Buffer.from([0xff, 0xfe]),
      Buffer.from([0xff, 0xfd]),
      Buffer.alloc(0),
      Buffer.from([0xff, 0xfe]),
    ]
    const value = everything.makeEverything({ leavesByKey: keys.map((key) => [key, leaf]), keys })
    const back = readAll(writeAll(value))
    assert.deepEqual(back['leavesByKey'], value['leavesByKey'])
    assert.deepEqual(back['keys'], keys)
  })

  test('a binary is a view into the frame, not a copy', () => {
    const bytes = writeAll(everything.makeEverything({ bytes: Buffer.from('abc') }))
    const view = readAll(bytes)['bytes']
    assert.ok(Buffer.isBuffer(view))
    bytes.fill('z')
    assert.equal(view.toString(), 'zzz')
  })

  test('an enum value that the IDL does not know stays a number and has no name', () => {
    const value = readAll(struct(field(T.I32, 9, i32(77))))
    assert.equal(value['colour'], 77)
    assert.deepEqual([everything.colourName(77), everything.colourName(5)], [null, 'GREEN'])
  })

  test('a union with no member that is known has every member null', () => {
    const unknownMember = struct(field(T.I64, 9, Buffer.alloc(8)))
    for (const choice of [struct(), unknownMember]) {
      assert.deepEqual(readAll(struct(field(T.STRUCT, 19, choice)))['choice'], { text: null, number: null })
    }
  })

  test('fields come in any order and the last of two with one id holds', () => {
    const bytes = struct(field(T.STRING, 300, text('far')), field(T.I32, 4, i32(1)), field(T.I32, 4, i32(2)))
    const { far, number } = readAll(bytes)
    assert.deepEqual({ far, number }, { far: 'far', number: 2 })
  })

  test('a value that does not fit its type is refused when written, not cut', () => {
    const misfits: readonly Fields[] = [
      { small: 128 },
      { short: 32768 },
      { number: 2 ** 31 },
      { number: 0.5 },
      { large: 2n ** 63n },
      { large: -(2n ** 63n) - 1n },
    ]
    for (const misfit of misfits) assert.throws(() => writeAll(everything.makeEverything(misfit)), RangeError)
  })
})

/** A value of each type, as it stands behind a field header. */
const VALUES: Readonly<Record<string, readonly [type: number, content: Buffer]>> = {
  bool: [T.BOOL, Buffer.of(1)],
  byte: [ThriftType.BYTE, Buffer.of(1)],
  double: [ThriftType.DOUBLE, Buffer.alloc(8)],
  i16: [ThriftType.I16, Buffer.alloc(2)],
  i32: [T.I32, i32(1)],
  i64: [T.I64, Buffer.alloc(8)],
  string: [T.STRING, text('text')],
  'empty string': [T.STRING, i32(0)],
  struct: [T.STRUCT, struct(field(T.STRUCT, 1, struct()), field(T.STRING, -5, text('x')))],
  uuid: [ThriftType.UUID, Buffer.alloc(16)],
  'list of i64': [T.LIST, Buffer.concat([Buffer.of(T.I64), i32(2), Buffer.alloc(16)])],
  'list of strings': [T.LIST, Buffer.concat([Buffer.of(T.STRING), i32(2), text('a'), text('')])],
  'empty list of no type': [T.LIST, Buffer.concat([Buffer.of(0), i32(0)])],
  'set of structs': [ThriftType.SET, Buffer.concat([Buffer.of(T.STRUCT), i32(2), struct(), struct()])],
  'map of strings to lists': [
    T.MAP,
    Buffer.concat([Buffer.of(T.STRING, T.LIST), i32(1), text('k'), Buffer.of(T.BOOL), i32(1), Buffer.of(0)]),
  ],
  'empty map': [T.MAP, Buffer.concat([Buffer.of(0, 0), i32(0)])],
}

describe('reading what another version wrote', () => {
  for (const [name, [type, content]] of Object.entries(VALUES)) {
    test(`an unknown field of type ${name} is passed over`, () => {
      for (const id of [299, 0, -1, 32767]) {
        const bytes = struct(field(T.I32, 4, i32(1)), field(type, id, content), field(T.STRING, 7, text('t')))
        const { number, text: back } = readAll(bytes)
        assert.deepEqual({ number, back }, { number: 1, back: 't' })
      }
    })

    test(`a field of type ${name} where another type is declared is passed over`, () => {
      // Id 6 is a double, id 24 a struct.
      const id = type === ThriftType.DOUBLE ? 24 : 6
      const { far, real, inner } = readAll(struct(field(type, id, content), field(T.STRING, 300, text('f'))))
      assert.deepEqual({ far, real, inner }, { far: 'f', real: null, inner: null })
    })
  }

  test('an empty container is empty whatever type its elements would have', () => {
    const list = field(T.LIST, 11, Buffer.concat([Buffer.of(T.STRING), i32(0)]))
    const map = field(T.MAP, 13, Buffer.concat([Buffer.of(0, 0), i32(0)]))
    const { numbers, counts } = readAll(struct(list, map))
    assert.deepEqual({ numbers, counts }, { numbers: [], counts: new Map() })
  })
})

describe('reading hostile bytes', () => {
  test('every proper beginning of a message is refused', () => {
    const [value] = fc.sample(anyEverything(everything), { numRuns: 1, seed: 42 })
    assert.ok(value !== undefined)
    const bytes = writeAll(value)
    assert.ok(bytes.length > 200)
    for (let size = 0; size < bytes.length; size++) {
      assert.throws(() => readAll(bytes.subarray(0, size)), ThriftProtocolError, `${size} bytes`)
    }
  })

  test('known structs that nest too deeply are refused', () => {
    const nested = (depth: number): Buffer =>
      depth === 1 ? struct() : struct(field(T.STRUCT, 24, nested(depth - 1)))
    assert.doesNotThrow(() => readAll(nested(32)))
    assertMalformed(nested(33), 'too-deep')
  })

  test('unknown values that nest too deeply are refused, a million levels among them', () => {
    assertMalformed(Buffer.alloc(3_000_000, Buffer.of(T.STRUCT, 9, 9)), 'too-deep')
    const lists = Buffer.alloc(1_000_000, Buffer.of(T.LIST, 0, 0, 0, 1))
    assertMalformed(Buffer.concat([Buffer.of(T.LIST, 9, 9), lists]), 'too-deep')
    const maps = Buffer.alloc(1_400_000, Buffer.of(T.BOOL, T.MAP, 0, 0, 0, 1, 1))
    assertMalformed(Buffer.concat([Buffer.of(T.MAP, 9, 9), maps]), 'too-deep')
  })

  test('a size or count that the bytes cannot hold is refused before anything is made', () => {
    const lies: readonly (readonly [type: number, id: number, content: Buffer])[] = [
      [T.STRING, 7, i32(0x7fffffff)],
      [T.STRING, 8, i32(6)],
      [T.STRING, 999, i32(0x7fffffff)],
      [T.LIST, 11, Buffer.concat([Buffer.of(T.I32), i32(0x7fffffff)])],
      [T.LIST, 11, Buffer.concat([Buffer.of(T.I32), i32(2), Buffer.alloc(4)])],
      [T.LIST, 999, Buffer.concat([Buffer.of(T.BOOL), i32(0x7fffffff)])],
      [ThriftType.SET, 12, Buffer.concat([Buffer.of(T.STRING), i32(0x7fffffff)])],
      [T.MAP, 14, Buffer.concat([Buffer.of(T.STRING, T.STRUCT), i32(0x7fffffff)])],
      [T.MAP, 999, Buffer.concat([Buffer.of(T.BOOL, T.BOOL), i32(0x7fffffff)])],
    ]
    for (const [type, id, content] of lies) assertMalformed(struct(field(type, id, content)), 'lying-size')
  })

  test('a negative size or count is refused', () => {
    const counts: readonly (readonly [type: number, id: number, content: Buffer])[] = [
      [T.STRING, 7, i32(-1)],
      [T.STRING, 999, i32(-1)],
      [T.LIST, 11, Buffer.concat([Buffer.of(T.I32), i32(-1)])],
      [T.LIST, 999, Buffer.concat([Buffer.of(T.I32), i32(-(2 ** 31))])],
      [T.MAP, 14, Buffer.concat([Buffer.of(T.STRING, T.STRUCT), i32(-1)])],
      [T.MAP, 999, Buffer.concat([Buffer.of(T.STRING, T.STRUCT), i32(-1)])],
    ]
    for (const [type, id, content] of counts)
      assertMalformed(struct(field(type, id, content)), 'negative-size')
  })

  test('types that do not exist, and elements of a type that is not declared, are refused', () => {
    assertMalformed(struct(field(99, 4, i32(0))), 'bad-type')
    assertMalformed(
      struct(field(T.LIST, 999, Buffer.concat([Buffer.of(0), i32(5), Buffer.alloc(5)]))),
      'bad-type',
    )
    assertMalformed(struct(field(T.MAP, 999, Buffer.concat([Buffer.of(1, 1), i32(1)]))), 'bad-type')
    assertMalformed(
      struct(field(T.LIST, 11, Buffer.concat([Buffer.of(T.I64), i32(1), Buffer.alloc(8)]))),
      'bad-type',
    )
  })

  test('elements beyond the limit of a message are refused, however they are spread', () => {
    const input = new BinaryReader({ maxDepth: 32, maxElements: 10 })
    const leaves = (count: number): Buffer => {
      return field(T.LIST, 18, Buffer.concat([Buffer.of(T.STRUCT), i32(count), Buffer.alloc(count)]))
    }
    const readLimited = (bytes: Buffer): Fields => {
      input.reset(bytes, 0, bytes.length)
      return everything.readEverything(input)
    }
    assert.doesNotThrow(() => readLimited(struct(leaves(10))))
    assert.throws(() => readLimited(struct(leaves(11))), /10 elements/)
    assert.throws(() => readLimited(struct(leaves(6), leaves(5))), /10 elements/)
    assert.doesNotThrow(() => readLimited(struct(leaves(10))), 'the next message starts afresh')
  })
})

describe('generated services', () => {
  test('arguments read back, defaults filled in, and a method without any takes an empty struct', () => {
    const { echo, keys } = everything.AllMethods
    const args = { value: everything.makeEverything({ number: 5 }), times: 3 }
    const bytes = write((output) => echo.writeArgs(output, args))
    assert.deepEqual(read(bytes, (input) => echo.readArgs(input)), args) // prettier-ignore
    assert.deepEqual(read(struct(), (input) => echo.readArgs(input)), { value: null, times: 1 }) // prettier-ignore
    assert.deepEqual(read(struct(), (input) => keys.readArgs(input)), {}) // prettier-ignore
  })

  test('a result is its value, or the exception that it declares', () => {
    const { echo, keys, ping } = everything.AllMethods
    const back = (bytes: Buffer, method = echo): unknown => read(bytes, (input) => method.readResult(input))
    const value = everything.makeEverything({ text: 'x' })
    const broken = everything.makeBroken({ message: 'm' })
    const missing = everything.makeMissing()
    assert.deepEqual(back(write((output) => echo.writeResult(output, value))), { value, exception: null })
    for (const exception of [broken, missing]) {
      const bytes = write((output) => echo.writeException(output, exception))
      assert.deepEqual(back(bytes), { value: null, exception })
    }
    const list = [Buffer.from('a')]
    assert.deepEqual(back(write((output) => keys.writeResult(output, list)), keys), { value: list, exception: null }) // prettier-ignore
    assert.deepEqual(
      write((output) => ping.writeResult(output, null)),
      struct(),
    )
    assert.deepEqual(back(struct(), ping), { value: null, exception: null })
  })

  test('a service binds its own methods and those it extends', () => {
    const calls: unknown[] = []
    const note = (name: string) => (args: unknown) => calls.push([name, args])
    const handler = { ping: note('ping'), echo: note('echo'), keys: note('keys'), tell: note('tell') }
    const { name, methods } = everything.bindAll(handler)
    assert.equal(name, 'All')
    assert.deepEqual([...methods.keys()], ['ping', 'echo', 'keys', 'tell'])
    const { isOneway, isVoid } = everything.AllMethods.tell
    assert.deepEqual({ isOneway, isVoid }, { isOneway: true, isVoid: true })
    // The handler above looks at no call.
    methods.get('tell')?.handle({ what: 'x' }, {} as ThriftCall<unknown, unknown>)
    assert.deepEqual(calls, [['tell', { what: 'x' }]])
  })

  test('an exception of a method that declares none cannot be written', () => {
    assert.throws(() => write((output) => everything.AllMethods.keys.writeException(output, {})), TypeError)
  })
})
