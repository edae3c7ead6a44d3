import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compositeFromText } from '../../../shims/rocksandra/cql/values/composites.js'
import { constantToBytes } from '../../../shims/rocksandra/engine/constants.js'

const MARSHAL = 'org.apache.cassandra.db.marshal'

function bytesOf(text: string, className: string, type: 'string' | 'hex' | 'integer' = 'string'): string {
  return constantToBytes({ kind: 'constant', type, text }, { kind: 'custom', className }, 'v').toString('hex')
}

describe('constants of custom classes', () => {
  const className = `${MARSHAL}.CompositeType(${MARSHAL}.Int32Type,${MARSHAL}.UTF8Type)`

  const cases: readonly (readonly [text: string, hex: string])[] = [
    ['7:ab', '00040000000700' + '0002616200'],
    ['7', '00040000000700'],
    ['7:!', '00040000000701'],
    ['7:ab:_', '00040000000700' + '00026162ff'],
    ['7:a\\:b', '00040000000700' + '0003613a6200'],
    ['7:b!!', '00040000000700' + '0002622100'],
    [':b', '000000' + '00016200'],
    ['', ''],
  ]
  for (const [text, hex] of cases) {
    test(`'${text}' is a composite of its parts`, () => assert.equal(bytesOf(text, className), hex))
  }

  test('a constant in hex is the bytes themselves, and a number is read as its text', () => {
    assert.equal(bytesOf('0xCAFE', className, 'hex'), 'cafe')
    assert.equal(bytesOf('7', className, 'integer'), '00040000000700')
  })

  test('names of classes may be short', () => {
    assert.equal(bytesOf('ab', 'CompositeType( UTF8Type )'), '0002616200')
    const uuid = '00000000-0000-1000-8000-000000000001'
    assert.equal(bytesOf(uuid, 'LexicalUUIDType'), uuid.replaceAll('-', ''))
  })

  test('what is no value of it is refused', () => {
    const invalid = { name: 'CqlError', code: 'INVALID' }
    assert.throws(() => bytesOf('x:ab', className), { ...invalid, message: "Unable to make int from 'x'" })
    assert.throws(() => bytesOf('7:ab:c', className), invalid)
    assert.throws(() => bytesOf('7', 'com.example.Own'), { ...invalid, message: /write 0x and their digits/ })
    assert.throws(() => bytesOf('7', 'CompositeType(com.example.Own)'), invalid)
    const long = () => Buffer.alloc(65_536)
    assert.throws(() => compositeFromText('x', [long]), invalid)
  })
})
