import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { type Logger, silentLogger } from '../../../src/base/logger.js'
import { JuteReader, JuteWriter } from '../../../src/zookeeper/jute.js'
import { ZooKeeperSession } from '../../../src/zookeeper/session.js'
import { FakeTimers } from '../../support/fake-timers.js'
import { FakeZooKeeper } from '../../support/fake-zookeeper.js'

const TIMEOUT_MS = 30_000

let zookeeper: FakeZooKeeper
let sessions: ZooKeeperSession[] = []

beforeEach(async () => {
  zookeeper = await FakeZooKeeper.start()
})

afterEach(async () => {
  await zookeeper.stop()
  for (const session of sessions) void session.close()
  sessions = []
})

const quiet = { ...silentLogger, info: () => undefined, warn: () => undefined } as unknown as Logger // what is called of it

interface Followed {
  readonly session: ZooKeeperSession
  readonly timers: FakeTimers
  /** Resolves with the next event: `up new`, `up again`, `down` or `changed PATH`. */
  readonly next: () => Promise<string>
}

function follow(ports: readonly number[], timeoutMs = TIMEOUT_MS): Followed {
  const timers = new FakeTimers()
  const events: string[] = []
  let wake: () => void = () => undefined
  const tell = (event: string): void => {
    events.push(event)
    wake()
  }
  const session = new ZooKeeperSession({
    servers: ports.map((port) => ({ host: '127.0.0.1', port })),
    timeoutMs,
    startTimer: timers.start,
    logger: quiet,
    events: {
      onUp: (isNew) => tell(isNew ? 'up new' : 'up again'),
      onDown: () => tell('down'),
      onChanged: (path) => tell(`changed ${path}`),
    },
  })
  sessions.push(session)
  session.start()
  const next = async (): Promise<string> => {
    while (events.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return events.shift() ?? ''
  }
  return { session, timers, next }
}

/** Speaks to whoever connects as the test says. */
async function serve(onSocket: (socket: Socket) => void): Promise<Server & { readonly port: number }> {
  const server = createServer(onSocket)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(server, { port: (server.address() as AddressInfo).port }) // a TCP server has one
}

/** Attempts to connect come by the timers, answers come by themselves. */
async function turnUntil(timers: FakeTimers, holds: () => boolean): Promise<void> {
  while (!holds()) {
    await pause(5)
    if (!holds()) timers.advance(100)
  }
}

function greeting(): Buffer {
  return new JuteWriter().int(0).int(TIMEOUT_MS).long(7n).bytes(Buffer.alloc(16)).flag(false).frame()
}

test('transactions are all or nothing, and refusals name what was refused and why', async () => {
  const { session, next } = follow([zookeeper.port])
  assert.equal(await next(), 'up new')
  await session.transact([{ kind: 'create', path: '/a', data: Buffer.from('1') }])
  assert.equal((await session.get('/a'))?.data.toString(), '1')
  await assert.rejects(
    session.transact([
      { kind: 'create', path: '/b', data: Buffer.from('1') },
      { kind: 'set', path: '/a', data: Buffer.from('2'), version: 9 },
    ]),
    { code: 'CONFLICT', message: 'zookeeper refused set /a: the node has changed meanwhile' },
  )
  assert.equal(await session.get('/b'), null)
  assert.equal(await session.children('/b'), null)
  await assert.rejects(session.transact([{ kind: 'create', path: '/a', data: Buffer.alloc(0) }]), {
    code: 'ALREADY_EXISTS',
  })
})

test('a watch tells once that children have changed', async () => {
  const { session, next } = follow([zookeeper.port])
  await next()
  await session.transact([{ kind: 'create', path: '/a', data: Buffer.alloc(0) }])
  await session.children('/a', true)
  await session.transact([{ kind: 'create', path: '/a/b', data: Buffer.alloc(0) }])
  assert.equal(await next(), 'changed /a')
})

test('a lost connection fails what waits; the session is taken up again at the next server', async () => {
  const silent = await serve((socket) => socket.once('data', () => socket.write(greeting())))
  const { session, timers, next } = follow([silent.port, zookeeper.port])
  assert.equal(await next(), 'up new')
  const waiting = assert.rejects(session.get('/a'), { code: 'UNAVAILABLE' })
  // No answer within two thirds of the time-out.
  timers.advance((TIMEOUT_MS * 2) / 3)
  await waiting
  assert.equal(await next(), 'down')
  assert.equal(session.isUp, false)
  await assert.rejects(session.get('/a'), /zookeeper is not connected/)
  // The other server knows of no session 7.
  await turnUntil(timers, () => session.isUp)
  assert.equal(await next(), 'up new')
  silent.close()
})

/** Takes connections and says nothing: a machine that hangs. */
function mute(): Promise<Server & { readonly port: number }> {
  return serve((socket) => void socket.on('error', () => undefined))
}

test('a member falls silent and two others are so: the session is taken up again while it lives', async () => {
  const timeoutMs = 120_000
  let isSilent = false
  const failing = await serve((socket) => {
    const behind = connect(zookeeper.port, '127.0.0.1')
    for (const one of [socket, behind]) one.on('error', () => undefined)
    socket.on('data', (bytes) => behind.write(bytes))
    socket.on('close', () => behind.destroy())
    behind.on('data', (bytes) => (isSilent ? undefined : socket.write(bytes)))
  })
  const silent = [await mute(), await mute()]
  const { timers, next } = follow(
    [failing, ...silent, zookeeper].map(({ port }) => port),
    timeoutMs,
  )
  assert.equal(await next(), 'up new')
  isSilent = true
  const silentAtMs = timers.nowMs
  const events: string[] = []
  void next().then(async (event) => events.push(event, await next()))
  timers.advance((timeoutMs * 2) / 3)
  await turnUntil(timers, () => events.length === 2)
  assert.deepEqual(events, ['down', 'up again'])
  assert.ok(timers.nowMs - silentAtMs < timeoutMs, `${timers.nowMs - silentAtMs} ms`)
  for (const server of [failing, ...silent]) server.close()
})

test('attempts become rare only when all members were tried', async () => {
  let attempts = 0
  const refusing = await Promise.all(
    Array.from({ length: 3 }, () =>
      serve((socket) => {
        attempts += 1
        socket.on('error', () => undefined)
        socket.destroy()
      }),
    ),
  )
  const { timers } = follow(refusing.map(({ port }) => port))
  const timesMs: number[] = []
  for (let seen = 0; seen < 11; seen++) {
    await turnUntil(timers, () => attempts > seen)
    timesMs.push(timers.nowMs)
    // What was closed is heard of before time goes on.
    await pause(20)
  }
  // Doubled with each attempt it would be at 6.3 s.
  assert.ok((timesMs[6] ?? 0) < 3_000, timesMs.join())
  assert.ok((timesMs[10] ?? 0) - (timesMs[9] ?? 0) >= 300, timesMs.join())
  for (const server of refusing) server.close()
})

test('an idle session is kept by pings', async () => {
  const { session, timers, next } = follow([zookeeper.port])
  await next()
  for (let third = 0; third < 6; third++) {
    timers.advance(TIMEOUT_MS / 3)
    // The answer to the ping comes before the one to this.
    assert.equal(await session.get('/none'), null)
  }
  assert.equal(session.isUp, true)
})

test('a server that sends nonsense is left, and named', async () => {
  const nonsense = [
    Buffer.from('ffffffff', 'hex'),
    Buffer.from('7fffffff', 'hex'),
    Buffer.from('0000000400000001', 'hex'),
    Buffer.from('485454502f312e31', 'hex'),
  ]
  for (const bytes of nonsense) {
    let connections = 0
    const server = await serve((socket) => {
      connections += 1
      socket.on('error', () => undefined)
      socket.write(connections === 1 ? bytes : Buffer.alloc(0))
      socket.once('data', () => (connections > 1 ? socket.write(greeting()) : undefined))
    })
    const { session, timers, next } = follow([server.port])
    await turnUntil(timers, () => connections > 1)
    assert.equal(await next(), 'up new')
    assert.equal(session.isUp, true)
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      void session.close()
      timers.advance(limits.zooKeeperCloseMs)
    })
  }
})

test('an answer to another request ends the connection', async () => {
  const server = await serve((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write(greeting())
      socket.once('data', () => socket.write(new JuteWriter().int(99).long(1n).int(0).frame()))
    })
  })
  const { session, next } = follow([server.port])
  await next()
  await assert.rejects(session.get('/a'), /answer 99 to no request/)
  assert.equal(await next(), 'down')
  server.close()
})

test('a field that reaches beyond its message is refused, whatever its length says', () => {
  const long = new JuteReader(Buffer.from('7fffffff00', 'hex'))
  assert.throws(() => long.bytes(), KVError)
  assert.throws(() => new JuteReader(Buffer.from('7fffffff', 'hex')).texts(), /ends within a field/)
  assert.throws(() => new JuteReader(Buffer.alloc(7)).long(), /ends within a field/)
  assert.equal(new JuteReader(Buffer.from('ffffffff', 'hex')).bytes().length, 0)
})
