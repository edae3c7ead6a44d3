/** Where Godwit answers otherwise than Cassandra 3.0.15 on purpose; COMPATIBILITY.md says why. */
import type { Step } from './cql-differential-writes.js'

interface Difference {
  readonly name: string
  readonly holds: (step: Step, theirs: string, ours: string, before: Before) => boolean
}

/** What was done to the table by then. */
export interface Before {
  readonly isAltered: boolean
}

export const DIFFERENCES: readonly Difference[] = [
  {
    // As from 3.6: it refuses nothing that 3.0 takes.
    name: 'filtering by clustering columns',
    holds: ({ text }, theirs) =>
      text.includes('ALLOW FILTERING') &&
      /^!! 2200 (PRIMARY KEY column|Clustering column) "\w+" cannot be restricted/.test(theirs),
  },
  {
    // Its list of signatures is in the order of a hash table.
    name: 'the signatures of a function that takes other arguments',
    holds: (_step, theirs, ours) => {
      // A timestamp may be a bigint or a varint there.
      const [a, b] = [theirs, ours].map(
        (answer) => /^!! 2200 (?:Invalid|Ambiguous) (call to function \w+)/.exec(answer)?.[1],
      )
      return a !== undefined && a === b
    },
  },
  {
    // It reads a text as a tuple or a user type, parts with colons between them; which only its own tools write.
    name: 'a tuple or a user type written as a text',
    holds: (_step, _theirs, ours) =>
      /^!! 2200 Invalid \w+ constant \(.*\) for ".*" of type frozen</.test(ours),
  },
  {
    // It takes one for an empty value, or fails; what else is wrong may be told first.
    name: 'null as a bound of clustering columns',
    holds: (_step, _theirs, ours) => ours.startsWith('!! 2200 Invalid null value in condition for column c'),
  },
  {
    name: 'words of Java in a refusal of JSON',
    holds: (_step, theirs, ours) =>
      /^!! 2200 (Error decoding|Could not decode) JSON/.test(theirs) && ours.startsWith(theirs.slice(0, 30)),
  },
  {
    // Its clustering column for Cassandra Thrift, which CQL does not show, is not restricted.
    name: 'IF of a deletion from a table WITH COMPACT STORAGE that has no clustering columns',
    holds: ({ text }, theirs, ours) =>
      text.startsWith('DELETE') &&
      theirs.startsWith('!! 2200 DELETE statements must restrict all') &&
      !ours.startsWith('!! 2200 DELETE'),
  },
  {
    // It adds the column that it orders by to the object.
    name: 'JSON of several partitions in an order of clustering columns',
    holds: ({ text }) => /^SELECT JSON .* IN .* ORDER BY /.test(text),
  },
  {
    // In the order of a hash table: it may find one that does not hold before it.
    name: 'a comparison with null beside other conditions',
    holds: ({ text }, theirs, ours) =>
      / IF .* AND /.test(text) &&
      theirs.startsWith('[applied]') &&
      ours.startsWith('!! 2200 Invalid comparison with null'),
  },
  {
    // Here an index filters, and so it may.
    name: 'an indexed column beside IN of the partition key, or ORDER BY',
    holds: (_step, theirs) =>
      theirs.startsWith('!! 2200 Select on indexed columns and with IN clause for the PRIMARY KEY') ||
      theirs.startsWith('!! 2200 ORDER BY with 2ndary indexes is not supported.'),
  },
  {
    name: 'which of several faults of an INSERT into a table WITH COMPACT STORAGE is told',
    holds: ({ text }, theirs, ours) =>
      text.startsWith('INSERT') &&
      theirs.startsWith('!! 2200') &&
      /^!! 2200 (Column \w+ is mandatory|Some clustering keys are missing)/.test(ours),
  },
  {
    // It looks at as many as there are key columns.
    name: 'token() with arguments to spare',
    holds: (_step, _theirs, ours) =>
      ours.startsWith('!! 2200 Invalid number of arguments in call to function system.token'),
  },
  {
    // There a row may have fewer of them than the table; other tables' answers are the same on both sides.
    name: 'fewer clustering values than columns of a table WITH COMPACT STORAGE',
    holds: ({ text }, theirs, ours) =>
      /^(INSERT|UPDATE)/.test(text) &&
      !theirs.startsWith('!! 2200 Some clustering keys are missing') &&
      ours.startsWith('!! 2200 Some clustering keys are missing'),
  },
  {
    name: 'a field of a user type in a descending column',
    holds: (_step, theirs, ours) =>
      /^!! 2200 Invalid field selection: \w+ of type frozen<\w+> is not a user type/.test(theirs) &&
      !ours.startsWith('!!'),
  },
  {
    // It looks at keys only where rows are selected.
    name: 'an empty key beside restrictions that select nothing',
    holds: (_step, theirs, ours) =>
      !theirs.startsWith('!!') && !theirs.includes('\n') && ours === '!! 2200 Key may not be empty',
  },
  {
    name: 'an unset value in IN of a condition on a collection',
    holds: ({ text }, theirs, ours) =>
      / IF .* IN /.test(text) &&
      theirs.startsWith('[applied]') &&
      ours.startsWith("!! 2200 Invalid 'unset' value in condition"),
  },
  {
    // There the description that was made before RENAME stays.
    name: 'names of columns of a prepared SELECT * behind RENAME',
    holds: ({ params }, theirs, ours, { isAltered }) =>
      isAltered && params !== null && ours.replaceAll(/\bc(\d+)x\b/g, 'c$1') === theirs,
  },
  {
    // Values older than the removal of a former column of the name: there they are seen until they are written to a file.
    // And values of a column that is added behind the removal of their row: here they are seen.
    name: 'values older than what removed their row or column before the column was added',
    holds: ({ isWrite }, theirs, ours, { isAltered }) =>
      isAltered && !isWrite && !theirs.startsWith('!!') && !ours.startsWith('!!'),
  },
  {
    // Also of a read whose rows still have cells of a static column that was dropped.
    name: 'a failure within Cassandra',
    holds: (_step, theirs) => /^!! (0 java\.lang\.|1300 Server failure)/.test(theirs),
  },
  {
    // It adds one, and then neither that nor the row can be written.
    name: 'a column that is added to a table WITH COMPACT STORAGE without clustering columns',
    holds: ({ text }, theirs, ours) =>
      text.startsWith('ALTER') &&
      theirs === '' &&
      ours.startsWith('!! 2200 Cannot add new column to a COMPACT STORAGE table'),
  },
  {
    name: 'which of several faults is told',
    holds: ({ faults }, theirs, ours) => faults > 1 && theirs.startsWith('!! 2') && ours.startsWith('!! 2'),
  },
]

/** What follows may differ, too, so that a sequence ends with one. */
export function intendedName(
  step: Step,
  { theirs, ours }: { readonly theirs: string; readonly ours: string },
  before: Before,
): string | null {
  return DIFFERENCES.find(({ holds }) => holds(step, theirs, ours, before))?.name ?? null
}
