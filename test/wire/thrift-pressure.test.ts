/** ThriftServer short of memory: who is slowed down, who is cut off, and who must not notice. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import { systemClock, type Clock } from '../../src/base/clock.js'
import { getFrame, i32, message, untilClosed } from '../support/frames.js'
import { Answers, Held, Peer, textOf, valueOf, type GetHandler, type PeerOptions } from './thrift-peers.js'

const echo: GetHandler = (key, call) => call.reply(valueOf(key))

let peer: Peer
let nowMs = 0
const clock: Clock = { ...systemClock, monotonicMs: () => nowMs }

async function start(handler: GetHandler, options: PeerOptions = {}): Promise<void> {
  nowMs = 0
  peer = await Peer.start(handler, { ...options, clock })
}

afterEach(() => peer.stop())

/** Begins a frame of a megabyte and sends about so much of it; resolves when the server has it. */
async function begin(size: number): Promise<Socket> {
  const socket = await peer.connect()
  const before = peer.server.heldBytes
  socket.write(Buffer.concat([i32(1 << 20), message('get', Buffer.alloc(size))]))
  await untilServerSees(() => peer.server.heldBytes >= before + size)
  return socket
}

/** A round of another connection at a time: whatever was sent before arrives sooner or later. */
async function untilServerSees(condition: () => boolean): Promise<void> {
  const socket = await peer.connect()
  const answers = new Answers(socket)
  while (!condition()) {
    socket.write(getFrame('d', 'round'))
    await answers.next()
  }
  socket.destroy()
}

describe('incomplete requests that fill the memory of a thread', () => {
  const limits = { maxBufferedBytesPerThread: 100_000 }

  /** Sends all but the last byte of an honest request, and that one when the server is over its limit. */
  async function askInTwoParts(keySize: number): Promise<string> {
    const bytes = getFrame('d', 'k'.repeat(keySize))
    const socket = await peer.connect()
    socket.write(bytes.subarray(0, -1))
    await peer.until('refused memory')
    socket.write(bytes.subarray(-1))
    return textOf(await new Answers(socket).next())
  }

  test('cost the connection that has held a large one for longest, not the one that comes last', async () => {
    await start(echo, { limits })
    const sockets: Socket[] = []
    for (; nowMs < 3; nowMs++) sockets.push(await begin(30_000))
    assert.equal((await askInTwoParts(20_000)).length, 20_000)
    const [oldest, ...others] = sockets
    assert.ok(oldest !== undefined)
    await untilClosed(oldest)
    assert.ok(others.every((socket) => !socket.destroyed))
    assert.equal(peer.events.filter((event) => event === 'refused memory').length, 1)
  })

  test('leave a younger request alone that is larger than theirs', async () => {
    await start(echo, { limits })
    for (; nowMs < 3; nowMs++) await begin(25_000)
    assert.equal((await askInTwoParts(50_000)).length, 50_000)
  })

  test('leave a small request alone that began before them', async () => {
    await start(echo, { limits })
    const small = await peer.connect()
    small.write(getFrame('d', 'small').subarray(0, -1))
    await untilServerSees(() => peer.server.heldBytes > 0)
    for (nowMs = 1; nowMs < 4; nowMs++) await begin(30_000)
    assert.equal((await askInTwoParts(20_000)).length, 20_000)
    small.write(getFrame('d', 'small').subarray(-1))
    assert.equal(textOf(await new Answers(small).next()), 'small')
  })

  test('what a cut connection held counts no longer', async () => {
    await start(echo, { limits })
    for (; nowMs < 3; nowMs++) await begin(30_000)
    await askInTwoParts(20_000)
    assert.ok(peer.server.heldBytes <= 70_000, `${peer.server.heldBytes} bytes are held`)
  })
})

describe('a request that does not arrive whole in time', () => {
  const limits = { frameTimeoutMs: 30_000 }

  test('costs its connection, however steadily bytes trickle in', async () => {
    await start(echo, { limits })
    const bytes = getFrame('d', 'k')
    const slow = await peer.connect()
    const answers = new Answers(slow)
    slow.write(bytes)
    assert.equal(textOf(await answers.next()), 'k')
    for (let sent = 0; sent < 10; sent++) {
      slow.write(bytes.subarray(sent, sent + 1))
      await untilServerSees(() => peer.server.heldBytes > 0)
      nowMs += 3_000
      peer.server.closeIdle()
    }
    assert.equal(peer.events.includes('refused slow-request'), false)
    nowMs += 1
    peer.server.closeIdle()
    assert.ok(peer.events.includes('refused slow-request'))
    await assert.rejects(answers.next(), /closed/)
  })

  test('costs its connection when only its first bytes came, too few to tell the transport', async () => {
    await start(echo, { limits })
    const slow = await peer.connect()
    slow.write(Buffer.of(0, 0))
    await untilServerSees(() => slow.bytesWritten === 2 && peer.accepted[0]?.bytesRead === 2)
    nowMs += 30_001
    peer.server.closeIdle()
    await untilClosed(slow)
  })

  test('leaves the answers to the requests before it', async () => {
    const held = new Held()
    await start(held.handler, { limits })
    const slow = await peer.connect()
    slow.write(Buffer.concat([getFrame('d', 'a'), getFrame('d', 'b').subarray(0, -1)]))
    await held.until(1)
    nowMs += 30_001
    peer.server.closeIdle()
    held.answer(0)
    assert.equal(textOf(await new Answers(slow).next()), 'a')
    await untilClosed(slow)
  })

  test('is not the fault of a peer that we do not read, nor of one whose frames come one after the other', async () => {
    const held = new Held()
    await start(held.handler, { limits: { ...limits, maxPipelinedRequests: 2 } })
    const socket = await peer.connect()
    const [a, b, c] = [getFrame('d', 'a'), getFrame('d', 'b'), getFrame('d', 'c')]
    socket.write(Buffer.concat([a, b.subarray(0, 10)]))
    await held.until(1)
    nowMs += 20_000
    socket.write(Buffer.concat([b.subarray(10), c.subarray(0, 10)]))
    await held.until(2)
    nowMs += 20_000
    peer.server.closeIdle()
    held.answer(0)
    held.answer(1)
    const answers = new Answers(socket)
    await answers.take(2)
    nowMs += 20_000
    peer.server.closeIdle()
    socket.write(c.subarray(10))
    await held.until(3)
    held.answer(2)
    assert.equal(textOf(await answers.next()), 'c')
  })
})

describe('large answers', () => {
  const size = 1 << 20
  const limits = { maxUnsentBytesPerConnection: 4 * size, assumedAnswerBytes: size, maxBufferedBytesPerThread: 16 * size } // prettier-ignore
  const requests = (count: number): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, index) => getFrame('d', `k${index}`, index)))

  /** Answers a megabyte each, all that were asked in one turn together, a turn later: as an engine does. */
  class Engine {
    mostAsked = 0
    #calls: Parameters<GetHandler>[1][] = []
    readonly handler: GetHandler = (_key, call) => {
      if (this.#calls.push(call) > 1) return
      setImmediate(() => {
        const calls = this.#calls
        this.#calls = []
        this.mostAsked = Math.max(this.mostAsked, calls.length)
        for (const asked of calls) asked.reply(valueOf(Buffer.alloc(size)))
      })
    }
  }

  test('a client that pipelines more of them than the thread may hold is slowed down and gets them all', async () => {
    const engine = new Engine()
    await start(engine.handler, { limits })
    const socket = await peer.connect()
    socket.write(requests(120))
    const answers = new Answers(socket)
    for (let index = 0; index < 120; index++) assert.equal((await answers.next()).seqid, index)
    assert.deepEqual(peer.events, ['connection'])
    assert.ok(engine.mostAsked <= 4, `${engine.mostAsked} were asked for at once`)
  })

  test('a client that reads none of them keeps no more than its limit in memory, and gets them all later', async () => {
    await start(new Engine().handler, { limits })
    const slow = await peer.connect()
    slow.pause()
    slow.write(requests(120))
    await untilServerSees(() => peer.server.heldBytes > 2 * size)
    assert.ok(peer.server.heldBytes <= 9 * size, `${peer.server.heldBytes} bytes are held`)
    assert.equal((await new Answers(slow).take(120)).at(-1)?.seqid, 119)
    assert.equal(peer.server.heldBytes, 0)
  })

  test('those that wait for an earlier answer count, and hold further requests back', async () => {
    const held = new Held()
    await start(held.handler, { limits: { ...limits, assumedAnswerBytes: 100 } })
    const socket = await peer.connect()
    socket.write(requests(8))
    await held.until(8)
    for (const { call } of held.calls.slice(1)) call.reply(valueOf(Buffer.alloc(size)))
    assert.ok(peer.server.heldBytes >= 7 * size, `${peer.server.heldBytes} bytes are held`)
    socket.write(requests(50))
    const other = await peer.connect()
    other.write(getFrame('d', 'other'))
    await held.until(9)
    assert.equal(held.calls.at(-1)?.key, 'other')
    held.answer(8)
    await new Answers(other).next()
    held.answer(0)
    const answers = new Answers(socket)
    await answers.take(8)
    for (let index = 9; index < 59; index++) {
      await held.until(index + 1)
      held.answer(index)
    }
    await answers.take(50)
    assert.equal(peer.server.heldBytes, 0)
  })

  test('unread ones that fill the memory of a thread cost the peer that has read nothing for longest', async () => {
    await start(new Engine().handler, { limits: { ...limits, maxBufferedBytesPerThread: 7 * size } })
    const idle = await peer.connect()
    idle.pause()
    idle.write(requests(120))
    await untilServerSees(() => peer.server.heldBytes > 3 * size)
    nowMs = 1
    const honest = await peer.connect()
    honest.write(requests(60))
    assert.equal((await new Answers(honest).take(60)).at(-1)?.seqid, 59)
    assert.equal(peer.accepted[0]?.destroyed ?? false, peer.events.includes('refused memory'))
  })
})
