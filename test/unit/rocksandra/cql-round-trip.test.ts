/** What is printed of a statement is parsed to the same statement, whatever the statement. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseStatement, parseTypeName } from '../../../shims/rocksandra/cql/parser.js'
import { printStatement, printType } from './cql-printer.js'
import { anyStatement, anyType } from './cql-statements.js'

/** Plain objects without the numbers of markers, which a generated statement does not have. */
function withoutNumbers(value: unknown): unknown {
  if (value instanceof Map) return new Map([...value].map(([key, inner]) => [key, withoutNumbers(inner)]))
  if (Array.isArray(value)) return value.map(withoutNumbers)
  if (typeof value !== 'object' || value === null) return value
  const isMarker = 'kind' in value && value.kind === 'marker'
  const kept = Object.entries(value).filter(([key]) => !isMarker || key !== 'index')
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutNumbers(inner)]))
}

test('a printed statement is parsed to itself', () => {
  fc.assert(
    fc.property(anyStatement, (statement) => {
      const text = printStatement(statement)
      const { statement: parsed } = parseStatement(text)
      assert.deepEqual(withoutNumbers(parsed), withoutNumbers(statement), text)
    }),
    { numRuns: 3_000 },
  )
})

test('a printed type is parsed to itself', () => {
  fc.assert(
    fc.property(anyType, (type) => {
      assert.deepEqual(parseTypeName(printType(type)), withoutNumbers(type), printType(type))
    }),
    { numRuns: 1_000 },
  )
})
