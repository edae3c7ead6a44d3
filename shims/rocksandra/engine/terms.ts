/**
 * Terms of a statement made ready: what is constant is bytes already, what is bound is checked when it comes. Rules and
 * texts as Constants.java, Lists.java, Sets.java, Maps.java, Tuples.java and UserTypes.java of Cassandra 3.0.
 */
import type { Marker, Term } from '../cql/ast.js'
import { comparatorOf } from '../cql/compare.js'
import { CqlError, invalid } from '../cql/errors.js'
import { termText } from '../cql/term-text.js'
import { type CqlType, type MapType, freeze, isCollection, resolveType, typeText } from '../cql/types.js'
import { validateValue } from '../cql/validate.js'
import { packEntries, packItems, packTuple, unpackItems } from '../cql/values/collections.js'
import { findAggregate } from './aggregates.js'
import { constantToBytes, mayStandFor } from './constants.js'
import { type BoundValue, type ColumnSpec, UNSET } from './contract.js'
import {
  type FunctionContext,
  type ScalarFunction,
  calledText,
  findFunction,
  fromJson,
  isNative,
  tokenFunction,
} from './functions.js'
import type { TableSchema } from './schema.js'
import { type Fit, fitOf, signatureText } from './signatures.js'

export interface Bindings extends FunctionContext {
  readonly values: readonly BoundValue[]
}

export type Bound = (bindings: Bindings) => BoundValue

/** What the variables of a statement are, found while its terms are made ready. */
export class Variables {
  /** Whose rows the statement is about. */
  readonly table: TableSchema | null
  readonly count: number
  /** Of calls within calls, which every candidate of the outer one asks about: looked for once. Null: it is refused. */
  readonly meanings = new WeakMap<Term, ScalarFunction | null>()
  /** By index: each statement of a batch has its few of all of them. */
  readonly #specs = new Map<number, ColumnSpec>()

  constructor(count: number, table: TableSchema | null) {
    this.table = table
    this.count = count
  }

  note(marker: Marker, spec: ColumnSpec): void {
    this.#specs.set(marker.index, marker.name === null ? spec : { ...spec, name: marker.name })
  }

  /** Of another statement of the batch: what is not known yet. */
  add(other: Variables): void {
    for (const [index, spec] of other.#specs) if (!this.#specs.has(index)) this.#specs.set(index, spec)
  }

  specs(): readonly ColumnSpec[] {
    return Array.from({ length: this.count }, (_, index) => {
      const spec = this.#specs.get(index)
      if (spec === undefined) throw invalid('A bind variable stands where it has no type')
      return spec
    })
  }
}

/** @throws {CqlError} */
export function compileTerm(term: Term, receiver: ColumnSpec, variables: Variables): Bound {
  const { type, name } = receiver
  switch (term.kind) {
    case 'marker':
      return compileMarker(term, receiver, variables)
    case 'null':
      if (type.kind === 'native' && type.name === 'counter') {
        throw invalid('Invalid null value for counter increment/decrement')
      }
      return () => null
    case 'constant': {
      const bytes = constantToBytes(term, type, name)
      return () => bytes
    }
    case 'list':
    case 'set':
    case 'map':
      return compileCollection(term, receiver, variables)
    case 'tuple':
      return compileTuple(term.items, receiver, variables)
    case 'udt':
      return compileUserType(term, receiver, variables)
    case 'call':
      return compileCall(term, receiver, variables)
    case 'cast': {
      const wanted = resolveType(term.type, receiver.keyspace, () => null)
      if (fitOf(wanted, type) === 'none') {
        throw invalid(`Cannot assign value ${termText(term)} to ${name} of type ${typeText(type)}`)
      }
      return compileTerm(term.term, { ...receiver, type: wanted }, variables)
    }
  }
}

function compileMarker(marker: Marker, receiver: ColumnSpec, variables: Variables): Bound {
  variables.note(marker, receiver)
  const { index } = marker
  const { type } = receiver
  return ({ values }) => {
    const value = values[index]
    if (value === undefined) throw invalid('Invalid amount of bind variables')
    if (value === null || value === UNSET) return value
    validateValue(type, value)
    return isCollection(type) ? inOrder(type, value) : value
  }
}

type CollectionTerm = Extract<Term, { kind: 'list' | 'set' | 'map' }>

/** What a literal in braces or brackets holds, in turn; `{}` is a map where one is wanted. */
function partsOf(term: CollectionTerm): readonly Term[] {
  return term.kind === 'map' ? term.entries.flatMap(({ key, value }) => [key, value]) : term.items
}

function compileCollection(term: CollectionTerm, receiver: ColumnSpec, variables: Variables): Bound {
  const { type, name } = receiver
  const isEmptyMap = term.kind === 'set' && term.items.length === 0 && type.kind === 'map'
  if (!isEmptyMap && type.kind !== term.kind) {
    throw invalid(`Invalid ${term.kind} literal for ${name} of type ${typeText(type)}`)
  }
  const inner = variables.count > 0 ? new Variables(0, variables.table) : variables
  const parts = partsOf(term).map((part, index) => {
    // Without variables there is none within, however deep: each part is looked through once.
    if (variables.count > 0 && hasMarker(part)) {
      throw invalid(
        `Invalid ${term.kind} literal for ${name}: bind variables are not supported inside collection literals`,
      )
    }
    if (part.kind === 'null') throw invalid('null is not supported inside collections')
    return compileTerm(part, elementSpec(receiver, index), inner)
  })
  const kind = isEmptyMap ? 'map' : term.kind
  return (bindings) => {
    const values = parts.map((part) => elementValue(part(bindings)))
    if (kind === 'list') return packItems(values)
    if (kind === 'set') return packItems(sortedSet(values, elementTypeOf(type)))
    // Only a map type has a map literal.
    return packEntries(sortedMap(values, (type as MapType).key))
  }
}

function elementTypeOf(type: CqlType): CqlType {
  return type.kind === 'list' || type.kind === 'set' ? type.element : type
}

function hasMarker(term: Term): boolean {
  switch (term.kind) {
    case 'marker':
      return true
    case 'list':
    case 'set':
    case 'tuple':
      return term.items.some(hasMarker)
    case 'map':
      return term.entries.some(({ key, value }) => hasMarker(key) || hasMarker(value))
    case 'udt':
      return term.fields.some(({ value }) => hasMarker(value))
    case 'call':
      return term.args.some(hasMarker)
    case 'cast':
      return hasMarker(term.term)
    case 'null':
    case 'constant':
      return false
  }
}

/** As messages call the parts of a collection: `value(c)`, `key(c)`. */
function elementSpec(receiver: ColumnSpec, index: number): ColumnSpec {
  const { type, name } = receiver
  if (type.kind !== 'map') return { ...receiver, name: `value(${name})`, type: freeze(elementTypeOf(type)) }
  return index % 2 === 0
    ? { ...receiver, name: `key(${name})`, type: freeze(type.key) }
    : { ...receiver, name: `value(${name})`, type: freeze(type.value) }
}

function elementValue(value: BoundValue): Buffer {
  if (value === null || value === UNSET) throw invalid('null is not supported inside collections')
  return value
}

/** Clients send sets and maps in any order; stored and compared they have one (Sets.Value.fromSerialized). */
function inOrder(type: CqlType, value: Buffer): Buffer {
  switch (type.kind) {
    case 'list':
      if (!isCollection(type.element)) return value
      return packItems(unpackItems(value, 'list').map((item) => inOrder(type.element, item)))
    case 'set': {
      const items = unpackItems(value, 'set').map((item) => inOrder(type.element, item))
      return packItems(sortedSet(items, type.element))
    }
    case 'map': {
      const turns = [type.key, type.value] as const
      const items = unpackItems(value, 'map').map((item, index) =>
        inOrder(index % 2 === 0 ? turns[0] : turns[1], item),
      )
      return packEntries(sortedMap(items, type.key))
    }
    case 'native':
    case 'tuple':
    case 'user':
    case 'custom':
      return value
  }
}

/** In the order of the elements, each once. */
function sortedSet(items: readonly Buffer[], element: CqlType): Buffer[] {
  const compare = comparatorOf(element)
  const sorted = items.toSorted(compare)
  return sorted.filter((item, index) => {
    const before = sorted[index - 1]
    return before === undefined || compare(before, item) !== 0
  })
}

/** Keys and values in turn, in the order of the keys; of equal keys the last one counts. */
function sortedMap(keysAndValues: readonly Buffer[], key: CqlType): Buffer[] {
  const compare = comparatorOf(key)
  const entries: (readonly [Buffer, Buffer])[] = []
  for (let index = 0; index + 1 < keysAndValues.length; index += 2) {
    const [name, value] = [keysAndValues[index], keysAndValues[index + 1]]
    if (name !== undefined && value !== undefined) entries.push([name, value])
  }
  const sorted = entries.toSorted(([a], [b]) => compare(a, b))
  return sorted.flatMap(([name, value], index) => {
    const next = sorted[index + 1]
    return next !== undefined && compare(name, next[0]) === 0 ? [] : [name, value]
  })
}

function compileTuple(items: readonly Term[], receiver: ColumnSpec, variables: Variables): Bound {
  const { type, name } = receiver
  if (type.kind !== 'tuple') throw invalid(`Invalid tuple type literal for ${name} of type ${typeText(type)}`)
  if (items.length > type.elements.length) {
    throw invalid(
      `Invalid tuple literal for ${name}: too many elements. Type ${typeText(type)} expects ${type.elements.length} but got ${items.length}`,
    )
  }
  const parts = items.map((item, index) =>
    compileTerm(
      item,
      { ...receiver, name: `${name}[${index}]`, type: freeze(type.elements[index] ?? type) },
      variables,
    ),
  )
  return (bindings) => packTuple(parts.map((part) => partValue(part(bindings))))
}

function compileUserType(
  term: Extract<Term, { kind: 'udt' }>,
  receiver: ColumnSpec,
  variables: Variables,
): Bound {
  const { type, name } = receiver
  if (type.kind !== 'user') throw invalid(`Invalid user type literal for ${name} of type ${typeText(type)}`)
  const unknown = term.fields.find((field) => !type.fields.some((known) => known.name === field.name))
  if (unknown !== undefined) {
    throw invalid(`Unknown field '${unknown.name}' in value of user defined type ${type.name}`)
  }
  const parts = type.fields.map((field): Bound => {
    const given = term.fields.find((one) => one.name === field.name)
    if (given === undefined) return () => null
    return compileTerm(given.value, { ...receiver, name: field.name, type: freeze(field.type) }, variables)
  })
  return (bindings) => packTuple(parts.map((part) => partValue(part(bindings))))
}

function partValue(value: BoundValue): Buffer | null {
  if (value === UNSET) throw invalid('Invalid unset value for a part of a tuple or of a user type')
  return value
}

function compileCall(
  term: Extract<Term, { kind: 'call' }>,
  receiver: ColumnSpec,
  variables: Variables,
): Bound {
  const found = functionOf(term, receiver, variables, termText)
  if (fitOf(found.returns, receiver.type) === 'none') {
    throw invalid(
      `Type error: cannot assign result of function ${found.name} (type ${typeText(found.returns)}) to ${receiver.name} (type ${typeText(receiver.type)})`,
    )
  }
  const [wanted, given] = [found.takes.length, term.args.length]
  if (wanted !== given) {
    throw invalid(
      `Incorrect number of arguments specified for function ${signatureText(found)} (expected ${wanted}, found ${given})`,
    )
  }
  const args = term.args.map((arg, index) => {
    const type = found.takes[index] ?? receiver.type
    return compileTerm(arg, { ...receiver, name: `arg${index}(${found.name})`, type }, variables)
  })
  return (bindings) =>
    found.run(
      args.map((arg) => partValue(arg(bindings))),
      bindings,
    )
}

/** @param textOf an argument, as a refusal shows it @throws {CqlError} INVALID */
function functionOf(
  term: Extract<Term, { kind: 'call' }>,
  receiver: ColumnSpec,
  variables: Variables,
  textOf: (term: Term) => string,
): ScalarFunction {
  const { name: called } = term
  if (isNative(called)) {
    if (called.name === 'fromjson') return fromJson(receiver)
    if (called.name === 'tojson') {
      throw invalid('toJson() may only be used within the selection clause of SELECT statements')
    }
    if (called.name === 'token' && variables.table !== null) return tokenFunction(variables.table)
  }
  const known = variables.meanings.get(term)
  if (known != null) return known
  const args = term.args.map((arg) => ({
    get text() {
      return textOf(arg)
    },
    fit: (wanted: CqlType) => termFit(arg, { ...receiver, type: wanted }, variables),
  }))
  if (findAggregate(called, args) !== null) {
    throw invalid('Aggregation function are not supported in the where clause')
  }
  const found = findFunction(called, args)
  if (found === null) throw invalid(`Unknown function ${calledText(called)} called`)
  variables.meanings.set(term, found)
  return found
}

/** Term.Raw.testAssignment, for what functions take: natives. */
function termFit(term: Term, receiver: ColumnSpec, variables: Variables): Fit {
  const { type } = receiver
  switch (term.kind) {
    case 'marker':
      return 'weak'
    case 'null':
      return type.kind === 'native' && type.name === 'counter' ? 'none' : 'weak'
    case 'constant':
      return mayStandFor(term, type) ? 'weak' : 'none'
    case 'cast':
      return fitOf(
        resolveType(term.type, receiver.keyspace, () => null),
        type,
      )
    case 'call':
      return callFit(term, receiver, variables)
    case 'list':
    case 'set':
    case 'map':
    case 'tuple':
    case 'udt':
      return 'none'
  }
}

/** What is wrong with a call within a call is told, and put into words that may be long, when its own turn comes. */
function callFit(term: Extract<Term, { kind: 'call' }>, receiver: ColumnSpec, variables: Variables): Fit {
  const { meanings } = variables
  if (meanings.get(term) === null) return 'weak'
  try {
    const { name, returns } = functionOf(term, receiver, variables, () => '')
    return name === 'system.fromjson' ? 'weak' : fitOf(returns, receiver.type)
  } catch (error) {
    if (!(error instanceof CqlError) || error.code !== 'INVALID') throw error
    meanings.set(term, null)
    return 'weak'
  }
}
