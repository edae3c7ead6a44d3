import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { CompactReader } from '../../../src/thrift/compact-reader.js'
import { CompactWriter } from '../../../src/thrift/compact-writer.js'
import { ThriftProtocolError, ThriftType, type ThriftReader } from '../../../src/thrift/protocol.js'
import { anyEverything, loadEverything, type EverythingModule, type Fields } from './everything.js'

let everything: EverythingModule

before(async () => {
  everything = await loadEverything()
})

function readerOn(bytes: Buffer): CompactReader {
  const input = new CompactReader()
  input.reset(bytes, 0, bytes.length)
  return input
}

function write(writer: (output: CompactWriter) => void): Buffer {
  const output = new CompactWriter(8)
  writer(output)
  return output.take()
}

function readAll(bytes: Buffer): Fields {
  const input = readerOn(bytes)
  const value = everything.readEverything(input)
  assert.equal(input.remaining, 0)
  return value
}

const writeAll = (value: Fields): Buffer => write((output) => everything.writeEverything(output, value))
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

function assertMalformed(reason: string, attempt: () => unknown): void {
  assert.throws(attempt, (error) => error instanceof ThriftProtocolError && error.reason === reason, reason)
}

describe('compact integers', () => {
  const KNOWN: readonly (readonly [value: bigint, bytes: string])[] = [
    [0n, '00'],
    [-1n, '01'],
    [1n, '02'],
    [63n, '7e'],
    [-64n, '7f'],
    [64n, '8001'],
    [50399n, 'be9306'],
    [2n ** 31n - 1n, 'feffffff0f'],
    [-(2n ** 31n), 'ffffffff0f'],
    [2n ** 63n - 1n, 'feffffffffffffffff01'],
    [-(2n ** 63n), 'ffffffffffffffffff01'],
  ]
  for (const [value, bytes] of KNOWN) {
    test(`${value} is ${bytes}`, () => {
      assert.equal(write((output) => output.writeI64(value)).toString('hex'), bytes)
      assert.equal(readerOn(hex(bytes)).readI64(), value)
      if (value !== BigInt.asIntN(32, value)) return
      assert.equal(write((output) => output.writeI32(Number(value))).toString('hex'), bytes)
      assert.equal(readerOn(hex(bytes)).readI32(), Number(value))
    })
  }

  test('every integer of 16, 32 and 64 bits reads back, and is passed over as a whole', () => {
    const check = (type: number, bytes: Buffer, read: (input: CompactReader) => unknown, value: unknown) => {
      assert.equal(read(readerOn(bytes)), value)
      const input = readerOn(bytes)
      input.skip(type)
      assert.equal(input.remaining, 0)
    }
    const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    const anyShift = fc.tuple(i64, fc.nat(63)).map(([value, shift]) => value >> BigInt(shift))
    fc.assert(
      fc.property(anyShift, (value) => {
        check(ThriftType.I64, write((output) => output.writeI64(value)), (input) => input.readI64(), value) // prettier-ignore
        const word = Number(BigInt.asIntN(32, value))
        check(ThriftType.I32, write((output) => output.writeI32(word)), (input) => input.readI32(), word) // prettier-ignore
        const short = (word << 16) >> 16
        check(ThriftType.I16, write((output) => output.writeI16(short)), (input) => input.readI16(), short) // prettier-ignore
      }),
      { numRuns: 500 },
    )
  })

  test('an integer of more bits than its type is refused, and so is one that does not end', () => {
    assertMalformed('bad-varint', () => readerOn(hex('ffffffff1f')).readI32())
    assertMalformed('bad-varint', () => readerOn(hex('ffffffffff01')).readI32())
    assertMalformed('bad-varint', () => readerOn(hex('ffffffffffffffffff02')).readI64())
    assertMalformed('bad-varint', () => readerOn(hex('80808080808080808080 00')).readI64())
    assertMalformed('bad-varint', () => readerOn(hex('808004')).readI16())
    assert.equal(readerOn(hex('ffff03')).readI16(), -32768)
    for (const type of [ThriftType.I16, ThriftType.I32, ThriftType.I64])
      assertMalformed('bad-varint', () => readerOn(Buffer.alloc(12, 0xff)).skip(type))
    for (const bytes of ['', '80', 'ffff']) {
      assertMalformed('truncated', () => readerOn(hex(bytes)).readI32())
      assertMalformed('truncated', () => readerOn(hex(bytes)).readI64())
    }
  })
})

describe('compact messages', () => {
  test('a header is written and read as the specification has it', () => {
    const bytes = write((output) => output.writeMessageBegin('get', 4, 300))
    assert.equal(bytes.toString('hex'), '8281ac0203676574')
    const input = readerOn(bytes)
    input.readMessageBegin()
    const { messageName, messageType, seqid, remaining } = input
    assert.deepEqual([messageName, messageType, seqid, remaining], ['get', 4, 300, 0])
  })

  test('a negative seqid takes five bytes and reads back', () => {
    const bytes = write((output) => output.writeMessageBegin('', 1, -7))
    assert.equal(bytes.toString('hex'), '8221f9ffffff0f00')
    const input = readerOn(bytes)
    input.readMessageBegin()
    assert.equal(input.seqid, -7)
  })

  test('another protocol, another version, a long name and a header that is cut are refused', () => {
    assertMalformed('bad-version', () => readerOn(hex('80010001 00000000')).readMessageBegin())
    assertMalformed('bad-version', () => readerOn(hex('8222 00 00')).readMessageBegin())
    const long = write((output) => output.writeMessageBegin('x'.repeat(1_025), 1, 1))
    assertMalformed('bad-message', () => readerOn(long).readMessageBegin())
    assertMalformed('negative-size', () => readerOn(hex('8221 01 ffffffff0f')).readMessageBegin())
    const whole = write((output) => output.writeMessageBegin('get', 1, 300))
    for (let size = 0; size < whole.length; size++)
      assertMalformed(size === 7 || size === 6 ? 'lying-size' : size === 5 ? 'lying-size' : 'truncated', () =>
        readerOn(whole.subarray(0, size)).readMessageBegin(),
      )
  })

  test('a writer begins each message afresh, whatever became of the one before', () => {
    const output = new CompactWriter()
    output.beginFrame(100, false)
    output.writeMessageBegin('a', 1, 1)
    output.writeStructBegin()
    output.writeFieldBegin(ThriftType.I32, 9)
    output.writeFieldBegin(ThriftType.BOOL, 10)
    output.rollbackFrame()
    output.beginFrame(100, false)
    output.writeMessageBegin('a', 1, 1)
    output.writeStructBegin()
    output.writeFieldBegin(ThriftType.BOOL, 1)
    output.writeBool(true)
    output.writeFieldStop()
    output.writeStructEnd()
    output.endFrame()
    assert.equal(output.view().toString('hex'), '8221010161' + '1100')
  })

  test('a framed message stands behind its size, a buffered one alone, and the limit holds for either', () => {
    for (const isFramed of [true, false]) {
      const output = new CompactWriter(16)
      output.beginFrame(10, isFramed)
      output.writeBinary(Buffer.alloc(9, 1))
      output.endFrame()
      assert.equal(output.view().toString('hex'), (isFramed ? '0000000a' : '') + '09' + '01'.repeat(9))
      output.beginFrame(10, isFramed)
      assertMalformed('frame-too-large', () => {
        output.writeBinary(Buffer.alloc(10, 1))
        output.endFrame()
      })
      output.rollbackFrame()
      assert.equal(output.size, isFramed ? 14 : 10)
    }
  })
})

describe('compact structs', () => {
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
      { text: 'a\u0000ü€😀', far: 'x'.repeat(24) + 'ü', bytes: Buffer.from([0, 255, 128, 195]) },
      { text: '€'.repeat(43), far: '€'.repeat(5_000), bytes: Buffer.alloc(70_000, 0xc3) },
      { numbers: [], words: new Set(), counts: new Map(), leavesByKey: [], keys: [], table: [[]] },
      { numbers: Array.from({ length: 14 }, () => 1), keys: Array.from({ length: 15 }, () => Buffer.of(1)) },
    ]
    for (const edge of edges) {
      const value = everything.makeEverything(edge)
      assert.deepEqual(readAll(writeAll(value)), value)
    }
  })

  test('ids that grow by 1 to 15 stand in the header byte, others behind it, and nesting begins anew', () => {
    const output = new CompactWriter()
    output.writeStructBegin()
    output.writeFieldBegin(ThriftType.BYTE, 15)
    output.writeByte(1)
    output.writeFieldBegin(ThriftType.STRUCT, 31)
    output.writeStructBegin()
    output.writeFieldBegin(ThriftType.BYTE, 2)
    output.writeByte(2)
    output.writeFieldStop()
    output.writeStructEnd()
    output.writeFieldBegin(ThriftType.BOOL, 32)
    output.writeBool(false)
    output.writeFieldBegin(ThriftType.BYTE, -1)
    output.writeByte(3)
    output.writeFieldStop()
    output.writeStructEnd()
    assert.equal(output.view().toString('hex'), 'f301' + '0c3e' + '230200' + '12' + '030103' + '00')
    const input = readerOn(output.take())
    const ids: number[] = []
    const readStruct = (): void => {
      input.readStructBegin()
      for (let type = input.readFieldBegin(); type !== ThriftType.STOP; type = input.readFieldBegin()) {
        ids.push(input.fieldId)
        if (type === ThriftType.STRUCT) readStruct()
        else input.skip(type)
      }
      input.readStructEnd()
    }
    readStruct()
    assert.deepEqual(ids, [15, 31, 2, 32, -1])
  })

  test('a bool is its field header, and a byte of its own in a container, where both codes name the type', () => {
    const flag = (input: ThriftReader): unknown => everything.readEverything(input)['flag']
    assert.equal(flag(readerOn(hex('11 00'))), true)
    assert.equal(flag(readerOn(hex('12 00'))), false)
    for (const code of ['1', '2']) {
      const input = readerOn(hex(`3${code} 01 02 00`))
      assert.equal(input.readListBegin(ThriftType.BOOL), 3)
      assert.deepEqual([input.readBool(), input.readBool(), input.readBool()], [true, false, false])
    }
    const list = write((output) => {
      output.writeListBegin(ThriftType.BOOL, 2)
      output.writeBool(true)
      output.writeBool(false)
    })
    assert.equal(list.toString('hex'), '210102')
  })

  test('an empty map is one byte, and a double has its lowest byte first', () => {
    const bytes = write((output) => {
      output.writeMapBegin(ThriftType.STRING, ThriftType.I64, 0)
      output.writeDouble(1)
    })
    assert.equal(bytes.toString('hex'), '00' + '000000000000f03f')
    const input = readerOn(bytes)
    assert.equal(input.readMapBegin(ThriftType.STRING, ThriftType.I64), 0)
    input.readMapEnd()
    assert.equal(input.readDouble(), 1)
  })

  test('a binary is a view into the message, not a copy', () => {
    const bytes = writeAll(everything.makeEverything({ bytes: Buffer.from('abc') }))
    const view = readAll(bytes)['bytes']
    assert.ok(Buffer.isBuffer(view))
    bytes.fill('z')
    assert.equal(view.toString(), 'zzz')
  })

  test('unknown fields of every type are passed over, wherever they stand', () => {
    // Field 4 is the i32, field 7 the text; in between, ids that nobody knows, far away and back.
    const values = ['01', '02', '03 ff', '04 ffff03', '05 01', '06 ffffffffffffffffff01', '07 0000000000000000', '08 03 616263', '09 31 01 02 01', '09 2c 00 00', '0a f8 0f' + '01 78'.repeat(15), '0b 02 85 01 61 02 01 62 04', '0b 00', '0c 15 02 2c 11 00 00', `0d ${'00'.repeat(16)}`] // prettier-ignore
    for (const value of values) {
      const [type, ...rest] = value.split(' ')
      const far = `${type} d804 ${rest.join('')}` // Id 300 + 8 is none; the next header gives its id in full.
      const bytes = hex(`45 02 ${far} 08 0e 01 74 00`.replaceAll(' ', ''))
      const { number, text } = readAll(bytes)
      assert.deepEqual({ number, text }, { number: 1, text: 't' }, value)
    }
  })
})

describe('hostile compact bytes', () => {
  test('every proper beginning of a struct is refused', () => {
    const [value] = fc.sample(anyEverything(everything), { numRuns: 1, seed: 42 })
    assert.ok(value !== undefined)
    const bytes = writeAll(value)
    for (let size = 0; size < bytes.length; size++) {
      assert.throws(() => readAll(bytes.subarray(0, size)), ThriftProtocolError, `${size} bytes`)
    }
  })

  test('structs, lists and maps that nest too deeply are refused, known or not', () => {
    const nested = (depth: number): Buffer =>
      depth === 1 ? hex('00') : Buffer.concat([hex('0c 30'), nested(depth - 1), hex('00')]) // Field 24.
    assert.doesNotThrow(() => readAll(nested(32)))
    assertMalformed('too-deep', () => readAll(nested(33)))
    assertMalformed('too-deep', () => readAll(Buffer.alloc(1_000_000, 0x1c)))
    assertMalformed('too-deep', () => readAll(Buffer.concat([hex('09 d804'), Buffer.alloc(1_000_000, 0x19)])))
    const maps = Buffer.alloc(1_000_000, hex('01 1b 01'))
    assertMalformed('too-deep', () => readAll(Buffer.concat([hex('0b d804'), maps])))
  })

  const LIES: readonly (readonly [what: string, bytes: string, reason: string])[] = [
    ['a text longer than the message', '78 ffffffff07', 'lying-size'],
    ['a text of negative size', '78 ffffffff0f', 'negative-size'],
    ['an unknown binary longer than the message', '08 d804 7f 00', 'lying-size'],
    ['a list of more elements than bytes', 'b9 f5 ffffffff07', 'lying-size'],
    ['a list of negative count', 'b9 f5 ffffffff0f', 'negative-size'],
    ['an unknown list of doubles that lies', '09 d804 27 00000000', 'lying-size'],
    ['an unknown map of more entries than bytes', '0b d804 ffffffff07 88', 'lying-size'],
    ['a list of elements of another type', 'b9 18 00', 'bad-type'],
    ['a list of no type', '09 d804 10 00', 'bad-type'],
    ['a map of no types', '0b d804 01 0f 00', 'bad-type'],
    ['a field of no type', '1e 00', 'bad-type'],
    ['a stop field with an id', '10 00', 'bad-type'],
    ['a field id beyond 16 bits', '03 feff03 01 13 01 00', 'bad-message'],
    ['a field id that is no 16 bits', '03 feff07 01 00', 'bad-varint'],
  ]
  for (const [what, bytes, reason] of LIES) {
    test(`${what} is refused`, () => {
      assertMalformed(reason, () => readAll(hex(bytes)))
    })
  }

  test('elements beyond the limit of a message are refused, however they are spread', () => {
    const input = new CompactReader({ maxDepth: 32, maxElements: 10 })
    const leaves = (count: number): Buffer => hex(`09 24 ${count.toString(16)}c ${'00'.repeat(count)}`) // Field 18.
    const readLimited = (...lists: Buffer[]): Fields => {
      const bytes = Buffer.concat([...lists, hex('00')])
      input.reset(bytes, 0, bytes.length)
      return everything.readEverything(input)
    }
    assert.doesNotThrow(() => readLimited(leaves(10)))
    assertMalformed('too-many-elements', () => readLimited(leaves(11)))
    assertMalformed('too-many-elements', () => readLimited(leaves(6), leaves(5)))
    assert.doesNotThrow(() => readLimited(leaves(10)), 'the next message starts afresh')
  })
})
