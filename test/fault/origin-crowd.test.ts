/**
 * More reads than most machines ever see, all of them waiting for an origin that stalls and then dies: in flight, and in the
 * queue behind those. Each is told once, others are served meanwhile, and the gateway goes on.
 */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/kvstore.js'
import { FakeOrigin } from '../support/fake-origin.js'
import { Gateway } from '../support/gateway.js'
import { metricsOf, until } from '../support/migration.js'

const PINS = 'pins'
const OWN = 'own'
const IN_FLIGHT = 10_000
const QUEUED = 5_000
const CONNECTIONS = 20
const WAVE = 10_000
/** Longer than the test: nobody is answered because its time is up. */
const PATIENCE_MS = 60_000
const MAX_MORE_BYTES = 256 * 1024 * 1024
const UNAVAILABLE = 401

suite('15,000 reads that wait for one origin', () => {
  let origin: FakeOrigin
  let gateway: Gateway
  let client: ThriftClient
  /** Answers of one connection come in order: behind those that wait. */
  let other: ThriftClient

  before(async () => {
    origin = await FakeOrigin.start({ values: (key) => Buffer.from(`value of ${key}`) })
    const settings = `pipelining: "on", connections: 16, maxInFlight: ${IN_FLIGHT}, deadlineMs: ${PATIENCE_MS}, breakerResetMs: 200`
    gateway = await Gateway.start({
      config:
        'threads: { data: 1 }\norigins:\n' +
        `  west: { api: terrapin, host: 127.0.0.1, port: ${origin.port}, clusters: [main], ${settings} }\n`,
    })
    await gateway.createDataset(PINS, { mode: 'BATCH', migrationState: 'ORIGIN_ONLY', origin: 'west' })
    await gateway.createDataset(OWN)
    const port = gateway.port('kvstore')
    client = new ThriftClient({ name: 'gateway', host: '127.0.0.1', port, connections: CONNECTIONS })
    other = new ThriftClient({ name: 'gateway', host: '127.0.0.1', port, connections: 1 })
    assert.deepEqual(await get(PINS, 'a'), 'value of a')
    // A connection has many requests in hand once its answers have shown to be small.
    for (let wave = 0; wave < 2; wave += 1) {
      await Promise.all(Array.from({ length: WAVE }, () => get(OWN, 'k')))
    }
  })
  after(async () => {
    await Promise.all([client.close(), other.close()])
    await gateway.dispose()
    await origin.close()
  })

  /** The value, null, or what went wrong: the error's code, or our own client's word for it. */
  function get(dataset: string, key: string, by = client): Promise<string | number | null> {
    const context = wire.makeRequestContext({ deadlineMs: PATIENCE_MS })
    const request = wire.makeGetRequest({ dataset, key: Buffer.from(key), context })
    return new Promise((resolve) => {
      by.call(wire.KVStoreMethods.get, { request }, performance.now() + PATIENCE_MS, (outcome) => {
        if (outcome instanceof KVError) resolve(outcome.message)
        else if (outcome.exception !== null) resolve(outcome.exception.error?.code ?? 0)
        else resolve(outcome.value?.value?.toString() ?? null)
      })
    })
  }

  test('hold up nobody else and bounded memory; when it dies each is told, and the next ones are answered', async (t) => {
    const bytes = await residentBytes(gateway)
    origin.stall()
    const waiting = Array.from({ length: IN_FLIGHT + QUEUED }, (_, number) => get(PINS, `key-${number}`))
    await until(async () => {
      const queued = await metricsOf(gateway, 'godwit_backend_requests_queued', 'role')
      return queued.get('primary') === QUEUED
    }, 'all of them wait')
    const startedAtMs = performance.now()
    for (let round = 0; round < 50; round += 1) assert.equal(await get(OWN, 'k', other), null)
    const eachMs = (performance.now() - startedAtMs) / 50
    const more = (await residentBytes(gateway)) - bytes
    t.diagnostic(`a read of another dataset ${eachMs.toFixed(1)} ms, ${more >> 20} MB more`)
    assert.ok(eachMs < 100, `${eachMs} ms`)
    assert.ok(more < MAX_MORE_BYTES, `${more} bytes`)

    const killedAtMs = performance.now()
    await origin.kill()
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set([UNAVAILABLE]))
    t.diagnostic(`told within ${(performance.now() - killedAtMs).toFixed(0)} ms`)
    assert.doesNotMatch(gateway.output, /fault in the handling/)
    origin.resume()
    await origin.revive()
    await until(async () => (await get(PINS, 'b')) === 'value of b', 'it is asked again')
    const left = await metricsOf(gateway, 'godwit_backend_requests_in_flight', 'role')
    assert.deepEqual([left.get('primary'), left.get('shadow')], [0, 0])
  })
})

async function residentBytes(gateway: Gateway): Promise<number> {
  return (await metricsOf(gateway, 'process_resident_memory_bytes')).get('') ?? 0
}
