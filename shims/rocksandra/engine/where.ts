/**
 * WHERE, looked up in the table: which partitions, which rows of them, and what is left to be compared row by row. Rules and
 * texts as restrictions/*.java of Cassandra 3.0; filtering by clustering columns as 3.6 has it, since it refuses nothing
 * that 3.0 takes.
 */
import type { InValues, Operator, Relation, Term } from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { termText } from '../cql/term-text.js'
import { TYPES, freeze, typeText } from '../cql/types.js'
import { unpackItems, unpackTuple } from '../cql/values/collections.js'
import { type BoundValue, type ColumnSpec, UNSET } from './contract.js'
import type { Column, TableSchema } from './schema.js'
import { type Bindings, type Bound, type Variables, compileTerm } from './terms.js'

/** The values that a column, or several together, may have: one for `=`, any number for IN. */
export interface Choice {
  readonly columns: readonly Column[]
  readonly isIn: boolean
  /** One value a column. @throws {CqlError} for null and unset */
  readonly tuplesOf: (bindings: Bindings) => readonly (readonly Buffer[])[]
}

/** `<`, `<=`, `>`, `>=`. */
export interface Limit {
  readonly columns: readonly Column[]
  readonly isLower: boolean
  readonly isInclusive: boolean
  readonly valuesOf: (bindings: Bindings) => readonly Buffer[]
}

export interface TokenLimit {
  readonly operator: Operator
  readonly valueOf: (bindings: Bindings) => bigint
}

export type Comparing =
  | { readonly kind: 'compare'; readonly operator: Operator }
  | { readonly kind: 'contains'; readonly isKey: boolean }
  /** `m['k'] = v`. */
  | { readonly kind: 'entry'; readonly key: Bound }

/** Something that is compared row by row. */
export interface Filter {
  readonly column: Column
  readonly comparing: Comparing
  readonly value: Bound
  /** It was written as an IN, which no index knows (SingleColumnRestriction.INRestriction). */
  readonly isIn?: boolean
}

export interface Where {
  /** By column; together they name the partition key, or it is not restricted. */
  readonly partition: readonly Choice[]
  readonly tokens: readonly TokenLimit[]
  /** Of the first clustering columns, in their order. */
  readonly choices: readonly Choice[]
  readonly limits: readonly Limit[]
  readonly filters: readonly Filter[]
  /** For partition keys that are variables: which one stands for each part; empty: not all of them are. */
  readonly keyMarkers: readonly number[]
}

type TupleUse = 'EQ' | 'IN' | 'SLICE'

/** How a relation is written, for messages. */
function relationText(relation: Relation): string {
  switch (relation.kind) {
    case 'compare':
      return `${relation.column} ${relation.operator} ${termText(relation.value)}`
    case 'in':
      return `${relation.column} IN ${inText(relation.values)}`
    case 'contains':
      return `${relation.column} CONTAINS ${relation.isKey ? 'KEY ' : ''}${termText(relation.value)}`
    case 'isNotNull':
      return `${relation.column} IS NOT NULL`
    case 'entry':
      return `${relation.column}[${termText(relation.key)}] ${relation.operator} ${termText(relation.value)}`
    case 'token':
      return `token(${relation.columns.join(', ')}) ${relation.operator} ${termText(relation.value)}`
    case 'multi':
      return `(${relation.columns.join(', ')}) ${relation.operator} ${termText(relation.value)}`
    case 'multiIn':
      return `(${relation.columns.join(', ')}) IN ${inText(relation.values)}`
    case 'expr':
      return `expr(${relation.index.name}, ${termText(relation.value)})`
  }
}

function inText(values: InValues): string {
  return values.kind === 'marker' ? termText(values.marker) : `(${values.terms.map(termText).join(', ')})`
}

export class WhereCompiler {
  readonly #table: TableSchema
  readonly #variables: Variables
  readonly #choices = new Map<Column, Choice>()
  readonly #limits: Limit[] = []
  readonly #tokens: TokenLimit[] = []
  readonly #filters: Filter[] = []
  readonly #keyMarkers = new Map<Column, number>()

  constructor(table: TableSchema, variables: Variables) {
    this.#table = table
    this.#variables = variables
  }

  /** @throws {CqlError} */
  compile(relations: readonly Relation[]): Where {
    for (const relation of relations) this.#add(relation)
    const { partitionKey, clustering } = this.#table
    const partition = partitionKey.flatMap((column) => this.#choices.get(column) ?? [])
    const choices: Choice[] = []
    for (const column of clustering) {
      const choice = this.#choices.get(column)
      if (choice !== undefined && !choices.includes(choice)) choices.push(choice)
    }
    const markers = partitionKey.flatMap((column) => this.#keyMarkers.get(column) ?? [])
    return {
      ...{ partition, choices, limits: this.#limits, tokens: this.#tokens, filters: this.#filters },
      keyMarkers: markers.length === partitionKey.length ? markers : [],
    }
  }

  #add(relation: Relation): void {
    switch (relation.kind) {
      case 'compare':
        this.#compare(relation, this.#column(relation.column, relation))
        break
      case 'in':
        this.#in(relation, this.#column(relation.column, relation))
        break
      case 'contains':
      case 'entry':
        this.#filterCollection(relation, this.#column(relation.column, relation))
        break
      case 'token':
        this.#token(relation)
        break
      case 'multi':
        this.#multi(relation)
        break
      case 'multiIn':
        this.#multiIn(relation)
        break
      case 'isNotNull':
        throw invalid(`Unsupported restriction: ${relationText(relation)}`)
      case 'expr':
        throw invalid(
          `Invalid restrictions on custom index ${relation.index.name}: there are no custom indexes`,
        )
    }
  }

  #column(name: string, relation: Relation): Column {
    const column = this.#table.byName.get(name)
    if (column === undefined) {
      throw invalid(`Undefined name ${name} in where clause ('${relationText(relation)}')`)
    }
    return column
  }

  #spec({ name, type }: Column): ColumnSpec {
    return { keyspace: this.#table.keyspace, table: this.#table.name, name, type: type }
  }

  #compare(relation: Extract<Relation, { kind: 'compare' }>, column: Column): void {
    const { operator, value } = relation
    if (operator === '!=') throw invalid(`Unsupported "!=" relation: ${relationText(relation)}`)
    if (column.kind === 'partition_key' && operator !== '=') {
      throw invalid(
        'Only EQ and IN relation are supported on the partition key (unless you use the token() function)',
      )
    }
    if (column.isMultiCell) throw whole(column, operator)
    const bound = compileTerm(value, this.#spec(column), this.#variables)
    const isKey = column.kind === 'partition_key' || column.kind === 'clustering'
    if (!isKey) {
      this.#filters.push({ column, comparing: { kind: 'compare', operator }, value: bound })
      return
    }
    if (operator === '=') {
      if (value.kind === 'marker') this.#keyMarkers.set(column, value.index)
      this.#choose({
        columns: [column],
        isIn: false,
        tuplesOf: (bindings) => [[keyValue(bound(bindings), column.name)]],
      })
      return
    }
    this.#limit({
      columns: [column],
      ...sideOf(operator),
      valuesOf: (bindings) => [keyValue(bound(bindings), column.name)],
    })
  }

  #in(relation: Extract<Relation, { kind: 'in' }>, column: Column): void {
    if (column.kind !== 'partition_key' && column.kind !== 'clustering') {
      const { values } = relation
      const [value] = values.kind === 'terms' ? values.terms : []
      // An IN of one value is as good as =.
      if (values.kind === 'terms' && values.terms.length === 1 && value !== undefined) {
        if (column.isMultiCell) throw whole(column, 'IN')
        const bound = compileTerm(value, this.#spec(column), this.#variables)
        this.#filters.push({
          column,
          comparing: { kind: 'compare', operator: '=' },
          value: bound,
          isIn: true,
        })
        return
      }
      throw invalid(`IN predicates on non-primary-key columns (${column.name}) is not yet supported`)
    }
    const valuesOf = this.#inValues(relation.values, this.#spec(column))
    const tuplesOf = (bindings: Bindings) => valuesOf(bindings).map((value) => [keyValue(value, column.name)])
    this.#choose({ columns: [column], isIn: true, tuplesOf })
  }

  #inValues(values: InValues, spec: ColumnSpec): (bindings: Bindings) => readonly BoundValue[] {
    if (values.kind === 'terms') {
      const bounds = values.terms.map((term) => compileTerm(term, spec, this.#variables))
      return (bindings) => bounds.map((bound) => bound(bindings))
    }
    const list = {
      ...spec,
      name: `in(${spec.name})`,
      type: { kind: 'list', element: spec.type, isFrozen: true },
    } as const
    const bound = compileTerm(values.marker, list, this.#variables)
    return (bindings) => {
      const value = bound(bindings)
      if (value === null) throw invalid(`Invalid null value for column ${spec.name}`)
      if (value === UNSET) throw invalid(`Invalid unset value for column ${spec.name}`)
      return unpackItems(value, 'list')
    }
  }

  #filterCollection(relation: Extract<Relation, { kind: 'contains' | 'entry' }>, column: Column): void {
    const { type, name } = column
    if (relation.kind === 'entry') {
      if (type.kind === 'list') {
        throw invalid(`Indexes on list entries (${name}[index] = value) are not currently supported.`)
      }
      if (type.kind !== 'map') throw invalid(`Column ${name} cannot be used as a map`)
      if (type.isFrozen) {
        throw invalid(`Map-entry equality predicates on frozen map column ${name} are not supported`)
      }
      if (relation.operator !== '=') {
        throw invalid('Only EQ relations are supported on map entries')
      }
      const key = compileTerm(
        relation.key,
        { ...this.#spec(column), name: `key(${name})`, type: freeze(type.key) },
        this.#variables,
      )
      const value = compileTerm(
        relation.value,
        { ...this.#spec(column), name: `value(${name})`, type: freeze(type.value) },
        this.#variables,
      )
      this.#filters.push({ column, comparing: { kind: 'entry', key }, value })
      return
    }
    const { isKey } = relation
    if (isKey && type.kind !== 'map') throw invalid(`Cannot use CONTAINS KEY on non-map column ${name}`)
    if (type.kind !== 'list' && type.kind !== 'set' && type.kind !== 'map') {
      throw invalid(`Cannot use CONTAINS on non-collection column ${name}`)
    }
    const element = type.kind === 'map' ? (isKey ? type.key : type.value) : type.element
    const spec = { ...this.#spec(column), name: `${isKey ? 'key' : 'value'}(${name})`, type: freeze(element) }
    const value = compileTerm(relation.value, spec, this.#variables)
    this.#filters.push({ column, comparing: { kind: 'contains', isKey }, value })
  }

  #token(relation: Extract<Relation, { kind: 'token' }>): void {
    const { partitionKey } = this.#table
    const columns = relation.columns.map((name) => this.#column(name, relation))
    const names = partitionKey.map(({ name }) => name).join(', ')
    if (columns.length !== partitionKey.length || columns.some((column) => !partitionKey.includes(column))) {
      throw invalid('The token() function must be applied to all partition key components or none of them')
    }
    if (columns.some((column, index) => column !== partitionKey[index])) {
      throw invalid(`The token function arguments must be in the partition key order: ${names}`)
    }
    if (relation.operator === '!=') throw invalid(`Unsupported "!=" relation: ${relationText(relation)}`)
    const spec = {
      keyspace: this.#table.keyspace,
      table: this.#table.name,
      name: 'partition key token',
      type: TYPES.bigint,
    }
    const bound = compileTerm(relation.value, spec, this.#variables)
    this.#checkToken(relation.operator, names)
    this.#tokens.push({
      operator: relation.operator,
      valueOf: (bindings) => {
        const value = bound(bindings)
        if (value === null || value === UNSET || value.length !== 8) throw invalid('Invalid null token value')
        return value.readBigInt64BE()
      },
    })
  }

  /** Against those that there are (TokenRestriction.java). */
  #checkToken(operator: Operator, names: string): void {
    const others = this.#tokens.map((token) => token.operator)
    if (others.includes('=')) {
      throw invalid(`${names} cannot be restricted by more than one relation if it includes an Equal`)
    }
    if (others.length === 0) return
    if (operator === '=') {
      throw invalid(`Columns "${names}" cannot be restricted by both an equality and an inequality relation`)
    }
    if (others.some((other) => other.startsWith(operator.charAt(0)))) {
      const side = operator.startsWith('>') ? 'start' : 'end'
      throw invalid(`More than one restriction was found for the ${side} bound on ${names}`)
    }
  }

  #multi(relation: Extract<Relation, { kind: 'multi' }>): void {
    const columns = this.#multiColumns(relation)
    const { operator } = relation
    if (operator === '!=') throw invalid(`Unsupported "!=" relation: ${relationText(relation)}`)
    const valuesOf = this.#tupleOf(relation.value, columns, operator === '=' ? 'EQ' : 'SLICE')
    if (operator === '=') {
      this.#choose({ columns, isIn: false, tuplesOf: (bindings) => [valuesOf(bindings)] })
    } else {
      this.#limit({ columns, ...sideOf(operator), valuesOf })
    }
  }

  #multiIn(relation: Extract<Relation, { kind: 'multiIn' }>): void {
    const columns = this.#multiColumns(relation)
    const { values } = relation
    if (values.kind === 'terms') {
      const tuples = values.terms.map((term) => this.#tupleOf(term, columns, 'IN'))
      this.#choose({ columns, isIn: true, tuplesOf: (bindings) => tuples.map((tuple) => tuple(bindings)) })
      return
    }
    const names = columns.map(({ name }) => name).join(',')
    const elements = columns.map(({ type }) => type)
    const spec = {
      ...this.#spec(columns[0] as Column),
      name: `(${names})`,
      type: { kind: 'tuple', elements } as const,
    }
    const tuplesOf = this.#inValues(values, spec)
    this.#choose({
      columns,
      isIn: true,
      tuplesOf: (bindings) => tuplesOf(bindings).map((tuple) => partsOfTuple(tuple, columns)),
    })
  }

  #multiColumns(relation: Extract<Relation, { kind: 'multi' | 'multiIn' }>): readonly Column[] {
    const columns = relation.columns.map((name) => this.#column(name, relation))
    columns.forEach((column, index) => {
      if (column.kind !== 'clustering') {
        throw invalid(
          `Multi-column relations can only be applied to clustering columns but was applied to: ${column.name}`,
        )
      }
      if (columns.indexOf(column) !== index) {
        throw invalid(`Column "${column.name}" appeared twice in a relation: ${relationText(relation)}`)
      }
      const before = columns[index - 1]
      if (before !== undefined && column.position !== before.position + 1) {
        throw invalid(
          `Clustering columns must appear in the PRIMARY KEY order in multi-column relations: ${relationText(relation)}`,
        )
      }
    })
    return columns
  }

  /** `(1, 2)`, or one marker of a tuple. */
  #tupleOf(term: Term, columns: readonly Column[], use: TupleUse): (bindings: Bindings) => readonly Buffer[] {
    if (term.kind === 'tuple') {
      if (term.items.length !== columns.length) {
        throw invalid(
          `Expected ${columns.length} elements in value tuple, but got ${term.items.length}: ${termText(term)}`,
        )
      }
      const bounds = columns.map((column, index) =>
        compileTerm(term.items[index] as Term, this.#spec(column), this.#variables),
      )
      return (bindings) => {
        const items = bounds.map((bound) => bound(bindings))
        const lacking = columns[items.indexOf(null)]
        if (lacking !== undefined) throw nullIn(use, lacking, columns)
        return items.map((value, index) => keyValue(value, columns[index]?.name ?? ''))
      }
    }
    const names = columns.map(({ name }) => name).join(',')
    const type = { kind: 'tuple', elements: columns.map((column) => column.type) } as const
    const spec = { ...this.#spec(columns[0] as Column), name: `(${names})`, type }
    const bound = compileTerm(term, spec, this.#variables)
    return (bindings) => partsOfTuple(bound(bindings), columns)
  }

  #choose(choice: Choice): void {
    for (const column of choice.columns) {
      const other = this.#choices.get(column)
      if (other !== undefined) throw twice(column, other.isIn)
      if (this.#limits.some(({ columns }) => columns.includes(column))) throw mixed(column)
      this.#choices.set(column, choice)
    }
  }

  #limit(limit: Limit): void {
    for (const column of limit.columns) {
      const choice = this.#choices.get(column)
      if (choice !== undefined) throw twice(column, choice.isIn)
      const isTaken = this.#limits.some(
        ({ columns, isLower }) => isLower === limit.isLower && columns.includes(column),
      )
      if (isTaken) {
        throw invalid(
          `More than one restriction was found for the ${limit.isLower ? 'start' : 'end'} bound on ${column.name}`,
        )
      }
    }
    this.#limits.push(limit)
  }
}

function twice({ name }: Column, isIn: boolean): Error {
  return invalid(
    `${name} cannot be restricted by more than one relation if it includes ${isIn ? 'a IN' : 'an Equal'}`,
  )
}

function whole({ name, type }: Column, operator: string): Error {
  return invalid(
    `Collection column '${name}' (${typeText(type)}) cannot be restricted by a '${operator}' relation`,
  )
}

function mixed({ name }: Column): Error {
  return invalid(`Column "${name}" cannot be restricted by both an equality and an inequality relation`)
}

/** In the words of MultiColumnRestriction.java, which each kind of relation has its own of. */
function nullIn(use: TupleUse, { name }: Column, columns: readonly Column[]): Error {
  if (use === 'EQ') return invalid(`Invalid null value for column ${name}`)
  if (use === 'SLICE') return invalid(`Invalid null value in condition for column ${name}`)
  const names = columns.map((column) => column.name).join(', ')
  return invalid(`Invalid null value in condition for columns: [${names}]`)
}

function sideOf(operator: Operator): { readonly isLower: boolean; readonly isInclusive: boolean } {
  return { isLower: operator.startsWith('>'), isInclusive: operator.endsWith('=') }
}

function keyValue(value: BoundValue, name: string): Buffer {
  if (value === null) throw invalid(`Invalid null value in condition for column ${name}`)
  if (value === UNSET) throw invalid(`Invalid unset value for column ${name}`)
  return value
}

function partsOfTuple(value: BoundValue, columns: readonly Column[]): readonly Buffer[] {
  const names = columns.map(({ name }) => name).join(',')
  const parts = unpackTuple(keyValue(value, `(${names})`), columns.length)
  return columns.map(({ name }, index) => keyValue(parts[index] ?? null, name))
}
