/**
 * Peers that are broken, lost or hostile against a whole gateway. The promise: a bad connection costs itself at most;
 * the process lives and an honest client beside it never notices.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import {
  T,
  field,
  frame,
  getFrame,
  i32,
  message,
  nextFrame,
  rawSocket,
  struct,
  text,
  untilClosed,
} from '../support/frames.js'
import { Gateway } from '../support/gateway.js'
import type { StockClient } from '../support/stock-client.js'

const FUZZ_RUNS = Number(process.env['GODWIT_FUZZ_RUNS'] ?? 200)
const MAX_FRAME_BYTES = 64 * 1024 * 1024
const dataset = 'honest'

let gateway: Gateway
let pid = 0
/** Resolves to the number of rounds it made; rejects when one of its answers was wrong or missing. */
let honest: { stop(): Promise<number> }

/** Writes and reads back, one after the other, until told to stop. */
function honestClient(client: StockClient): { stop(): Promise<number> } {
  let isStopped = false
  const loop = async (): Promise<number> => {
    let round = 0
    for (; !isStopped || round === 0; round++) {
      await client.put({ dataset, key: 'k', value: `round ${round}` })
      assert.equal((await client.get({ dataset, key: 'k' })).value?.toString(), `round ${round}`)
    }
    return round
  }
  const done = loop()
  // Its failure is reported where the test stops it, not as an unhandled rejection before.
  done.catch(() => undefined)
  return {
    stop: () => {
      isStopped = true
      return done
    },
  }
}

before(async () => {
  gateway = await Gateway.start()
  pid = gateway.pid
  await gateway.createDataset(dataset)
})

after(() => gateway.dispose())

let honestConnection: StockClient

beforeEach(async () => {
  honestConnection = await gateway.connect()
  honest = honestClient(honestConnection)
})

afterEach(async () => {
  assert.ok((await honest.stop()) > 0)
  honestConnection.close()
  assert.equal(gateway.pid, pid, 'the gateway is another process than before')
})

function nested(depth: number): Buffer {
  const open = Buffer.concat(Array.from({ length: depth }, () => Buffer.of(T.STRUCT, 0, 99)))
  return Buffer.concat([open, Buffer.alloc(depth + 1)])
}

const getArguments = (request: Buffer): Buffer => message('get', struct(field(T.STRUCT, 1, request)))
/** A list that announces two thousand million elements of no bytes at all. */
const lyingList = Buffer.concat([Buffer.of(T.STRING), i32(0x7fffffff)])

/** Enough bytes behind a frame's size to tell what the peer speaks. */
const MORE = Buffer.alloc(16)

/** Bytes that are no request: each must cost its sender the connection. */
const MALFORMED: Readonly<Record<string, Buffer>> = {
  'an HTTP request': Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  'a TLS greeting': Buffer.from('16030100c8010000c40303', 'hex'),
  'a negative frame size': Buffer.concat([i32(-5), MORE]),
  'a frame above the limit': Buffer.concat([i32(MAX_FRAME_BYTES + 1), MORE]),
  'the largest frame size there is': Buffer.concat([i32(0x7fffffff), MORE]),
  'an empty frame': Buffer.concat([i32(0), MORE]),
  'a frame of zeros': frame(Buffer.alloc(64)),
  'a wrong protocol version': frame(
    Buffer.concat([Buffer.of(0x80, 0x7f, 0, 1), text('get'), i32(1), struct()]),
  ),
  'a frame that ends inside its message': frame(Buffer.of(0x80, 0x01, 0x00, 0x01, 0, 0, 0, 3, 0x67)),
  'structs nested ten thousand deep': frame(message('get', nested(10_000))),
  'a string longer than its frame': frame(getArguments(struct(field(T.STRING, 1, i32(0x7fffffff))))),
  'a string of negative size': frame(getArguments(struct(field(T.STRING, 1, i32(-1))))),
  'a list of more elements than there are bytes': frame(
    message('multiGet', struct(field(T.STRUCT, 1, struct(field(T.LIST, 2, lyingList))))),
  ),
  'a field of no known type': frame(message('get', struct(field(77, 1, Buffer.alloc(16))))),
}

describe('malformed bytes', () => {
  for (const [name, bytes] of Object.entries(MALFORMED)) {
    test(`${name} costs its sender the connection and nobody else anything`, async () => {
      const socket = await rawSocket(gateway.port('kvstore'))
      socket.write(bytes)
      await untilClosed(socket)
    })
  }

  test('any damage to an honest frame, followed by the end of the stream, ends that connection only', async () => {
    const good = getFrame(dataset, 'k')
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 })
    const property = fc.asyncProperty(damage, fc.nat(good.length), async (flips, size) => {
      const bytes = Buffer.from(good)
      for (const [index, value] of flips) bytes[index] = value
      const socket = await rawSocket(gateway.port('kvstore'))
      socket.end(bytes.subarray(0, size))
      await untilClosed(socket)
    })
    await fc.assert(property, { numRuns: FUZZ_RUNS })
  })

  test('malformed frames are counted in the metrics', async () => {
    const { text: metrics } = await gateway.admin('GET', '/metrics')
    const counts = [...metrics.matchAll(/^godwit_malformed_frames_total\{.*\} (\d+)$/gm)].map(([, n]) =>
      Number(n),
    )
    assert.ok(counts.reduce((sum, count) => sum + count, 0) >= Object.keys(MALFORMED).length - 1, metrics)
  })
})

describe('well-formed requests that make no sense', () => {
  async function ask(bytes: Buffer): Promise<Buffer> {
    const socket = await rawSocket(gateway.port('kvstore'))
    socket.write(bytes)
    const answer = await nextFrame(socket)
    socket.destroy()
    return answer
  }

  test('an unknown method is answered as such, and the connection goes on', async () => {
    const socket = await rawSocket(gateway.port('kvstore'))
    socket.write(frame(message('selfDestruct', struct())))
    const answer = await nextFrame(socket)
    assert.equal(answer[3], 3, 'the answer is no exception message')
    socket.write(getFrame(dataset, 'k', 2))
    assert.equal((await nextFrame(socket))[3], 2, 'the answer is no reply')
    socket.destroy()
  })

  test('a call without its request, and one with fields nobody knows, are answered', async () => {
    assert.ok((await ask(frame(message('get', struct())))).length > 0)
    const unknown = field(T.MAP, 9, Buffer.concat([Buffer.of(T.STRING, T.I32), i32(1), text('x'), i32(7)]))
    const request = struct(unknown, field(T.STRING, 1, text(dataset)), field(T.STRING, 2, text('k')))
    assert.equal((await ask(frame(getArguments(request))))[3], 2)
  })
})

describe('connections that misbehave', () => {
  test('a peer that closes its half after asking still gets its answer', async () => {
    const socket = await rawSocket(gateway.port('kvstore'))
    const answer = nextFrame(socket)
    socket.end(getFrame(dataset, 'k'))
    assert.equal((await answer)[3], 2)
    await untilClosed(socket)
  })

  test('peers that reset in the middle of a frame, a hundred at once, harm nobody', async () => {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => rawSocket(gateway.port('kvstore'))))
    const bytes = getFrame(dataset, 'k')
    for (const [index, socket] of sockets.entries()) {
      socket.write(bytes.subarray(0, index % bytes.length))
      socket.resetAndDestroy()
    }
    await Promise.all(sockets.map((socket) => untilClosed(socket)))
  })

  test('two hundred connections that send nothing, or a byte now and then, slow nobody down', async () => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => rawSocket(gateway.port('kvstore'))))
    const bytes = getFrame(dataset, 'k')
    for (let index = 0; index < 20; index++) {
      for (const socket of sockets.slice(0, 100)) socket.write(bytes.subarray(index, index + 1))
      await honestRound()
    }
    for (const socket of sockets) socket.destroy()
  })

  test('a peer that asks for a gigabyte and reads nothing gets no gigabyte of memory', async () => {
    const key = 'large'
    await honestConnection.put({ dataset, key, value: Buffer.alloc(1 << 20, 7) })
    const greedy = await rawSocket(gateway.port('kvstore'))
    greedy.pause()
    const before = await residentBytes()
    greedy.write(Buffer.concat(Array.from({ length: 1000 }, (_, index) => getFrame(dataset, key, index + 1))))
    for (let round = 0; round < 50; round++) await honestRound()
    const grown = (await residentBytes()) - before
    greedy.destroy()
    assert.ok(grown < 800 * 1024 * 1024, `memory grew by ${grown} bytes`)
  })

  /** One exchange of a connection of its own: time enough for the gateway to have seen what was sent before. */
  async function honestRound(): Promise<void> {
    const client = await gateway.connect()
    await client.put({ dataset, key: 'round', value: 'v' })
    assert.equal((await client.get({ dataset, key: 'round' })).value?.toString(), 'v')
    client.close()
  }

  async function residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
  }
})
