/** The bytes of HBase's Thrift gateways against messages that other implementations wrote from other texts of the IDL. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { BinaryReader } from '../../src/thrift/binary-reader.js'
import { BinaryWriter } from '../../src/thrift/binary-writer.js'
import * as one from '../../src/thrift/generated/hbase1.js'
import * as two from '../../src/thrift/generated/hbase2.js'
import { MessageType, type ThriftMethod } from '../../src/thrift/protocol.js'
import { root } from '../support/tree.js'

const FOLDER = join(root, 'test', 'fixtures', 'wire', 'hbase')
const MAX_BYTES = 1 << 20
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

function golden(name: string): Buffer {
  const [, hex = ''] = readFileSync(join(FOLDER, `${name}.hex`), 'utf8').split('\n')
  return Buffer.from(hex, 'hex')
}

function readerAt(name: string, method: string, type: number): BinaryReader {
  const frame = golden(name)
  const reader = new BinaryReader()
  reader.reset(frame, 0, frame.length)
  reader.readMessageBegin()
  assert.deepEqual([reader.messageName, reader.messageType, reader.seqid], [method, type, 1])
  return reader
}

function written(method: string, type: number, write: (output: BinaryWriter) => void): string {
  const writer = new BinaryWriter()
  writer.beginFrame(MAX_BYTES, false)
  writer.writeMessageBegin(method, type, 1)
  write(writer)
  writer.endFrame()
  return writer.take().toString('hex')
}

function isCall<A, R, E>(name: string, method: ThriftMethod<A, R, E>, args: A): void {
  test(`${name}: a call of ${method.name}, read and written`, () => {
    const reader = readerAt(name, method.name, MessageType.CALL)
    assert.deepEqual(method.readArgs(reader), args)
    assert.equal(reader.remaining, 0)
    const again = written(method.name, MessageType.CALL, (output) => method.writeArgs(output, args))
    assert.equal(again, golden(name).toString('hex'))
  })
}

function isReply<A, R, E>(
  name: string,
  method: ThriftMethod<A, R, E>,
  answer: { value?: R; exception?: E },
): void {
  const { value = null, exception = null } = answer
  test(`${name}: an answer of ${method.name}, read and written`, () => {
    const reader = readerAt(name, method.name, MessageType.REPLY)
    assert.deepEqual(method.readResult(reader), { value, exception })
    const again = written(method.name, MessageType.REPLY, (output) => {
      if (exception !== null) method.writeException(output, exception)
      else if (value !== null) method.writeResult(output, value)
    })
    assert.equal(again, golden(name).toString('hex'))
  })
}

describe('the first gateway', () => {
  const { getRowWithColumns, getRow, mutateRowsTs, scannerOpenWithScan, atomicIncrement } = one.HbaseMethods
  isCall('get-row-call', getRowWithColumns, {
    tableName: bytes('t'),
    row: bytes('r\0'),
    columns: [bytes('cf:a'), bytes('d')],
    attributes: [[bytes('k'), bytes('v')]],
  })
  isCall('get-row-call-without-attributes', getRow, {
    tableName: bytes('t'),
    row: bytes('r'),
    attributes: null,
  })
  isCall('mutate-rows-call', mutateRowsTs, {
    tableName: bytes('t'),
    rowBatches: [
      {
        row: bytes('r'),
        mutations: [
          { isDelete: false, column: bytes('cf:\xff'), value: bytes('\0\x80'), writeToWAL: true },
          { isDelete: true, column: bytes('cf'), value: null, writeToWAL: false },
        ],
      },
    ],
    timestamp: 2n ** 62n,
    attributes: [],
  })
  isCall('scan-call', scannerOpenWithScan, {
    tableName: bytes('t'),
    scan: one.makeTScan({
      startRow: bytes('a'),
      stopRow: bytes('b'),
      timestamp: 7n,
      columns: [bytes('cf')],
      caching: 10,
      filterString: bytes('KeyOnlyFilter()'),
      batchSize: 2,
      sortColumns: true,
      reversed: false,
    }),
    attributes: [],
  })
  isReply('get-row-reply', getRowWithColumns, {
    value: [
      {
        row: bytes('r\0'),
        columns: [[bytes('cf:\xff'), { value: bytes(''), timestamp: -1n }]],
        sortedColumns: null,
      },
    ],
  })
  isReply('io-error-reply', getRowWithColumns, {
    exception: one.makeIOError({ message: 'org.apache.hadoop.hbase.TableNotFoundException: t' }),
  })
  isReply('increment-reply', atomicIncrement, { value: -(2n ** 63n) })
})

test('field 14 of TScan is passed over where it is the flag of HBase 1, and what follows is read', () => {
  const { openScanner } = two.THBaseServiceMethods
  const reader = readerAt('open-scanner-old-call', 'openScanner', MessageType.CALL)
  const { table, tscan } = openScanner.readArgs(reader)
  assert.deepEqual(table, bytes('t'))
  assert.deepEqual(tscan, two.makeTScan({ startRow: bytes('a'), maxVersions: 3, limit: 4 }))
})
