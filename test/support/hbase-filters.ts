/** A filter of HBase's language as its Java clients send it, protocol buffers: written by hand from Filter.proto. */
import type { FilterArgument, FilterTree } from '../../shims/usermetastore/filter-parse.js'

const PACKAGE = 'org.apache.hadoop.hbase.filter.'
const OPERATORS = ['<', '<=', '=', '!=', '>=', '>']
const COMPARATORS: Readonly<Record<string, string>> = {
  binary: 'BinaryComparator',
  binaryprefix: 'BinaryPrefixComparator',
  long: 'LongComparator',
  substring: 'SubstringComparator',
  regexstring: 'RegexStringComparator',
}
const DOTALL = 32n

export function varint(value: bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  do {
    const more = rest >> 7n
    bytes.push(Number(rest & 0x7fn) | (more > 0n ? 0x80 : 0))
    rest = more
  } while (rest > 0n)
  return Buffer.from(bytes)
}

/** A field with bytes, a number or a flag. */
export function field(number: number, value: Buffer | string | bigint | boolean): Buffer {
  if (typeof value === 'bigint') return Buffer.concat([varint(BigInt(number * 8)), varint(value)])
  if (typeof value === 'boolean') return field(number, value ? 1n : 0n)
  const bytes = Buffer.from(value)
  return Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(bytes.length)), bytes])
}

/** A filter by the name of its class and its own message. */
export function filterMessage(name: string, ...fields: readonly Buffer[]): Buffer {
  return Buffer.concat([field(1, PACKAGE + name), field(2, Buffer.concat(fields))])
}

export function comparatorMessage(name: string, ...fields: readonly Buffer[]): Buffer {
  return Buffer.concat([field(1, PACKAGE + name), field(2, Buffer.concat(fields))])
}

/** @throws for trees that no text of the language becomes */
export function filterBytesOf(tree: FilterTree): Buffer {
  switch (tree.kind) {
    case 'and':
    case 'or': {
      const parts = tree.parts.map((part) => field(2, filterBytesOf(part)))
      return filterMessage('FilterList', field(1, tree.kind === 'and' ? 1n : 2n), ...parts)
    }
    case 'skip':
      return filterMessage('SkipFilter', field(1, filterBytesOf(tree.inner)))
    case 'while':
      return filterMessage('WhileMatchFilter', field(1, filterBytesOf(tree.inner)))
    case 'call':
      return filterMessage(tree.name, ...fieldsOf(tree.name, tree.args))
    case 'keys':
      throw new Error('the language has no such filter')
  }
}

type Args = readonly FilterArgument[]

function fieldsOf(name: string, args: Args): Buffer[] {
  const [first, second, third, fourth, fifth, sixth] = args
  switch (name) {
    case 'FirstKeyOnlyFilter':
      return []
    case 'KeyOnlyFilter':
      return [field(1, flag(first))]
    case 'PageFilter':
    case 'ColumnCountGetFilter':
      return [field(1, integer(first))]
    case 'ColumnPaginationFilter':
      return [
        field(1, integer(first)),
        second?.kind === 'bytes' ? field(3, second.value) : field(2, integer(second)),
      ]
    case 'MultipleColumnPrefixFilter':
      return args.map((prefix) => field(1, bytes(prefix)))
    case 'ColumnRangeFilter':
      return [
        ...optional(1, bytes(first)),
        field(2, flag(second)),
        ...optional(3, bytes(third)),
        field(4, flag(fourth)),
      ]
    case 'TimestampsFilter':
      return [field(1, Buffer.concat(args.map((one) => varint(integer(one)))))]
    case 'RowFilter':
    case 'FamilyFilter':
    case 'QualifierFilter':
    case 'ValueFilter':
      return [field(1, compared(1, first, second))]
    case 'ColumnValueFilter':
      return [field(1, bytes(first)), field(2, bytes(second)), compared(3, third, fourth)]
    case 'SingleColumnValueFilter':
      return [singleColumn(first, second, [third, fourth, fifth, sixth])]
    case 'SingleColumnValueExcludeFilter':
      return [field(1, singleColumn(first, second, [third, fourth, fifth, sixth]))]
    case 'DependentColumnFilter': {
      const compare = fourth === undefined ? field(1, NO_OPERATOR) : compared(1, fourth, fifth)
      return [field(1, compare), field(2, bytes(first)), field(3, bytes(second)), field(4, flag(third))]
    }
    default:
      // PrefixFilter, ColumnPrefixFilter, InclusiveStopFilter: one field of bytes.
      return [field(1, bytes(first))]
  }
}

const NO_OPERATOR = 6n

function singleColumn(
  family: FilterArgument | undefined,
  qualifier: FilterArgument | undefined,
  [operator, comparator, missing, latest]: readonly (FilterArgument | undefined)[],
): Buffer {
  return Buffer.concat([
    field(1, bytes(family)),
    field(2, bytes(qualifier)),
    compared(3, operator, comparator),
    field(5, missing !== undefined && flag(missing)),
    field(6, latest === undefined || flag(latest)),
  ])
}

/** An operator, and behind its number a comparator. */
function compared(
  number: number,
  operator: FilterArgument | undefined,
  comparator: FilterArgument | undefined,
): Buffer {
  const at = OPERATORS.indexOf(operator?.kind === 'word' ? operator.value : '')
  const text = bytes(comparator)
  const colon = text.indexOf(':')
  const kind = text.toString('latin1', 0, colon)
  const value = text.subarray(colon + 1)
  const message = comparatorMessage(COMPARATORS[kind] ?? kind, ...comparatorFields(kind, value))
  return Buffer.concat([field(number, BigInt(at)), field(number + 1, message)])
}

function comparatorFields(kind: string, value: Buffer): Buffer[] {
  if (kind === 'substring') return [field(1, value)]
  if (kind === 'regexstring') return [field(1, value), field(2, DOTALL), field(3, 'UTF-8'), field(4, 'JAVA')]
  return [field(1, field(1, value))]
}

function optional(number: number, value: Buffer): Buffer[] {
  return value.length === 0 ? [] : [field(number, value)]
}

function bytes(argument: FilterArgument | undefined): Buffer {
  return argument?.kind === 'bytes' ? argument.value : Buffer.alloc(0)
}

function flag(argument: FilterArgument | undefined): boolean {
  return argument?.kind === 'word' && argument.value.toLowerCase() === 'true'
}

function integer(argument: FilterArgument | undefined): bigint {
  return BigInt(argument?.kind === 'word' ? argument.value : '0')
}
