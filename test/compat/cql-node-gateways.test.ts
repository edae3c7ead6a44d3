/** The published Node driver with more than one connection's worth of gateway: passwords, TLS, restarts, two of them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'node:tls'
import { type ClientOptions, Client, auth, errors, policies } from 'cassandra-driver'
import { makeCertificate } from '../support/certificates.js'
import { CqlPair, GuardedGateway, startCqlGateway } from '../support/cql.js'
import type { Gateway } from '../support/gateway.js'

const PATIENCE_MS = 20_000

// The driver keeps timers for hosts that were gone for a while, past its shutdown(): they would keep this process for ever.
after(() => {
  setTimeout(() => process.exit(), 500)
})

function clientOf(port: number, options: Partial<ClientOptions> = {}): Client {
  const reconnection = new policies.reconnection.ConstantReconnectionPolicy(200)
  return new Client({
    ...{ contactPoints: ['127.0.0.1'], localDataCenter: 'datacenter1', protocolOptions: { port } },
    ...options,
    policies: { reconnection, ...options.policies },
  })
}

/** Asks until the answer is yes; a question that fails is asked again. */
async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS
  while (!(await ask().catch(() => false))) {
    assert.ok(performance.now() < endMs, `in vain until ${what}`)
    await pause(20)
  }
}

describe('a gateway with a password and TLS', () => {
  test('lets in who knows the password and trusts its certificate', async () => {
    const guarded = await GuardedGateway.start()
    const port = guarded.gateway.port('rocksandra')
    const sslOptions = { ca: [readFileSync(guarded.certificate)], rejectUnauthorized: true }
    const { user, password } = GuardedGateway
    const client = clientOf(port, {
      sslOptions,
      authProvider: new auth.PlainTextAuthProvider(user, password),
    })
    assert.equal((await client.execute('SELECT key FROM system.local')).rowLength, 1)
    await client.shutdown()
    const guessing = clientOf(port, {
      sslOptions,
      authProvider: new auth.PlainTextAuthProvider(user, 'guess'),
    })
    await assert.rejects(guessing.connect(), (error: Error) => {
      assert.ok(error instanceof errors.NoHostAvailableError)
      const [reason] = Object.values(error.innerErrors as Readonly<Record<string, Error>>)
      assert.ok(reason instanceof errors.AuthenticationError)
      assert.match(reason.message, /Username and\/or password are incorrect/)
      return true
    })
    await guessing.shutdown()
    await guarded.dispose()
  })

  test('takes a renewed certificate on SIGHUP, and keeps the one before when the new one is wrong', async () => {
    const guarded = await GuardedGateway.start()
    const { gateway, files } = guarded
    const hangUp = async (outcome: RegExp): Promise<void> => {
      process.kill(gateway.pid, 'SIGHUP')
      while (!outcome.test(gateway.output)) await gateway.nextOutput()
    }
    assert.equal(await subjectOf(gateway), 'localhost')
    const renewed = await makeCertificate(guarded.folder, 'renewed')
    copyFileSync(renewed.certificate, files.certificate)
    copyFileSync(renewed.key, files.key)
    assert.equal(await subjectOf(gateway), 'localhost')
    await hangUp(/the certificates were read again/)
    assert.equal(await subjectOf(gateway), 'renewed')
    writeFileSync(files.certificate, 'no certificate')
    await hangUp(/a new certificate is wrong; the one before stays in use/)
    // Of each thread: connections go to them in turns.
    for (let time = 0; time < 8; time++) assert.equal(await subjectOf(gateway), 'renewed')
    await guarded.dispose()
  })
})

/** Whose certificate the listener shows. */
async function subjectOf(gateway: Gateway): Promise<string> {
  const port = gateway.port('rocksandra')
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

test('a client outlives a restart of the gateway, and what it had prepared is prepared again', async () => {
  const { gateway, place } = await startCqlGateway()
  const client = clientOf(place.port)
  await client.execute(
    "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
  )
  await client.execute('CREATE TABLE ks.t (k int PRIMARY KEY, v text)')
  await client.execute("INSERT INTO ks.t (k, v) VALUES (1, 'one')")
  const read = async (): Promise<boolean> => {
    const { rows } = await client.execute('SELECT v FROM ks.t WHERE k = ?', [1], { prepare: true })
    return rows[0]?.['v'] === 'one'
  }
  assert.ok(await read())
  await gateway.restart()
  await until('it is read again', read)
  await until('the schema changes again', async () => {
    await client.execute('CREATE TABLE IF NOT EXISTS ks.other (k int PRIMARY KEY)')
    return (await client.metadata.getTable('ks', 'other')).columns.length === 1
  })
  await client.shutdown()
  await gateway.dispose()
})

describe('two gateways', () => {
  test('are found through one of them and asked in turns, without the one that is gone for a while', async () => {
    const pair = await CqlPair.start()
    const client = clientOf(pair.port)
    const asked = async (): Promise<string> => {
      const hosts = new Set<string>()
      for (let key = 0; key < 20; key++) {
        const answer = await client.execute('SELECT v FROM pair.t WHERE k = ?', [key % 10], { prepare: true })
        assert.equal(answer.rows[0]?.['v'], 'v')
        hosts.add(answer.info.queriedHost)
      }
      return [...hosts].sort().join()
    }
    const [one, both] = [`127.0.0.1:${pair.port}`, `127.0.0.1:${pair.port},127.0.0.2:${pair.port}`]
    await until('both answer', async () => (await asked()) === both)
    await pair.gateways[1].stop()
    await until('one answers', async () => (await asked()) === one)
    await pair.gateways[1].start()
    await until('both answer again', async () => (await asked()) === both)
    await client.shutdown()
    await pair.dispose()
  })

  test('tell clients of each other’s end and return', async () => {
    const pair = await CqlPair.start()
    // A client that never asks the second: it knows of it by what the first says.
    const first = [`127.0.0.1:${pair.port}`]
    const inTurns = new policies.loadBalancing.RoundRobinPolicy()
    const loadBalancing = new policies.loadBalancing.AllowListPolicy(inTurns, first)
    const client = clientOf(pair.port, { policies: { loadBalancing } })
    const heard: string[] = []
    for (const event of ['hostDown', 'hostUp']) {
      client.on(event, ({ address }: { address: string }) => heard.push(`${event} ${address}`))
    }
    await client.connect()
    const second = `127.0.0.2:${pair.port}`
    await pair.gateways[1].stop()
    await until('its end is heard of', () => Promise.resolve(heard.includes(`hostDown ${second}`)))
    await pair.gateways[1].start()
    await until('its return is heard of', () => Promise.resolve(heard.includes(`hostUp ${second}`)))
    await client.shutdown()
    await pair.dispose()
  })
})
