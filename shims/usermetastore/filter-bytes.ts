/**
 * HBase's filters as its Java clients send them to the second gateway (`filterBytes`): protocol buffers, as the tree that
 * the filter language becomes. Source: Filter.proto and Comparator.proto of HBase 2.5, and the filters' `parseFrom`. Bounded
 * as the language is; what is not offered is refused by name.
 */
import { limits } from '../../src/base/limits.js'
import type { FilterArgument, FilterTree, TypedComparator } from './filter-parse.js'
import { ProtoMessage } from './filter-proto.js'
import { type KeyRange, fuzzyKeys, keysWithin } from './filter-keys.js'
import { DO_NOT_RETRY, ioFault } from './hbase-errors.js'

const FILTERS = 'org.apache.hadoop.hbase.filter.'

/** CompareType of HBase.proto by number. */
const OPERATORS: readonly (string | undefined)[] = ['<', '<=', '=', '!=', '>=', '>']
const MUST_PASS_ALL = 1n
const MUST_PASS_ONE = 2n
/** java.util.regex.Pattern.DOTALL, which RegexStringComparator sets when it is not told otherwise. */
const DOTALL = 32n

/** @throws {KVError} for bytes that are no filter, and filters that are not offered */
export function filterOfBytes(bytes: Buffer): FilterTree {
  if (bytes.length > limits.maxFilterBytes)
    throw notOffered(`a filter of ${bytes.length} bytes, at most ${limits.maxFilterBytes},`)
  return new Decoder().tree(new ProtoMessage('Filter', bytes))
}

class Decoder {
  #depth = 0
  #parts = 0

  tree(filter: ProtoMessage): FilterTree {
    this.#depth += 1
    this.#parts += 1
    if (this.#depth > limits.maxFilterDepth)
      throw notOffered(`a filter nested more than ${limits.maxFilterDepth} deep`)
    if (this.#parts > limits.maxFilterParts)
      throw notOffered(`a filter of more than ${limits.maxFilterParts} parts`)
    const fullName = filter.required(filter.text(1), 1)
    const name = fullName.startsWith(FILTERS) ? fullName.slice(FILTERS.length) : fullName
    const tree = this.#named(name, new ProtoMessage(name.slice(0, 60), filter.bytes(2) ?? NO_BYTES))
    this.#depth -= 1
    return tree
  }

  #named(name: string, body: ProtoMessage): FilterTree {
    switch (name) {
      case 'FilterList':
        return this.#list(body)
      case 'SkipFilter':
        return { kind: 'skip', inner: this.tree(body.message(1, 'Filter')) }
      case 'WhileMatchFilter':
        return { kind: 'while', inner: this.tree(body.message(1, 'Filter')) }
      case 'MultiRowRangeFilter':
        return keysWithin(body.all(1).map((bytes) => keyRange(new ProtoMessage('RowRange', bytes))))
      case 'FuzzyRowFilter':
        return fuzzyKeys(
          body.all(1).map((bytes) => {
            const pair = new ProtoMessage('BytesBytesPair', bytes)
            return { key: pair.required(pair.bytes(1), 1), mask: pair.required(pair.bytes(2), 2) }
          }),
        )
      default:
        return { kind: 'call', name, args: argumentsOf(name, body) }
    }
  }

  #list(body: ProtoMessage): FilterTree {
    const operator = body.required(body.integer(1), 1)
    if (operator !== MUST_PASS_ALL && operator !== MUST_PASS_ONE)
      throw notOffered(`FilterList operator ${operator}`)
    const parts = body.all(2).map((bytes) => this.tree(new ProtoMessage('Filter', bytes)))
    // A list of none lets everything pass, whichever it is.
    return { kind: operator === MUST_PASS_ALL || parts.length === 0 ? 'and' : 'or', parts }
  }
}

type Translate = (body: ProtoMessage) => readonly (FilterArgument | null)[]

/** What each filter's fields are as arguments of the language; what is absent behind them is left out. */
const ARGUMENTS: Readonly<Record<string, Translate>> = {
  KeyOnlyFilter: (body) => [word(body.flag(1))],
  FirstKeyOnlyFilter: () => [],
  PrefixFilter: (body) => [bytesOf(body, 1)],
  InclusiveStopFilter: (body) => [bytesOf(body, 1)],
  PageFilter: (body) => [word(body.required(body.integer(1), 1))],
  ColumnPrefixFilter: (body) => [bytesOf(body, 1)],
  MultipleColumnPrefixFilter: (body) => body.all(1).map((value) => ({ kind: 'bytes', value })),
  ColumnRangeFilter: (body) => [bytesOf(body, 1), word(body.flag(2)), bytesOf(body, 3), word(body.flag(4))],
  ColumnCountGetFilter: (body) => [word(body.required(body.integer(1), 1))],
  ColumnPaginationFilter: (body) => {
    const from = body.bytes(3)
    const second = from === null ? word(body.integer(2) ?? 0n) : ({ kind: 'bytes', value: from } as const)
    return [word(body.required(body.integer(1), 1)), second]
  },
  TimestampsFilter: (body) => body.integers(1).map(word),
  RowFilter: (body) => compared(body.message(1, 'CompareFilter')),
  FamilyFilter: (body) => compared(body.message(1, 'CompareFilter')),
  QualifierFilter: (body) => compared(body.message(1, 'CompareFilter')),
  ValueFilter: (body) => compared(body.message(1, 'CompareFilter')),
  ColumnValueFilter: (body) => [bytesOf(body, 1), bytesOf(body, 2), ...comparedBy(body, 3, 4)],
  SingleColumnValueFilter: singleColumn,
  SingleColumnValueExcludeFilter: (body) => singleColumn(body.message(1, 'SingleColumnValueFilter')),
  DependentColumnFilter: (body) => {
    const compare = body.message(1, 'CompareFilter')
    const plain = [bytesOf(body, 2), bytesOf(body, 3), word(body.flag(4))]
    return compare.bytes(2) === null ? plain : [...plain, ...compared(compare)]
  },
}

function argumentsOf(name: string, body: ProtoMessage): FilterArgument[] {
  const translate = Object.hasOwn(ARGUMENTS, name) ? ARGUMENTS[name] : undefined
  if (translate === undefined) throw notOffered(`filter ${name.slice(0, 80)}`)
  return translate(body).filter((argument) => argument !== null)
}

function singleColumn(body: ProtoMessage): readonly FilterArgument[] {
  return [
    bytesOf(body, 1),
    bytesOf(body, 2),
    ...comparedBy(body, 3, 4),
    word(body.flag(5)),
    word(body.integer(6) === null || body.flag(6)),
  ]
}

function bytesOf(body: ProtoMessage, number: number): FilterArgument {
  return { kind: 'bytes', value: body.bytes(number) ?? NO_BYTES }
}

function word(value: bigint | boolean): FilterArgument {
  return { kind: 'word', value: String(value) }
}

function compared(compare: ProtoMessage): readonly FilterArgument[] {
  return comparedBy(compare, 1, 2)
}

function comparedBy(
  body: ProtoMessage,
  operatorNumber: number,
  comparatorNumber: number,
): readonly FilterArgument[] {
  const number = Number(body.required(body.integer(operatorNumber), operatorNumber))
  const operator = OPERATORS[number]
  if (operator === undefined) throw notOffered(`compare operator ${number}`)
  return [{ kind: 'word', value: operator }, comparator(body.message(comparatorNumber, 'Comparator'))]
}

function comparator(body: ProtoMessage): FilterArgument {
  const fullName = body.required(body.text(1), 1)
  const name = fullName.startsWith(FILTERS) ? fullName.slice(FILTERS.length) : fullName
  const inner = new ProtoMessage(name.slice(0, 60), body.bytes(2) ?? NO_BYTES)
  const value = (): Buffer => inner.message(1, 'ByteArrayComparable').bytes(1) ?? NO_BYTES
  switch (name) {
    case 'BinaryComparator':
      return typed({ name: 'binary', value: value() })
    case 'BinaryPrefixComparator':
      return typed({ name: 'binaryprefix', value: value() })
    case 'LongComparator':
      return typed({ name: 'long', value: value() })
    case 'BitComparator':
      return typed({ name: 'bit', value: value(), operation: bitOperation(inner) })
    case 'NullComparator':
      return typed({ name: 'null', value: NO_BYTES })
    case 'SubstringComparator':
      return typed({ name: 'substring', value: inner.required(inner.bytes(1), 1) })
    case 'RegexStringComparator':
      return typed({ name: 'regexstring', value: pattern(inner) })
    default:
      throw notOffered(`comparator ${name.slice(0, 80)}`)
  }
}

function typed(value: TypedComparator): FilterArgument {
  return { kind: 'comparator', value }
}

const BIT_OPERATIONS = ['AND', 'OR', 'XOR'] as const

function bitOperation(body: ProtoMessage): 'AND' | 'OR' | 'XOR' {
  const number = Number(body.required(body.integer(2), 2))
  return BIT_OPERATIONS[number - 1] ?? refuse(`bitwise operation ${number}`)
}

/** Flags that say how a pattern is read would need another matcher. */
function pattern(body: ProtoMessage): Buffer {
  const flags = body.required(body.integer(2), 2)
  const charset = body.text(3) ?? 'UTF-8'
  if (flags !== DOTALL)
    throw notOffered(`a regular expression with flags of ${flags}, not ${DOTALL} (DOTALL),`)
  if (charset !== 'UTF-8') throw notOffered(`a regular expression in ${charset.slice(0, 40)}`)
  return body.required(body.bytes(1), 1)
}

/** An absent end is none: the first or the last row. */
function keyRange(range: ProtoMessage): KeyRange {
  return {
    from: range.bytes(1) ?? NO_BYTES,
    isFromIncluded: range.flag(2),
    to: range.bytes(3) ?? NO_BYTES,
    isToIncluded: range.flag(4),
  }
}

const NO_BYTES = Buffer.alloc(0)

function notOffered(what: string): Error {
  return ioFault(DO_NOT_RETRY, `filterBytes: ${what} is not offered`)
}

function refuse(what: string): never {
  throw notOffered(what)
}
