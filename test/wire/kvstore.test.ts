/** The bytes of the KVStore API against messages that other implementations wrote from the same IDL. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  readApplicationException,
  writeApplicationException,
} from '../../src/thrift/application-exception.js'
import { BinaryReader } from '../../src/thrift/binary-reader.js'
import { BinaryScanner } from '../../src/thrift/binary-scanner.js'
import { BinaryWriter } from '../../src/thrift/binary-writer.js'
import { CompactReader } from '../../src/thrift/compact-reader.js'
import { CompactScanner } from '../../src/thrift/compact-scanner.js'
import { CompactWriter } from '../../src/thrift/compact-writer.js'
import * as kv from '../../src/thrift/generated/kvstore.js'
import { MessageStream } from '../../src/thrift/message-stream.js'
import {
  MessageType,
  type MessageReader,
  type MessageWriter,
  type ThriftMethod,
  type ThriftReader,
  type ThriftWriter,
} from '../../src/thrift/protocol.js'
import { root } from '../support/tree.js'

const FRAMED_BINARY = join(root, 'test', 'fixtures', 'wire', 'kvstore')
const OTHERS = join(root, 'test', 'fixtures', 'wire', 'kvstore-transports')
const I64_MAX = 2n ** 63n - 1n
const I64_MIN = -(2n ** 63n)
const NOT_UTF8 = Buffer.from([0x00, 0xff, 0xfe, 0x80, 0xc3])
const bytes = (text: string): Buffer => Buffer.from(text)

/** One golden frame: its header, what its body means, and how the body is read and written. */
interface Golden {
  readonly name: string
  readonly type: number
  readonly seqid: number
  readonly value: unknown
  read(input: ThriftReader): unknown
  write(output: ThriftWriter): void
}

function call<A, R, E>(method: ThriftMethod<A, R, E>, value: A, seqid = 1): Golden {
  return {
    name: method.name,
    type: MessageType.CALL,
    seqid,
    value,
    read: (input) => method.readArgs(input),
    write: (output) => method.writeArgs(output, value),
  }
}

function reply<A, R, E>(method: ThriftMethod<A, R, E>, value: R): Golden {
  return {
    name: method.name,
    type: MessageType.REPLY,
    seqid: 1,
    value: { value, exception: null },
    read: (input) => method.readResult(input),
    write: (output) => method.writeResult(output, value),
  }
}

function failure<A, R, E>(method: ThriftMethod<A, R, E>, exception: E): Golden {
  return {
    name: method.name,
    type: MessageType.REPLY,
    seqid: 1,
    value: { value: null, exception },
    read: (input) => method.readResult(input),
    write: (output) => method.writeException(output, exception),
  }
}

const { get, multiGet, put, mutate, describeServer } = kv.KVStoreMethods

function everythingRequest(): kv.GetRequest {
  return kv.makeGetRequest({
    dataset: 'profiles',
    key: NOT_UTF8,
    cells: kv.makeCellSelector({
      localKeys: [bytes(''), NOT_UTF8],
      minTimestamp: I64_MIN,
      maxTimestamp: I64_MAX,
      maxVersions: 0,
    }),
    options: kv.makeReadOptions({
      consistency: kv.Consistency.STRONG,
      datasetVersion: I64_MAX,
      withTimestamps: true,
      withTtl: false,
    }),
    context: kv.makeRequestContext({
      deadlineMs: 250,
      caller: 'söme service',
      priority: kv.Priority.INTERACTIVE,
      credential: NOT_UTF8,
      mustUnderstand: [],
    }),
  })
}

const mutations = [
  kv.makeMutation({
    put: kv.makePutMutation({
      value: bytes(''),
      cells: [{ localKey: bytes('n'), value: bytes('v'), timestamp: -1n, ttlSeconds: 60 }],
    }),
  }),
  kv.makeMutation({
    increment: { deltas: [kv.makeCounterDelta({ localKey: bytes('c'), delta: I64_MIN })] },
  }),
  kv.makeMutation(),
]

const rows = [
  kv.makeRowResult({
    cells: [{ localKey: bytes('name'), value: NOT_UTF8, timestamp: 1700000000000000n, ttlSeconds: null }],
  }),
  kv.makeRowResult(),
  kv.makeRowResult({
    error: kv.makeErrorDetail({ code: 404, message: 'shard 3', retryable: true, retryAfterMs: 50 }),
  }),
]

const denied = kv.makeKVStoreException({
  message: 'no access',
  error: kv.makeErrorDetail({ code: kv.ErrorCode.PERMISSION_DENIED, message: 'no access', outcome: 1 }),
  dataset: 'profiles',
})

const unknownMethod = { type: 1, message: 'unknown method' }

const GOLDENS: Readonly<Record<string, Golden>> = {
  'get-call': call(get, { request: kv.makeGetRequest({ dataset: 'cities', key: bytes('2643743') }) }),
  'get-call-everything': call(get, { request: everythingRequest() }, 0x7fffffff),
  'get-call-no-request': call(get, { request: null }, -1),
  'get-reply-value': reply(get, kv.makeGetResponse({ value: Buffer.alloc(300, 'x'), timestamp: I64_MIN })),
  'get-reply-miss': reply(get, kv.makeGetResponse()),
  'get-reply-exception': failure(get, denied),
  'get-unknown-method': {
    name: 'get',
    type: MessageType.EXCEPTION,
    seqid: 9,
    value: unknownMethod,
    read: readApplicationException,
    write: (output) => writeApplicationException(output, unknownMethod),
  },
  'multi-get-call': call(multiGet, {
    request: kv.makeMultiGetRequest({ dataset: 'd', keys: [bytes('a'), bytes(''), NOT_UTF8] }),
  }),
  'multi-get-reply': reply(multiGet, { rows, info: null }),
  'put-call': call(put, {
    request: kv.makePutRequest({
      dataset: 'd',
      key: bytes('k'),
      value: bytes('v'),
      timestamp: 0n,
      replaceRow: true,
    }),
  }),
  'put-reply': reply(put, kv.makeWriteResponse({ timestamp: I64_MAX })),
  'mutate-call': call(mutate, {
    request: kv.makeMutateRequest({ dataset: 'd', key: bytes('k'), mutations }),
  }),
  'describe-server-call': call(describeServer, {}),
  'describe-server-reply': reply(
    describeServer,
    kv.makeServerInfo({ build: '1', features: ['a', 'ü'], maxRequestBytes: 1 << 26 }),
  ),
}

function golden(folder: string, name: string): Buffer {
  const [provenance = '', ...lines] = readFileSync(join(folder, `${name}.hex`), 'utf8').split('\n')
  assert.match(provenance, /^# \S/)
  return Buffer.from(lines.join(''), 'hex')
}

function hexFilesOf(folder: string): string[] {
  return readdirSync(folder).filter((file) => file.endsWith('.hex')).sort() // prettier-ignore
}

function open(frame: Buffer): MessageReader {
  assert.equal(frame.readInt32BE(0), frame.length - 4)
  const input = new BinaryReader()
  input.reset(frame, 4, frame.length)
  return input
}

function openCompact(message: Buffer): MessageReader {
  const input = new CompactReader()
  input.reset(message, 0, message.length)
  return input
}

function assertMeant(input: MessageReader, meant: Golden): void {
  const { name, type, seqid, value } = meant
  input.readMessageBegin()
  const header = { name: input.messageName, type: input.messageType, seqid: input.seqid }
  assert.deepEqual(header, { name, type, seqid })
  assert.deepEqual(meant.read(input), value)
  assert.equal(input.remaining, 0)
}

function write(output: MessageWriter, isFramed: boolean, meant: Golden): string {
  output.beginFrame(1 << 20, isFramed)
  output.writeMessageBegin(meant.name, meant.type, meant.seqid)
  meant.write(output)
  output.endFrame()
  return output.view().toString('hex')
}

describe('KVStore frames of another implementation', () => {
  for (const [file, meant] of Object.entries(GOLDENS)) {
    test(`${file} decodes to what was meant`, () => {
      assertMeant(open(golden(FRAMED_BINARY, file)), meant)
    })

    test(`${file} is what we write ourselves, byte for byte`, () => {
      assert.equal(write(new BinaryWriter(), true, meant), golden(FRAMED_BINARY, file).toString('hex'))
    })
  }

  test('get-call-old-header, without a version, decodes like the one with it', () => {
    const request = kv.makeGetRequest({ dataset: 'cities', key: bytes('k') })
    assertMeant(open(golden(FRAMED_BINARY, 'get-call-old-header')), call(get, { request }))
  })

  test('every golden file is looked at', () => {
    const known = [...Object.keys(GOLDENS), 'get-call-old-header'].map((name) => `${name}.hex`)
    assert.deepEqual(hexFilesOf(FRAMED_BINARY), known.sort())
  })
})

describe('compact KVStore messages of another implementation', () => {
  for (const [name, meant] of Object.entries(GOLDENS)) {
    const file = `compact-${name}`
    test(`${file} decodes to what was meant`, () => {
      assertMeant(openCompact(golden(OTHERS, file)), meant)
    })

    test(`${file} is what we write ourselves, byte for byte`, () => {
      assert.equal(write(new CompactWriter(), false, meant), golden(OTHERS, file).toString('hex'))
    })
  }
})

describe('streams of KVStore calls without frames', () => {
  const keys = Array.from({ length: 20 }, (_, index) => bytes(`${index}`))
  const calls = [
    call(get, { request: kv.makeGetRequest({ dataset: 'cities', key: bytes('2643743') }) }, 1),
    call(get, { request: everythingRequest() }, 2),
    call(multiGet, { request: kv.makeMultiGetRequest({ dataset: 'd', keys }) }, 3),
    call(mutate, { request: kv.makeMutateRequest({ dataset: 'd', key: bytes('k'), mutations }) }, 4),
    call(describeServer, {}, 5),
  ]
  const limits = { maxMessageBytes: 1 << 20, maxDepth: 32 }
  const STREAMS = {
    'binary-stream': { reader: new BinaryReader(), makeScanner: () => new BinaryScanner(limits) },
    'compact-stream': { reader: new CompactReader(), makeScanner: () => new CompactScanner(limits) },
  }
  for (const [file, { reader, makeScanner }] of Object.entries(STREAMS)) {
    test(`${file} falls into its calls, as a whole and byte by byte`, () => {
      const content = golden(OTHERS, file)
      for (const chunks of [[content], Array.from(content, (byte) => Buffer.of(byte))]) {
        const stream = new MessageStream(makeScanner())
        let found = 0
        for (const chunk of chunks) {
          stream.append(chunk)
          for (; stream.next(); found++) {
            const meant = calls[found]
            assert.ok(meant !== undefined)
            reader.reset(stream.buffer, stream.start, stream.end)
            assertMeant(reader, meant)
          }
        }
        assert.deepEqual([found, stream.isInsideMessage], [calls.length, false])
      }
    })
  }

  test('every golden file is looked at', () => {
    const compact = Object.keys(GOLDENS).map((name) => `compact-${name}`)
    const known = [...compact, ...Object.keys(STREAMS)].map((name) => `${name}.hex`)
    assert.deepEqual(hexFilesOf(OTHERS), known.sort())
  })
})
