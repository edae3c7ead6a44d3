/**
 * Comparators of HBase's filter language: `binary:`, `binaryprefix:`, `regexstring:` and `substring:` behind an
 * operator.
 */
import { runtime } from './hbase-errors.js'
import type { FilterArgument } from './filter-parse.js'
import { LinearRegex } from './filter-regex.js'

/** Whether bytes pass. */
export type ByteTest = (bytes: Buffer) => boolean

/** By the sign of `bytes` compared with what the filter names. */
const OPERATORS: Readonly<Record<string, (order: number) => boolean>> = {
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '=': (order) => order === 0,
  '!=': (order) => order !== 0,
  '>=': (order) => order >= 0,
  '>': (order) => order > 0,
}

/** @throws {KVError} for an operator or comparator that does not exist */
export function comparison(
  operator: FilterArgument | undefined,
  comparator: FilterArgument | undefined,
): ByteTest {
  const holds = operator?.kind === 'word' ? OPERATORS[operator.value] : undefined
  if (holds === undefined) throw runtime('Incorrect Compare Operator')
  if (comparator?.kind !== 'bytes') throw runtime('a comparator in quotes is missing')
  const at = comparator.value.indexOf(':')
  if (at < 0) throw runtime('Incorrect Comparator')
  const kind = comparator.value.toString('latin1', 0, at)
  const wanted = comparator.value.subarray(at + 1)
  switch (kind) {
    case 'binary':
      return (bytes) => holds(bytes.compare(wanted))
    case 'binaryprefix':
      return (bytes) => holds(bytes.subarray(0, wanted.length).compare(wanted))
    case 'regexstring':
    case 'substring':
      return textTest(kind, wanted, operator?.value)
    default:
      throw runtime(`Incorrect Comparator ${kind.slice(0, 40)}`)
  }
}

function textTest(
  kind: 'regexstring' | 'substring',
  wanted: Buffer,
  operator: string | Buffer | undefined,
): ByteTest {
  if (operator !== '=' && operator !== '!=')
    throw runtime(
      'A regexstring comparator and substring comparator can only be used with EQUAL and NOT_EQUAL',
    )
  const isFound = kind === 'regexstring' ? foundByRegex(wanted) : foundBySubstring(wanted)
  return operator === '=' ? isFound : (bytes) => !isFound(bytes)
}

function foundByRegex(source: Buffer): ByteTest {
  const regex = new LinearRegex(source.toString('utf8'))
  return (bytes) => regex.isFoundIn(bytes.toString('utf8'))
}

function foundBySubstring(source: Buffer): ByteTest {
  const wanted = source.toString('utf8').toLowerCase()
  return (bytes) => bytes.toString('utf8').toLowerCase().includes(wanted)
}
