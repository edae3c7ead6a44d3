/** Connections that fail, stall, lie or vanish, and how many there are. Real sockets on loopback. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { KVStoreClient, type ClientOptions } from '../../../src/client/client.js'
import { StockServer, type Wire, failureOf, withServer } from './stock-server.js'

const request = { dataset: 'people', key: 'k' }
const NO_RETRY = { maxAttempts: 1 } as const

/** Answers requests when the test says so. */
class Held {
  readonly events = new EventEmitter()
  readonly requests: { readonly key: string; readonly answer: (answer: object) => void }[] = []
  readonly handle = (_: string, wire: Wire): Promise<object> =>
    new Promise((answer) => {
      this.requests.push({ key: String(wire['key']), answer })
      this.events.emit('request')
    })

  async until(count: number): Promise<void> {
    while (this.requests.length < count) await once(this.events, 'request')
  }
}

/** A bare TCP server that does with each connection what the test says. */
async function withPeer(
  onSocket: (socket: Socket) => void,
  options: ClientOptions,
  use: (client: KVStoreClient, server: Server) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = new KVStoreClient({ port: (server.address() as AddressInfo).port, ...options }) // it listens on TCP
  try {
    await use(client, server)
  } finally {
    await client.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

test('a connection is reset while calls are in flight: they fail, the process lives, the next call opens another', async () => {
  const held = new Held()
  await withServer(held.handle, { ...NO_RETRY, maxConnections: 1 }, async (client, server) => {
    const read = failureOf(client.get(request))
    const write = failureOf(client.put({ ...request, value: 'v' }))
    await held.until(2)
    server.reset()
    assert.deepEqual([(await read).code, (await read).outcome], ['UNAVAILABLE', undefined])
    assert.deepEqual([(await write).code, (await write).outcome], ['UNAVAILABLE', 'UNKNOWN'])
    const next = client.get(request)
    await held.until(3)
    held.requests[2]?.answer({ value: Buffer.from('again') })
    assert.equal(String((await next).value), 'again')
  })
})

test('a read whose connection is lost is tried again on another', async () => {
  const held = new Held()
  await withServer(held.handle, {}, async (client, server) => {
    const read = client.get(request)
    await held.until(1)
    server.reset()
    await held.until(2)
    held.requests[1]?.answer({ value: Buffer.from('second') })
    assert.equal(String((await read).value), 'second')
  })
})

test('an answer that comes after its deadline is dropped, and the connection goes on', async () => {
  const held = new Held()
  await withServer(held.handle, { maxConnections: 1 }, async (client, server) => {
    const late = await failureOf(client.get({ ...request, key: 'late' }, { deadlineMs: 30, ...NO_RETRY }))
    assert.equal(late.code, 'DEADLINE_EXCEEDED')
    await held.until(1)
    const next = client.get({ ...request, key: 'next' })
    await held.until(2)
    held.requests[0]?.answer({ value: Buffer.from('of late') })
    held.requests[1]?.answer({ value: Buffer.from('of next') })
    assert.equal(String((await next).value), 'of next')
    assert.equal(server.accepted, 1)
  })
})

test('a peer that says nothing more is given up: the call after the silence has a connection of its own', async () => {
  const sockets: Socket[] = []
  const closed = new EventEmitter()
  const stall = (socket: Socket): void => {
    sockets.push(socket)
    socket.resume().on('close', () => closed.emit('close'))
  }
  await withPeer(stall, { ...NO_RETRY, silenceMs: 20, maxConnections: 1 }, async (client) => {
    const gone = once(closed, 'close')
    const error = await failureOf(client.put({ ...request, value: 'v' }, { deadlineMs: 40 }))
    assert.deepEqual([error.code, error.outcome], ['DEADLINE_EXCEEDED', 'UNKNOWN'])
    await gone
    await failureOf(client.get(request, { deadlineMs: 500 }))
    assert.equal(sockets.length, 2)
  })
})

const LIES: readonly (readonly [what: string, bytes: string])[] = [
  ['a negative frame length, which stock code would loop over', 'fffffffc00000000'],
  ['a frame of two gigabytes', '7fffffff00'],
  ['a frame that is no message', '0000000480020002'],
  ['an answer to another method', '0000001380010002000000056e6f6f6f6f000000010000'],
  ['an HTTP answer', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n').toString('hex')],
]

for (const [what, bytes] of LIES) {
  test(`${what} costs the connection and no more`, async () => {
    const lie = (socket: Socket): void =>
      void socket.on('data', () => socket.write(Buffer.from(bytes, 'hex')))
    await withPeer(lie, NO_RETRY, async (client) => {
      const error = await failureOf(client.put({ ...request, value: 'v' }))
      assert.deepEqual([error.code, error.outcome], ['UNAVAILABLE', 'UNKNOWN'])
    })
  })
}

test('a frame that ends in the middle of its message leaves the call to its deadline', async () => {
  const cut = (socket: Socket): void =>
    void socket.on('data', () => socket.write(Buffer.from('0000000480010002', 'hex')))
  await withPeer(cut, NO_RETRY, async (client) => {
    const error = await failureOf(client.get(request, { deadlineMs: 50 }))
    assert.equal(error.code, 'DEADLINE_EXCEEDED')
  })
})

test('an answer that does not end is cut off at maxAnswerBytes when it is buffered', async () => {
  // A get's answer whose value is announced with a gigabyte.
  const head = Buffer.from('80010002000000036765740000000' + '10c00000b000140000000', 'hex')
  const flood = (socket: Socket): void => {
    socket.on('data', () => {
      socket.write(head)
      socket.write(Buffer.alloc(100_000))
    })
  }
  const options = { ...NO_RETRY, transport: 'buffered', maxAnswerBytes: 50_000 } as const
  await withPeer(flood, options, async (client) => {
    const error = await failureOf(client.get(request))
    assert.equal(error.code, 'UNAVAILABLE')
  })
})

test('where nobody listens, calls fail as UNAVAILABLE with the reason, and nothing was applied', async () => {
  const server = await StockServer.start(() => ({}))
  const { port } = server
  await server.close()
  const client = new KVStoreClient({ port })
  const error = await failureOf(client.put({ ...request, value: 'v' }))
  assert.deepEqual([error.code, error.outcome, error.retryable], ['UNAVAILABLE', 'NOT_APPLIED', true])
  assert.match(error.message, /ECONNREFUSED/)
  await client.close()
})

test('a call outlives a server that starts late', async () => {
  const early = await StockServer.start(() => ({}))
  const { port } = early
  await early.close()
  const client = new KVStoreClient({ port, maxAttempts: 10, deadlineMs: 20_000 })
  const call = client.put({ ...request, value: 'v' })
  await failureOf(client.get(request, NO_RETRY))
  const late = await StockServer.start(() => ({}), {}, port)
  await call
  await client.close()
  await late.close()
})

test('calls share at most maxConnections, opened when they are needed, and wait in order for room', async () => {
  const held = new Held()
  const options = { maxConnections: 3, maxInFlightPerConnection: 2, deadlineMs: 20_000 }
  await withServer(held.handle, options, async (client, server) => {
    assert.equal(server.accepted, 0)
    const calls = Array.from({ length: 20 }, (_, index) => client.get({ ...request, key: `${index}` }))
    for (let answered = 0; answered < 20; answered++) {
      await held.until(Math.min(20, answered + 6))
      assert.ok(held.requests.length <= answered + 6, `${held.requests.length} in flight beside ${answered}`)
      const { key, answer } = held.requests[answered] ?? assert.fail()
      answer({ value: Buffer.from(`of ${key}`) })
    }
    const rows = await Promise.all(calls)
    assert.deepEqual(
      rows.map(({ value }) => String(value)),
      calls.map((_, index) => `of ${index}`),
    )
    assert.equal(server.accepted, 3)
  })
})

test('a lone caller uses one connection', async () => {
  await withServer(
    () => ({}),
    {},
    async (client, server) => {
      for (let call = 0; call < 20; call++) await client.get(request)
      assert.equal(server.accepted, 1)
    },
  )
})

test('a burst of calls opens no more connections than it has calls', async () => {
  await withServer(
    () => ({}),
    {},
    async (client, server) => {
      await Promise.all([client.get(request), client.get(request)])
      // Whatever was opened beside the two has been accepted when a later call was served.
      for (let call = 0; call < 5; call++) await client.get(request)
      assert.ok(server.accepted <= 2, `${server.accepted} connections`)
    },
  )
})

test('calls beyond maxWaiting are refused as OVERLOADED, and nothing was applied', async () => {
  const held = new Held()
  const options = { maxConnections: 1, maxInFlightPerConnection: 1, maxWaiting: 2, ...NO_RETRY }
  await withServer(held.handle, options, async (client) => {
    const first = client.get(request)
    await held.until(1)
    const waiting = [client.get(request), client.get(request)]
    const error = await failureOf(client.put({ ...request, value: 'v' }))
    assert.deepEqual([error.code, error.outcome, error.retryable], ['OVERLOADED', 'NOT_APPLIED', true])
    for (let answered = 0; answered < 3; answered++) {
      await held.until(answered + 1)
      held.requests[answered]?.answer({})
    }
    await Promise.all([first, ...waiting])
  })
})

test('a call whose deadline passes while it waits was never sent', async () => {
  const held = new Held()
  const options = { maxConnections: 1, maxInFlightPerConnection: 1, ...NO_RETRY }
  await withServer(held.handle, options, async (client) => {
    const first = client.get(request)
    await held.until(1)
    const error = await failureOf(client.put({ ...request, value: 'v' }, { deadlineMs: 20 }))
    assert.deepEqual([error.code, error.outcome], ['DEADLINE_EXCEEDED', 'NOT_APPLIED'])
    held.requests[0]?.answer({})
    await first
    assert.equal(held.requests.length, 1)
  })
})

test('close fails what is in flight or waits as CANCELLED, and what comes after it', async () => {
  const held = new Held()
  const options = { maxConnections: 1, maxInFlightPerConnection: 1 }
  await withServer(held.handle, options, async (client, server) => {
    const sent = failureOf(client.put({ ...request, value: 'v' }))
    await held.until(1)
    const waiting = failureOf(client.put({ ...request, value: 'v' }))
    const [socket] = server.sockets
    const gone = once(socket ?? assert.fail(), 'close')
    await client.close()
    await gone
    assert.deepEqual([(await sent).code, (await sent).outcome], ['CANCELLED', 'UNKNOWN'])
    assert.deepEqual([(await waiting).code, (await waiting).outcome], ['CANCELLED', 'NOT_APPLIED'])
    assert.equal((await failureOf(client.get(request))).code, 'CANCELLED')
    await client.close()
  })
})

test('options out of range are refused when the client is made', () => {
  for (const options of [{ port: 0 }, { maxConnections: 0 }, { deadlineMs: 2 ** 31 }, { maxWaiting: 1.5 }]) {
    assert.throws(() => new KVStoreClient(options), /must be a whole number from 1 to/)
  }
})
