/** Where Godwit answers otherwise than Cassandra 3.0.15 on purpose; COMPATIBILITY.md says why. */
import type { Step } from './cql-differential-writes.js'

interface Difference {
  readonly name: string
  readonly holds: (step: Step, theirs: string, ours: string) => boolean
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
    // It takes one for an empty value, or fails.
    name: 'null as a bound of clustering columns',
    holds: (_step, theirs, ours) =>
      (!theirs.startsWith('!!') || theirs.startsWith('!! 1500')) &&
      ours.startsWith('!! 2200 Invalid null value in condition for column c'),
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
      !ours.startsWith('!!'),
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
    name: 'an indexed column beside IN of the partition key',
    holds: (_step, theirs) =>
      theirs.startsWith('!! 2200 Select on indexed columns and with IN clause for the PRIMARY KEY'),
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
    holds: (_step, theirs, ours) =>
      !theirs.startsWith('!!') &&
      ours.startsWith('!! 2200 Invalid number of arguments in call to function system.token'),
  },
  {
    name: 'a failure within Cassandra',
    holds: (_step, theirs) => theirs.startsWith('!! 0 java.lang.'),
  },
  {
    name: 'which of several faults is told',
    holds: ({ faults }, theirs, ours) => faults > 1 && theirs.startsWith('!! 2') && ours.startsWith('!! 2'),
  },
]

/** What follows may differ, too, so that a sequence ends with one. */
export function intendedName(step: Step, theirs: string, ours: string): string | null {
  return DIFFERENCES.find(({ holds }) => holds(step, theirs, ours))?.name ?? null
}
