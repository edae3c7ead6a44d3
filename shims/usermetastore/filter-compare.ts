/**
 * Comparators of HBase's filters behind an operator: `binary:`, `binaryprefix:`, `regexstring:` and `substring:` of the
 * language, and those that come in protocol buffers alone. Source: ParseFilter and the comparators of HBase 2.5.
 */
import { DO_NOT_RETRY, ioFault, runtime } from './hbase-errors.js'
import type { FilterArgument, TypedComparator } from './filter-parse.js'
import { LinearRegex } from './filter-regex.js'
import { FilterWork } from './filter-work.js'

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

const LONG_BYTES = 8

/** @throws {KVError} for an operator or comparator that does not exist */
export function comparison(
  operator: FilterArgument | undefined,
  comparator: FilterArgument | undefined,
  work = new FilterWork(),
): ByteTest {
  const holds = operator?.kind === 'word' ? OPERATORS[operator.value] : undefined
  if (operator?.kind !== 'word' || holds === undefined) throw runtime('Incorrect Compare Operator')
  const typed = comparatorOf(comparator)
  const wanted = typed.value
  switch (typed.name) {
    case 'binary':
      return (bytes) => holds(bytes.compare(wanted))
    case 'binaryprefix':
      return (bytes) => holds(bytes.subarray(0, wanted.length).compare(wanted))
    case 'regexstring':
    case 'substring':
      return textTest(typed.name === 'substring' ? foundBySubstring : foundByRegex, {
        wanted,
        operator: operator.value,
        work,
      })
    case 'long':
      return longTest(holds, wanted)
    case 'bit':
      return (bytes) => holds(hasBits(typed, bytes) ? 0 : -1)
    case 'null':
      // A value is never null.
      return () => holds(-1)
  }
}

/** @throws {KVError} for one that the language does not know */
export function comparatorOf(argument: FilterArgument | undefined): TypedComparator {
  if (argument?.kind === 'comparator') return argument.value
  if (argument?.kind !== 'bytes') throw runtime('a comparator in quotes is missing')
  const at = argument.value.indexOf(':')
  if (at < 0) throw runtime('Incorrect Comparator')
  const name = argument.value.toString('latin1', 0, at)
  const value = argument.value.subarray(at + 1)
  switch (name) {
    case 'binary':
    case 'binaryprefix':
    case 'regexstring':
    case 'substring':
      return { name, value }
    default:
      throw runtime(`Incorrect Comparator ${name.slice(0, 40)}`)
  }
}

/** To make text of bytes, and to search it. */
const BYTES_A_STEP = 4

interface TextComparison {
  readonly wanted: Buffer
  readonly operator: string
  readonly work: FilterWork
}

function textTest(
  finderOf: (wanted: string, work: FilterWork) => (text: string) => boolean,
  { wanted, operator, work }: TextComparison,
): ByteTest {
  if (operator !== '=' && operator !== '!=')
    throw runtime(
      'A regexstring comparator and substring comparator can only be used with EQUAL and NOT_EQUAL',
    )
  const isFoundIn = finderOf(wanted.toString('utf8'), work)
  const isFoundWanted = operator === '='
  return (bytes) => {
    work.spend(Math.ceil(bytes.length / BYTES_A_STEP))
    return isFoundIn(bytes.toString('utf8')) === isFoundWanted
  }
}

function foundByRegex(source: string, work: FilterWork): (text: string) => boolean {
  const regex = new LinearRegex(source, work)
  return (text) => regex.isFoundIn(text)
}

function foundBySubstring(source: string): (text: string) => boolean {
  const wanted = source.toLowerCase()
  return (text) => text.toLowerCase().includes(wanted)
}

/** Big-endian, with a sign. HBase fails a scan that meets a value of another length, too. */
function longTest(holds: (order: number) => boolean, wanted: Buffer): ByteTest {
  const limit = longOf(wanted)
  return (bytes) => {
    const value = longOf(bytes)
    return holds(value < limit ? -1 : value > limit ? 1 : 0)
  }
}

function longOf(bytes: Buffer): bigint {
  if (bytes.length === LONG_BYTES) return bytes.readBigInt64BE(0)
  throw ioFault(DO_NOT_RETRY, `LongComparator met ${bytes.length} bytes: it compares ${LONG_BYTES}`)
}

/** Whether the bytes are as long, and any bit is left of the operation on both. */
function hasBits({ value, operation }: Extract<TypedComparator, { name: 'bit' }>, bytes: Buffer): boolean {
  if (bytes.length !== value.length) return false
  switch (operation) {
    case 'AND':
      return bytes.some((byte, at) => (byte & (value[at] ?? 0)) !== 0)
    case 'OR':
      return bytes.some((byte, at) => (byte | (value[at] ?? 0)) !== 0)
    case 'XOR':
      return bytes.some((byte, at) => (byte ^ (value[at] ?? 0)) !== 0)
  }
}
