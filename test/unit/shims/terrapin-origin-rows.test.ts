import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { TerrapinError } from '../../../shims/terrapin/origin-errors.js'
import { TERRAPIN_CODES, callError, codeOf } from '../../../shims/terrapin/errors.js'
import { answersByKey, rowOf } from '../../../shims/terrapin/origin-rows.js'
import { type ErrorCode, KVError } from '../../../src/base/errors.js'
import { type CellSelector, WHOLE_ROW } from '../../../src/model/row.js'
import {
  TerrapinGetErrorCode,
  type TerrapinSingleResponse,
  makeTerrapinGetException,
  makeTerrapinSingleResponse,
} from '../../../src/thrift/generated/terrapin.js'

const bytes = (...keys: string[]): Buffer[] => keys.map((key) => Buffer.from(key))
const entry = (key: string, value = key): [Buffer, TerrapinSingleResponse] => [
  Buffer.from(key),
  makeTerrapinSingleResponse({ value: Buffer.from(value) }),
]

suite('the answers of a Terrapin by key', () => {
  test('are found whatever their order, and absent ones are absent', () => {
    for (const asked of [bytes('a'), bytes('a', 'b', 'c')]) {
      const answers = answersByKey(asked, [entry('a')])
      assert.ok(answers !== null)
      assert.equal(answers(Buffer.from('a'))?.value?.toString(), 'a')
      if (asked.length > 1) assert.equal(answers(Buffer.from('c')), null)
    }
    const answers = answersByKey(bytes('a', 'b', 'c'), [entry('c'), entry('a')])
    assert.deepEqual(bytes('a', 'b', 'c').map((key) => answers?.(key)?.value?.toString()), ['a', undefined, 'c']) // prettier-ignore
    assert.equal(answersByKey(bytes('a'), [])?.(Buffer.from('a')), null)
  })

  test('with a stranger among them, or one twice, are none', () => {
    assert.equal(answersByKey(bytes('a'), [entry('b')]), null)
    assert.equal(answersByKey(bytes('a', 'b'), [entry('a'), entry('c')]), null)
    assert.equal(answersByKey(bytes('a', 'b'), [entry('a'), entry('a')]), null)
    assert.equal(answersByKey(bytes('a'), [entry('a'), entry('a')]), null)
    assert.equal(answersByKey([], [entry('a')]), null)
  })

  test('keys that differ only beyond UTF-8 stay apart', () => {
    const asked = [Buffer.from([0xff]), Buffer.from([0xfe])]
    const value = makeTerrapinSingleResponse({ value: Buffer.from('v') })
    const answers = answersByKey(asked, [[Buffer.from([0xfe]), value]])
    assert.ok(answers !== null)
    assert.equal(answers(Buffer.from([0xff])), null)
    assert.equal(answers(Buffer.from([0xfe])), value)
  })
})

test('a value is the unnamed cell, as far as a selector means it', () => {
  const [name, empty, value] = [Buffer.from('x'), Buffer.alloc(0), Buffer.from('v')]
  const cases: readonly (readonly [Partial<CellSelector> | null, string | null])[] = [
    [null, 'v'],
    [{}, 'v'],
    [{ localKeys: [empty] }, 'v'],
    [{ localKeys: [name] }, null],
    [{ localKeys: [empty, name], limit: 1, isReversed: true }, 'v'],
    [{ ranges: [{ from: empty, to: name }] }, 'v'],
    [{ ranges: [{ from: name, to: null }] }, null],
    [{ keysOnly: true }, ''],
    [{ maxVersions: 5 }, 'v'],
    [{ minTimestamp: 0n }, null],
    [{ maxTimestamp: 9n }, null],
  ]
  for (const [changes, expected] of cases) {
    const row = rowOf(value, changes === null ? null : { ...WHOLE_ROW, ...changes })
    assert.equal(
      row?.cells[0]?.value.toString() ?? null,
      expected,
      JSON.stringify(Object.keys(changes ?? {})),
    )
  }
})

suite('what a Terrapin answers in place of a value', () => {
  const west = { backend: 'west', dataset: 'pins' }

  test('has a code of ours for each of its codes, and goes back to a Terrapin client as it came', () => {
    const ours = Object.fromEntries(
      Object.entries(TerrapinGetErrorCode).map(([name, code]) => [
        name,
        TerrapinError.ofKey(code, west).code,
      ]),
    )
    const expected: Readonly<Record<string, ErrorCode>> = {
      OTHER: 'INTERNAL',
      NOT_SERVING_RESOURCE: 'SHARD_NOT_SERVING',
      NOT_SERVING_PARTITION: 'SHARD_NOT_SERVING',
      READ_ERROR: 'UNAVAILABLE',
      PARTITION_OFFLINE: 'SHARD_NOT_SERVING',
      FILE_SET_NOT_FOUND: 'DATASET_NOT_FOUND',
      CLUSTER_NOT_FOUND: 'FAILED_PRECONDITION',
      INVALID_REQUEST: 'INVALID_ARGUMENT',
      INVALID_FILE_SET_VIEW: 'NO_VERSION_ONLINE',
    }
    assert.deepEqual(ours, expected)
    for (const code of Object.values(TerrapinGetErrorCode)) {
      assert.equal(codeOf(TerrapinError.ofKey(code, west), 'service'), code)
    }
  })

  test('a code that its interface does not have is INTERNAL, and passes', () => {
    const unknown = 777
    const error = TerrapinError.ofKey(unknown, west)
    assert.deepEqual([error.code, codeOf(error, 'service')], ['INTERNAL', unknown])
  })

  test('an exception keeps its text; errors of ours keep their table', () => {
    const exception = makeTerrapinGetException({ errorCode: 203, message: 'Clusters [a] not found.' })
    const error = TerrapinError.ofCall(exception, west)
    assert.equal(callError(error, 'pins'), exception)
    assert.match(error.message, /west answered CLUSTER_NOT_FOUND.*check origins\.west\.clusters/)
    assert.equal(codeOf(new KVError('UNAVAILABLE', 'x'), 'service'), TERRAPIN_CODES.UNAVAILABLE.service)
  })
})
