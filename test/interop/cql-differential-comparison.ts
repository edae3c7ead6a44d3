/** A seed's table and statements, on both nodes: where they disagree, and the least statements that show it. */
import { setTimeout as pause } from 'node:timers/promises'
import { shrunk } from '../support/leaf-shrinking.js'
import { AlterationDraws } from './cql-differential-alterations.js'
import type { Node } from './cql-differential-answers.js'
import { intendedName } from './cql-differential-intended.js'
import { ReadDraws, allKeys, wholeTable } from './cql-differential-reads.js'
import { type Table, drawTable } from './cql-differential-tables.js'
import { Times } from './cql-differential-times.js'
import { Draws } from './cql-differential-values.js'
import { type Step, TABLE, WriteDraws } from './cql-differential-writes.js'

export const SEQUENCE = 40
const INTENDED = 'intended: '
/** The clock of either server goes on. */
const NEXT_MS = 2

interface Sequence {
  readonly table: Table
  readonly steps: readonly Step[]
}

/** What a seed stands for. */
export function drawSequence(seed: number): Sequence {
  const draws = new Draws(seed)
  const table = drawTable(draws)
  const times = new Times(draws, draws.chance(0.35))
  const writes = new WriteDraws(draws, table, times)
  const reads = new ReadDraws(draws, table)
  const alterations = new AlterationDraws(draws, table, times)
  const steps: Step[] = []
  while (steps.length < SEQUENCE) {
    if (draws.chance(0.02)) steps.push(alterations.step())
    steps.push(draws.chance(0.6) ? writes.step() : reads.step())
    if (draws.chance(0.15)) steps.push(wholeTable(table))
  }
  const last = table.isCounter ? [wholeTable(table), writes.deletion(), writes.deletion()] : []
  return { table, steps: [...steps, ...last, wholeTable(table), allKeys(table)] }
}

interface Disagreement {
  readonly index: number
  readonly step: string
  readonly theirs: string
  readonly ours: string
}

export class Comparison {
  readonly #theirs: Node
  readonly #ours: Node
  /** By kind of statement, and by name of an intended difference. */
  readonly figures = new Map<string, number>()
  #tables = 0

  constructor(theirs: Node, ours: Node) {
    this.#theirs = theirs
    this.#ours = ours
  }

  /** Those that were compared. */
  get statements(): number {
    const counts = [...this.figures].map(([name, count]) => (name.startsWith(INTENDED) ? 0 : count))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** A report, or empty: they agree. */
  async run(seed: number): Promise<string> {
    const sequence = drawSequence(seed)
    const found = await this.#disagreement(sequence, (name) => {
      this.figures.set(name, (this.figures.get(name) ?? 0) + 1)
    })
    return found === null ? '' : this.#report(seed, sequence, found)
  }

  /** Null: they agree. */
  async #disagreement(
    { table, steps }: Sequence,
    count: (name: string) => void = () => undefined,
  ): Promise<Disagreement | null> {
    const name = `t${this.#tables++}`
    const [theirs, ours] = [this.#theirs, this.#ours]
    try {
      for (const statement of table.statements(name)) {
        const [expected, actual] = [await theirs.define(statement), await ours.define(statement)]
        if (expected !== actual) return { index: 0, step: statement, theirs: expected, ours: actual }
        if (expected !== 'done') return null
      }
      for (const [index, step] of steps.entries()) {
        const [expected, actual] = await Promise.all([theirs.answer(step, name), ours.answer(step, name)])
        count(`${step.kind}${expected.startsWith('!!') ? ' refused' : ''}`)
        if (expected !== actual) {
          const earlier = steps.slice(0, index)
          const intended = intendedName(step, { theirs: expected, ours: actual }, { table, earlier })
          if (intended === null) {
            return { index, step: textOf(step), theirs: expected, ours: actual }
          }
          count(`${INTENDED}${intended}`)
          return null
        }
        if (step.timestamp === null) await pause(NEXT_MS)
      }
      return null
    } finally {
      for (const node of [theirs, ours]) await node.define(`DROP TABLE IF EXISTS ${name}`)
    }
  }

  async #report(seed: number, { table, steps }: Sequence, found: Disagreement): Promise<string> {
    const isAlike = async (fewer: readonly Step[]): Promise<boolean> => {
      const other = await this.#disagreement({ table, steps: fewer })
      return other !== null && kindOf(other) === kindOf(found)
    }
    // What only reads can mostly go at once.
    const last = found.index
    const wrote = steps.slice(0, last + 1).filter((step, index) => index === last || step.isWrite)
    const least = await shrunk((await isAlike(wrote)) ? wrote : steps.slice(0, last + 1), isAlike)
    const { step, theirs, ours } = (await this.#disagreement({ table, steps: least })) ?? found
    return [
      `GODWIT_CQL_SEED=${seed}`,
      ...table.statements(TABLE),
      ...least.map(textOf),
      `at: ${step}`,
      `Cassandra: ${theirs}`,
      `Godwit:    ${ours}`,
      '',
    ].join('\n')
  }
}

/** Rows against rows, or refusals of the same kinds. */
function kindOf({ theirs, ours }: Disagreement): string {
  return [theirs, ours].map((answer) => (answer.startsWith('!!') ? answer.slice(0, 40) : 'rows')).join()
}

export function textOf({ text, params, batch, timestamp, fetchSize }: Step): string {
  const values = batch?.map((each) => each.params) ?? params
  const notes = [
    ...(timestamp === null ? [] : [`at ${timestamp}`]),
    ...(fetchSize < 10 ? [`pages of ${fetchSize}`] : []),
    ...(values === null ? [] : [JSON.stringify(values)]),
  ]
  return notes.length === 0 ? text : `${text} -- ${notes.join(', ')}`
}
