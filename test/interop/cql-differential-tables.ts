/** Tables to write statements for: keys of all types, statics, counters, COMPACT STORAGE. */
import { type Domain, type Draws, NATIVES, drawDomain } from './cql-differential-values.js'

export interface Column {
  readonly name: string
  readonly kind: 'key' | 'clustering' | 'static' | 'regular'
  readonly domain: Domain
  readonly isDescending: boolean
}

/** As it is when a statement is drawn: alterations change its columns. */
export interface Table {
  columns: readonly Column[]
  readonly keys: readonly Column[]
  clustering: readonly Column[]
  statics: readonly Column[]
  regulars: readonly Column[]
  readonly isCounter: boolean
  readonly isCompact: boolean
  /** 3.0 takes no literals for one of its columns. */
  readonly mustBind: boolean
  /** Statements that make it, under a name. */
  readonly statements: (name: string) => readonly string[]
}

export const COUNTER: Domain = {
  type: 'counter',
  kind: 'native',
  isFrozen: true,
  elements: [],
  values: [],
  draw: (draws) => {
    const value = draws.pick([1, 2, -3])
    return { literal: String(value), bound: value }
  },
}

export function drawTable(draws: Draws): Table {
  switch (draws.weighted({ plain: 12, clustered: 24, counter: 4, dense: 3, staticCompact: 1 })) {
    case 'plain':
      return tableOf(draws, { clustering: 0, statics: 0, regulars: 1 + draws.below(4) })
    case 'clustered': {
      const statics = draws.chance(0.6) ? 1 + draws.below(2) : 0
      return tableOf(draws, { clustering: 1 + draws.below(3), statics, regulars: draws.below(4) })
    }
    case 'counter': {
      const clustering = draws.below(3)
      const statics = clustering > 0 && draws.chance(0.3) ? 1 : 0
      return tableOf(draws, { clustering, statics, regulars: 1 + draws.below(2), isCounter: true })
    }
    case 'dense':
      return tableOf(draws, {
        clustering: 1 + draws.below(2),
        statics: 0,
        regulars: draws.below(2),
        isCompact: true,
      })
    case 'staticCompact':
      return tableOf(draws, { clustering: 0, statics: 0, regulars: 1 + draws.below(3), isCompact: true })
  }
}

interface Shape {
  readonly clustering: number
  readonly statics: number
  readonly regulars: number
  readonly isCounter?: boolean
  readonly isCompact?: boolean
}

function tableOf(draws: Draws, shape: Shape): Table {
  const { isCounter = false, isCompact = false } = shape
  const several = (count: number, letter: string, draw: (index: number) => Omit<Column, 'name'>) =>
    Array.from({ length: count }, (_, index): Column => ({ name: `${letter}${index}`, ...draw(index) }))
  const keys = several(draws.chance(0.3) ? 2 : 1, 'k', () => ({
    kind: 'key',
    domain: drawDomain(draws, true),
    isDescending: false,
  }))
  const clustering = several(shape.clustering, 'c', () => {
    const domain = drawDomain(draws, true)
    // 3.0 has the elements of a descending set or map backwards.
    const mayDescend = domain.kind !== 'set' && domain.kind !== 'map'
    return { kind: 'clustering', domain, isDescending: mayDescend && draws.chance(0.35) }
  })
  const value = (kind: 'static' | 'regular') => () => ({
    kind,
    domain: isCounter ? COUNTER : isCompact ? draws.pick(NATIVES) : drawDomain(draws, false),
    isDescending: false,
  })
  const statics = several(shape.statics, 's', value('static'))
  const regulars = several(shape.regulars, 'v', value('regular'))
  const columns = [...keys, ...clustering, ...statics, ...regulars]
  const indexed = isCounter || isCompact || !draws.chance(0.1) ? [] : regulars.slice(0, 1)
  const defaultTtl = !isCounter && draws.chance(0.1) ? ['default_time_to_live = 200000'] : []
  const statements = (name: string) => {
    const defined = columns.map((each) =>
      [each.name, each.domain.type, ...(each.kind === 'static' ? ['static'] : [])].join(' '),
    )
    const primary = [`(${keys.map((each) => each.name).join(', ')})`, ...clustering.map((each) => each.name)]
    const order = clustering.map((each) => `${each.name} ${each.isDescending ? 'DESC' : 'ASC'}`).join(', ')
    const options = [
      ...(isCompact ? ['COMPACT STORAGE'] : []),
      ...(clustering.length > 0 ? [`CLUSTERING ORDER BY (${order})`] : []),
      ...defaultTtl,
    ]
    const with_ = options.length === 0 ? '' : ` WITH ${options.join(' AND ')}`
    return [
      `CREATE TABLE ${name} (${defined.join(', ')}, PRIMARY KEY (${primary.join(', ')}))${with_}`,
      ...indexed.map((each) => `CREATE INDEX ON ${name} (${indexTarget(each)})`),
    ]
  }
  const mustBind = clustering.some(({ domain, isDescending }) => isDescending && domain.kind !== 'native')
  return { ...{ columns, keys, clustering, statics, regulars, isCounter, isCompact, mustBind }, statements }
}

function indexTarget({ name, domain }: Column): string {
  return domain.isFrozen && domain.kind !== 'native' && domain.elements.length > 0 && isCollection(domain)
    ? `full(${name})`
    : name
}

export function isCollection({ kind }: Domain): boolean {
  return kind === 'list' || kind === 'set' || kind === 'map'
}
