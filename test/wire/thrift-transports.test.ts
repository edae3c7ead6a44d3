/** The four kinds of connection on one port of a ThriftServer: each told by its first bytes and answered in kind. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { systemClock, type Clock } from '../../src/base/clock.js'
import { ThriftType } from '../../src/thrift/protocol.js'
import { field, i32, struct, T, text, untilClosed } from '../support/frames.js'
import { Kind, KINDS } from './thrift-kinds.js'
import { Held, Peer, valueOf, type GetHandler, type PeerOptions } from './thrift-peers.js'

const UNKNOWN_METHOD = 1
const INTERNAL_ERROR = 6
const PROTOCOL_ERROR = 7
const SIZE = 1 << 20

let peer: Peer

async function start(handler: GetHandler, options?: PeerOptions): Promise<void> {
  peer = await Peer.start(handler, options)
}

afterEach(() => peer.stop())

const echo: GetHandler = (key, call) => call.reply(valueOf(key))
const keysOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `key ${index}`)

for (const name of KINDS) {
  const kind = new Kind(name)
  const requests = (keys: readonly string[]): Buffer =>
    Buffer.concat(keys.map((key, index) => kind.get(key, index)))

  describe(`a ${name} connection`, () => {
    test('is answered in kind, whether its bytes come at once or one by one', async () => {
      await start(echo)
      for (const isSlow of [false, true]) {
        const socket = await peer.connect()
        const bytes = requests(['a', 'x'.repeat(300), 'ü'])
        if (isSlow) for (const byte of bytes) socket.write(Buffer.of(byte))
        else socket.write(bytes)
        const answers = await kind.answers(socket, 3)
        assert.deepEqual(answers.map(({ value }) => value), ['a', 'x'.repeat(300), 'ü']) // prettier-ignore
        assert.deepEqual(answers.map(({ seqid }) => seqid), [0, 1, 2]) // prettier-ignore
      }
    })

    test('gets the answers to pipelined requests in their order, however they are given', async () => {
      const held = new Held()
      await start(held.handler, { limits: { assumedAnswerBytes: 100 } })
      const socket = await peer.connect()
      const keys = keysOf(50)
      socket.write(requests(keys))
      await held.until(50)
      for (const index of keys.keys()) held.answer((index * 7 + 3) % 50)
      const answers = await kind.answers(socket, 50)
      assert.deepEqual(answers.map(({ value }) => value), keys) // prettier-ignore
      assert.deepEqual(answers.map(({ seqid }) => seqid), [...keys.keys()]) // prettier-ignore
    })

    test('goes on after an unknown method, whose arguments are passed over', async () => {
      await start(echo)
      const socket = await peer.connect()
      const unknown = kind.message('drop', 5, (output) => {
        output.writeStructBegin()
        output.writeFieldBegin(ThriftType.MAP, 9)
        output.writeMapBegin(ThriftType.STRING, ThriftType.BOOL, 1)
        output.writeString('k')
        output.writeBool(true)
        output.writeFieldStop()
        output.writeStructEnd()
      })
      socket.write(Buffer.concat([unknown, kind.get('k', 6)]))
      const [first, second] = await kind.answers(socket, 2)
      assert.deepEqual([first?.exception, first?.seqid], [UNKNOWN_METHOD, 5])
      assert.deepEqual([second?.value, second?.seqid], ['k', 6])
    })

    test('gets an error in place of an answer over the limit, and goes on', async () => {
      const handler: GetHandler = (key, call) => call.reply(valueOf(key === 'l' ? Buffer.alloc(5_000) : key))
      await start(handler, { limits: { maxFrameBytes: 4_096 } })
      const socket = await peer.connect()
      socket.write(requests(['l', 'small']))
      const [large, small] = await kind.answers(socket, 2)
      assert.deepEqual([large?.exception, small?.value], [INTERNAL_ERROR, 'small'])
    })

    test('gets PROTOCOL_ERROR for a broken request, behind the answers before it, and the end', async () => {
      const held = new Held()
      await start(held.handler)
      const socket = await peer.connect()
      const broken = kind.message('get', 9, (output) => {
        output.writeStructBegin()
        for (let depth = 0; depth < 50; depth++) {
          output.writeFieldBegin(ThriftType.STRUCT, 9)
          output.writeStructBegin()
        }
        for (let depth = 0; depth <= 50; depth++) output.writeFieldStop()
      })
      socket.write(Buffer.concat([kind.get('before', 8), broken, kind.get('after', 10)]))
      await peer.until('malformed too-deep')
      held.answer(0)
      const [before, refusal, ...others] = await kind.answers(socket, 9)
      assert.deepEqual([before?.value, refusal?.exception, refusal?.seqid], ['before', PROTOCOL_ERROR, 9])
      assert.deepEqual([others.length, held.calls.length], [0, 1])
    })

    test('that asks for more than it reads keeps no more than its limit in memory, and gets all later', async () => {
      const limits = { maxUnsentBytesPerConnection: 4 * SIZE, assumedAnswerBytes: SIZE }
      await start((_key, call) => setImmediate(() => call.reply(valueOf(Buffer.alloc(SIZE)))), { limits })
      const slow = await peer.connect()
      slow.pause()
      slow.write(requests(keysOf(60)))
      await untilServerSees(() => peer.server.heldBytes > 2 * SIZE)
      assert.ok(peer.server.heldBytes <= 9 * SIZE, `${peer.server.heldBytes} bytes are held`)
      assert.equal((await kind.answers(slow, 60)).at(-1)?.seqid, 59)
      assert.equal(peer.server.heldBytes, 0)
    })

    test('is closed after the idle limit, and before it when a request does not arrive whole', async () => {
      let nowMs = 0
      const clock: Clock = { ...systemClock, monotonicMs: () => nowMs }
      await start(echo, { clock, limits: { idleConnectionMs: 60_000, frameTimeoutMs: 20_000 } })
      const [silent, slow] = [await peer.connect(), await peer.connect()]
      silent.write(kind.get('k'))
      assert.equal((await kind.answers(silent, 1)).length, 1)
      slow.write(kind.get('k').subarray(0, -1))
      await untilServerSees(() => peer.server.heldBytes > 0)
      nowMs = 20_001
      peer.server.closeIdle()
      await untilClosed(slow)
      nowMs = 60_001
      peer.server.closeIdle()
      await untilClosed(silent)
    })

    test('that switches to another protocol is answered up to there and closed with a clear reason', async () => {
      const other = new Kind(KINDS[(KINDS.indexOf(name) ^ 1) % 4] ?? name)
      assert.equal(other.isFramed, kind.isFramed)
      await start(echo)
      const socket = await peer.connect()
      socket.write(Buffer.concat([kind.get('good', 1), other.get('bad', 2), kind.get('never', 3)]))
      const answers = await kind.answers(socket, 9)
      assert.deepEqual(answers.map(({ value }) => value), ['good']) // prettier-ignore
      assert.ok(peer.events.includes('malformed bad-version'))
      assert.match(peer.logger.lines.join(), /(compact|binary) message on a connection that began with/)
    })
  })
}

/** A round of another connection at a time: whatever was sent before arrives sooner or later. */
async function untilServerSees(condition: () => boolean): Promise<void> {
  const kind = new Kind('framed binary')
  while (!condition()) {
    const socket = await peer.connect()
    socket.write(kind.get('round'))
    await kind.answers(socket, 1)
    socket.destroy()
  }
}

describe('kinds of connections', () => {
  test('all four share one port at one time', async () => {
    await start(echo)
    const clients = await Promise.all(
      [...KINDS, ...KINDS].map(async (name) => ({ kind: new Kind(name), socket: await peer.connect() })),
    )
    for (let round = 0; round < 20; round++) {
      for (const { kind, socket } of clients) socket.write(kind.get(`round ${round}`, round))
      for (const { kind, socket } of clients) {
        const [answer] = await kind.answers(socket, 1)
        assert.deepEqual([answer?.value, answer?.seqid], [`round ${round}`, round])
      }
    }
  })

  test('buffered binary requests without a version are told apart and answered, with one', async () => {
    await start(echo)
    const kind = new Kind('buffered binary')
    const request = struct(field(T.STRING, 1, text('d')), field(T.STRING, 2, text('old')))
    const old = Buffer.concat([text('get'), Buffer.of(1), i32(7), struct(field(T.STRUCT, 1, request))])
    const socket = await peer.connect()
    socket.write(Buffer.concat([old, old]))
    const answers = await kind.answers(socket, 2)
    assert.deepEqual(answers.map(({ value, seqid }) => [value, seqid]), [['old', 7], ['old', 7]]) // prettier-ignore
  })

  test('a framed connection that goes on without frames is closed', async () => {
    for (const name of KINDS.slice(0, 2)) {
      await start(echo)
      const kind = new Kind(name)
      const socket = await peer.connect()
      socket.write(Buffer.concat([kind.get('good', 1), kind.get('bad', 2).subarray(4)]))
      assert.equal((await kind.answers(socket, 9)).length, 1)
      assert.ok(peer.events.includes('malformed negative-size'))
      if (name !== KINDS[1]) await peer.stop()
    }
  })
})

describe('memory behind answers and requests', () => {
  test('small answers that wait for the peer keep about their own size, not a buffer each', async () => {
    await start(echo)
    const kind = new Kind('buffered compact')
    const slow = await peer.connect()
    slow.pause()
    const key = 'x'.repeat(30_000)
    const kept: Uint8Array[] = []
    const accepted = peer.accepted[0]
    assert.ok(accepted !== undefined)
    const write = accepted.write.bind(accepted)
    accepted.write = (bytes: Uint8Array | string): boolean => {
      if (typeof bytes !== 'string' && accepted.writableLength > 0) kept.push(bytes)
      return write(bytes)
    }
    // Until the kernel takes no more, then small ones, each in a turn of its own.
    while (accepted.writableLength === 0) await turn(() => slow.write(kind.get(key)))
    for (let index = 0; index < 100; index++) await turn(() => slow.write(kind.get('small')))
    const asked = kept.reduce((sum, bytes) => sum + bytes.byteLength, 0)
    const memory = [...new Set(kept.map((bytes) => bytes.buffer))].reduce(
      (sum, each) => sum + each.byteLength,
      0,
    )
    assert.ok(kept.length >= 100, `${kept.length} writes`)
    assert.ok(memory <= 4 * asked + 65_536, `${memory} bytes for ${asked}`)
  })

  /** The server has read what was written, and has answered. */
  async function turn(step: () => unknown): Promise<void> {
    const before = peer.writes[0]?.length ?? 0
    step()
    await untilServerSees(() => (peer.writes[0]?.length ?? 0) > before)
  }

  test('an answer that was too large closes the window as one of its size would', async () => {
    const held = new Held()
    await start(held.handler, { limits: { maxFrameBytes: 2 * SIZE, maxUnsentBytesPerConnection: 4 * SIZE, assumedAnswerBytes: 100 } }) // prettier-ignore
    const kind = new Kind('framed binary')
    const socket = await peer.connect()
    socket.write(Buffer.concat(keysOf(20).map((key) => kind.get(key))))
    await held.until(20)
    for (const { call } of held.calls) call.reply(valueOf(Buffer.alloc(3 * SIZE)))
    assert.equal((await kind.answers(socket, 20)).length, 20)
    socket.write(Buffer.concat(keysOf(20).map((key) => kind.get(key))))
    await untilServerSeesHeld(held, 21)
    assert.ok(held.calls.length <= 22, `${held.calls.length - 20} were handed over at once`)
  })

  async function untilServerSeesHeld(held: Held, count: number): Promise<void> {
    await held.until(count)
    const other = await peer.connect()
    other.write(new Kind('framed binary').get('other'))
    while (held.calls.at(-1)?.key !== 'other') await held.until(held.calls.length + 1)
    held.calls.pop()
  }

  test('requests that keep more bytes than the limit hold further ones back until they are answered', async () => {
    const held = new Held()
    await start(held.handler, { limits: { maxUnsentBytesPerConnection: 4 * SIZE, assumedAnswerBytes: 100 } })
    for (const name of KINDS) {
      const kind = new Kind(name)
      const begun = held.calls.length
      const socket = await peer.connect()
      socket.write(Buffer.concat(Array.from({ length: 12 }, () => kind.get('k'.repeat(SIZE)))))
      await untilServerSeesHeld(held, begun + 4)
      assert.equal(held.calls.length - begun, 4)
      for (let index = 0; index < 12; index++) {
        await held.until(begun + index + 1)
        held.calls[begun + index]?.call.reply(valueOf(''))
      }
      assert.equal((await kind.answers(socket, 12)).length, 12)
    }
  })
})
