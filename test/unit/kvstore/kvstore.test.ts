import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Clock, systemClock } from '../../../src/base/clock.js'
import { type Done, KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { GatewayKVStore } from '../../../src/kvstore/kvstore.js'
import { VersionWaits } from '../../../src/kvstore/version-waits.js'
import type { Backend } from '../../../src/model/backend.js'
import type { ReadResult, RequestContext } from '../../../src/model/request.js'
import { Router } from '../../../src/routing/router.js'
import { datasetEntry, incarnation, mapOf, putRequest, readRequest } from '../../support/datasets.js'
import { scanRequest } from '../../support/scans.js'

/** Nothing here waits for a version. */
const NO_WAITS = new VersionWaits({
  clock: systemClock,
  startTimer: () => assert.fail('a read waits'),
  askToOpen: () => assert.fail('a read waits'),
})

type Recorded = [operation: string, dataset: string, code: string | null]

/** A front end over a leaf tier that answers when the test says. */
class World {
  readonly held: Done<ReadResult>[] = []
  readonly recorded: Recorded[] = []
  readonly answers: object[] = []
  readonly kvstore: GatewayKVStore

  constructor() {
    const tier: Backend = {
      name: 'held',
      read: (_plan, done) => void this.held.push(done),
      scan: (_plan, done) => done({ rows: [], next: null, datasetVersion: null }),
      mutate: (_plan, done) => done(new KVError('UNAVAILABLE', 'gone', { outcome: 'UNKNOWN' })),
      close: () => Promise.resolve(),
    }
    const map = mapOf(datasetEntry({}, { live: [incarnation(1)] }))
    const clock: Clock = systemClock
    this.kvstore = new GatewayKVStore(new Router(tier, new Map()), () => map, {
      clock,
      metrics: {
        record: (_api, operation, dataset, _durationMs, code) =>
          void this.recorded.push([operation, dataset, code]),
      },
      waits: NO_WAITS,
    })
  }

  read(context: Partial<RequestContext> = {}, dataset = 'cities'): void {
    const request = readRequest(['k'], { dataset })
    this.kvstore.read({ ...request, context: { ...request.context, ...context } }, (outcome) => {
      this.answers.push(outcome)
    })
  }

  codes(): (string | null)[] {
    return this.answers.map((answer) => (answer instanceof KVError ? answer.code : null))
  }
}

suite('the front end', () => {
  test('counts every request once, by what it was and how it ended', () => {
    const world = new World()
    world.read()
    world.read({}, 'nowhere')
    world.held[0]?.({ rows: [null], datasetVersion: null })
    world.kvstore.scan(scanRequest(), () => undefined)
    world.kvstore.mutate(putRequest('k', 'v'), () => undefined)
    assert.deepEqual(world.recorded, [
      ['read', '', 'DATASET_NOT_FOUND'],
      ['read', 'cities', null],
      ['scan', 'cities', null],
      ['mutate', 'cities', 'UNAVAILABLE'],
    ])
  })

  test('a request that is refused before its dataset is looked up is counted for none, if there is none', () => {
    const world = new World()
    const bigKey = Buffer.alloc(limits.maxRowKeyBytes + 1)
    for (const dataset of ['nowhere', 'cities']) {
      world.kvstore.read({ ...readRequest(['k'], { dataset }), rowKeys: [bigKey] }, () => undefined)
    }
    assert.deepEqual(world.recorded, [
      ['read', '', world.recorded[0]?.[2] ?? null],
      ['read', 'cities', 'TOO_LARGE'],
    ])
  })

  test('a fault on the way is the request’s own INTERNAL', () => {
    const answers: object[] = []
    const faulty = (): never => {
      throw new TypeError('a fault')
    }
    const planner = { planRead: faulty, planScan: faulty, planMutate: faulty }
    const map = mapOf(datasetEntry({}, { live: [incarnation(1)] }))
    const kvstore = new GatewayKVStore(planner, () => map, {
      clock: systemClock,
      metrics: { record: () => undefined },
      waits: NO_WAITS,
    })
    kvstore.read(readRequest(['k']), (outcome) => answers.push(outcome))
    kvstore.scan(scanRequest(), (outcome) => answers.push(outcome))
    assert.deepEqual(
      answers.map((answer) => answer instanceof KVError && answer.code),
      ['INTERNAL', 'INTERNAL'],
    )
  })

  test('a job is shed while many requests wait, a person is served, and both are once they are answered', () => {
    const world = new World()
    for (let index = 0; index < limits.maxWaitingBeforeBatchIsShed; index += 1) world.read()
    world.read({ isBatch: true })
    world.read({ isBatch: false })
    assert.deepEqual(world.codes(), ['OVERLOADED'])
    const [shed] = world.answers
    assert.ok(shed instanceof KVError && shed.outcome === 'NOT_APPLIED' && (shed.retryAfterMs ?? 0) > 0)
    for (const done of world.held.splice(0)) done({ rows: [null], datasetVersion: null })
    world.read({ isBatch: true })
    assert.equal(world.held.length, 1)
  })

  test('rows of one multiMutate are not shed for each other', () => {
    const world = new World()
    const context = { api: 'test', caller: null, deadline: Infinity, isBatch: true }
    const rows = limits.maxWaitingBeforeBatchIsShed + 10
    for (let index = 0; index < rows; index += 1) {
      world.kvstore.read({ ...readRequest(['k']), context }, (outcome) => world.answers.push(outcome))
    }
    assert.deepEqual([world.held.length, world.answers.length], [rows, 0])
  })
})
