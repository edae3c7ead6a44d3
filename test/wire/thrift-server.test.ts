/** ThriftServer against real sockets: order, back-pressure, hostile and broken peers. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, describe, test } from 'node:test'
import type { Clock } from '../../src/base/clock.js'
import { systemClock } from '../../src/base/clock.js'
import { BinaryReader } from '../../src/thrift/binary-reader.js'
import { readApplicationException } from '../../src/thrift/application-exception.js'
import * as kv from '../../src/thrift/generated/kvstore.js'
import { field, frame, getFrame, i32, message, struct, T, untilClosed } from '../support/frames.js'
import { Answers, Held, Peer, textOf, valueOf, type Answer, type GetHandler, type PeerOptions } from './thrift-peers.js' // prettier-ignore

const REPLY = 2
const EXCEPTION = 3
const UNKNOWN_METHOD = 1
const INTERNAL_ERROR = 6
const PROTOCOL_ERROR = 7

let peer: Peer

async function start(handler: GetHandler, options?: PeerOptions): Promise<void> {
  peer = await Peer.start(handler, options)
}

afterEach(() => peer.stop())

const echo: GetHandler = (key, call) => call.reply(valueOf(key))

function exceptionOf({ type, body }: Answer): number {
  assert.equal(type, EXCEPTION)
  const input = new BinaryReader()
  input.reset(body, 0, body.length)
  return readApplicationException(input).type
}

describe('requests and answers', () => {
  test('a request that comes byte by byte is answered', async () => {
    await start(echo)
    const socket = await peer.connect()
    for (const byte of getFrame('d', 'key', 7)) socket.write(Buffer.of(byte))
    const answer = await new Answers(socket).next()
    assert.deepEqual([answer.type, answer.seqid, textOf(answer)], [REPLY, 7, 'key'])
  })

  test('pipelined requests that are answered in any order leave in the order in which they came', async () => {
    const held = new Held()
    await start(held.handler, { limits: { assumedAnswerBytes: 100 } })
    const socket = await peer.connect()
    const keys = Array.from({ length: 50 }, (_, index) => `k${index}`)
    socket.write(Buffer.concat(keys.map((key, index) => getFrame('d', key, 1_000 - index))))
    await held.until(50)
    for (const index of keys.keys()) held.answer((index * 7 + 3) % 50)
    const answers = await new Answers(socket).take(50)
    assert.deepEqual(answers.map(textOf), keys)
    assert.deepEqual(answers.map(({ seqid }) => seqid), keys.map((_, index) => 1_000 - index)) // prettier-ignore
  })

  test('answers given in one callback leave in one write a connection', async () => {
    const held = new Held()
    await start(held.handler)
    const sockets = [await peer.connect(), await peer.connect()]
    for (const socket of sockets)
      socket.write(Buffer.concat([1, 2, 3].map((seqid) => getFrame('d', 'k', seqid))))
    await held.until(6)
    setImmediate(() => {
      for (const index of [5, 0, 4, 1, 3, 2]) held.answer(index)
    })
    for (const socket of sockets) await new Answers(socket).take(3)
    assert.deepEqual(peer.writes.map((sizes) => sizes.length), [1, 1]) // prettier-ignore
  })

  test('answers that handlers give at once leave in one write for all requests of a chunk', async () => {
    await start(echo)
    const socket = await peer.connect()
    socket.write(Buffer.concat([1, 2, 3].map((seqid) => getFrame('d', 'k', seqid))))
    await new Answers(socket).take(3)
    assert.deepEqual(peer.writes.map((sizes) => sizes.length), [1]) // prettier-ignore
  })

  test('a declared exception is a reply with that exception', async () => {
    const exception = kv.makeKVStoreException({ message: 'no', error: kv.makeErrorDetail({ code: 102 }) })
    await start((_key, call) => call.fail(exception))
    const socket = await peer.connect()
    socket.write(getFrame('d', 'k'))
    const { type, body } = await new Answers(socket).next()
    assert.equal(type, REPLY)
    const input = new BinaryReader()
    input.reset(body, 0, body.length)
    assert.deepEqual(kv.KVStoreMethods.get.readResult(input), { value: null, exception })
  })

  test('an unknown method is answered as one, and the connection goes on', async () => {
    await start(echo)
    const socket = await peer.connect()
    socket.write(Buffer.concat([frame(message('drop', struct(), 1, 5)), getFrame('d', 'k', 6)]))
    const answers = new Answers(socket)
    const unknown = await answers.next()
    assert.deepEqual([exceptionOf(unknown), unknown.seqid], [UNKNOWN_METHOD, 5])
    assert.equal(textOf(await answers.next()), 'k')
  })

  test('a oneway method is not answered, by its message type or by its declaration', async () => {
    await start(echo)
    const socket = await peer.connect()
    let told = 0
    peer.onTell = (call) => {
      told++
      call.reply(null)
    }
    const frames = [frame(message('tell', struct(), 4, 1)), frame(message('tell', struct(), 1, 2))]
    frames.push(frame(message('nothing', struct(), 4, 3)), getFrame('d', 'k', 4))
    socket.write(Buffer.concat(frames))
    assert.equal((await new Answers(socket).next()).seqid, 4)
    assert.equal(told, 2)
  })

  test('all requests of one arrival carry one time and the caller', async () => {
    const held = new Held()
    await start(held.handler)
    const socket = await peer.connect()
    socket.write(Buffer.concat([getFrame('d', 'a', 1), getFrame('d', 'b', 2)]))
    await held.until(2)
    const [first, second] = held.calls.map(({ call }) => call)
    assert.equal(first?.receivedAtMs, second?.receivedAtMs)
    assert.equal(first?.connection.remoteAddress, '127.0.0.1')
    assert.equal(first.connection.id, second?.connection.id)
  })

  test('an answer over the frame limit becomes an error, and the connection goes on', async () => {
    await start((key, call) => call.reply(valueOf(key === 'large' ? Buffer.alloc(5_000) : key)), {
      limits: { maxFrameBytes: 4_096 },
    })
    const socket = await peer.connect()
    socket.write(Buffer.concat([getFrame('d', 'large', 1), getFrame('d', 'small', 2)]))
    const answers = new Answers(socket)
    assert.equal(exceptionOf(await answers.next()), INTERNAL_ERROR)
    assert.equal(textOf(await answers.next()), 'small')
  })

  test('an answer over the frame limit becomes the exception that the service has for it', async () => {
    const handler: GetHandler = (key, call) =>
      call.reply(valueOf(key === 'large' ? Buffer.alloc(5_000) : key))
    await start(handler, {
      limits: { maxFrameBytes: 4_096 },
      tooLarge: (method, maxBytes) => kv.makeKVStoreException({ message: `${method} over ${maxBytes}` }),
    })
    const socket = await peer.connect()
    socket.write(Buffer.concat([getFrame('d', 'large', 1), getFrame('d', 'small', 2)]))
    const answers = new Answers(socket)
    const refusal = await answers.next()
    assert.deepEqual([refusal.type, refusal.seqid], [REPLY, 1])
    const input = new BinaryReader()
    input.reset(refusal.body, 0, refusal.body.length)
    const { exception } = kv.KVStoreMethods.get.readResult(input)
    assert.equal(exception?.message, 'get over 4096')
    assert.equal(textOf(await answers.next()), 'small')
    assert.ok(!peer.events.includes('fault'))
  })

  const NO_EXCEPTION: Readonly<Record<string, () => unknown>> = {
    'has none for that method': () => null,
    'throws instead': () => {
      throw new Error('broken service')
    },
  }
  for (const [what, tooLarge] of Object.entries(NO_EXCEPTION)) {
    test(`an answer over the frame limit is an INTERNAL_ERROR when the service ${what}`, async () => {
      await start((_key, call) => call.reply(valueOf(Buffer.alloc(5_000))), {
        limits: { maxFrameBytes: 4_096 },
        tooLarge,
      })
      const socket = await peer.connect()
      socket.write(getFrame('d', 'large'))
      assert.equal(exceptionOf(await new Answers(socket).next()), INTERNAL_ERROR)
    })
  }
})

describe('limits', () => {
  test('requests beyond the pipelining limit wait until earlier ones are answered', async () => {
    const held = new Held()
    await start(held.handler, { limits: { maxPipelinedRequests: 4 } })
    const socket = await peer.connect()
    const keys = Array.from({ length: 50 }, (_, index) => `k${index}`)
    socket.write(Buffer.concat(keys.map((key, index) => getFrame('d', key, index))))
    await held.until(4)
    const answers = new Answers(socket)
    for (const [index, key] of keys.entries()) {
      await held.until(index + 1)
      assert.ok(held.calls.length - index <= 4, `${held.calls.length - index} in flight`)
      held.answer(index)
      assert.equal(textOf(await answers.next()), key)
    }
  })

  test('what a peer sends beyond the pipelining limit stays in the peer, not in our memory', async () => {
    const held = new Held()
    await start(held.handler, { limits: { maxPipelinedRequests: 1 } })
    const [flooding, other] = [await peer.connect(), await peer.connect()]
    flooding.write(getFrame('d', 'first'))
    await held.until(1)
    for (let i = 0; i < 40; i++) flooding.write(getFrame('d', 'x'.repeat(1 << 20)))
    const answers = new Answers(other)
    for (let i = 1; i <= 200; i++) {
      other.write(getFrame('d', 'k', i))
      await held.until(i + 1)
      held.answer(i)
      await answers.next()
    }
    assert.ok(peer.server.heldBytes < 1 << 20, `${peer.server.heldBytes} bytes are held`)
    assert.ok(flooding.writableLength > 10 << 20, `${flooding.writableLength} bytes wait in the peer`)
  })

  test('a peer that does not read stops being read, and gets every byte when it reads on', async () => {
    const limit = 1 << 20
    let served = 0
    const answer = (key: string): Buffer => Buffer.alloc(200_000, key)
    const handler: GetHandler = (key, call) => {
      served++
      call.reply(valueOf(answer(key)))
    }
    await start(handler, { limits: { maxUnsentBytesPerConnection: limit } })
    const slow = await peer.connect()
    slow.pause()
    const keys = Array.from({ length: 150 }, (_, index) => `key-${index}`)
    // One at a time, so that the server meets each with what it could not send before.
    for (const [index, key] of keys.entries()) slow.write(getFrame('d', key, index))
    const quick = await peer.connect()
    quick.write(getFrame('d', 'q'))
    await new Answers(quick).next()
    assert.ok(served < 120, `${served} served without a reader`)
    const answers = new Answers(slow)
    for (const key of keys) assert.equal(textOf(await answers.next()), answer(key).toString())
    assert.equal(peer.server.heldBytes, 0)
  })

  test('a connection over the limit of connections is closed at once', async () => {
    await start(echo, { limits: { maxConnections: 1 } })
    const first = await peer.connect()
    await peer.until('connection')
    await untilClosed(await peer.connect())
    assert.ok(peer.events.includes('refused connections'))
    first.write(getFrame('d', 'k'))
    assert.equal(textOf(await new Answers(first).next()), 'k')
  })

  test('a silent connection is closed after the idle limit, one with a request in flight is not', async () => {
    let nowMs = 0
    const clock: Clock = { ...systemClock, monotonicMs: () => nowMs }
    const held = new Held()
    await start(held.handler, { clock, limits: { idleConnectionMs: 60_000 } })
    const [silent, busy] = [await peer.connect(), await peer.connect()]
    busy.write(getFrame('d', 'k'))
    await held.until(1)
    nowMs = 59_999
    peer.server.closeIdle()
    assert.equal(peer.server.connectionCount, 2)
    nowMs = 60_001
    peer.server.closeIdle()
    await untilClosed(silent)
    held.answer(0)
    assert.equal(textOf(await new Answers(busy).next()), 'k')
  })
})

const GET_ARGS = struct(field(T.STRUCT, 1, struct()))

/** Frames with a seqid that are wrong behind it. */
const MALFORMED: readonly (readonly [what: string, content: Buffer, reason: string])[] = [
  ['arguments that are cut', message('get', GET_ARGS.subarray(0, 4), 1, 9), 'truncated'],
  ['no arguments at all', message('get', Buffer.alloc(0), 1, 9), 'truncated'],
  ['a size that lies', message('get', struct(field(T.STRING, 9, i32(1 << 30))), 1, 9), 'lying-size'],
  ['a nesting bomb', message('get', Buffer.alloc(3_000, Buffer.of(T.STRUCT, 0, 9)), 1, 9), 'too-deep'],
  [
    'another message behind the first',
    message('get', Buffer.concat([GET_ARGS, GET_ARGS]), 1, 9),
    'bad-message',
  ],
  ['an answer where a request belongs', message('get', GET_ARGS, REPLY, 9), 'bad-message'],
]

/** Bytes that no seqid can be read from. */
const GARBAGE: readonly (readonly [what: string, bytes: Buffer, reason: string])[] = [
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 'unknown-transport'],
  ['a TLS hello', Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00), 'unknown-transport'],
  ['the header transport', frame(Buffer.of(0x0f, 0xff, 0, 0, 0, 0, 0, 1, 0, 0)), 'unknown-transport'],
  ['noise', Buffer.alloc(64, 0xee), 'unknown-transport'],
  ['a frame over the limit', Buffer.concat([i32(1 << 30), message('get', GET_ARGS)]), 'frame-too-large'],
  ['a header that is cut', frame(message('get', GET_ARGS).subarray(0, 6)), 'truncated'],
]

describe('malformed bytes', () => {
  for (const [what, content, reason] of MALFORMED) {
    test(`${what}: PROTOCOL_ERROR behind the earlier answers, then the end of the connection`, async () => {
      const held = new Held()
      await start(held.handler)
      const socket = await peer.connect()
      socket.write(Buffer.concat([getFrame('d', 'before', 8), frame(content), getFrame('d', 'after', 10)]))
      await peer.until(`malformed ${reason}`)
      held.answer(0)
      const answers = new Answers(socket)
      assert.equal(textOf(await answers.next()), 'before')
      const refusal = await answers.next()
      assert.deepEqual([exceptionOf(refusal), refusal.seqid], [PROTOCOL_ERROR, 9])
      await assert.rejects(answers.next(), /closed/)
      assert.equal(held.calls.length, 1)
    })
  }

  for (const [what, bytes, reason] of GARBAGE) {
    test(`${what} costs its connection and nothing else`, async () => {
      await start(echo)
      const neighbour = await peer.connect()
      const socket = await peer.connect()
      socket.write(bytes)
      assert.equal((await untilClosed(socket)).length, 0)
      assert.ok(peer.events.includes(`malformed ${reason}`), peer.events.join())
      assert.match(peer.logger.lines.join(), /malformed/)
      neighbour.write(getFrame('d', 'k'))
      assert.equal(textOf(await new Answers(neighbour).next()), 'k')
    })
  }

  test('a frame over the limit behind good requests leaves their answers', async () => {
    const held = new Held()
    await start(held.handler)
    const socket = await peer.connect()
    socket.write(Buffer.concat([getFrame('d', 'k'), i32(1 << 30)]))
    await peer.until('malformed frame-too-large')
    held.answer(0)
    assert.equal(textOf(await new Answers(socket).next()), 'k')
    await untilClosed(socket)
  })
})

describe('connections that end', () => {
  test('a peer that closes its side after its requests gets the answers, then the end', async () => {
    const held = new Held()
    await start(held.handler)
    const socket = await peer.connect()
    socket.end(Buffer.concat([getFrame('d', 'a', 1), getFrame('d', 'b', 2)]))
    await held.until(2)
    await peer.untilPeerEnded()
    held.answer(1)
    held.answer(0)
    const answers = new Answers(socket)
    assert.deepEqual((await answers.take(2)).map(textOf), ['a', 'b'])
    await peer.until('disconnect')
  })

  test('a peer that closes its side while requests wait for their turn gets all answers', async () => {
    const held = new Held()
    await start(held.handler, { limits: { maxPipelinedRequests: 2 } })
    const socket = await peer.connect()
    const keys = ['a', 'b', 'c', 'd', 'e']
    socket.end(Buffer.concat(keys.map((key, index) => getFrame('d', key, index))))
    await peer.untilPeerEnded()
    for (const index of keys.keys()) {
      await held.until(index + 1)
      held.answer(index)
    }
    assert.deepEqual((await new Answers(socket).take(5)).map(textOf), keys)
    await peer.until('disconnect')
  })

  test('a connection that ends inside a frame is counted as malformed', async () => {
    await start(echo)
    const socket = await peer.connect()
    socket.end(getFrame('d', 'k').subarray(0, 20))
    await untilClosed(socket)
    assert.ok(peer.events.includes('malformed truncated'))
  })

  test('a reset with requests in flight: their answers go nowhere and the process lives', async () => {
    const held = new Held()
    await start(held.handler)
    const socket = await peer.connect()
    socket.write(Buffer.concat([getFrame('d', 'a', 1), getFrame('d', 'b', 2)]))
    await held.until(2)
    socket.resetAndDestroy()
    await peer.until('disconnect')
    held.answer(0)
    held.answer(1)
    const other = await peer.connect()
    other.write(getFrame('d', 'k'))
    await held.until(3)
    held.answer(2)
    assert.equal(textOf(await new Answers(other).next()), 'k')
    assert.deepEqual([peer.server.heldBytes, peer.events.includes('fault')], [0, false])
  })

  test('draining answers what is in flight, reads nothing more and closes every connection', async () => {
    const held = new Held()
    await start(held.handler)
    const [busy, idle] = [await peer.connect(), await peer.connect()]
    busy.write(getFrame('d', 'k'))
    await held.until(1)
    const drained = peer.server.drain(Number.POSITIVE_INFINITY)
    busy.write(getFrame('d', 'late'))
    held.answer(0)
    assert.equal(textOf(await new Answers(busy).next()), 'k')
    await Promise.all([untilClosed(busy), untilClosed(idle), drained])
    assert.equal(held.calls.length, 1)
    await untilClosed(await peer.connect())
    assert.ok(peer.events.includes('refused draining'))
  })

  test('draining cuts connections at its deadline', async () => {
    const held = new Held()
    await start(held.handler)
    const socket = await peer.connect()
    socket.write(getFrame('d', 'k'))
    await held.until(1)
    await Promise.all([peer.server.drain(systemClock.monotonicMs() + 20), once(socket, 'close')])
    assert.equal(peer.server.connectionCount, 0)
    held.answer(0)
  })
})

describe('faults of handlers', () => {
  test('a handler that throws: INTERNAL_ERROR, the connection ends, the neighbours live', async () => {
    await start((key, call) => {
      if (key === 'throw') throw new Error('broken handler')
      call.reply(valueOf(key))
    })
    const [socket, neighbour] = [await peer.connect(), await peer.connect()]
    socket.write(
      Buffer.concat([getFrame('d', 'good', 1), getFrame('d', 'throw', 2), getFrame('d', 'unread', 3)]),
    )
    const answers = new Answers(socket)
    assert.equal(textOf(await answers.next()), 'good')
    assert.equal(exceptionOf(await answers.next()), INTERNAL_ERROR)
    await assert.rejects(answers.next(), /closed/)
    assert.match(peer.logger.lines.join(), /handler of get threw/)
    neighbour.write(getFrame('d', 'k'))
    assert.equal(textOf(await new Answers(neighbour).next()), 'k')
  })

  test('a second answer to one request is a fault that ends the connection, behind the first answer', async () => {
    await start((key, call) => {
      call.reply(valueOf(key))
      call.reply(valueOf('again'))
    })
    const socket = await peer.connect()
    socket.write(getFrame('d', 'k'))
    const answers = new Answers(socket)
    assert.equal(textOf(await answers.next()), 'k')
    await assert.rejects(answers.next(), /closed/)
    assert.match(peer.logger.lines.join(), /answered twice/)
  })

  test('a result that cannot be written: INTERNAL_ERROR, whole frames before it, the connection ends', async () => {
    await start((key, call) => {
      const timestamp = key === 'wrong' ? 2n ** 64n : 1n
      call.reply(kv.makeGetResponse({ value: Buffer.from(key), timestamp }))
    })
    const socket = await peer.connect()
    socket.write(Buffer.concat([getFrame('d', 'good', 1), getFrame('d', 'wrong', 2)]))
    const answers = new Answers(socket)
    assert.equal(textOf(await answers.next()), 'good')
    assert.equal(exceptionOf(await answers.next()), INTERNAL_ERROR)
    await assert.rejects(answers.next(), /closed/)
    assert.ok(peer.events.includes('fault'))
  })
})
