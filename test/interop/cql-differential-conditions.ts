/**
 * Conditional statements and batches on every small partition: with and without static cells, rows that were inserted, rows
 * that only have values. What they answer where they are refused depends on all of it.
 */

export const CONDITIONS_TABLE =
  'CREATE TABLE conditions (k int, c int, s int static, t int static, l list<int> static, v int, w int, PRIMARY KEY (k, c))'

/** `K` stands for the partition. */
const STATICS = [
  '',
  'UPDATE conditions SET s = 1 WHERE k = K',
  'UPDATE conditions SET t = 2, l = [3] WHERE k = K',
]

const ROWS = [
  '',
  'INSERT INTO conditions (k, c, v) VALUES (K, 1, 1)',
  'UPDATE conditions SET v = 1 WHERE k = K AND c = 1',
  'INSERT INTO conditions (k, c) VALUES (K, 2)',
  'UPDATE conditions SET v = 1, w = 2 WHERE k = K AND c = 2',
]

const SINGLE = `
INSERT INTO conditions (k, c, v) VALUES (K, 1, 5) IF NOT EXISTS
INSERT INTO conditions (k, c) VALUES (K, 1) IF NOT EXISTS
INSERT INTO conditions (k, c, s) VALUES (K, 1, 5) IF NOT EXISTS
INSERT INTO conditions (k, c, v, s) VALUES (K, 1, 5, 5) IF NOT EXISTS
INSERT INTO conditions (k, s) VALUES (K, 5) IF NOT EXISTS
INSERT INTO conditions (k, t) VALUES (K, 5) IF NOT EXISTS
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF EXISTS
UPDATE conditions SET s = 5 WHERE k = K IF EXISTS
UPDATE conditions SET s = 5, v = 5 WHERE k = K AND c = 1 IF EXISTS
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF v = 9
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF v = null
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF s = 9
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF s = 1
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF t = 9
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF s = 9 AND v = 9
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF s = 1 AND v = null
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF v = null AND t = 2 AND l = [3]
UPDATE conditions SET s = 5 WHERE k = K IF s = 9
UPDATE conditions SET s = 5 WHERE k = K IF s = null
UPDATE conditions SET s = 5 WHERE k = K IF t = 9
UPDATE conditions SET s = 5 WHERE k = K IF t = 2 AND s = null
UPDATE conditions SET s = 5 WHERE k = K AND c = 1 IF v = 9
UPDATE conditions SET s = 5 WHERE k = K AND c = 1 IF v = 1
UPDATE conditions SET s = 5, v = 5 WHERE k = K AND c = 1 IF v = 9
UPDATE conditions SET s = 5, v = 5 WHERE k = K AND c = 1 IF t = 9
UPDATE conditions SET s = 5, v = 5 WHERE k = K AND c = 1 IF w = 9 AND t = 9
UPDATE conditions SET l[0] = 5 WHERE k = K IF s = 9
UPDATE conditions SET l[0] = 5, v = 5 WHERE k = K AND c = 1 IF l = [3]
UPDATE conditions SET l = l - [3] WHERE k = K IF s = null
DELETE FROM conditions WHERE k = K AND c = 1 IF EXISTS
DELETE FROM conditions WHERE k = K AND c = 1 IF v = 9
DELETE FROM conditions WHERE k = K AND c = 1 IF s = 9
DELETE FROM conditions WHERE k = K AND c = 1 IF s = 1 AND v = 1
DELETE v FROM conditions WHERE k = K AND c = 1 IF EXISTS
DELETE v FROM conditions WHERE k = K AND c = 1 IF s = 9
DELETE s FROM conditions WHERE k = K IF EXISTS
DELETE s FROM conditions WHERE k = K IF s = 9
DELETE s FROM conditions WHERE k = K IF t = 9
DELETE s, v FROM conditions WHERE k = K AND c = 1 IF v = 9
UPDATE conditions SET l[0] = 5, v = 5 WHERE k = K AND c = 1
`

/** Two statements each. */
const BATCHES = `
INSERT INTO conditions (k, c, v) VALUES (K, 2, 5) IF NOT EXISTS; INSERT INTO conditions (k, c, v) VALUES (K, 1, 5) IF NOT EXISTS
INSERT INTO conditions (k, s) VALUES (K, 5) IF NOT EXISTS; UPDATE conditions SET v = 5 WHERE k = K AND c = 1
INSERT INTO conditions (k, s) VALUES (K, 5) IF NOT EXISTS; INSERT INTO conditions (k, c, v) VALUES (K, 1, 5) IF NOT EXISTS
INSERT INTO conditions (k, s) VALUES (K, 5) IF NOT EXISTS; INSERT INTO conditions (k, t) VALUES (K, 5) IF NOT EXISTS
UPDATE conditions SET v = 5 WHERE k = K AND c = 2 IF v = 9; UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF v = 9
UPDATE conditions SET v = 5 WHERE k = K AND c = 2 IF w = 2; UPDATE conditions SET w = 5 WHERE k = K AND c = 1 IF v = 1
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF s = 9; UPDATE conditions SET v = 5 WHERE k = K AND c = 2 IF v = 9
UPDATE conditions SET s = 5 WHERE k = K IF s = 9; UPDATE conditions SET v = 5 WHERE k = K AND c = 2
UPDATE conditions SET s = 5 WHERE k = K IF t = 2; UPDATE conditions SET s = 6 WHERE k = K IF s = 9
UPDATE conditions SET s = 5 WHERE k = K; UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF v = 9
UPDATE conditions SET s = 5 WHERE k = K IF s = 1; DELETE FROM conditions WHERE k = K AND c > 0
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF EXISTS; UPDATE conditions SET w = 5 WHERE k = K AND c = 2 IF v = 9
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF EXISTS; UPDATE conditions SET w = 5 WHERE k = K AND c = 1 IF v = 9
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF v = 9; UPDATE conditions SET w = 5 WHERE k = K AND c = 1 IF EXISTS
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF v = 9; INSERT INTO conditions (k, c) VALUES (K, 1) IF NOT EXISTS
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF EXISTS; INSERT INTO conditions (k, c) VALUES (K, 1) IF NOT EXISTS
UPDATE conditions SET v = 5 WHERE k = K AND c = 1 IF EXISTS; DELETE w FROM conditions WHERE k = K AND c = 1 IF EXISTS
UPDATE conditions SET s = 5 WHERE k = K IF s = 9; INSERT INTO conditions (k, t) VALUES (K, 5) IF NOT EXISTS
`

/** What leads to a partition, a statement on it, and what is there then; each case has a partition of its own. */
export function conditionCases(): readonly (readonly string[])[] {
  const lines = (text: string) => text.trim().split('\n')
  const statements = [...lines(SINGLE), ...lines(BATCHES).map((parts) => `BEGIN BATCH ${parts}; APPLY BATCH`)]
  const cases = STATICS.flatMap((statics) =>
    ROWS.flatMap((row) =>
      statements.map((statement) => [statics, row, statement, 'SELECT * FROM conditions WHERE k = K']),
    ),
  )
  return cases.map((steps, index) =>
    steps.filter((step) => step !== '').map((step) => step.replaceAll('K', String(index))),
  )
}
