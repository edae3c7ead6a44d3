/** Generated INSERT, UPDATE, DELETE and BATCH, conditions among them, right ones and wrong ones. */
import { types } from 'cassandra-driver'
import { type Column, type Table, isCollection } from './cql-differential-tables.js'
import type { Times } from './cql-differential-times.js'
import { type Domain, type Draws, NATIVES, type Value } from './cql-differential-values.js'

/** Stands for the table's name in texts. */
export const TABLE = '$T'

/** A request, as plain data. */
export interface Step {
  /** For the figures. */
  readonly kind: string
  readonly isWrite: boolean
  readonly text: string
  /** Null: sent as text, not prepared. */
  readonly params: readonly unknown[] | null
  /** A batch of the protocol: `text` says it in words. */
  readonly batch: readonly { readonly query: string; readonly params: readonly unknown[] }[] | null
  /** The request's own; null: the server's clock. */
  readonly timestamp: number | null
  readonly fetchSize: number
  /** What it writes is gone then. */
  readonly expiresMs: number
  /** Things that are wrong with it on purpose: which is told first is nobody's promise. */
  readonly faults: number
}

/** A statement as it is written: its values in the text, or bound. */
export class Draft {
  readonly params: unknown[] = []
  readonly draws: Draws
  readonly isPrepared: boolean
  /** Wrong in some place, perhaps. */
  readonly isWild: boolean
  faults = 0

  constructor(draws: Draws, isPrepared: boolean) {
    this.draws = draws
    this.isPrepared = isPrepared
    this.isWild = draws.chance(0.1)
  }

  value(domain: Domain): string {
    const { draws } = this
    if (draws.chance(0.03)) return termOf(draws, domain) ?? this.given(this.#bindable(domain))
    if (this.isPrepared || !this.isWild || !draws.chance(0.2)) return this.given(this.#bindable(domain))
    this.faults += 1
    return this.given(draws.pick(NATIVES).draw(draws))
  }

  /** The driver binds null for an empty collection. */
  #bindable(domain: Domain): Value {
    const value = domain.draw(this.draws)
    return this.isPrepared && isEmpty(value.bound) ? this.#bindable(domain) : value
  }

  /** Of a column that need not have one. */
  maybe(domain: Domain): string {
    const { draws } = this
    if (domain.type === 'timeuuid' && draws.chance(0.1)) return 'now()'
    if (this.isPrepared && draws.chance(0.07)) return this.given({ literal: '?', bound: types.unset })
    return draws.chance(0.12) ? this.given(NULL) : this.value(domain)
  }

  given({ literal, bound }: Value): string {
    if (!this.isPrepared) return literal
    this.params.push(bound)
    return '?'
  }

  /** Where something may be wrong on purpose. */
  isWrong(): boolean {
    const isWrong = this.isWild && this.draws.chance(0.25)
    if (isWrong) this.faults += 1
    return isWrong
  }
}

/** Calls and casts that stand for a value of the type; null: there are none. */
const TERMS: Readonly<Record<string, readonly string[]>> = {
  bigint: [
    'toUnixTimestamp(50554d6e-29bb-11e5-b345-feff819cdc9f)',
    'blobAsBigint(0x0000000000000001)',
    '(bigint)2',
  ],
  blob: ["textAsBlob('ab')", 'intAsBlob(1)', "timestampAsBlob('2015-05-21 10:00:00+0000')", '(blob)0x0102'],
  boolean: ['blobAsBoolean(0x01)', "fromJson('false')"],
  date: ['toDate(50554d6e-29bb-11e5-b345-feff819cdc9f)', "(date)'2015-05-21'", 'fromJson(\'"1970-01-01"\')'],
  double: ['blobAsDouble(0x3ff8000000000000)', "fromJson('1.5')"],
  int: ['blobAsInt(0x00000001)', '(int)1', "fromJson('2')"],
  text: ['blobAsText(0x6162)', "(text)'a'", 'fromJson(\'"ab"\')'],
  timestamp: [
    'dateOf(50554d6e-29bb-11e5-b345-feff819cdc9f)',
    'toTimestamp(50554d6e-29bb-11e5-b345-feff819cdc9f)',
    "toTimestamp((date)'2015-05-21')",
  ],
  timeuuid: ["minTimeuuid('2015-05-21 10:00:00+0000')", "maxTimeuuid('2015-05-21 10:00:00+0000')"],
  varint: ['blobAsVarint(0x7f)', "fromJson('128')"],
}

function isEmpty(bound: unknown): boolean {
  if (Array.isArray(bound)) return bound.length === 0
  return bound instanceof Map && bound.size === 0
}

function termOf(draws: Draws, { type }: Domain): string | null {
  const terms = TERMS[type]
  return terms === undefined ? null : draws.pick(terms)
}

const NULL: Value = { literal: 'null', bound: null }
const INT: Domain = NATIVES.find(({ type }) => type === 'int') as Domain // it is there
export const LONG_TTL_SECONDS = 100_000
const EXPIRY_MS = 2_100
const TTLS = { '100000': 5, '0': 1, '1': 0.2, '-1': 0.2, '630720001': 0.2 }
const NOTHING = () => ''

interface When {
  /** Asked where it stands in the text, so that its markers are in turn. */
  readonly using: () => string
  readonly timestamp: number | null
  readonly expiresMs: number
}

export class WriteDraws {
  readonly #draws: Draws
  readonly #table: Table
  readonly #times: Times

  constructor(draws: Draws, table: Table, times: Times) {
    this.#draws = draws
    this.#table = table
    this.#times = times
  }

  step(): Step {
    const kinds = this.#table.isCounter
      ? { insert: 1, json: 0.3, update: 20, delete: 0, conditional: 0.3, textBatch: 2, batch: 2 }
      : {
          insert: 11,
          json: 2,
          update: 9,
          delete: 6,
          conditional: this.#times.isByClock ? 6 : 2,
          textBatch: 2,
          batch: 1.5,
        }
    const kind = this.#draws.weighted(kinds)
    if (kind === 'textBatch') return this.#textBatch()
    if (kind === 'batch') return this.#batch()
    return this.#alone(kind)
  }

  /** Of a counter the last thing that is done with it: 3.0 counts on from what was deleted. */
  deletion(): Step {
    return this.#alone('delete')
  }

  #alone(kind: string): Step {
    const draft = this.#draft()
    const when = this.#when(draft, kind)
    const text = this.#one(kind, draft, when.using)
    return {
      ...{
        kind,
        isWrite: true,
        text,
        params: draft.isPrepared ? draft.params : null,
        batch: null,
        fetchSize: 100,
      },
      ...{ timestamp: when.timestamp, expiresMs: when.expiresMs, faults: draft.faults },
    }
  }

  #draft(): Draft {
    return new Draft(this.#draws, this.#table.mustBind || this.#draws.chance(0.4))
  }

  #one(kind: string, draft: Draft, using: When['using']): string {
    switch (kind) {
      case 'insert':
        return this.#insert(draft, using)
      case 'json':
        return this.#json(draft, using)
      case 'update':
        return this.#update(draft, using)
      case 'delete':
        return this.#delete(draft, using)
      default:
        return this.#conditional(draft)
    }
  }

  #when(draft: Draft, kind: string): When {
    const draws = this.#draws
    const isTimeless = kind === 'conditional' || this.#table.isCounter
    if (isTimeless && !draft.isWrong()) {
      return { using: NOTHING, timestamp: this.#times.clock(), expiresMs: 0 }
    }
    const time = this.#time(kind)
    const how = this.#times.how()
    const hasTtl = draws.chance(0.15) && (kind !== 'delete' || draft.isWrong())
    const ttl = hasTtl ? draws.weighted(TTLS) : null
    const using = () => {
      const stamp = { literal: String(time), bound: types.Long.fromNumber(time) }
      const parts = how === 'statement' ? [`TIMESTAMP ${draft.given(stamp)}`] : []
      if (ttl !== null) parts.push(`TTL ${draft.given({ literal: ttl, bound: Number(ttl) })}`)
      return parts.length === 0 ? '' : ` USING ${parts.join(' AND ')}`
    }
    return { using, timestamp: how === 'request' ? time : null, expiresMs: ttl === '1' ? EXPIRY_MS : 0 }
  }

  #time(kind: string): number {
    return kind === 'delete' ? this.#times.deletion() : this.#times.value()
  }

  #insert(draft: Draft, using: When['using'], condition = ''): string {
    const { keys, clustering, statics, regulars } = this.#table
    const draws = this.#draws
    const isStaticOnly = statics.length > 0 && draws.chance(0.15)
    const values = isStaticOnly ? draws.some(statics, 0.8) : draws.some([...statics, ...regulars], 0.6)
    const named = [...keys, ...(isStaticOnly ? [] : clustering)].filter(() => !draft.isWrong())
    const columns = draws.shuffled([...named, ...values])
    const isOptional = ({ kind }: Column) => kind === 'static' || kind === 'regular' || draft.isWrong()
    const given = columns.map((each) =>
      isOptional(each) ? draft.maybe(each.domain) : draft.value(each.domain),
    )
    const names = [...columns.map(({ name }) => name), ...(draft.isWrong() ? [draws.pick(['zz', 'k0'])] : [])]
    if (names.length > given.length && draws.chance(0.7)) given.push(draft.given(INT.draw(draws)))
    return `INSERT INTO ${TABLE} (${names.join(', ')}) VALUES (${given.join(', ')})${condition}${using()}`
  }

  #json(draft: Draft, using: When['using']): string {
    const { keys, clustering, statics, regulars } = this.#table
    const columns = [...keys, ...clustering, ...this.#draws.some([...statics, ...regulars], 0.6)]
    const fields = columns
      .filter(() => !draft.isWrong())
      .map(({ name, domain }) => `"${name}": ${jsonOf(domain, domain.draw(this.#draws))}`)
    if (draft.isWrong()) fields.push('"zz": 1')
    const text = `{${fields.join(', ')}}`
    const given = draft.given({ literal: `'${text.replaceAll("'", "''")}'`, bound: text })
    return `INSERT INTO ${TABLE} JSON ${given}${using()}`
  }

  #update(draft: Draft, using: When['using']): string {
    const { statics, regulars, clustering } = this.#table
    const draws = this.#draws
    const time = using()
    const isStaticOnly = statics.length > 0 && draws.chance(0.25)
    const from = isStaticOnly ? statics : [...statics, ...regulars]
    const chosen = from.length === 0 ? [] : [draws.pick(from), ...draws.some(from, 0.2)]
    const sets = [...new Set(chosen)].map((each) => this.#assignment(draft, each))
    if (draft.isWrong() || sets.length === 0) sets.push(draws.pick(['zz = 1', 'k0 = 1', 'v0 = v0 + 1']))
    const where = this.#row(draft, isStaticOnly ? [] : clustering)
    return `UPDATE ${TABLE}${time} SET ${sets.join(', ')} WHERE ${where}`
  }

  #assignment(draft: Draft, { name, domain }: Column): string {
    const draws = this.#draws
    if (domain.type === 'counter' && !draft.isWrong()) {
      return `${name} = ${name} ${draws.pick(['+', '-'])} ${draft.value(domain)}`
    }
    const isOpen = isCollection(domain) && (!domain.isFrozen || draft.isWrong())
    if (!isOpen || draws.chance(0.3)) return `${name} = ${draft.maybe(domain)}`
    const [first, second] = domain.elements
    if (first === undefined) return `${name} = ${draft.maybe(domain)}`
    const how = draws.weighted({
      add: 3,
      remove: 2,
      element: 3,
      prepend: domain.kind === 'list' || draft.isWrong() ? 2 : 0,
    })
    if (how === 'add') return `${name} = ${name} + ${draft.value(domain)}`
    if (how === 'prepend') return `${name} = ${draft.value(domain)} + ${name}`
    if (how === 'remove') return `${name} = ${name} - ${this.#keysOf(draft, domain)}`
    if (domain.kind === 'set' && !draft.isWrong()) return `${name} = ${name} + ${draft.value(domain)}`
    const index =
      domain.kind === 'list'
        ? draft.given({ literal: String(draws.below(3)), bound: draws.below(3) })
        : draft.value(first)
    return `${name}[${index}] = ${draft.maybe(domain.kind === 'map' ? (second ?? first) : first)}`
  }

  /** What `-` takes: of a map a set of its keys. */
  #keysOf(draft: Draft, domain: Domain): string {
    const value = domain.draw(this.#draws)
    if (domain.kind !== 'map') return draft.given(value)
    // What a map binds is a map.
    const keys = [...(value.bound as Map<unknown, unknown>).keys()]
    const [key] = domain.elements
    const one = key?.draw(this.#draws)
    return draft.isPrepared ? draft.given({ literal: '', bound: keys }) : `{${one?.literal ?? ''}}`
  }

  #delete(draft: Draft, using: When['using']): string {
    const { statics, regulars, clustering } = this.#table
    const draws = this.#draws
    const what = draws.weighted({ row: 4, column: 4, slice: clustering.length > 0 ? 2 : 0, all: 1 })
    const chosen = what === 'column' ? draws.some([...statics, ...regulars], 0.5) : []
    const columns = chosen.map((each) => this.#target(draft, each))
    if (draft.isWrong()) columns.push(draws.pick(['zz', 'k0', 'v0[1]', 's0']))
    const isStaticOnly = columns.length > 0 && columns.every((name) => name.startsWith('s'))
    const selected = columns.length === 0 ? '' : ` ${columns.join(', ')}`
    const time = using()
    const needed = what === 'all' || isStaticOnly ? [] : clustering
    const where = what === 'slice' ? this.#slice(draft) : this.#row(draft, needed)
    return `DELETE${selected} FROM ${TABLE}${time} WHERE ${where}`
  }

  #target(draft: Draft, { name, domain }: Column): string {
    const [first] = domain.elements
    if (!isCollection(domain) || domain.isFrozen || first === undefined || this.#draws.chance(0.4))
      return name
    if (domain.kind === 'list') return `${name}[${draft.given({ literal: '1', bound: 1 })}]`
    return `${name}[${draft.value(first)}]`
  }

  /** The partition key, and values for these columns. */
  #row(draft: Draft, clustering: readonly Column[]): string {
    const draws = this.#draws
    const columns = [...this.#table.keys, ...clustering].filter(() => !draft.isWrong())
    const relations = columns.map((each) => {
      if (draws.chance(draft.isWild ? 0.2 : 0.03))
        return `${each.name} IN (${draft.value(each.domain)}, ${draft.value(each.domain)})`
      return `${each.name} = ${draft.value(each.domain)}`
    })
    if (draft.isWrong()) {
      // It may break a rule of its kind and one of its place.
      draft.faults += 1
      relations.push(draws.pick(['zz = 1', 'v0 = 1', 'k0 > 1', 'c0 > 0', 's0 = 1']))
    }
    return relations.length === 0 ? 'k0 = 0' : relations.join(' AND ')
  }

  #slice(draft: Draft): string {
    const { keys, clustering } = this.#table
    const draws = this.#draws
    const at = draws.below(clustering.length)
    const relations = [...keys, ...clustering.slice(0, at)].map(
      (each) => `${each.name} = ${draft.value(each.domain)}`,
    )
    return [...relations, ...slicesOf(draft, clustering.slice(at))].join(' AND ')
  }

  #conditional(draft: Draft): string {
    const draws = this.#draws
    const { regulars, statics, isCounter } = this.#table
    // Counters have no conditions.
    if (isCounter) draft.faults += 1
    const kind = draws.weighted({ insert: 4, update: 5, delete: 3 })
    if (kind === 'insert') return this.#insert(draft, NOTHING, ' IF NOT EXISTS')
    const columns = [...regulars, ...statics]
    const exists = columns.length === 0 || draws.chance(0.25)
    const text = kind === 'update' ? this.#update(draft, NOTHING) : this.#delete(draft, NOTHING)
    return exists ? `${text} IF EXISTS` : `${text} IF ${this.#conditions(draft, columns)}`
  }

  #conditions(draft: Draft, columns: readonly Column[]): string {
    const draws = this.#draws
    // Of two on one column 3.0 looks at the last alone.
    const chosen = new Set([draws.pick(columns), ...draws.some(columns, 0.2)])
    return [...chosen]
      .map(({ name, domain }) => {
        const [first, second] = domain.elements
        const hasElements = isCollection(domain) && !domain.isFrozen && domain.kind !== 'set'
        if (hasElements && first !== undefined && draws.chance(0.4)) {
          const key = domain.kind === 'list' ? draft.given({ literal: '0', bound: 0 }) : draft.value(first)
          return `${name}[${key}] ${draws.pick(['=', '!=', '<'])} ${draft.maybe(second ?? first)}`
        }
        if (draws.chance(0.2)) return `${name} IN (${draft.maybe(domain)}, ${draft.value(domain)})`
        return `${name} ${draws.pick(['=', '=', '=', '!=', '<', '<=', '>', '>='])} ${draft.maybe(domain)}`
      })
      .join(' AND ')
  }

  /** Of a batch, whose values may have one time: there 3.0's rule of ties is ours, too. */
  #parts(draft: Draft, isConditional: boolean, isTimed: boolean): string[] {
    const draws = this.#draws
    const { isCounter } = this.#table
    // Some are so many that their size or their partitions are worth a warning.
    const count = draws.chance(0.04) ? 60 + draws.below(100) : 1 + draws.below(3)
    return Array.from({ length: count }, () => {
      if (isCounter) return this.#one('update', draft, NOTHING)
      const kind = !draws.chance(0.7) ? 'delete' : draws.chance(0.5) ? 'insert' : 'update'
      if (isConditional) return draws.chance(0.6) ? this.#conditional(draft) : this.#one(kind, draft, NOTHING)
      if (isTimed || this.#times.isClockOnly || draws.chance(0.7)) return this.#one(kind, draft, NOTHING)
      const time = this.#time(kind)
      return this.#one(kind, draft, () => ` USING TIMESTAMP ${time}`)
    })
  }

  #textBatch(): Step {
    const draws = this.#draws
    const draft = this.#draft()
    const { isCounter } = this.#table
    const isConditional = !isCounter && draws.chance(0.25)
    const type = isCounter !== draft.isWrong() ? 'COUNTER ' : draws.pick(['', 'UNLOGGED '])
    const isTimed = !isConditional && !isCounter && !this.#times.isClockOnly && draws.chance(0.4)
    const using = isTimed ? ` USING TIMESTAMP ${this.#times.value()}` : ''
    const parts = this.#parts(draft, isConditional, isTimed)
    return {
      ...{
        kind: 'textBatch',
        isWrite: true,
        text: `BEGIN ${type}BATCH${using} ${parts.join('; ')}; APPLY BATCH`,
      },
      ...{ params: draft.isPrepared ? draft.params : null, batch: null, fetchSize: 100 },
      // Each of its statements may be wrong in a way of its own.
      ...{
        timestamp: this.#times.ofRequest(isConditional || isCounter),
        expiresMs: 0,
        faults: draft.faults + parts.length,
      },
    }
  }

  #batch(): Step {
    const draws = this.#draws
    const { isCounter } = this.#table
    const draft = new Draft(draws, true)
    const batch: { readonly query: string; readonly params: readonly unknown[] }[] = []
    let taken = 0
    for (const query of this.#parts(draft, false, false)) {
      const count = query.split('?').length - 1
      batch.push({ query, params: draft.params.slice(taken, taken + count) })
      taken += count
    }
    return {
      ...{ kind: isCounter ? 'counterBatch' : 'batch', isWrite: true },
      ...{ text: batch.map(({ query }) => query).join('; '), params: null, batch, fetchSize: 100 },
      ...{ timestamp: this.#times.ofRequest(isCounter), expiresMs: 0, faults: draft.faults + batch.length },
    }
  }
}

/** Restrictions of the first of the columns, or of several together. */
export function slicesOf(draft: Draft, columns: readonly Column[]): string[] {
  const { draws } = draft
  const [first] = columns
  if (first === undefined) return []
  const isAlike = columns.every(({ isDescending }) => isDescending === first.isDescending)
  const several = columns.length > 1 && (isAlike || draws.chance(0.3)) && draws.chance(0.4)
  const chosen = several ? columns.slice(0, 2) : [first]
  const bound = (operator: string) => {
    const values = chosen.map((each) => draft.value(each.domain))
    if (!several) return `${first.name} ${operator} ${values.join('')}`
    return `(${chosen.map(({ name }) => name).join(', ')}) ${operator} (${values.join(', ')})`
  }
  const lower = draws.chance(0.65)
  const relations = lower ? [bound(draws.pick(['>', '>=']))] : []
  if (!lower || draws.chance(0.3)) relations.push(bound(draws.pick(['<', '<='])))
  return relations
}

function jsonOf(domain: Domain, { literal, bound }: Value): string {
  if (bound === null || bound === undefined) return 'null'
  if (Buffer.isBuffer(bound)) return `"0x${bound.toString('hex')}"`
  if (typeof bound === 'string') return JSON.stringify(bound)
  if (typeof bound === 'boolean') return String(bound)
  // Of frozen and other collections with plain elements; of others the text of the literal, which JSON takes or not.
  if (domain.kind === 'native') {
    if (/^-?\d+(\.\d+)?(e\+\d+)?$/.test(literal)) return literal
    return JSON.stringify(literal.replace(/^'|'$/g, ''))
  }
  const part = (item: unknown, of: Domain) => {
    const literal = item instanceof Date ? item.toISOString() : String(item)
    return jsonOf(of, { literal, bound: item })
  }
  const [first, second] = domain.elements
  if (domain.kind === 'map' && first !== undefined && second !== undefined) {
    // What a map binds is a map.
    const entries = [...(bound as Map<unknown, unknown>)]
    const plain = entries.filter(([key]) => typeof key === 'string' || typeof key === 'number')
    return `{${plain.map(([key, value]) => `"${String(key).replaceAll('"', '')}": ${part(value, second)}`).join(', ')}}`
  }
  if (bound instanceof types.Tuple) {
    return `[${bound
      .values()
      .map((item: unknown, index) => part(item, domain.elements[index] ?? domain))
      .join(', ')}]`
  }
  if (Array.isArray(bound)) {
    const of = first ?? domain
    return `[${bound.map((item: unknown) => part(item, of)).join(', ')}]`
  }
  return JSON.stringify(bound)
}
