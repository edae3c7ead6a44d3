/**
 * Where Godwit answers otherwise than Cassandra 3.0.15 on purpose; COMPATIBILITY.md says why. Each is as narrow as can be
 * told by the table, the statement and the two answers.
 */
import { types } from 'cassandra-driver'
import type { Table } from './cql-differential-tables.js'
import type { Step } from './cql-differential-writes.js'

interface Answers {
  readonly theirs: string
  readonly ours: string
}

/** What was there by then. */
export interface Before {
  readonly table: Table
  /** As they were sent. */
  readonly earlier: readonly Step[]
}

interface Difference {
  readonly name: string
  readonly holds: (step: Step, answers: Answers, before: Before) => boolean
}

export const DIFFERENCES: readonly Difference[] = [
  {
    // As from 3.6: it refuses nothing that 3.0 takes.
    name: 'filtering by clustering columns',
    holds: ({ text }, { theirs, ours }) =>
      text.includes('ALLOW FILTERING') &&
      !isRefusal(ours) &&
      /^!! 2200 (PRIMARY KEY column|Clustering column) "\w+" cannot be restricted/.test(theirs),
  },
  {
    // It reads any constant as a tuple or a user type, parts with colons between them; which only its own tools write.
    name: 'a constant for a tuple or a user type',
    holds: ({ text }, { theirs, ours }) => {
      const [, constant] =
        /^!! 2200 Invalid [A-Z]+ constant \((.*)\) for "\w+" of type frozen<(?:pair|tuple<)/.exec(ours) ?? []
      return constant !== undefined && text.includes(constant) && !theirs.startsWith('!! 2000')
    },
  },
  {
    // Its clustering column for Cassandra Thrift, which CQL does not show, is not restricted.
    name: 'IF of a deletion from a table WITH COMPACT STORAGE that has no clustering columns',
    holds: ({ text }, { theirs, ours }, { table }) =>
      /^DELETE .* IF /.test(text) &&
      isStaticCompact(table) &&
      (ours.startsWith('[applied]') || ours.startsWith('!! 2200 IN on the partition key')) &&
      theirs.startsWith('!! 2200 DELETE statements must restrict all PRIMARY KEY columns'),
  },
  {
    // It adds the column that it orders by to the object.
    name: 'JSON of several partitions in an order of clustering columns',
    holds: ({ text }, { theirs, ours }) => {
      const [, ordered = ''] = /^SELECT JSON .* IN .* ORDER BY (.*?)(?: LIMIT| ALLOW|$)/.exec(text) ?? []
      return ordered !== '' && withoutFields(theirs, ordered.match(/\bc\d+x*\b/g) ?? []) === ours
    },
  },
  {
    // In the order of a hash table: either may find one that does not hold before it.
    name: 'a comparison with null, or an unset value, beside other conditions',
    holds: ({ text }, { theirs, ours }) =>
      / IF .* AND /.test(text) &&
      theirs !== ours &&
      [theirs, ours].every((answer) =>
        /^(\[applied\] boolean.*\nfalse|!! 2200 Invalid (comparison with null|'unset' value in condition))/.test(
          answer,
        ),
      ) &&
      [theirs, ours].some(isRefusal),
  },
  {
    // It passes over them.
    name: 'an unset value in IN of a condition',
    holds: ({ text, params }, { theirs, ours }) =>
      / IF .* IN \(/.test(text) &&
      params?.includes(types.unset) === true &&
      theirs.startsWith('[applied] boolean') &&
      ours === UNSET_IN_CONDITION,
  },
  {
    // Here an index filters, and so it may.
    name: 'an indexed column beside IN of the partition key, or ORDER BY',
    holds: ({ text }, { theirs, ours }, { table }) =>
      !isRefusal(ours) &&
      table.statements('').length > 1 &&
      ((/ k\d+ IN /.test(text) &&
        theirs.startsWith('!! 2200 Select on indexed columns and with IN clause for the PRIMARY KEY')) ||
        (text.includes(' ORDER BY ') &&
          theirs.startsWith('!! 2200 ORDER BY with 2ndary indexes is not supported.'))),
  },
  {
    // There a row may have fewer of them than the table.
    name: 'fewer clustering values than columns of a table WITH COMPACT STORAGE',
    holds: ({ text }, { theirs, ours }, { table }) =>
      table.isCompact &&
      table.clustering.length > 1 &&
      /^(INSERT|UPDATE|BEGIN)/.test(text) &&
      (theirs === '' || /^!! 2200 PRIMARY KEY column "\w+" cannot be restricted as preceding/.test(theirs)) &&
      ours.startsWith('!! 2200 Some clustering keys are missing'),
  },
  {
    // There its type is one of its own, that nothing else can be read as.
    name: 'a field or a function of a descending column',
    holds: ({ text }, { theirs }, { table }) => {
      const [, field, argument, called] =
        /^!! 2200 (?:Invalid field selection: (\w+) of|Type error: (\w+) cannot be passed|Invalid call to function (\w+))/.exec(
          theirs,
        ) ?? []
      const [, inCall] = new RegExp(`\\b${called ?? ''}\\((\\w+)\\)`, 'i').exec(text) ?? []
      const name = field ?? argument ?? inCall
      // It may be renamed since.
      const isNamed = (one: string) =>
        name !== undefined && one.replace(/x+$/, '') === name.replace(/x+$/, '')
      // Ours may be refused for something else that is looked at later.
      return table.clustering.some((one) => one.isDescending && isNamed(one.name))
    },
  },
  {
    // It looks at keys only where rows are selected.
    name: 'an empty key beside restrictions that select nothing',
    holds: (_step, { theirs, ours }, { table }) =>
      table.keys.length === 1 &&
      !isRefusal(theirs) &&
      !theirs.includes('\n') &&
      ours === '!! 2200 Key may not be empty',
  },
  {
    // There the description that was made before RENAME stays.
    name: 'names of columns of a prepared SELECT * behind RENAME',
    holds: ({ text, params }, { theirs, ours }, { earlier }) => {
      if (params === null || !/^SELECT (JSON )?\* /.test(text)) return false
      const renamed = earlier.flatMap((step) => [
        ...(/RENAME (\w+) TO (\w+)/.exec(step.text)?.slice(1) ?? []),
      ])
      const [head = '', ...rows] = ours.split('\n')
      const former = head.split(', ').map((column) => {
        const [name = '', ...type] = column.split(' ')
        const at = renamed.indexOf(name)
        return [at % 2 === 1 ? renamed[at - 1] : name, ...type].join(' ')
      })
      return [former.join(', '), ...rows].join('\n') === theirs
    },
  },
  {
    name: 'a failure of a read within Cassandra behind the removal of a column',
    holds: ({ isWrite }, { theirs, ours }, { earlier }) =>
      !isWrite &&
      !isRefusal(ours) &&
      theirs.startsWith('!! 1300 Server failure') &&
      earlier.some(({ text }) => /^ALTER TABLE \S+ DROP /.test(text)),
  },
  {
    name: 'a condition on a frozen collection that is not there fails within Cassandra',
    holds: ({ text }, { theirs, ours }) =>
      text.includes(' IF ') &&
      (ours.startsWith('[applied]') || ours === UNSET_IN_CONDITION) &&
      theirs.startsWith('!! 0 java.lang.NullPointerException'),
  },
  {
    name: 'an unset value in a condition on a frozen collection fails within Cassandra',
    holds: ({ text }, { theirs, ours }) =>
      text.includes(' IF ') &&
      ours === UNSET_IN_CONDITION &&
      theirs.startsWith('!! 0 java.lang.ClassCastException: class org.apache.cassandra.cql3.Constants$Value'),
  },
  {
    // Those of its memory are gone with the column, those of its files are not.
    name: 'values of a column that was dropped at an earlier time and added again',
    holds: ({ isWrite }, { theirs, ours }, { earlier }) => {
      const dropped = earlier.flatMap(({ text }) => / DROP (\w+) USING TIMESTAMP/.exec(text)?.[1] ?? [])
      const again = dropped.filter((name) => earlier.some(({ text }) => text.includes(` ADD ${name} `)))
      const [rows, others] = [theirs, ours].map((answer) =>
        answer.split('\n').map((line) => line.split(' | ')),
      )
      const names = rows?.[0]?.join().split(', ') ?? []
      return (
        !isWrite &&
        rows?.length === others?.length &&
        rows?.every((row, at) =>
          row.every(
            (cell, column) =>
              cell === others?.[at]?.[column] ||
              (cell === 'null' && again.some((name) => names[column]?.includes(name) === true)),
          ),
        ) === true
      )
    },
  },
  {
    name: 'IN of the partition key in a batch with conditions fails within Cassandra',
    holds: ({ text }, { theirs, ours }) =>
      /^BEGIN .* IN .* IF /.test(text) &&
      ours.startsWith('!! 2200 IN on the partition key is not supported with conditional ') &&
      theirs.startsWith('!! 0 java.lang.IllegalArgumentException: Batch with conditions cannot span'),
  },
  {
    // It adds one, and then neither that nor the row can be written.
    name: 'a column that is added to a table WITH COMPACT STORAGE without clustering columns',
    holds: ({ text }, { theirs, ours }, { table }) =>
      /^ALTER TABLE \S+ ADD /.test(text) &&
      isStaticCompact(table) &&
      theirs === '' &&
      ours.startsWith('!! 2200 Cannot add new column to a COMPACT STORAGE table'),
  },
  {
    // It looks for the value when it writes the row: behind other faults, and where IF NOT EXISTS holds.
    name: 'a value that is missing from an INSERT into a table WITH COMPACT STORAGE',
    holds: ({ text }, { theirs, ours }, { table }) =>
      table.isCompact &&
      text.includes('INSERT') &&
      /^!! 2200 Column \w+ is mandatory for this COMPACT STORAGE table/.test(ours) &&
      /^(!! 2200 |\[applied\] boolean.*\nfalse)/.test(theirs),
  },
  {
    name: 'partitions that a batch names and leaves as they are count in its warning',
    holds: ({ text }, { theirs, ours }) => {
      const [a, b] = [theirs, ours].map((answer) => answer.replace(/(?<=Unlogged batch covering )\d+/, ''))
      return a === b && /[+-] (\{\}|\[\]|\?)|= (\?|null)/.test(text)
    },
  },
  {
    // A row's cells that are older than its deletion beside them are none.
    name: 'the size of a batch that writes rows and deletes them at a later time',
    holds: ({ text }, { theirs, ours }) => {
      const [a, b] = [theirs, ours].map((answer) =>
        answer.replace(/ of size \d+, exceeding specified threshold of 5120 by \d+/, ''),
      )
      return a === b && /DELETE FROM \S+ USING TIMESTAMP/.test(text)
    },
  },
  {
    name: 'which of several faults is told',
    holds: ({ faults }, { theirs, ours }) =>
      faults > 1 && theirs.startsWith('!! 2200') && ours.startsWith('!! 2200'),
  },
]

const UNSET_IN_CONDITION = "!! 2200 Invalid 'unset' value in condition"

function isRefusal(answer: string): boolean {
  return answer.startsWith('!!')
}

function isStaticCompact({ isCompact, clustering }: Table): boolean {
  return isCompact && clustering.length === 0
}

/** Of rows that are JSON. */
function withoutFields(answer: string, names: readonly string[]): string {
  const value = '(?:".*?"|\\[.*?\\]|\\{.*?\\}|[^,}]*)'
  const field = new RegExp(`, "(?:${names.join('|')})": ${value}(?=\\}$)`)
  return answer
    .split('\n')
    .map((line) => names.reduce((rest) => rest.replace(field, ''), line))
    .join('\n')
}

/** What follows may differ, too, so that a sequence ends with one. */
export function intendedName(step: Step, answers: Answers, before: Before): string | null {
  return DIFFERENCES.find(({ holds }) => holds(step, answers, before))?.name ?? null
}
