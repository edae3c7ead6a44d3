/** The bytes of UserMetaStore against messages that another implementation wrote from the same IDL. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { BinaryReader } from '../../src/thrift/binary-reader.js'
import { BinaryWriter } from '../../src/thrift/binary-writer.js'
import * as ums from '../../src/thrift/generated/usermetastore.js'
import {
  MessageType,
  type ThriftMethod,
  type ThriftReader,
  type ThriftWriter,
} from '../../src/thrift/protocol.js'
import { root } from '../support/tree.js'

const FOLDER = join(root, 'test', 'fixtures', 'wire', 'usermetastore')
const I64_MAX = 2n ** 63n - 1n
const I64_MIN = -(2n ** 63n)
const NOT_UTF8 = Buffer.from([0x00, 0xff, 0xfe, 0x80, 0xc3])
const bytes = (text: string): Buffer => Buffer.from(text)

/** One golden frame: what its body means, and how the body is read and written. */
interface Golden {
  readonly name: string
  readonly type: number
  readonly value: unknown
  read(input: ThriftReader): unknown
  write(output: ThriftWriter): void
}

function call<A, R, E>(method: ThriftMethod<A, R, E>, value: A): Golden {
  return {
    name: method.name,
    type: MessageType.CALL,
    value,
    read: (input) => method.readArgs(input),
    write: (output) => method.writeArgs(output, value),
  }
}

function reply<A, R, E>(method: ThriftMethod<A, R, E>, value: R): Golden {
  return {
    name: method.name,
    type: MessageType.REPLY,
    value: { value, exception: null },
    read: (input) => method.readResult(input),
    write: (output) => method.writeResult(output, value),
  }
}

function failure<A, R, E>(method: ThriftMethod<A, R, E>, exception: E): Golden {
  return {
    ...reply(method, null as R),
    value: { value: null, exception },
    write: (output) => method.writeException(output, exception),
  }
}

function error(code: ums.UmsErrorCode, outcome: ums.WriteOutcome | null = null): ums.UmsError {
  return ums.makeUmsError({ code, message: 'späte Antwort', retryable: true, retryAfterMs: 50, outcome })
}

const { TIMEOUT, UNAVAILABLE, READ_ONLY } = ums.UmsErrorCode
const cells = [
  ums.makeCell({ column: bytes('c'), value: bytes(''), timestamp: 0n }),
  ums.makeCell({ column: NOT_UTF8, value: NOT_UTF8 }),
]
const columns = ums.makeColumnSelector({
  columns: [bytes(''), NOT_UTF8],
  prefix: bytes('p'),
  startColumn: bytes('a'),
  endColumn: bytes('z'),
  limit: 7,
  maxVersions: 3,
  minTimestamp: I64_MIN,
  maxTimestamp: I64_MAX,
})
const readOptions = ums.makeReadOptions({
  consistency: ums.ReadConsistency.SPECULATIVE,
  timeoutMs: 250,
  withTimestamps: true,
})
const writeOptions = ums.makeWriteOptions({
  durability: ums.WriteDurability.FORCED,
  timeoutMs: 1,
  requestId: NOT_UTF8,
})
const table = 'pins'
const key = bytes('k')
const methods = ums.UserMetaStoreMethods

const GOLDENS: Readonly<Record<string, Golden>> = {
  'get-call': call(methods.get, {
    request: ums.makeGetRequest({ table, key: NOT_UTF8, columns, options: readOptions }),
  }),
  'get-call-no-request': call(methods.get, { request: null }),
  'get-reply': reply(methods.get, ums.makeRow({ key, cells, truncated: true })),
  'get-reply-exception': failure(
    methods.get,
    ums.makeUmsException({ message: 'späte Antwort', error: error(TIMEOUT) }),
  ),
  'multi-get-reply': reply(methods.multiGet, {
    rows: [
      ums.makeRowResult({ row: ums.makeRow({ key, cells: [] }) }),
      ums.makeRowResult({ error: error(UNAVAILABLE) }),
    ],
  }),
  'put-call': call(methods.put, {
    request: ums.makePutRequest({
      table,
      key,
      cells,
      timestamp: I64_MAX,
      ttlSeconds: 60,
      options: writeOptions,
    }),
  }),
  'put-reply': reply(methods.put, ums.makeWriteResult({ timestamp: I64_MIN })),
  'multi-remove-call': call(methods.multiRemove, {
    request: ums.makeMultiDeleteRequest({
      table,
      rows: [ums.makeRowDelete({ key, columns: [bytes('c')], timestamp: 5n, exactVersion: true })],
    }),
  }),
  'multi-remove-reply': reply(methods.multiRemove, {
    results: [
      ums.makeWriteResult(),
      ums.makeWriteResult({ error: error(READ_ONLY, ums.WriteOutcome.UNKNOWN) }),
    ],
  }),
  'check-and-put-call': call(methods.checkAndPut, {
    request: ums.makeCheckAndPutRequest({
      table,
      key,
      check: ums.makeCheck({ column: bytes('c'), expected: bytes('') }),
      cells,
    }),
  }),
  'check-and-put-reply': reply(methods.checkAndPut, { applied: false, actual: bytes('') }),
  'increment-call': call(methods.increment, {
    request: ums.makeIncrementRequest({
      table,
      key,
      deltas: [
        ums.makeCounterDelta({ column: bytes('n'), delta: I64_MIN }),
        ums.makeCounterDelta({ column: bytes('m') }),
      ],
    }),
  }),
  'get-counts-reply': reply(methods.getCounts, {
    rows: [
      ums.makeRowCounts({
        values: [ums.makeCounterValue({ column: bytes('n'), value: 0n, missing: true })],
      }),
    ],
  }),
  'scan-call': call(methods.scan, {
    request: ums.makeScanRequest({
      table,
      startKey: bytes('a'),
      endKey: bytes('z'),
      keyPrefix: key,
      limit: 3,
      pageSize: 2,
      pageToken: NOT_UTF8,
    }),
  }),
  'scan-row-reply': reply(methods.scanRow, ums.makeScanRowResponse({ cells, nextPageToken: NOT_UTF8 })),
  'list-tables-reply': reply(methods.listTables, ['pins', 'ü']),
  'ping-reply': reply(methods.ping, ums.makeServerInfo({ build: '1' })),
}

/** Without the line of provenance. */
function frameOf(name: string): Buffer {
  const [, ...lines] = readFileSync(join(FOLDER, `${name}.hex`), 'utf8')
    .trim()
    .split('\n')
  return Buffer.from(lines.join(''), 'hex')
}

describe('golden frames of UserMetaStore', () => {
  for (const [name, golden] of Object.entries(GOLDENS)) {
    test(`${name} is read as what it means and written as the same bytes`, () => {
      const frame = frameOf(name)
      const input = new BinaryReader()
      input.reset(frame, 4, frame.length)
      input.readMessageBegin()
      assert.deepEqual([input.messageName, input.messageType, input.seqid], [golden.name, golden.type, 1])
      assert.deepEqual(golden.read(input), golden.value)
      assert.equal(input.remaining, 0)
      const output = new BinaryWriter()
      output.beginFrame(frame.length, true)
      output.writeMessageBegin(golden.name, golden.type, 1)
      golden.write(output)
      output.endFrame()
      assert.equal(output.take().toString('hex'), frame.toString('hex'))
    })
  }

  test('every frame of the folder is one of these', () => {
    const files = readdirSync(FOLDER).filter((name) => name.endsWith('.hex'))
    assert.deepEqual(files.sort(), Object.keys(GOLDENS).map((name) => `${name}.hex`).sort()) // prettier-ignore
  })
})
