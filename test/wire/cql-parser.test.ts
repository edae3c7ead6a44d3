/** Hostile statements: whatever comes, the parser answers a statement or a CqlError, in time that grows with the text. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CqlError } from '../../shims/rocksandra/cql/errors.js'
import { parseStatement } from '../../shims/rocksandra/cql/parser.js'
import { printStatement } from '../unit/rocksandra/cql-printer.js'
import { anyStatement } from '../unit/rocksandra/cql-statements.js'

function parseOrRefuse(text: string): void {
  try {
    parseStatement(text)
  } catch (error) {
    assert.ok(error instanceof CqlError, `${JSON.stringify(text)}: ${String(error)}`)
    assert.ok(error.message.length < 4_000, 'a short message')
  }
}

test('any text is parsed or refused', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), parseOrRefuse), { numRuns: 3_000 })
})

const WORDS =
  `SELECT INSERT UPDATE DELETE FROM INTO VALUES WHERE AND IN IF EXISTS NOT SET USING TTL TIMESTAMP BEGIN BATCH APPLY CREATE
  TABLE TYPE INDEX ALTER DROP ADD RENAME TO WITH PRIMARY KEY TOKEN COUNT JSON DISTINCT CONTAINS frozen map list tuple int
  ( ) [ ] { } < > = != + - * , . ; : ? 'a' "B" $$x$$ a b 1 -1 1.5 0xff null true expr -- /* */ ' " $ \\`.split(
    /\s+/,
  )

test('any sequence of words is parsed or refused', () => {
  const soup = fc.array(fc.constantFrom(...WORDS), { maxLength: 30 }).map((words) => words.join(' '))
  fc.assert(fc.property(soup, parseOrRefuse), { numRuns: 5_000 })
})

test('a statement that lost or changed a part is parsed or refused', () => {
  const damaged = fc.tuple(anyStatement, fc.nat(), fc.nat(8), fc.constantFrom('', ...WORDS))
  fc.assert(
    fc.property(damaged, ([statement, at, length, put]) => {
      const text = printStatement(statement)
      const from = at % (text.length + 1)
      parseOrRefuse(text.slice(0, from) + put + text.slice(from + length))
    }),
    { numRuns: 3_000 },
  )
})

/** Repeated pieces on which a parser that looks ahead too far, or goes back too often, is slow. */
const REPEATED = [
  '(',
  '((a',
  '[',
  '{',
  "('a')",
  '(int)',
  '-',
  "'",
  '/*',
  '--\n',
  'a.',
  'f(',
  '{a:',
  '(a,',
  ' ',
  '$$',
  '1',
  'x',
]

test('time grows with the text and not faster', () => {
  for (const piece of REPEATED) {
    for (const head of [
      '',
      'SELECT ',
      'SELECT * FROM t WHERE a = ',
      'SELECT * FROM t WHERE ',
      'INSERT INTO t (a) VALUES (',
    ]) {
      const text = head + piece.repeat(Math.ceil(200_000 / piece.length))
      const start = process.hrtime.bigint()
      parseOrRefuse(text)
      const ms = Number(process.hrtime.bigint() - start) / 1e6
      assert.ok(ms < 2_000, `${head}${piece}...: ${ms} ms`)
    }
  }
})
