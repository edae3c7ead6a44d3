import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CqlError } from '../../../shims/rocksandra/cql/errors.js'
import type { PreparedStatement } from '../../../shims/rocksandra/engine/contract.js'
import { PreparedStatements, preparedId } from '../../../shims/rocksandra/prepared.js'

function statement(text: string): PreparedStatement {
  return {
    ...{ text, keyspace: null, variables: [], partitionKeyIndexes: [], columns: null },
    isCurrent: () => true,
  }
}

function unprepared(id: Buffer): (error: unknown) => boolean {
  return (error) =>
    error instanceof CqlError && error.code === 'UNPREPARED' && error.details.preparedId?.equals(id) === true
}

describe('PreparedStatements', () => {
  test('an id is the MD5 of keyspace and text', () => {
    assert.equal(preparedId('', null).toString('hex'), 'd41d8cd98f00b204e9800998ecf8427e')
    assert.equal(preparedId('b', 'a').toString('hex'), preparedId('ab', null).toString('hex'))
  })

  test('of too many the oldest go, but not those that were used', () => {
    const prepared = new PreparedStatements({ maxPreparedStatements: 3, maxPreparedBytes: 1_000 })
    const ids = ['a', 'b', 'c', 'd', 'e'].map((text) => {
      const id = preparedId(text, null)
      prepared.put(id, statement(text))
      // Used after each: the first one only.
      prepared.get(preparedId('a', null))
      return id
    })
    assert.equal(prepared.size, 3)
    assert.deepEqual(
      ids.map((id) => prepared.has(id)),
      [true, false, false, true, true],
    )
    const gone = preparedId('b', null)
    assert.throws(() => prepared.get(gone), unprepared(gone))
  })

  test('texts are bounded, too, and one that is beyond the bound alone is kept alone', () => {
    const prepared = new PreparedStatements({ maxPreparedStatements: 100, maxPreparedBytes: 10 })
    for (const text of ['12345', '1234', '123456789']) prepared.put(preparedId(text, null), statement(text))
    assert.equal(prepared.size, 1)
    prepared.put(preparedId('x'.repeat(20), null), statement('x'.repeat(20)))
    assert.equal(prepared.size, 1)
    assert.ok(prepared.has(preparedId('x'.repeat(20), null)))
  })

  test('what is not current any more is forgotten', () => {
    const prepared = new PreparedStatements({ maxPreparedStatements: 100, maxPreparedBytes: 100 })
    const id = preparedId('a', null)
    prepared.put(id, { ...statement('a'), isCurrent: () => false })
    assert.equal(prepared.has(id), false)
    assert.throws(() => prepared.get(id), unprepared(id))
    assert.equal(prepared.size, 0)
  })
})
