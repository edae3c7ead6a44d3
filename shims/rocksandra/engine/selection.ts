/**
 * The columns of a SELECT's answer: plain ones, writetime and ttl, fields, functions, aggregates, JSON. Names and texts as
 * cql3/selection of Cassandra 3.0.
 */
import type { QualifiedName, SelectedItem, Selector } from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { jsonName, jsonOfValue } from '../cql/json.js'
import { intToBytes, longToBytes } from '../cql/literals.js'
import { type CqlType, TYPES, isCollection, typeText } from '../cql/types.js'
import { unpackTuple } from '../cql/values/collections.js'
import { type Aggregate, RowCount, findAggregate } from './aggregates.js'
import type { ColumnSpec } from './contract.js'
import {
  type FunctionContext,
  type ScalarFunction,
  calledText,
  findFunction,
  isNative,
  toJson,
  tokenFunction,
} from './functions.js'
import { type TableRow, cellsOf, isElements, valueOf } from './rows.js'
import type { Column, TableSchema } from './schema.js'
import { fitOf } from './signatures.js'

type Getter = (row: TableRow, context: FunctionContext) => Buffer | null

interface RowsAccumulator {
  add(row: TableRow): void
  result(): Buffer | null
}

interface Selected {
  readonly name: string
  readonly type: CqlType
  readonly get: Getter
  /** Of what has an aggregate in it, which answers for all rows and not for each. */
  readonly start: ((context: FunctionContext) => RowsAccumulator) | null
  /** What stands beside aggregates of no rows; absent: null. */
  readonly ofNothing?: (context: FunctionContext) => Buffer | null
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

function aggregation<Result>(
  selected: readonly Selected[],
  context: FunctionContext,
  finish: (values: (Buffer | null)[]) => Result,
) {
  const accumulators = selected.map((one) => accumulatorOf(one, context))
  return {
    add: (row: TableRow): void => {
      for (const accumulator of accumulators) accumulator.add(row)
    },
    result: (): Result => finish(accumulators.map((accumulator) => accumulator.result())),
  }
}

/** Beside aggregates stands the first row's value (SimpleSelector.java). */
function accumulatorOf({ start, get, ofNothing }: Selected, context: FunctionContext): RowsAccumulator {
  if (start !== null) return start(context)
  let first: Buffer | null = null
  let isEmpty = true
  return {
    add: (row) => {
      if (isEmpty) first = get(row, context)
      isEmpty = false
    },
    result: () => (isEmpty ? (ofNothing?.(context) ?? null) : first),
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
      throw invalid(`Invalid field selection: ${whole.name} of type ${typeText(type)} is not a user type`)
    }
    const index = type.fields.findIndex(({ name }) => name === field)
    const found = type.fields[index]
    if (found === undefined) throw invalid(`${whole.name} of type ${typeText(type)} has no field ${field}`)
    const get: Getter = (row, context) => {
      const value = whole.get(row, context)
      return value === null ? null : (unpackTuple(value, type.fields.length)[index] ?? null)
    }
    return { name: `${whole.name}.${field}`, type: found.type, start: null, get }
  }

  #call(call: Extract<Selector, { kind: 'call' }>): Selected {
    const parts = call.args.map((arg) => this.#selector(arg))
    const args = parts.map(({ name, type }, index) => {
      const of = call.args[index]
      const text = of?.kind === 'writetime' || of?.kind === 'ttl' ? of.column : name
      return { text, fit: (wanted: CqlType) => fitOf(type, wanted) }
    })
    const aggregate = findAggregate(call.name, args)
    // Not joined, which copies: what is 300 deep has each name in all those around it.
    const names = parts.reduce((text, { name }, index) => (index === 0 ? name : `${text}, ${name}`), '')
    const shown = (full: string) => `${full}(${names})`
    const [first] = parts
    if (aggregate !== null && first !== undefined) {
      if (first.start !== null) {
        throw invalid('aggregate functions cannot be used as arguments of aggregate functions')
      }
      const { returns: type } = aggregate
      return { name: shown(aggregate.name), type, start: startOf(aggregate, first), get: () => null }
    }
    const found = this.#special(call.name, parts) ?? findFunction(call.name, args)
    if (found === null) throw invalid(`Unknown function '${calledText(call.name)}'`)
    const { name, returns: type, run } = found
    if (parts.some(({ start }) => start !== null)) {
      return { name: shown(name), type, start: startOfCall(run, parts), get: () => null }
    }
    const get: Getter = (row, context) =>
      run(
        parts.map((part) => part.get(row, context)),
        context,
      )
    const ofNothing = (context: FunctionContext) =>
      run(
        parts.map((part) => part.ofNothing?.(context) ?? null),
        context,
      )
    return { name: shown(name), type, start: null, get, ofNothing }
  }

  /** Those that take arguments of all types; null: it is none of them. */
  #special(called: QualifiedName, parts: readonly Selected[]): ScalarFunction | null {
    if (!isNative(called)) return null
    if (called.name === 'tojson') return toJson(parts.map(({ type }) => type))
    if (called.name === 'fromjson') {
      throw invalid('fromJson() cannot be used in the selection clause of a SELECT statement')
    }
    if (called.name !== 'token') return null
    const found = tokenFunction(this.#table)
    const [wanted, given] = [found.takes.length, parts.length]
    if (wanted === given) return found
    throw invalid(
      `Invalid number of arguments in call to function ${found.name}: ${wanted} required but ${given} provided`,
    )
  }
}

function startOf(aggregate: Aggregate, { get }: Selected): Selected['start'] {
  return (context) => {
    const accumulator = aggregate.start()
    return { add: (row) => accumulator.add(get(row, context)), result: () => accumulator.result() }
  }
}

/** A function of what aggregates answer, and of what stands beside them (ScalarFunctionSelector.java). */
function startOfCall(run: ScalarFunction['run'], parts: readonly Selected[]): Selected['start'] {
  return (context) => aggregation(parts, context, (values) => run(values, context))
}
