/** Clients of CQL that ask and do not read, and thousands of requests at once, against CqlServer on a real socket. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { COMPRESSIONS } from '../../shims/rocksandra/protocol/compression.js'
import { type Asked, COLUMNS, CqlPeer, bytes, query, short } from './cql-peers.js'

const QUERY = 7
const ROW_BYTES = 32 * 1024

let peer: CqlPeer

afterEach(() => peer.stop())

/** A row whose first value says which statement it answers. */
function answerLarge({ statement, done }: Asked): void {
  const row = [Buffer.from(statement), Buffer.alloc(ROW_BYTES)]
  done({ kind: 'rows', columns: COLUMNS, rows: [row], paging: null, isConditional: false })
}

/** Waits until nothing has changed for some turns of the loop. */
async function settled(value: () => number): Promise<number> {
  for (let same = 0, last = value(); ; same = value() === last ? same + 1 : 0, last = value()) {
    if (same === 50) return last
    await turn()
  }
}

describe('a client that does not read', () => {
  test('is not read from any more, costs no more than its bound, holds nobody up, and gets all when it reads', async () => {
    const maxUnsentBytesPerConnection = 512 * 1024
    peer = await CqlPeer.start({ limits: { maxUnsentBytesPerConnection } })
    const [slow, other] = [await peer.ready(), await peer.ready()]
    let answered = 0
    peer.engine.answer = (asked) => {
      answered++
      answerLarge(asked)
    }
    slow.socket.pause()
    const count = 2_000
    for (let stream = 0; stream < count; stream++) slow.send(QUERY, query(String(stream)), { stream })
    const taken = await settled(() => answered)
    // What the bound allows, and what lies in the buffers of two kernels.
    assert.ok(taken < count / 2, `${taken} of ${count} requests were answered to nobody`)
    assert.equal((await other.ask(QUERY, query('quick'))).opcode, 8)
    assert.equal(answered, taken + 1)
    slow.socket.resume()
    for (let stream = 0; stream < count; stream++) {
      const frame = await slow.next()
      assert.equal(frame.stream, stream)
      assert.ok(frame.body.includes(String(stream)))
    }
  })

  test('packed requests count with what they are unpacked', async () => {
    peer = await CqlPeer.start({ limits: { maxUnsentBytesPerConnection: 1024 * 1024 } })
    const client = await peer.ready(4, { COMPRESSION: 'lz4' })
    const waiting: Asked[] = []
    peer.engine.answer = (asked) => void waiting.push(asked)
    const value = Buffer.concat([Buffer.of(1), short(1), bytes(Buffer.alloc(500_000))])
    const packed = COMPRESSIONS.lz4.compress(query('q', value))
    assert.ok(packed.length < 5_000)
    const count = 200
    for (let stream = 0; stream < count; stream++) client.send(QUERY, packed, { stream, flags: 1 })
    const taken = await settled(() => waiting.length)
    assert.ok(taken < 5, `${taken} of ${count} requests of half a megabyte each are with the engine`)
    peer.engine.answer = ({ done }) => done({ kind: 'void' })
    for (const { done } of waiting) done({ kind: 'void' })
    for (let answered = 0; answered < count; answered++) await client.next()
  })

  test('with others like it is cut when the thread holds too much, and a reader is not', async () => {
    peer = await CqlPeer.start({
      limits: { maxUnsentBytesPerConnection: 512 * 1024, maxBufferedBytesPerThread: 1024 * 1024 },
    })
    peer.engine.answer = answerLarge
    const reader = await peer.ready()
    for (let index = 0; index < 6; index++) {
      const slow = await peer.ready()
      slow.socket.pause()
      for (let stream = 0; stream < 500; stream++) slow.send(QUERY, query('q'), { stream })
    }
    while (!peer.events.includes('refused memory')) await turn()
    assert.equal((await reader.ask(QUERY, query('still here'))).opcode, 8)
  })
})

describe('a connection with thousands of requests', () => {
  test('has each answered under its own stream, in whatever order they are done', async () => {
    peer = await CqlPeer.start()
    const client = await peer.ready()
    const count = 10_000
    let waiting: Asked[] = []
    const answer = (): void => {
      // Every other one first, the rest backwards.
      const some = waiting
      waiting = []
      const order = [
        ...some.filter((_, index) => index % 2 === 0),
        ...some.filter((_, i) => i % 2 === 1).reverse(),
      ]
      for (const asked of order) {
        const row = [Buffer.from(asked.statement), null]
        asked.done({ kind: 'rows', columns: COLUMNS, rows: [row], paging: null, isConditional: false })
      }
    }
    peer.engine.answer = (asked) => {
      waiting.push(asked)
      if (waiting.length === 1) setImmediate(answer)
    }
    for (let stream = 0; stream < count; stream++)
      client.send(QUERY, query(`statement ${stream}`), { stream })
    const seen = new Set<number>()
    while (seen.size < count) {
      const { stream, body } = await client.next()
      assert.ok(body.includes(`statement ${stream}`), `the answer of stream ${stream} is another's`)
      assert.ok(!seen.has(stream))
      seen.add(stream)
    }
  })
})
