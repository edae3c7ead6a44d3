/** Generated SELECTs, right ones and wrong ones. */
import { types } from 'cassandra-driver'
import { type Column, type Table, isCollection } from './cql-differential-tables.js'
import type { Domain, Draws } from './cql-differential-values.js'
import { Draft, type Step, TABLE, slicesOf } from './cql-differential-writes.js'

const TOKENS = ['-9223372036854775808', '0', '-4069959284402364209', '9223372036854775807']
const WHOLE = 5_000
/** Each takes some types and refuses others. */
const FUNCTIONS = [
  ...['toJson', 'toDate', 'toTimestamp', 'toUnixTimestamp', 'dateOf', 'unixTimestampOf', 'minTimeuuid'],
  ...['intAsBlob', 'bigintAsBlob', 'textAsBlob', 'varintAsBlob', 'uuidAsBlob', 'sum', 'avg', 'min', 'count'],
]

/** All that a table has, times and seconds left included. */
export function wholeTable({ statics, regulars }: Table): Step {
  const timed = [...statics, ...regulars].filter(({ domain }) => isTimed(domain))
  const extra = timed.flatMap(({ name }) => [`writetime(${name})`, `ttl(${name})`])
  const columns = extra.length === 0 ? '*' : [...extra, ...namesOf(statics), ...namesOf(regulars)].join(', ')
  return reading('whole', `SELECT ${columns} FROM ${TABLE}`, null)
}

/** Whether writetime() and ttl() take it. */
function isTimed(domain: Domain): boolean {
  return !isCollection(domain) && domain.type !== 'counter'
}

/** The keys alone. */
export function allKeys({ columns }: Table): Step {
  return reading('whole', `SELECT ${namesOf(columns).join(', ')} FROM ${TABLE}`, null)
}

function namesOf(columns: readonly Column[]): string[] {
  return columns.map(({ name }) => name)
}

function reading(
  kind: string,
  text: string,
  params: readonly unknown[] | null,
  { fetchSize = WHOLE, faults = 0 } = {},
): Step {
  return { kind, isWrite: false, text, params, batch: null, timestamp: null, fetchSize, expiresMs: 0, faults }
}

export class ReadDraws {
  readonly #draws: Draws
  readonly #table: Table

  constructor(draws: Draws, table: Table) {
    this.#draws = draws
    this.#table = table
  }

  step(): Step {
    const draws = this.#draws
    const draft = new Draft(draws, this.#table.mustBind || draws.chance(0.4))
    const isDistinct = draws.chance(0.06)
    const isJson = !isDistinct && draws.chance(0.06)
    const selected = isDistinct ? this.#distinct(draft) : this.#selection(draft)
    const { relations, isFiltering, hasKeys } = this.#where(draft, isDistinct)
    const parts = [`SELECT ${isDistinct ? 'DISTINCT ' : isJson ? 'JSON ' : ''}${selected} FROM ${TABLE}`]
    if (relations.length > 0) parts.push(`WHERE ${relations.join(' AND ')}`)
    if ((hasKeys && draws.chance(0.25)) || draft.isWrong()) parts.push(this.#order(draft))
    if (draws.chance(0.15) || draft.isWrong()) parts.push(`LIMIT ${this.#limit(draft)}`)
    if (isFiltering ? !draft.isWrong() : draws.chance(0.04)) parts.push('ALLOW FILTERING')
    const fetchSize = draws.chance(0.4) ? 1 + draws.below(4) : WHOLE
    const text = parts.filter((part) => part !== '').join(' ')
    const kind = isDistinct ? 'distinct' : isJson ? 'selectJson' : isFiltering ? 'filter' : 'select'
    return reading(kind, text, draft.isPrepared ? draft.params : null, { fetchSize, faults: draft.faults })
  }

  #limit(draft: Draft): string {
    const limit = draft.isWrong() ? this.#draws.pick([0, -1]) : 1 + this.#draws.below(4)
    return draft.given({ literal: String(limit), bound: limit })
  }

  #distinct(draft: Draft): string {
    const { keys, statics } = this.#table
    const chosen = [...keys.filter(() => !draft.isWrong()), ...this.#draws.some(statics, 0.5)]
    if (draft.isWrong()) chosen.push(this.#draws.pick(this.#table.columns))
    return namesOf(chosen).join(', ') || 'k0'
  }

  #selection(draft: Draft): string {
    const draws = this.#draws
    const { columns, keys } = this.#table
    const how = draws.weighted({ all: 5, columns: 5, functions: 3, aggregates: 1.5 })
    if (how === 'all') return '*'
    const chosen = [draws.pick(columns), ...draws.some(columns, 0.3)]
    const names = chosen.map((each) => {
      if (how === 'functions' && draws.chance(0.7)) return this.#function(draft, each)
      if (how === 'aggregates') return this.#aggregate(draft, each)
      return each.name
    })
    if (draws.chance(0.1)) names.push(`token(${namesOf(keys).join(', ')})`)
    if (draft.isWrong()) names.push(draws.pick(['zz', 'nope(k0)', 'writetime(k0)', 'sum(k0)', 'min(k0, k0)']))
    return names.map((name) => (draws.chance(0.1) ? `${name} AS x${draws.below(3)}` : name)).join(', ')
  }

  #function(draft: Draft, { name, domain, kind }: Column): string {
    const draws = this.#draws
    const isValue = kind === 'static' || kind === 'regular'
    const { type } = domain
    const plain = type === 'varchar' ? 'text' : type
    const asBlob =
      /^[a-z]+$/.test(plain) && plain !== 'blob' && plain !== 'counter' ? [`${plain}AsBlob(${name})`] : []
    const own = {
      timeuuid: [`dateOf(${name})`, `unixTimestampOf(${name})`, `toDate(${name})`, `toTimestamp(${name})`],
      timestamp: [`toDate(${name})`, `toUnixTimestamp(${name})`],
      date: [`toTimestamp(${name})`, `toUnixTimestamp(${name})`],
      blob: [`blobAsText(${name})`, `blobAsInt(${name})`],
      'frozen<pair>': [`${name}.a`, `${name}.b`],
    }[type]
    const timed =
      (isValue && isTimed(domain)) || draft.isWrong() ? [`writetime(${name})`, `ttl(${name})`] : []
    if (draws.chance(0.1)) return `${draws.pick(FUNCTIONS)}(${name})`
    const back = type === plain ? asBlob.map((call) => `blobAs${plain}(${call})`) : []
    const made = draws.chance(0.05) ? ['now()', 'uuid()', 'toDate(now())', 'toTimestamp(now())'] : []
    return draws.pick([`toJson(${name})`, ...asBlob, ...back, ...timed, ...made, ...(own ?? [])])
  }

  #aggregate(draft: Draft, { name, domain }: Column): string {
    const isNumber = /^(tinyint|smallint|int|bigint|varint|decimal|double|float|counter)$/.test(domain.type)
    const names =
      isNumber || draft.isWrong() ? ['sum', 'avg', 'min', 'max', 'count'] : ['min', 'max', 'count']
    if (this.#draws.chance(0.4)) return 'count(*)'
    const aggregate = `${this.#draws.pick(names)}(${name})`
    return this.#draws.chance(0.15) ? `${this.#draws.pick(FUNCTIONS)}(${aggregate})` : aggregate
  }

  #where(draft: Draft, isDistinct: boolean) {
    const draws = this.#draws
    const { keys, clustering } = this.#table
    const relations: string[] = []
    const how = draws.weighted({ keys: 6, none: 2.5, token: 1 })
    const hasKeys = how === 'keys'
    if (hasKeys) relations.push(...this.#equal(draft, keys, 0.15))
    if (how === 'token') relations.push(...this.#token(draft))
    if (hasKeys && !isDistinct && clustering.length > 0 && draws.chance(0.55)) {
      const at = draws.below(clustering.length + 1)
      relations.push(...this.#equal(draft, clustering.slice(0, at), 0.15))
      if (draws.chance(0.6)) relations.push(...slicesOf(draft, clustering.slice(at)))
    }
    const isFiltering = !isDistinct && draws.chance(0.12)
    if (isFiltering || draft.isWrong()) relations.push(this.#filter(draft))
    return { relations, isFiltering, hasKeys }
  }

  #equal(draft: Draft, columns: readonly Column[], share: number): string[] {
    const draws = this.#draws
    const kept = columns.filter(() => !draft.isWrong())
    if (kept.length > 1 && kept[0]?.kind === 'clustering' && draws.chance(0.2)) {
      const tuple = () => `(${kept.map(({ domain }) => draft.value(domain)).join(', ')})`
      const names = `(${namesOf(kept).join(', ')})`
      return [draws.chance(0.5) ? `${names} = ${tuple()}` : `${names} IN (${tuple()}, ${tuple()})`]
    }
    return kept.map(({ name, domain }) => {
      if (!draws.chance(share)) return `${name} = ${draft.value(domain)}`
      const values = Array.from({ length: 1 + draws.below(3) }, () => draft.value(domain))
      return `${name} IN (${values.join(', ')})`
    })
  }

  #token(draft: Draft): string[] {
    const draws = this.#draws
    const { keys } = this.#table
    const named = draft.isWrong() ? keys.slice(1) : keys
    const name = `token(${namesOf(named).join(', ')})`
    const bound = (operator: string) => {
      if (draws.chance(0.3))
        return `${name} ${operator} token(${named.map(({ domain }) => draft.value(domain)).join(', ')})`
      const token = draws.pick(TOKENS)
      return `${name} ${operator} ${draft.given({ literal: token, bound: types.Long.fromString(token) })}`
    }
    const first = bound(draws.pick(['>', '>=', '=']))
    return draws.chance(0.4) ? [first, bound(draws.pick(['<', '<=']))] : [first]
  }

  #filter(draft: Draft): string {
    const draws = this.#draws
    const { regulars, statics, columns } = this.#table
    const candidates = [...regulars, ...statics]
    const { name, domain } = draws.pick(candidates.length === 0 || draft.isWrong() ? columns : candidates)
    const [first, second] = domain.elements
    const isOfKey = ![...regulars, ...statics].some((each) => each.name === name)
    if (isCollection(domain) && first !== undefined && !isOfKey && (!domain.isFrozen || draws.chance(0.5))) {
      if (domain.kind !== 'map') return `${name} CONTAINS ${draft.value(first)}`
      return this.#entry(draft, name, { key: first, value: second ?? first })
    }
    const operator = draws.pick(['=', '=', '=', '>', '<', '>=', '<=', ...(draft.isWild ? ['!=', 'IN'] : [])])
    return operator === 'IN'
      ? `${name} IN (${draft.value(domain)})`
      : `${name} ${operator} ${draft.value(domain)}`
  }

  #entry(
    draft: Draft,
    name: string,
    { key, value }: { readonly key: Domain; readonly value: Domain },
  ): string {
    switch (this.#draws.weighted({ key: 1, value: 1, entry: 1 })) {
      case 'key':
        return `${name} CONTAINS KEY ${draft.value(key)}`
      case 'value':
        return `${name} CONTAINS ${draft.value(value)}`
      case 'entry':
        return `${name}[${draft.value(key)}] = ${draft.value(value)}`
    }
  }

  #order(draft: Draft): string {
    const draws = this.#draws
    const { clustering } = this.#table
    if (clustering.length === 0 && !draft.isWrong()) return ''
    const isTurned = draws.chance(0.6)
    const count = Math.max(1, draws.below(clustering.length + 1))
    const ordered = (
      clustering.length === 0 || draft.isWrong() ? draws.shuffled(this.#table.columns) : clustering
    )
      .slice(0, count)
      .map(
        (each) =>
          `${each.name} ${each.isDescending !== (draft.isWrong() ? !isTurned : isTurned) ? 'DESC' : 'ASC'}`,
      )
    // What is named again changes its direction.
    const again = draws.chance(0.05) ? ordered.map((text) => text.replace('DESC', 'ASC')) : []
    return `ORDER BY ${[...ordered, ...again].join(', ')}`
  }
}
