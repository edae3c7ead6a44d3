/**
 * The columns of a SELECT's answer: plain ones, writetime and ttl, fields, functions, aggregates, JSON. Names and texts as
 * cql3/selection of Cassandra 3.0.
 */
import type { SelectedItem, Selector } from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { jsonName, jsonOfValue } from '../cql/json.js'
import { intToBytes, longToBytes } from '../cql/literals.js'
import { type CqlType, TYPES, isCollection } from '../cql/types.js'
import { unpackTuple } from '../cql/values/collections.js'
import { type Accumulator, RowCount, findAggregate } from './aggregates.js'
import type { ColumnSpec } from './contract.js'
import { type FunctionContext, findFunction } from './functions.js'
import { type TableRow, cellsOf, isElements, valueOf } from './rows.js'
import type { Column, TableSchema } from './schema.js'

type Getter = (row: TableRow, context: FunctionContext) => Buffer | null

interface Selected {
  readonly name: string
  readonly type: CqlType
  readonly get: Getter
  /** Of an aggregate: `get` answers what it is made of. */
  readonly start: (() => Accumulator) | null
}

/** What a selection reads, beside values: its cells' times. */
export interface Selection {
  readonly columns: readonly ColumnSpec[]
  /** Those of the table that it looks at. */
  readonly used: ReadonlySet<Column>
  readonly isAggregate: boolean
  /** `*`. */
  readonly isWildcard: boolean
  readonly withTimestamps: boolean
  readonly withTtl: boolean
  row(row: TableRow, context: FunctionContext): (Buffer | null)[]
  /** The one row of an answer with aggregates; feed it every row. */
  aggregate(context: FunctionContext): { add(row: TableRow): void; result(): (Buffer | null)[] }
}

/** @throws {CqlError} */
export function compileSelection(
  table: TableSchema,
  items: readonly SelectedItem[],
  isJson: boolean,
): Selection {
  const compiler = new SelectionCompiler(table)
  const wanted: readonly SelectedItem[] =
    items.length > 0
      ? items
      : table.columns.map(({ name }) => ({ selector: { kind: 'column', name }, alias: null }))
  const selected = wanted.map((item) => compiler.item(item))
  const isAggregate = selected.some(({ start }) => start !== null)
  const shown = isJson ? [asJson(selected)] : selected
  if (isJson && isAggregate) return aggregateJson(table, compiler, selected)
  return {
    columns: shown.map(({ name, type }) => spec(table, name, type)),
    used: compiler.used,
    isAggregate,
    isWildcard: items.length === 0,
    withTimestamps: compiler.withTimestamps,
    withTtl: compiler.withTtl,
    row: (row, context) => shown.map(({ get }) => get(row, context)),
    aggregate: (context) => aggregation(selected, context, (values) => values),
  }
}

function spec({ keyspace, name: table }: TableSchema, name: string, type: CqlType): ColumnSpec {
  return { keyspace, table, name, type }
}

function aggregation(
  selected: readonly Selected[],
  context: FunctionContext,
  finish: (values: (Buffer | null)[]) => (Buffer | null)[],
) {
  const accumulators = selected.map(({ start }) => start?.() ?? null)
  const firsts: (Buffer | null)[] | null[] = selected.map(() => null)
  let isFirst = true
  return {
    add: (row: TableRow): void => {
      for (const [index, { get }] of selected.entries()) {
        const accumulator = accumulators[index]
        if (accumulator != null) accumulator.add(get(row, context))
        else if (isFirst) firsts[index] = get(row, context)
      }
      isFirst = false
    },
    result: (): (Buffer | null)[] =>
      finish(selected.map((_, index) => accumulators[index]?.result() ?? firsts[index] ?? null)),
  }
}

const JSON_NAME = '[json]'

function jsonText(selected: readonly Selected[], values: readonly (Buffer | null)[]): Buffer {
  const fields = selected.map(({ name, type }, index) => {
    const value = values[index] ?? null
    // What is empty is shown as null, a text, too (Selection.rowToJson).
    return `${jsonName(name)}: ${value === null || value.length === 0 ? 'null' : jsonOfValue(type, value)}`
  })
  return Buffer.from(`{${fields.join(', ')}}`, 'utf8')
}

function asJson(selected: readonly Selected[]): Selected {
  return {
    name: JSON_NAME,
    type: TYPES.text,
    start: null,
    get: (row, context) =>
      jsonText(
        selected,
        selected.map(({ get }) => get(row, context)),
      ),
  }
}

function aggregateJson(
  table: TableSchema,
  { used, withTimestamps, withTtl }: SelectionCompiler,
  selected: readonly Selected[],
): Selection {
  return {
    columns: [spec(table, JSON_NAME, TYPES.text)],
    ...{ used, isAggregate: true, isWildcard: false, withTimestamps, withTtl },
    row: () => [],
    aggregate: (context) => aggregation(selected, context, (values) => [jsonText(selected, values)]),
  }
}

class SelectionCompiler {
  readonly used = new Set<Column>()
  withTimestamps = false
  withTtl = false
  readonly #table: TableSchema

  constructor(table: TableSchema) {
    this.#table = table
  }

  item({ selector, alias }: SelectedItem): Selected {
    const selected = this.#selector(selector)
    return alias === null ? selected : { ...selected, name: alias }
  }

  #selector(selector: Selector): Selected {
    switch (selector.kind) {
      case 'column': {
        const column = this.#column(selector.name)
        return { name: column.name, type: column.type, start: null, get: (row) => valueOf(row, column) }
      }
      case 'countRows':
        return { name: 'count', type: TYPES.bigint, start: () => new RowCount(), get: () => null }
      case 'writetime':
        return this.#writetime(selector.column)
      case 'ttl':
        return this.#ttl(selector.column)
      case 'field':
        return this.#field(selector)
      case 'call':
        return this.#call(selector)
    }
  }

  #column(name: string): Column {
    const column = this.#table.byName.get(name)
    if (column === undefined) throw invalid(`Undefined name ${name} in selection clause`)
    this.used.add(column)
    return column
  }

  #timed(name: string, what: 'writetime' | 'ttl'): Column {
    const column = this.#column(name)
    const shown = what === 'writetime' ? 'writeTime' : 'ttl'
    if (column.kind === 'partition_key' || column.kind === 'clustering') {
      throw invalid(`Cannot use selection function ${shown} on PRIMARY KEY part ${name}`)
    }
    if (isCollection(column.type)) throw invalid(`Cannot use selection function ${shown} on collections`)
    return column
  }

  #writetime(name: string): Selected {
    const column = this.#timed(name, 'writetime')
    this.withTimestamps = true
    const get: Getter = (row) => {
      const cell = cellsOf(row, column)
      if (cell === undefined || isElements(cell)) return null
      return cell.timestamp === null ? null : longToBytes(cell.timestamp)
    }
    return { name: `writetime(${name})`, type: TYPES.bigint, start: null, get }
  }

  #ttl(name: string): Selected {
    const column = this.#timed(name, 'ttl')
    this.withTtl = true
    const get: Getter = (row) => {
      const cell = cellsOf(row, column)
      if (cell === undefined || isElements(cell)) return null
      return cell.ttlSeconds === null ? null : intToBytes(cell.ttlSeconds)
    }
    return { name: `ttl(${name})`, type: TYPES.int, start: null, get }
  }

  #field({ of, field }: Extract<Selector, { kind: 'field' }>): Selected {
    const whole = this.#selector(of)
    const { type } = whole
    if (type.kind !== 'user') {
      throw invalid(`Invalid field selection: ${whole.name} of type ${type.kind} is not a user type`)
    }
    const index = type.fields.findIndex(({ name }) => name === field)
    const found = type.fields[index]
    if (found === undefined) throw invalid(`${type.name} of type ${type.name} has no field ${field}`)
    const get: Getter = (row, context) => {
      const value = whole.get(row, context)
      return value === null ? null : (unpackTuple(value, type.fields.length)[index] ?? null)
    }
    return { name: `${whole.name}.${field}`, type: found.type, start: null, get }
  }

  #call({ name, args }: Extract<Selector, { kind: 'call' }>): Selected {
    const parts = args.map((arg) => this.#selector(arg))
    const argTypes = parts.map(({ type }) => type)
    const aggregate = findAggregate(name, argTypes)
    const shown = (full: string) => `${full}(${parts.map((part) => part.name).join(', ')})`
    if (aggregate !== null) {
      const [part] = parts
      if (part === undefined || part.start !== null) {
        throw invalid('aggregate functions cannot be used as arguments of aggregate functions')
      }
      const { returns: type } = aggregate
      return { name: shown(aggregate.name), type, start: aggregate.start, get: part.get }
    }
    const found = findFunction(name, { argTypes, receiver: null, table: this.#table })
    const [first] = parts
    const run = (values: readonly (Buffer | null)[], context: FunctionContext) => found.run(values, context)
    if (first?.start != null && parts.length === 1) {
      throw invalid(
        `${found.name} of an aggregate is not supported: select the aggregate and convert its result`,
      )
    }
    const get: Getter = (row, context) =>
      run(
        parts.map((part) => part.get(row, context)),
        context,
      )
    return { name: shown(found.name), type: found.returns, start: null, get }
  }
}
