/** ThriftClient against real sockets: matching, outcomes, deadlines, reconnecting. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { systemClock, type Clock } from '../../src/base/clock.js'
import { NO_DEADLINE, type Deadline } from '../../src/base/deadline.js'
import { KVError, type ErrorCode, type WriteOutcome } from '../../src/base/errors.js'
import { ThriftClient, type ThriftClientOptions } from '../../src/thrift/client.js'
import * as kv from '../../src/thrift/generated/kvstore.js'
import type { ThriftResult } from '../../src/thrift/protocol.js'
import { frame, message, struct } from '../support/frames.js'
import { Answers, Peer, tell, valueOf, type GetHandler } from './thrift-peers.js'

type Outcome = ThriftResult<kv.GetResponse, kv.KVStoreException> | KVError

const { get } = kv.KVStoreMethods
let closers: (() => Promise<unknown>)[] = []

beforeEach(() => {
  closers = []
})

afterEach(async () => {
  for (const close of closers.reverse()) await close()
})

async function startPeer(handler: GetHandler): Promise<Peer> {
  const peer = await Peer.start(handler)
  closers.push(() => peer.stop())
  return peer
}

/** A server that only listens; every connection goes to `onSocket`. */
async function startRaw(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = []
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  // A listening TCP socket has an address of this kind.
  return (server.address() as AddressInfo).port
}

function clientOf(port: number, options: Partial<ThriftClientOptions> = {}): ThriftClient {
  const client = new ThriftClient({ name: 'origin', host: '127.0.0.1', port, ...options })
  closers.push(() => client.close())
  return client
}

function callGet(client: ThriftClient, key: string, deadline: Deadline = NO_DEADLINE): Promise<Outcome> {
  const request = kv.makeGetRequest({ dataset: 'd', key: Buffer.from(key) })
  return new Promise((resolve) => client.call(get, { request }, deadline, resolve))
}

function textOf(outcome: Outcome): string {
  if (outcome instanceof KVError) throw outcome
  return outcome.value?.value?.toString() ?? ''
}

function assertError(outcome: Outcome, code: ErrorCode, applied: WriteOutcome): void {
  assert.ok(outcome instanceof KVError, 'an error is expected')
  assert.deepEqual(
    [outcome.code, outcome.outcome, outcome.backend],
    [code, applied, 'origin'],
    outcome.message,
  )
}

const echo: GetHandler = (key, call) => call.reply(valueOf(key))
const soon = (ms: number): Deadline => systemClock.monotonicMs() + ms

describe('answers', () => {
  test('pipelined calls get their own answers', async () => {
    const { port } = await startPeer(echo)
    const client = clientOf(port)
    const keys = Array.from({ length: 200 }, (_, index) => `k${index}`)
    const outcomes = await Promise.all(keys.map((key) => callGet(client, key)))
    assert.deepEqual(outcomes.map(textOf), keys)
  })

  test('answers in another order than the calls are matched by their seqid', async () => {
    const count = 5
    const port = await startRaw((socket) => {
      void new Answers(socket).take(count).then((calls) => {
        const result = (seqid: number): Buffer => {
          const name = `answer to ${seqid}`
          const value = Buffer.concat([Buffer.of(11, 0, 1, 0, 0, 0, name.length), Buffer.from(name)])
          return frame(message('get', struct(Buffer.concat([Buffer.of(12, 0, 0), struct(value)])), 2, seqid))
        }
        socket.write(Buffer.concat(calls.map(({ seqid }) => result(seqid)).reverse()))
      })
    })
    const client = clientOf(port, { connections: 1 })
    const outcomes = await Promise.all(
      Array.from({ length: count }, (_, index) => callGet(client, `${index}`)),
    )
    assert.deepEqual(outcomes.map(textOf), [1, 2, 3, 4, 5].map((seqid) => `answer to ${seqid}`)) // prettier-ignore
  })

  test('calls of one turn leave in one write and connections are kept', async () => {
    const peer = await startPeer(echo)
    const client = clientOf(peer.port, { connections: 1 })
    await callGet(client, 'first')
    const outcomes = await Promise.all([callGet(client, 'a'), callGet(client, 'b'), callGet(client, 'c')])
    assert.deepEqual(outcomes.map(textOf), ['a', 'b', 'c'])
    assert.deepEqual(peer.writes.map((sizes) => sizes.length), [2]) // prettier-ignore
  })

  test('a declared exception is an answer, not an error', async () => {
    const exception = kv.makeKVStoreException({ message: 'no', error: kv.makeErrorDetail({ code: 101 }) })
    const { port } = await startPeer((_key, call) => call.fail(exception))
    assert.deepEqual(await callGet(clientOf(port), 'k'), { value: null, exception })
  })

  test('an unknown method is UNSUPPORTED and was not applied; the connection goes on', async () => {
    const { port } = await startPeer(echo)
    const client = clientOf(port, { connections: 1 })
    const request = kv.makeScanRequest({ dataset: 'd' })
    const outcome = await new Promise<unknown>((resolve) => {
      client.call(kv.KVStoreMethods.scan, { request }, NO_DEADLINE, resolve)
    })
    assert.ok(outcome instanceof KVError)
    assert.deepEqual([outcome.code, outcome.outcome], ['UNSUPPORTED', 'NOT_APPLIED'])
    assert.equal(textOf(await callGet(client, 'k')), 'k')
  })

  test('a server that failed inside leaves the outcome unknown', async () => {
    const { port } = await startPeer((_key, call) => call.abort(6, 'it broke'))
    assertError(await callGet(clientOf(port), 'k'), 'INTERNAL', 'UNKNOWN')
  })

  test('an answer with neither value nor exception is an error', async () => {
    const port = await startRaw((socket) => {
      void new Answers(socket)
        .next()
        .then(({ seqid }) => socket.write(frame(message('get', struct(), 2, seqid))))
    })
    assertError(await callGet(clientOf(port), 'k'), 'INTERNAL', 'UNKNOWN')
  })

  test('a oneway call is answered when it is written', async () => {
    const peer = await startPeer(echo)
    const told = new Promise<void>((resolve) => {
      peer.onTell = (call) => {
        call.reply(null)
        resolve()
      }
    })
    const client = clientOf(peer.port)
    const outcome = await new Promise((resolve) => client.call(tell, null, NO_DEADLINE, resolve))
    assert.deepEqual(outcome, { value: null, exception: null })
    await told
  })
})

describe('failures', () => {
  test('no server: UNAVAILABLE, not applied, then a pause before the next attempt', async () => {
    let nowMs = 1_000
    const clock: Clock = { ...systemClock, monotonicMs: () => nowMs }
    const peer = await startPeer(echo)
    const { port } = peer
    await peer.stop()
    closers = []
    const client = clientOf(port, { connections: 1, clock, minBackoffMs: 100, maxBackoffMs: 100 })
    assertError(await callGet(client, 'k'), 'UNAVAILABLE', 'NOT_APPLIED')
    const second = await callGet(client, 'k')
    assertError(second, 'UNAVAILABLE', 'NOT_APPLIED')
    assert.ok(second instanceof KVError && second.retryAfterMs !== undefined && second.retryAfterMs <= 100)
    nowMs += 100
    const third = await callGet(client, 'k')
    assert.ok(third instanceof KVError && third.retryAfterMs === undefined, 'it tried again')
  })

  test('a connection that is cut leaves calls that were sent with an unknown outcome, and is made anew', async () => {
    let cuts = 0
    const peer = await startPeer(echo)
    const port = await startRaw((socket) => {
      socket.once('data', () => {
        cuts++
        socket.destroy()
      })
    })
    const cut = clientOf(port, { connections: 1 })
    assertError(await callGet(cut, 'k'), 'UNAVAILABLE', 'UNKNOWN')
    assert.equal(cuts, 1)
    const client = clientOf(peer.port, { connections: 1 })
    assert.equal(textOf(await callGet(client, 'a')), 'a')
    await peer.server.close()
    const outcome = await callGet(client, 'b')
    assert.ok(outcome instanceof KVError)
  })

  test('a server that closes idle connections is called again without a pause', async () => {
    let connections = 0
    const port = await startRaw((socket) => {
      connections++
      void new Answers(socket).next().then(({ seqid }) => {
        const value = Buffer.concat([Buffer.of(12, 0, 0), struct()])
        socket.end(frame(message('get', struct(value), 2, seqid)))
      })
    })
    const client = clientOf(port, { connections: 1 })
    for (let i = 0; i < 3; i++) {
      assert.equal(textOf(await callGet(client, 'k')), '')
      // The end of the connection arrives behind the answer.
      while (client.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(connections, 3)
  })

  test('a deadline that passed before sending is not applied', async () => {
    const { port } = await startPeer(echo)
    assertError(await callGet(clientOf(port), 'k', soon(-1)), 'DEADLINE_EXCEEDED', 'NOT_APPLIED')
  })

  test('a call that is not answered ends at its deadline; a hanging connection gets no further call', async () => {
    const peer = await startPeer((key, call) => {
      if (key !== 'hang') call.reply(valueOf(key))
    })
    const client = clientOf(peer.port, { connections: 1 })
    await callGet(client, 'served')
    assertError(await callGet(client, 'hang', soon(20)), 'DEADLINE_EXCEEDED', 'UNKNOWN')
    assert.equal(textOf(await callGet(client, 'k', soon(5_000))), 'k')
    const connections = peer.events.filter((event) => event === 'connection').length
    assert.equal(connections, 2)
  })

  test('an answer that comes after its deadline is dropped and the others are matched', async () => {
    const late: (() => void)[] = []
    const peer = await startPeer((key, call) => {
      if (key === 'late') late.push(() => call.reply(valueOf(key)))
      else call.reply(valueOf(key))
    })
    const client = clientOf(peer.port, { connections: 1 })
    const early = callGet(client, 'late', soon(30))
    const waiting = callGet(client, 'behind', soon(5_000))
    assertError(await early, 'DEADLINE_EXCEEDED', 'UNKNOWN')
    // The server answers in order, so that the second waits for the first.
    for (const answer of late) answer()
    assert.equal(textOf(await waiting), 'behind')
  })

  test('calls beyond the limit in flight are OVERLOADED', async () => {
    const { port } = await startPeer(() => undefined)
    const client = clientOf(port, { connections: 2, maxInFlightPerConnection: 3 })
    const waiting = Array.from({ length: 6 }, () => callGet(client, 'k'))
    assertError(await callGet(client, 'k'), 'OVERLOADED', 'NOT_APPLIED')
    await client.close()
    const outcomes = await Promise.all(waiting)
    for (const outcome of outcomes) assert.ok(outcome instanceof KVError && outcome.code === 'UNAVAILABLE')
  })

  test('closing fails what is in flight, and later calls at once', async () => {
    const started: (() => void)[] = []
    const hasArrived = new Promise<void>((resolve) => started.push(resolve))
    const { port } = await startPeer(() => started[0]?.())
    const client = clientOf(port)
    const waiting = callGet(client, 'k')
    await hasArrived
    await client.close()
    assertError(await waiting, 'UNAVAILABLE', 'UNKNOWN')
    assertError(await callGet(client, 'k'), 'UNAVAILABLE', 'NOT_APPLIED')
  })

  test('an answer that is malformed or to nothing ends the connection and the calls on it', async () => {
    const wrong = [
      (seqid: number) => frame(message('get', Buffer.of(12, 0, 0), 2, seqid)),
      (seqid: number) => frame(message('get', struct(), 2, seqid + 1)),
      (seqid: number) => frame(message('put', struct(), 2, seqid)),
      (seqid: number) => frame(message('get', struct(), 1, seqid)),
      () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
    ]
    for (const answer of wrong) {
      const port = await startRaw((socket) => {
        void new Answers(socket).next().then(({ seqid }) => socket.write(answer(seqid)))
      })
      assertError(await callGet(clientOf(port), 'k'), 'UNAVAILABLE', 'UNKNOWN')
    }
  })

  test('a request that cannot be written fails alone', async () => {
    const { port } = await startPeer(echo)
    const client = clientOf(port, { connections: 1, maxFrameBytes: 1_000 })
    const outcomes = [callGet(client, 'a'), callGet(client, 'x'.repeat(20_000)), callGet(client, 'b')]
    const [first, tooLarge, last] = await Promise.all(outcomes)
    assert.ok(first !== undefined && tooLarge !== undefined && last !== undefined)
    assertError(tooLarge, 'TOO_LARGE', 'NOT_APPLIED')
    assert.deepEqual([textOf(first), textOf(last)], ['a', 'b'])
  })

  test('a caller that throws on its answer harms no other caller', async () => {
    const { port } = await startPeer(echo)
    const client = clientOf(port, { connections: 1 })
    const request = kv.makeGetRequest({ dataset: 'd', key: Buffer.from('k') })
    client.call(get, { request }, NO_DEADLINE, () => {
      throw new Error('broken caller')
    })
    assert.equal(textOf(await callGet(client, 'k')), 'k')
  })
})
