/** Where Godwit answers otherwise than HBase on purpose; COMPATIBILITY.md says why. */
import type { Operation } from './hbase-answers.js'

/** TCompareOperator. */
const NO_OP = 6

interface Difference {
  readonly name: string
  readonly holds: (operation: Operation, theirs: string, ours: string) => boolean
}

export const DIFFERENCES: readonly Difference[] = [
  {
    // The interface says that the column must then be absent; HBase 2.5 fails.
    name: 'checkAndMutate without a value',
    holds: ({ method, args }, theirs) =>
      method === 'checkAndMutate' && args('')['value'] === null && theirs.startsWith('Internal error'),
  },
  {
    // HRegion.matches knows no such operator.
    name: 'checkAndMutate that compares by NO_OP with a column that is there',
    holds: ({ method, args }, theirs, ours) =>
      method === 'checkAndMutate' &&
      args('')['compareOperator'] === NO_OP &&
      theirs.startsWith('TIOError') &&
      ours === 'false',
  },
  {
    // ExplicitColumnTracker counts a column's version before it asks how many are wanted, ScanWildcardColumnTracker behind.
    name: 'a scan of no versions that names columns beside families',
    holds: ({ text }, theirs, ours) =>
      /"tscan":.*"maxVersions":(0|-1)\b/.test(text) && theirs.startsWith('[') && ours.startsWith('[]'),
  },
  {
    // HBase reads families that a filter does not ask about only when it must, and cannot do that backwards.
    name: 'a reversed scan whose filter needs one family',
    holds: (_operation, theirs) => theirs.includes('Reverse scan with loading CFs on demand'),
  },
  {
    // What a condition guards is checked before it, so that a wrong request is always refused.
    name: 'an unknown family behind a condition that does not hold',
    holds: ({ method }, theirs, ours) =>
      method.startsWith('checkAnd') && theirs === 'false' && ours.includes('NoSuchColumnFamilyException'),
  },
  {
    // HBase does not read the other families where the one that the filter asks about has nothing, and so never asks SKIP.
    name: 'SKIP around a filter that drops rows without a column',
    holds: ({ text }) => /SKIP SingleColumnValueFilter\(.*, true, \w+\)/.test(text),
  },
  {
    // WHILE ends at a row of which nothing but deletions is left; such rows are not there for us.
    name: 'WHILE over rows that were removed',
    holds: ({ text }) => text.includes('WHILE'),
  },
  {
    // FilterListWithOR turns the order of columns around, too, though a row's cells come forward in a reversed scan: a part
    // that has sought a column is not asked about those behind it.
    name: 'OR around a filter that seeks columns, in a reversed scan',
    holds: ({ text }, theirs, ours) =>
      text.includes('"reversed":true') &&
      /\bOR\b|FilterList/.test(text) &&
      /Column(Range|Prefix)Filter/.test(text) &&
      theirs.length < ours.length,
  },
]

/** A deletion of one version of a whole family hides puts of that time there that come later; here what is there alone. */
const FAMILY_VERSION = '"deleteType":3'

/**
 * HBase sends a row's puts and deletions apart, so that some are done where others fail; we do all of a row or
 * nothing. The answers
 * are equal, what the row then holds need not be.
 */
export function endsSequence({ method, text }: Operation, answer: string): boolean {
  return (
    text.includes(FAMILY_VERSION) ||
    (/^(mutateRow|putMultiple|deleteMultiple)/.test(method) && answer.includes('NoSuchColumnFamilyException'))
  )
}

/** What follows in the same rows may differ, too, so that a sequence ends with one. */
export function isIntended(operation: Operation, theirs: string, ours: string): boolean {
  return DIFFERENCES.some(({ holds }) => holds(operation, theirs, ours))
}
