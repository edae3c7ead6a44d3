import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { createTerrapinService } from '../../../shims/terrapin/listener.js'
import { SecondReads, type SecondReadEvent } from '../../../shims/terrapin/second-reads.js'
import { systemClock } from '../../../src/base/clock.js'
import { type Done, KVError } from '../../../src/base/errors.js'
import type { DatasetEntry } from '../../../src/model/cluster-map.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { ReadRequest, ReadResult } from '../../../src/model/request.js'
import { ThriftClient } from '../../../src/thrift/client.js'
import * as wire from '../../../src/thrift/generated/terrapin.js'
import { ThriftServer } from '../../../src/thrift/server.js'
import { silentLogger } from '../../../src/base/logger.js'
import { FakeTimers } from '../../support/fake-timers.js'

interface Answer {
  readonly text: string
}

/** Reads that are answered when the test says so. */
class HeldReads {
  readonly timers = new FakeTimers()
  readonly events: SecondReadEvent[] = []
  readonly places: number[] = []
  readonly dones: Done<Answer>[] = []
  readonly reads = new SecondReads({
    startTimer: this.timers.start,
    onEvent: (event) => this.events.push(event),
  })
  readonly answers: (Answer | KVError)[] = []

  read(delayMs = 100): void {
    const start = (place: number, done: Done<Answer>) => {
      this.places.push(place)
      this.dones.push(done)
    }
    this.reads.read(start, delayMs, (answer) => this.answers.push(answer))
  }
}

const failure = new KVError('INTERNAL', 'a fault')

test('an answer before the delay is the only read, and no timer is left', () => {
  const held = new HeldReads()
  held.read()
  held.timers.advance(99)
  held.dones[0]?.({ text: 'first' })
  assert.deepEqual(held.answers, [{ text: 'first' }])
  assert.equal(held.timers.pendingCount, 0)
  assert.deepEqual(held.events, [])
})

test('after the delay another place is asked, and the first answer counts, once', () => {
  const held = new HeldReads()
  held.read()
  held.timers.advance(100)
  assert.deepEqual(held.places, [0, 1])
  held.dones[1]?.({ text: 'second' })
  held.dones[0]?.({ text: 'first' })
  assert.deepEqual(held.answers, [{ text: 'second' }])
  assert.deepEqual(held.events, ['fired', 'lost'])
  held.read()
  held.timers.advance(100)
  held.dones[2]?.({ text: 'third' })
  assert.deepEqual(held.events, ['fired', 'lost', 'fired', 'won'])
  assert.deepEqual(held.places, [0, 1, 1, 2])
})

test('a failure waits for the other read; a failure of both is answered', () => {
  const held = new HeldReads()
  held.read()
  held.timers.advance(100)
  held.dones[0]?.(failure)
  assert.deepEqual(held.answers, [])
  held.dones[1]?.({ text: 'second' })
  assert.deepEqual(held.answers, [{ text: 'second' }])
  held.read()
  held.timers.advance(100)
  held.dones[3]?.(failure)
  held.dones[2]?.(failure)
  assert.deepEqual(held.answers, [{ text: 'second' }, failure])
})

test('a failure before the delay is answered at once: both names lead to one tier', () => {
  const held = new HeldReads()
  held.read()
  held.dones[0]?.(failure)
  assert.deepEqual(held.answers, [failure])
  assert.equal(held.timers.pendingCount, 0)
})

test('a delay of nothing and less begins both reads together', () => {
  const held = new HeldReads()
  held.read(0)
  held.read(-5)
  assert.deepEqual(held.places, [0, 1, 1, 2])
})

test('second reads are a tenth of the calls at most, beyond what was saved up, and are withheld beyond', () => {
  const held = new HeldReads()
  for (let call = 0; call < 1_000; call++) {
    held.read()
    held.timers.advance(100)
    for (const done of held.dones.splice(0)) done({ text: '' })
  }
  const fired = held.events.filter((event) => event === 'fired').length
  assert.ok(fired >= 100 && fired <= 100 + 1_000 / 10 + 1, `${fired} were fired`)
  assert.equal(held.events.filter((event) => event === 'withheld').length, 1_000 - fired)
  assert.equal(held.answers.length, 1_000)
})

/** Holds each first read and answers each second one. */
class SlowFirst implements KVStore {
  readonly reads: ReadRequest[] = []

  read(request: ReadRequest, done: Done<ReadResult>): void {
    this.reads.push(request)
    if ((request.context.place ?? 0) % 2 === 0 && request.context.place !== undefined) return
    done({ rows: request.rowKeys.map(() => null), datasetVersion: 1 })
  }

  scan(): void {
    throw new Error('terrapin does not scan')
  }

  mutate(): void {
    throw new Error('terrapin does not write')
  }

  describeDataset(): DatasetEntry {
    throw new KVError('DATASET_NOT_FOUND', 'not asked for')
  }
}

test('only a call of two known clusters, for what several leaves have, is read twice', async () => {
  const store = new SlowFirst()
  const timers = new FakeTimers()
  const service = createTerrapinService(store, {
    clock: systemClock,
    isCluster: (name) => name === 'east' || name === 'west',
    timeoutMs: 1_000,
    onAnswered: () => undefined,
    hasSeveralPlaces: (fileSet) => fileSet === 'spread',
    secondReads: new SecondReads({ startTimer: timers.start, onEvent: () => undefined }),
    onValues: null,
  })
  const server = new ThriftServer({ name: 'terrapin', service, servesFinagle: true, logger: silentLogger })
  const listener = createServer({ allowHalfOpen: true }, (socket) => server.accept(socket))
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo // a TCP server has one
  const client = new ThriftClient({ name: 'terrapin', host: '127.0.0.1', port })
  const get = async (clusterList: string[], fileSet: string, delay?: bigint): Promise<void> => {
    const options = delay === undefined ? null : wire.makeRequestOptions({ speculativeTimeoutMillis: delay })
    const request = wire.makeTerrapinGetRequest({ clusterList, fileSet, key: Buffer.from('k'), options })
    const before = store.reads.length
    const answered = new Promise<unknown>((resolve) =>
      client.call(wire.TerrapinServiceMethods.get, { request }, Number.POSITIVE_INFINITY, resolve),
    )
    while (store.reads.length === before) await new Promise((resolve) => setImmediate(resolve))
    timers.advance(Number(delay ?? 100n))
    await answered
  }
  try {
    await get(['east'], 'spread')
    await get(['east', 'unknown'], 'spread')
    await get(['unknown', 'west', 'east'], 'spread')
    await get(['east', 'west'], 'single')
    assert.deepEqual(
      store.reads.map(({ context }) => context.place),
      [undefined, undefined, undefined, undefined],
    )
    await get(['east', 'west'], 'spread')
    assert.deepEqual(
      store.reads.slice(4).map(({ context }) => context.place),
      [0, 1],
    )
    // As much as never, which no timer can wait for.
    await get(['east', 'west'], 'spread', 0x7fff_ffff_ffff_ffffn)
    assert.deepEqual(
      store.reads.slice(6).map(({ context }) => context.place),
      [undefined],
    )
  } finally {
    await client.close()
    await server.close()
    listener.close()
  }
})
