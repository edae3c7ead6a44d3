/** Generated ALTER TABLE and TRUNCATE: columns that come, go and come back, other names of keys, other lives of rows. */
import { COUNTER, type Column, type Table } from './cql-differential-tables.js'
import type { Times } from './cql-differential-times.js'
import { type Draws, NATIVES, drawDomain } from './cql-differential-values.js'
import { type Step, TABLE } from './cql-differential-writes.js'

export class AlterationDraws {
  readonly #draws: Draws
  readonly #table: Table
  readonly #times: Times
  /** Columns that went, and whether all of their values went with them. */
  readonly #dropped: { readonly column: Column; readonly isEmpty: boolean }[] = []
  #added = 0

  constructor(draws: Draws, table: Table, times: Times) {
    this.#draws = draws
    this.#table = table
    this.#times = times
  }

  step(): Step {
    switch (this.#draws.weighted({ add: 3, drop: 3, rename: 1, options: 1, truncate: 2 })) {
      case 'add':
        return alteration(this.#add())
      case 'drop':
        return alteration(this.#drop())
      case 'rename':
        return alteration(this.#rename())
      case 'options':
        return alteration(
          `ALTER TABLE ${TABLE} WITH default_time_to_live = ${this.#draws.pick([0, 200_000])}`,
        )
      case 'truncate':
        return alteration(`TRUNCATE ${TABLE}`)
    }
  }

  /** A new one, or one that was there before, of its type or of another one. */
  #add(): string {
    const draws = this.#draws
    const [former] = draws.chance(0.6) ? this.#dropped : []
    const kind = former?.column.kind ?? (draws.chance(0.25) ? 'static' : 'regular')
    const name = former?.column.name ?? `${kind === 'static' ? 's' : 'v'}${5 + this.#added++}`
    // Values of another type are bytes of the new one in Cassandra's files, and none in its memory.
    const keepsType = former !== undefined && (!former.isEmpty || draws.chance(0.5))
    const domain = keepsType ? former.column.domain : this.#domain()
    const column = { name, kind, domain, isDescending: false }
    const { type } = column.domain
    if (this.#mayAdd(column)) {
      this.#times.pass()
      this.#dropped.splice(0, former === undefined ? 0 : 1)
      this.#put([...this.#table.statics, ...this.#table.regulars, column])
    }
    return `ALTER TABLE ${TABLE} ADD ${name} ${type}${kind === 'static' ? ' static' : ''}`
  }

  #domain() {
    if (this.#table.isCounter) return this.#draws.chance(0.9) ? COUNTER : this.#draws.pick(NATIVES)
    return drawDomain(this.#draws, false)
  }

  /** What is refused leaves the table as it is; where that is not foreseen, later statements are refused on both sides. */
  #mayAdd({ kind, domain }: Column): boolean {
    const { isCompact, isCounter, clustering } = this.#table
    if (isCompact || (kind === 'static' && clustering.length === 0)) return false
    return isCounter === (domain === COUNTER)
  }

  #drop(): string {
    const draws = this.#draws
    const { statics, regulars, columns, isCompact } = this.#table
    const column = draws.pick(statics.length + regulars.length === 0 ? columns : [...statics, ...regulars])
    const time = this.#times.ofDrop()
    if (!isCompact && (column.kind === 'static' || column.kind === 'regular')) {
      this.#dropped.unshift({ column, isEmpty: time === null })
      this.#put([...statics, ...regulars].filter((one) => one !== column))
    }
    return `ALTER TABLE ${TABLE} DROP ${column.name}${time === null ? '' : ` USING TIMESTAMP ${time}`}`
  }

  #rename(): string {
    const { clustering, statics, regulars } = this.#table
    const candidates = clustering.length === 0 ? [...statics, ...regulars] : clustering
    if (candidates.length === 0) return `TRUNCATE ${TABLE}`
    const column = this.#draws.pick(candidates)
    const name = `${column.name}x`
    if (column.kind === 'clustering') {
      this.#table.clustering = clustering.map((one) => (one === column ? { ...one, name } : one))
      this.#put([...this.#table.statics, ...this.#table.regulars])
    }
    return `ALTER TABLE ${TABLE} RENAME ${column.name} TO ${name}`
  }

  #put(others: readonly Column[]): void {
    const table = this.#table
    const ofKind = (kind: Column['kind']) => others.filter((column) => column.kind === kind)
    table.statics = ofKind('static')
    table.regulars = ofKind('regular')
    table.columns = [...table.keys, ...table.clustering, ...table.statics, ...table.regulars]
  }
}

function alteration(text: string): Step {
  const kind = text.startsWith('ALTER') ? 'alter' : 'truncate'
  return {
    ...{ kind, isWrite: true, text, params: null, batch: null, timestamp: null },
    ...{ fetchSize: 100, expiresMs: 0, faults: 0 },
  }
}
