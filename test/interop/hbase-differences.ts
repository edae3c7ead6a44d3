/**
 * Where Godwit answers otherwise than HBase on purpose; COMPATIBILITY.md says why. An entry looks at both answers, so
 * that it hides what it names and nothing beside it.
 */
import type { Operation } from './hbase-answers.js'

/** Of TCompareOperator. */
const [EQUAL, NO_OP] = [2, 6]

interface Difference {
  readonly name: string
  readonly holds: (operation: Operation, theirs: string, ours: string) => boolean
}

export const DIFFERENCES: readonly Difference[] = [
  {
    // HRegion.matches knows no such operator.
    name: 'checkAndMutate that compares by NO_OP with a column that is there',
    holds: ({ method, args }, theirs, ours) =>
      method === 'checkAndMutate' &&
      args('')['compareOperator'] === NO_OP &&
      /^TIOError: Failed \d+ actions?: IOException \(canRetry\)$/.test(theirs) &&
      (ours === 'false' || ours.includes('NoSuchColumnFamilyException')),
  },
  {
    // The caller of replicas waits for the failure of each of them, and tells of the time instead.
    name: 'a get of an unknown family with TIMELINE',
    holds: ({ text }, theirs, ours) =>
      text.includes('"consistency":2') &&
      theirs.startsWith('TIOError: Timed out after ') &&
      ours.startsWith('TIOError: org.apache.hadoop.hbase.regionserver.NoSuchColumnFamilyException'),
  },
  {
    // ExplicitColumnTracker counts a column's version before it asks how many are wanted, ScanWildcardColumnTracker behind.
    name: 'a scan of no versions that names columns beside families',
    holds: ({ args }, theirs, ours) => {
      const { tscan } = args('') as { tscan?: TScan }
      if (tscan === undefined || tscan.maxVersions > 0 || !ours.startsWith('[]')) return false
      const areFamilies = (tscan.columns ?? []).map(({ qualifier }) => qualifier === null)
      return theirs.startsWith('[') && areFamilies.includes(true) && areFamilies.includes(false)
    },
  },
  {
    // HBase reads families that a filter does not ask about only when it must, and cannot do that backwards.
    name: 'a reversed scan whose filter needs one family',
    holds: (_operation, theirs, ours) =>
      theirs.includes('Reverse scan with loading CFs on demand') && ours.startsWith('['),
  },
  {
    // What a condition guards is checked before it, so that a wrong request is always refused.
    name: 'an unknown family behind a condition that does not hold',
    holds: ({ method }, theirs, ours) =>
      method.startsWith('checkAnd') && theirs === 'false' && ours.includes('NoSuchColumnFamilyException'),
  },
  {
    // Its rows' keys are asked about before it is known whether anything is left of them; for us such rows are not there.
    name: 'WHILE around a filter of keys, over rows of which nothing is left that was asked for',
    holds: ({ text }, theirs, ours) => {
      const [fewer, more] = [cellsOf(theirs), cellsOf(ours)]
      if (!/WHILE|WhileMatchFilter/.test(text) || !/\b(RowFilter|PrefixFilter)/.test(text)) return false
      if (fewer === null || more === null) return false
      return fewer.length < more.length && fewer.every((cell, index) => cell === more[index])
    },
  },
  {
    // FilterListWithOR turns the order of columns around, too, though a row's cells come forward in a reversed scan: a part
    // that has sought a column is not asked about those behind it.
    name: 'OR around a filter that seeks columns, in a reversed scan',
    holds: ({ text }, theirs, ours) => {
      const [fewer, more] = [cellsOf(theirs), new Set(cellsOf(ours))]
      if (fewer === null || !text.includes('"reversed":true') || !/\bOR\b|FilterList/.test(text)) return false
      return (
        /Column(Range|Prefix|Pagination)Filter/.test(text) &&
        fewer.length < more.size &&
        fewer.every((cell) => more.has(cell))
      )
    },
  },
]

interface TScan {
  readonly maxVersions: number
  readonly columns: readonly { readonly qualifier: Buffer | null }[] | null
}

/** Every cell of an answer with its row, in order; null: it is no answer with rows. */
function cellsOf(answer: string): string[] | null {
  const [text = ''] = answer.split(' closed ')
  if (!text.startsWith('[')) return null
  const rows = JSON.parse(text) as readonly ShownRow[]
  return rows.flatMap(({ row, columns, sortedColumns, columnValues }) =>
    [...(columns ?? sortedColumns ?? columnValues ?? [])].map((cell) => JSON.stringify([row, cell])),
  )
}

interface ShownRow {
  readonly row: string
  /** Of the first gateway; of it, sorted; of the second one. */
  readonly columns?: readonly unknown[] | null
  readonly sortedColumns?: readonly unknown[] | null
  readonly columnValues?: readonly unknown[] | null
}

/** A deletion of one version of a whole family hides puts of that time there that come later; here what is there alone. */
const FAMILY_VERSION = '"deleteType":3'

/**
 * HBase sends a row's puts and deletions apart, so that some are done where others fail; we do all of a row or nothing.
 * The answers are equal, what the row then holds need not be.
 */
export function endsSequence({ method, text }: Operation, answer: string): boolean {
  return (
    text.includes(FAMILY_VERSION) ||
    (/^(mutateRow|putMultiple|deleteMultiple)/.test(method) && answer.includes('NoSuchColumnFamilyException'))
  )
}

/** None of them changes rows on one side alone. */
export function isIntended(operation: Operation, theirs: string, ours: string): boolean {
  return DIFFERENCES.some(({ holds }) => holds(operation, theirs, ours))
}

/**
 * What HBase is asked so that its answer is ours to the operation. It fails at a checkAndMutate without a value; we take
 * it as the interface says, and as checkAndPut does: the column must be absent or empty.
 */
export function askedOfHBase(operation: Operation): Operation {
  const { method, args } = operation
  if (method !== 'checkAndMutate' || args('')['value'] !== null) return operation
  const expectation = { value: Buffer.alloc(0), compareOperator: EQUAL }
  return { ...operation, args: (prefix) => ({ ...args(prefix), ...expectation }) }
}
