/**
 * What of a filter narrows the rows that are read at all. Only what every answered row must fulfil, so what stands
 * under AND.
 */
import { prefixSuccessor } from '../../src/base/bytes.js'
import type { ByteRange } from '../../src/model/row.js'
import { comparatorOf } from './filter-compare.js'
import type { FilterArgument, FilterTree } from './filter-parse.js'

/** Null: all rows. */
export function rowRangeOf(tree: FilterTree): ByteRange | null {
  if (tree.kind === 'and') {
    const ranges = tree.parts.map(rowRangeOf)
    return ranges.reduce((a, b) => (a === null || b === null ? (a ?? b) : overlap(a, b)), null)
  }
  if (tree.kind === 'keys') return tree.range
  if (tree.kind !== 'call') return null
  const [first, second] = tree.args
  if (tree.name === 'PrefixFilter' && first?.kind === 'bytes') return prefixOf(first.value)
  if (tree.name === 'InclusiveStopFilter') return null
  return tree.name === 'RowFilter' ? rowTestRange(first, second) : null
}

function rowTestRange(
  operator: FilterArgument | undefined,
  comparator: FilterArgument | undefined,
): ByteRange | null {
  const { name, value: key } = comparatorOf(comparator)
  if (operator?.value !== '=') return null
  if (name === 'binaryprefix') return prefixOf(key)
  return name === 'binary' ? { from: key, to: Buffer.concat([key, ZERO]) } : null
}

const ZERO = Buffer.alloc(1)

function prefixOf(prefix: Buffer): ByteRange {
  return { from: prefix, to: prefixSuccessor(prefix) }
}

/** The rows of both; with none in common the end is not behind the start. */
export function overlap(a: ByteRange, b: ByteRange): ByteRange {
  const from = a.from.compare(b.from) > 0 ? a.from : b.from
  const to = a.to === null || b.to === null ? (a.to ?? b.to) : a.to.compare(b.to) < 0 ? a.to : b.to
  return { from, to }
}
