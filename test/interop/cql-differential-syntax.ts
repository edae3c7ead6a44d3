/** Statements that were right, with a token too few, too many or another one: which are still statements of CQL? */
import { drawSequence } from './cql-differential-comparison.js'
import { Draws } from './cql-differential-values.js'

/** Texts, names in quotes, comments' and operators' signs, words and numbers. */
const TOKENS = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$T|[\w.-]+|[<>!=]=|\s+|[^\s\w]/g

const STRANGERS = [
  ...['SELECT', 'FROM', 'WHERE', 'AND', 'IN', 'IF', 'EXISTS', 'NOT', 'USING', 'TTL', 'SET', 'TOKEN', 'AS'],
  ...['LIMIT', 'ORDER', 'BY', 'ASC', 'ALLOW', 'FILTERING', 'CONTAINS', 'KEY', 'VALUES', 'JSON', 'DISTINCT'],
  ...[
    'COUNT',
    'BATCH',
    'STATIC',
    'PRIMARY',
    'TIMESTAMP',
    'NULL',
    'NAN',
    'LIKE',
    'PER',
    'WRITETIME',
    'k0',
    'zz',
  ],
  ...[
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '<',
    '>',
    '=',
    '!=',
    '+',
    '-',
    ',',
    ':',
    ';',
    '.',
    '*',
    '?',
    "'x'",
    '"q"',
  ],
  ...[
    '1',
    '-1',
    '1.5',
    '1e5',
    '0xab',
    '0x',
    'true',
    '--',
    '//',
    '$$',
    '@',
    '50554d6e-29bb-11e5-b345-feff819cdc9f',
  ],
]

/** Of the statements of a seed that are sent as text. */
export function brokenStatements(seed: number): {
  readonly table: readonly string[]
  readonly texts: string[]
} {
  const { table, steps } = drawSequence(seed)
  const draws = new Draws(seed)
  const right = steps.filter(
    ({ params, batch, text }) => params === null && batch === null && text.length < 500,
  )
  return { table: table.statements('broken'), texts: right.map(({ text }) => broken(draws, text)) }
}

function broken(draws: Draws, text: string): string {
  const tokens = text.replaceAll('$T', 'broken').match(TOKENS) ?? []
  const at = draws.below(tokens.length)
  const stranger = draws.pick(STRANGERS)
  const how = draws.weighted({ without: 3, other: 3, more: 3, twice: 1 })
  const token = tokens[at] ?? ''
  const instead = {
    without: [],
    other: [stranger],
    more: [token, ' ', stranger, ' '],
    twice: [token, ' ', token],
  }
  return [...tokens.slice(0, at), ...instead[how], ...tokens.slice(at + 1)].join('')
}
