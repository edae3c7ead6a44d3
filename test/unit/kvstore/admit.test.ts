import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Clock, systemClock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { admitMutate, admitRead } from '../../../src/kvstore/admit.js'
import type { MutateRequest, ReadRequest, RowMutation } from '../../../src/model/request.js'
import { cell, datasetEntry, mapOf, putRequest, readRequest } from '../../support/datasets.js'

const map = mapOf(
  datasetEntry({ name: 'cities', mode: 'BATCH' }),
  datasetEntry({ name: 'profiles', maxValueBytes: 10 }),
  datasetEntry({ name: 'sessions', defaultTtlSeconds: 60, defaultDurability: 'LOG' }),
)
const clock: Clock = { ...systemClock, monotonicMs: () => 1000 }

function refusal(action: () => unknown): { code: string; outcome: string | undefined; message: string } {
  try {
    action()
  } catch (error) {
    assert.ok(error instanceof KVError, String(error))
    return error
  }
  assert.fail('was admitted')
}

function mutation(changes: Partial<RowMutation>): Partial<MutateRequest> {
  return { dataset: 'profiles', mutation: { cells: [], deletes: 'NOTHING', timestamp: null, ...changes } }
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
    request: readRequest(['a'], { selector: { localKeys: [Buffer.alloc(limits.maxLocalKeyBytes + 1)] } }),
    code: 'TOO_LARGE',
  },
  {
    name: 'more keys times columns than one request may name',
    request: readRequest(new Array<string>(1_001).fill('k'), {
      selector: { localKeys: Array.from({ length: 100 }, (_, i) => Buffer.from(`c${i}`)) },
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
    request: readRequest(['a'], { context: { api: 'test', caller: null, deadline: 999 } }),
    code: 'DEADLINE_EXCEEDED',
  },
]

const writeCases: { name: string; changes: Partial<MutateRequest>; code: string }[] = [
  { name: 'a BATCH dataset', changes: { dataset: 'cities' }, code: 'READ_ONLY' },
  { name: 'nothing to write', changes: mutation({}), code: 'INVALID_ARGUMENT' },
  {
    name: 'a value over the dataset’s limit',
    changes: mutation({ cells: [cell('a', '12345678901')] }),
    code: 'TOO_LARGE',
  },
  {
    name: 'a column named twice',
    changes: mutation({ cells: [cell('a', '1'), cell('b', '2'), cell('a', '3')] }),
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a TTL of zero',
    changes: mutation({ cells: [cell('a', '1', null, 0)] }),
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'more columns to remove than a row may have',
    changes: mutation({ deletes: new Array<Buffer>(limits.maxCellsPerRow + 1).fill(Buffer.from('c')) }),
    code: 'TOO_LARGE',
  },
  {
    name: 'a local key over the limit in a deletion',
    changes: mutation({ deletes: [Buffer.alloc(limits.maxLocalKeyBytes + 1)] }),
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
    const mutated = mutation({ cells: [cell('a', '1'), cell('b', '2', null, 5)] })
    const request = putRequest('k', 'v', { ...mutated, dataset: 'sessions' })
    const { cells } = admitMutate(request, map, clock).request.mutation
    assert.deepEqual(
      cells.map(({ ttlSeconds }) => ttlSeconds),
      [60, 5],
    )
  })

  test('a write that names no durability takes the dataset’s', () => {
    const write = (dataset: string) => admitMutate(putRequest('k', 'v', { dataset }), map, clock)
    assert.equal(write('sessions').durability, 'LOG')
    assert.equal(write('profiles').durability, 'LOG_SYNCED')
  })
})
