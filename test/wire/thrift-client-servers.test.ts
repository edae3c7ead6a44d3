/** ThriftClient before servers of other kinds: Finagle's headers, one call at a time, several addresses. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { afterEach, suite, test } from 'node:test'
import { systemClock } from '../../src/base/clock.js'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient, type ThriftClientOptions } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { FakeOrigin } from '../support/fake-origin.js'

const { get } = wire.TerrapinServiceMethods
/** As Finagle's clients send it, and what its servers answer. Computed from tracing.thrift of finagle-thrift. */
const UPGRADE_CALL =
  '00000028800100010000001b5f5f63616e5f5f66696e61676c655f5f74726163655f5f76335f5f0000000000'
const UPGRADE_REPLY =
  '00000028800100020000001b5f5f63616e5f5f66696e61676c655f5f74726163655f5f76335f5f0000000000'
/** Fields 1, 2, 5 (not sampled), 6 (client id) and 7 of a RequestHeader. */
const HEADER =
  '0a0001' + '0000000000000001' + '0a0002' + '0000000000000001' + '02000500' +
  '0c0006' + '0b0001' + '00000006' + '676f64776974' + '00' + '0a0007' + '0000000000000000' + '00' // prettier-ignore
const GET_BODY =
  '8001000100000003676574000000010c00010f00010b000000010000000263310b00020000000266730b0003000000026b310000'
const VALUE_REPLY = '8001000200000003676574000000010c00000b00010000000276310000'

let closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.reverse()) await close()
  closers = []
})

async function startOrigin(options: Parameters<typeof FakeOrigin.start>[0] = {}): Promise<FakeOrigin> {
  const origin = await FakeOrigin.start({ values: (key) => Buffer.from(key), ...options })
  closers.push(() => origin.close())
  return origin
}

function clientOf(port: number, options: Partial<ThriftClientOptions> = {}): ThriftClient {
  const client = new ThriftClient({ name: 'origin', host: '127.0.0.1', port, ...options })
  closers.push(() => client.close())
  return client
}

function ask(client: ThriftClient, key: string, timeoutMs = 5_000): Promise<string> {
  const request = wire.makeTerrapinGetRequest({ clusterList: ['c1'], fileSet: 'fs', key: Buffer.from(key) })
  return new Promise((resolve) => {
    client.call(get, { request }, systemClock.monotonicMs() + timeoutMs, (outcome) => {
      resolve(outcome instanceof KVError ? outcome.code : String(outcome.value?.value))
    })
  })
}

/** A server that answers with these bytes, in hex, and keeps what it got. */
async function startScript(answers: readonly string[]): Promise<{ port: number; received: Buffer[] }> {
  const received: Buffer[] = []
  const left = [...answers]
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk)
      const answer = left.shift()
      if (answer !== undefined) socket.write(Buffer.from(answer, 'hex'))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return { port: (server.address() as AddressInfo).port, received } // a listening TCP socket has an address of this kind
}

const framed = (hex: string): string => (hex.length / 2).toString(16).padStart(8, '0') + hex

suite("Finagle's headers", () => {
  test('are offered on a new connection, and sent once they are taken', async () => {
    const peer = await startScript([UPGRADE_REPLY, framed(`00${VALUE_REPLY}`)])
    assert.equal(await ask(clientOf(peer.port, { finagleClient: 'godwit' }), 'k1'), 'v1')
    assert.deepEqual(peer.received.map((bytes) => bytes.toString('hex')), [UPGRADE_CALL, framed(HEADER + GET_BODY)]) // prettier-ignore
  })

  test('are left out where they are declined', async () => {
    const declined =
      '800100030000001b5f5f63616e5f5f66696e61676c655f5f74726163655f5f76335f5f000000000b0001000000026e6f0800020000000100'
    const peer = await startScript([framed(declined), framed(VALUE_REPLY)])
    assert.equal(await ask(clientOf(peer.port, { finagleClient: 'godwit' }), 'k1'), 'v1')
    assert.equal(peer.received[1]?.toString('hex'), framed(GET_BODY))
  })

  test('a server that answers something else to the offer is no server', async () => {
    const peer = await startScript([framed(VALUE_REPLY)])
    assert.equal(await ask(clientOf(peer.port, { finagleClient: 'godwit' }), 'k1'), 'UNAVAILABLE')
  })

  test('a server that never answers the offer is given up like one that never answers the connection', async () => {
    const peer = await startScript([])
    const client = clientOf(peer.port, { finagleClient: 'godwit', connectTimeoutMs: 50 })
    assert.equal(await ask(client, 'k1'), 'UNAVAILABLE')
    assert.equal(client.connectionCount, 0)
  })

  test('calls that wait for the offer leave together after it', async () => {
    const origin = await startOrigin()
    const client = clientOf(origin.port, { finagleClient: 'godwit', connections: 1 })
    const keys = Array.from({ length: 50 }, (_, index) => `k${index}`)
    assert.deepEqual(await Promise.all(keys.map((key) => ask(client, key))), keys)
    assert.equal(origin.accepted, 1)
  })
})

suite('one call at a time', () => {
  test('each connection owes one answer; a call more is OVERLOADED', async () => {
    const origin = await startOrigin()
    const client = clientOf(origin.port, { maxInFlightPerConnection: 1, connections: 3 })
    origin.stall()
    const waiting = ['a', 'b', 'c'].map((key) => ask(client, key))
    assert.equal(await ask(client, 'd'), 'OVERLOADED')
    while (origin.calls < 3) await new Promise((resolve) => setImmediate(resolve))
    origin.resume()
    assert.deepEqual(await Promise.all(waiting), ['a', 'b', 'c'])
    assert.equal(origin.mostPipelined, 1)
  })

  test('a late answer costs its connection, not the next call', async () => {
    const origin = await startOrigin()
    const client = clientOf(origin.port, { maxInFlightPerConnection: 1, connections: 1 })
    assert.equal(await ask(client, 'a'), 'a')
    origin.stall()
    assert.equal(await ask(client, 'b', 30), 'DEADLINE_EXCEEDED')
    origin.resume()
    assert.equal(await ask(client, 'c'), 'c')
    assert.equal(origin.accepted, 2)
  })
})

suite('several addresses', () => {
  test('connections are spread over them', async () => {
    const [one, two] = [await startOrigin(), await startOrigin()]
    const otherAddresses = [{ host: '127.0.0.1', port: two.port }]
    const client = clientOf(one.port, { otherAddresses, connections: 4, maxInFlightPerConnection: 1 })
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(['a', 'b', 'c', 'd'].map((key) => ask(client, key)))
    }
    assert.deepEqual([one.accepted, two.accepted], [2, 2])
  })

  test('a call for an address that refuses goes to the next, once, and nobody sees it', async () => {
    const [gone, there] = [await startOrigin(), await startOrigin()]
    await gone.kill()
    const otherAddresses = [{ host: '127.0.0.1', port: there.port }]
    const client = clientOf(gone.port, { otherAddresses, connections: 4 })
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`)
    assert.deepEqual(await Promise.all(keys.map((key) => ask(client, key))), keys)
    assert.equal(there.calls, 20)
  })

  test('all gone: UNAVAILABLE, and a pause', async () => {
    const [one, two] = [await startOrigin(), await startOrigin()]
    await one.kill()
    await two.kill()
    const otherAddresses = [{ host: '127.0.0.1', port: two.port }]
    const client = clientOf(one.port, { otherAddresses, minBackoffMs: 5_000 })
    assert.equal(await ask(client, 'a'), 'UNAVAILABLE')
    assert.equal(await ask(client, 'b'), 'UNAVAILABLE')
    assert.equal(client.connectionCount, 0)
  })

  test('an address that comes back gets a connection of those that the other one has', async () => {
    const [one, two] = [await startOrigin(), await startOrigin()]
    await one.kill()
    const otherAddresses = [{ host: '127.0.0.1', port: two.port }]
    const bounds = { connections: 2, maxInFlightPerConnection: 1, minBackoffMs: 20 }
    const client = clientOf(one.port, { otherAddresses, ...bounds })
    const both = (): Promise<string[]> => Promise.all(['a', 'b'].map((key) => ask(client, key)))
    while (two.accepted < 2) assert.deepEqual(await both(), ['a', 'b'])
    await one.revive()
    const untilMs = performance.now() + 5_000
    while (one.calls === 0) {
      assert.deepEqual(await both(), ['a', 'b'])
      assert.ok(performance.now() < untilMs, 'it is never asked again')
    }
    assert.ok(client.connectionCount <= 3)
  })
})
