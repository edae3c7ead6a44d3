import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Clock, systemClock } from '../../../src/base/clock.js'
import { limits } from '../../../src/base/limits.js'
import { admitMutate, admitRead, admitScan } from '../../../src/kvstore/admit.js'
import type { Mutation } from '../../../src/model/mutation.js'
import type { MutateRequest, ReadRequest } from '../../../src/model/request.js'
import { type Cell, type Condition, WHOLE_ROW, columnsNamed } from '../../../src/model/row.js'
import type { ScanRequest } from '../../../src/model/scan.js'
import { cell, datasetEntry, mapOf, putRequest, readRequest } from '../../support/datasets.js'
import { scanRequest } from '../../support/scans.js'
import { refusal } from './refusals.js'

const map = mapOf(
  datasetEntry({ name: 'cities', mode: 'BATCH' }),
  datasetEntry({ name: 'profiles', maxValueBytes: 10 }),
  datasetEntry({ name: 'sorted', keyOrder: 'ORDERED' }),
  datasetEntry({ name: 'sessions', defaultTtlSeconds: 60, defaultDurability: 'LOG' }),
)
const NOW_MS = 1_700_000_000_000
const clock: Clock = { ...systemClock, monotonicMs: () => 1000, nowMs: () => NOW_MS }
const late = { api: 'test', caller: null, deadline: 999 }
const longKey = Buffer.alloc(limits.maxLocalKeyBytes + 1)
const test1 = (localKey: Buffer): Condition => {
  return { localKey, comparison: 'EXISTS', value: Buffer.alloc(0), timestamp: null, ifMissing: false }
}

function mutations(...given: Mutation[]): Partial<MutateRequest> {
  return { dataset: 'profiles', mutations: given }
}

function put(...cells: Cell[]): Mutation {
  return { kind: 'PUT', cells, timestamp: null, replaceRow: false }
}

function removal(...localKeys: Buffer[]): Mutation {
  return { kind: 'DELETE', selector: columnsNamed(localKeys), timestamp: null, scope: 'UP_TO_TIMESTAMP' }
}

function increment(...ttls: (number | null)[]): Mutation {
  return {
    kind: 'INCREMENT',
    deltas: ttls.map((ttlSeconds) => ({ localKey: Buffer.alloc(0), delta: 1n, ttlSeconds })),
  }
}

function idempotency(offsetMs: number): MutateRequest['idempotency'] {
  const generationTimeUs = BigInt(NOW_MS + offsetMs) * 1000n
  return { generationTimeUs, nonce: Buffer.alloc(8), index: 0, fingerprint: Buffer.alloc(16) }
}

const readCases: { name: string; request: ReadRequest; code: string }[] = [
  { name: 'an unknown dataset', request: readRequest(['a'], { dataset: 'nope' }), code: 'DATASET_NOT_FOUND' },
  {
    name: 'a key over the limit',
    request: readRequest([Buffer.alloc(limits.maxRowKeyBytes + 1)]),
    code: 'TOO_LARGE',
  },
  {
    name: 'more keys than a batch may have',
    request: readRequest(new Array<string>(limits.maxBatchRows + 1).fill('k')),
    code: 'TOO_LARGE',
  },
  {
    name: 'selectors of another count than keys',
    request: readRequest(['a', 'b'], { selectorsByKey: [null] }),
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a local key over the limit',
    request: readRequest(['a'], { selector: columnsNamed([longKey]) }),
    code: 'TOO_LARGE',
  },
  {
    name: 'more keys times columns than one request may name',
    request: readRequest(new Array<string>(1_001).fill('k'), {
      selector: columnsNamed(Array.from({ length: 100 }, (_, i) => Buffer.from(`c${i}`))),
    }),
    code: 'TOO_LARGE',
  },
  {
    name: 'a pinned version of a dataset without versions',
    request: readRequest(['a'], { dataset: 'profiles', datasetVersion: 5 }),
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a deadline that has passed',
    request: readRequest(['a'], { context: late }),
    code: 'DEADLINE_EXCEEDED',
  },
  {
    name: 'a bound of a range over the limit',
    request: readRequest(['a'], {
      selector: { ...WHOLE_ROW, ranges: [{ from: Buffer.alloc(0), to: longKey }] },
    }),
    code: 'TOO_LARGE',
  },
  {
    name: 'more keys times ranges than one request may name',
    request: readRequest(new Array<string>(10_000).fill('k'), {
      selector: {
        ...WHOLE_ROW,
        ranges: Array.from({ length: 11 }, (_, i) => ({ from: Buffer.of(i * 2), to: Buffer.of(i * 2 + 1) })),
      },
    }),
    code: 'TOO_LARGE',
  },
  {
    name: 'a position in one of several rows',
    request: readRequest(['a', 'b'], { position: { localKey: null, timestamp: null, columns: 0 } }),
    code: 'INVALID_ARGUMENT',
  },
]

const writeCases: { name: string; changes: Partial<MutateRequest>; code: string }[] = [
  { name: 'a BATCH dataset', changes: { dataset: 'cities' }, code: 'READ_ONLY' },
  { name: 'nothing to write', changes: mutations(), code: 'INVALID_ARGUMENT' },
  { name: 'a put of nothing', changes: mutations(put()), code: 'INVALID_ARGUMENT' },
  {
    name: 'a value over the dataset’s limit',
    changes: mutations(put(cell('a', '12345678901'))),
    code: 'TOO_LARGE',
  },
  {
    name: 'a value over the dataset’s limit to append',
    changes: mutations({ kind: 'APPEND', cells: [cell('a', '12345678901')] }),
    code: 'TOO_LARGE',
  },
  {
    name: 'a value over the limit among what is done otherwise',
    changes: { ...mutations(put(cell('a', '1'))), otherwise: [put(cell('a', '12345678901'))] },
    code: 'TOO_LARGE',
  },
  {
    name: 'a column named twice',
    changes: mutations(put(cell('a', '1'), cell('b', '2'), cell('a', '3'))),
    code: 'INVALID_ARGUMENT',
  },
  { name: 'a TTL of zero', changes: mutations(put(cell('a', '1', null, 0))), code: 'INVALID_ARGUMENT' },
  { name: 'a counter’s TTL of zero', changes: mutations(increment(null, 0)), code: 'INVALID_ARGUMENT' },
  {
    name: 'a negative TTL to touch with',
    changes: mutations({ kind: 'TOUCH', selector: null, ttlSeconds: -1 }),
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'more columns to remove than a row may have',
    changes: mutations(removal(...new Array<Buffer>(limits.maxCellsPerRow + 1).fill(Buffer.from('c')))),
    code: 'TOO_LARGE',
  },
  {
    name: 'more cells in all its mutations than a row may have',
    changes: mutations(...new Array<Mutation>(6).fill(increment(...new Array<null>(2_000).fill(null)))),
    code: 'TOO_LARGE',
  },
  {
    name: 'more mutations than a row may have',
    changes: mutations(...new Array<Mutation>(1_001).fill(put(cell('a', '1')))),
    code: 'TOO_LARGE',
  },
  {
    name: 'a local key over the limit in a deletion',
    changes: mutations(removal(longKey)),
    code: 'TOO_LARGE',
  },
  {
    name: 'a local key over the limit in a condition',
    changes: { ...mutations(put(cell('a', '1'))), conditions: [test1(longKey)] },
    code: 'TOO_LARGE',
  },
  {
    name: 'more conditions than a write may have',
    changes: {
      ...mutations(put(cell('a', '1'))),
      conditions: new Array<Condition>(1_001).fill(test1(Buffer.alloc(0))),
    },
    code: 'TOO_LARGE',
  },
  {
    name: 'a local key over the limit among the cells to answer',
    changes: { ...mutations(put(cell('a', '1'))), returnAfter: columnsNamed([longKey]) },
    code: 'TOO_LARGE',
  },
  {
    name: 'an idempotency token of an hour ago',
    changes: { dataset: 'profiles', idempotency: idempotency(-3_600_000) },
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'an idempotency token of the future',
    changes: { dataset: 'profiles', idempotency: idempotency(60_001) },
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a deadline that has passed',
    changes: { dataset: 'profiles', context: late },
    code: 'DEADLINE_EXCEEDED',
  },
]

const scanCases: { name: string; changes: Partial<ScanRequest>; code: string }[] = [
  { name: 'an unknown dataset', changes: { dataset: 'nope' }, code: 'DATASET_NOT_FOUND' },
  { name: 'a deadline that has passed', changes: { context: late }, code: 'DEADLINE_EXCEEDED' },
  {
    name: 'a range of keys that are hashed',
    changes: { dataset: 'profiles', range: { from: Buffer.from('a'), to: null } },
    code: 'UNSUPPORTED',
  },
  {
    name: 'a pinned version of a dataset without versions',
    changes: { datasetVersion: 1 },
    code: 'INVALID_ARGUMENT',
  },
  { name: 'a local key over the limit', changes: { selector: columnsNamed([longKey]) }, code: 'TOO_LARGE' },
  {
    name: 'more conditions than a scan may have',
    changes: { where: new Array<Condition>(1_001).fill(test1(Buffer.alloc(0))) },
    code: 'TOO_LARGE',
  },
]

suite('admission', () => {
  for (const { name, request, code } of readCases) {
    test(`a read with ${name} is refused as ${code}`, () => {
      assert.equal(refusal(() => admitRead(request, map, clock)).code, code)
    })
  }

  for (const { name, changes, code } of writeCases) {
    test(`a write with ${name} is refused as ${code}, not applied`, () => {
      const { code: actual, outcome } = refusal(() => admitMutate(putRequest('k', 'v', changes), map, clock))
      assert.deepEqual([actual, outcome], [code, 'NOT_APPLIED'])
    })
  }

  for (const { name, changes, code } of scanCases) {
    test(`a scan with ${name} is refused as ${code}`, () => {
      assert.equal(
        refusal(() => admitScan(scanRequest({ dataset: 'sorted', ...changes }), map, clock)).code,
        code,
      )
    })
  }

  test('a scan of a range is admitted where keys are ordered, of everything anywhere', () => {
    admitScan(scanRequest({ dataset: 'sorted', range: { from: Buffer.from('a'), to: null } }), map, clock)
    admitScan(scanRequest({ dataset: 'profiles' }), map, clock)
    admitScan(scanRequest({ dataset: 'cities', datasetVersion: 5 }), map, clock)
  })

  test('an idempotency token within a minute of the clock is admitted', () => {
    for (const offsetMs of [-60_000, 0, 60_000]) {
      admitMutate(
        putRequest('k', 'v', { dataset: 'profiles', idempotency: idempotency(offsetMs) }),
        map,
        clock,
      )
    }
  })

  test('keys and values at their limits are admitted', () => {
    admitRead(readRequest([Buffer.alloc(limits.maxRowKeyBytes)]), map, clock)
    admitMutate(putRequest('k', '1234567890', { dataset: 'profiles' }), map, clock)
  })

  test('the message of a refusal shows a hostile name cut and escaped', () => {
    const dataset = `\u0000${'x'.repeat(5000)}`
    const { message } = refusal(() => admitRead(readRequest(['a'], { dataset }), map, clock))
    assert.ok(message.length < 400)
    assert.ok(message.includes('\\u0000'))
  })

  test('cells without a TTL take the dataset’s, the others keep their own', () => {
    const mutated = mutations(put(cell('a', '1'), cell('b', '2', null, 5)), increment(null))
    const request = putRequest('k', 'v', {
      ...mutated,
      dataset: 'sessions',
      otherwise: [put(cell('c', '3'))],
    })
    const admitted = admitMutate(request, map, clock).request
    const ttls = [...admitted.mutations, ...admitted.otherwise].map((one) => {
      if (one.kind === 'PUT') return one.cells.map(({ ttlSeconds }) => ttlSeconds)
      return one.kind === 'INCREMENT' ? one.deltas.map(({ ttlSeconds }) => ttlSeconds) : []
    })
    assert.deepEqual(ttls, [[60, 5], [null], [60]])
  })

  test('a write to a dataset without a TTL of its own goes on as it came', () => {
    const request = putRequest('k', 'v', { dataset: 'profiles' })
    assert.equal(admitMutate(request, map, clock).request, request)
  })

  test('a write that names no durability takes the dataset’s', () => {
    const write = (dataset: string) => admitMutate(putRequest('k', 'v', { dataset }), map, clock)
    assert.equal(write('sessions').durability, 'LOG')
    assert.equal(write('profiles').durability, 'LOG_SYNCED')
  })
})
