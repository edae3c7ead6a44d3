/**
 * Terms of a statement made ready: what is constant is bytes already, what is bound is checked when it comes. Rules and
 * texts as Constants.java, Lists.java, Sets.java, Maps.java, Tuples.java and UserTypes.java of Cassandra 3.0.
 */
import type { Marker, Term } from '../cql/ast.js'
import { comparatorOf } from '../cql/compare.js'
import { invalid } from '../cql/errors.js'
import { termText } from '../cql/term-text.js'
import {
  type CqlType,
  type MapType,
  freeze,
  isCollection,
  isSameType,
  resolveType,
  typeText,
} from '../cql/types.js'
import { validateValue } from '../cql/validate.js'
import { packEntries, packItems, packTuple, unpackItems } from '../cql/values/collections.js'
import { constantToBytes } from './constants.js'
import { type BoundValue, type ColumnSpec, UNSET } from './contract.js'
import { type FunctionContext, findFunction } from './functions.js'
import type { TableSchema } from './schema.js'

export interface Bindings extends FunctionContext {
  readonly values: readonly BoundValue[]
}

export type Bound = (bindings: Bindings) => BoundValue

/** What the variables of a statement are, found while its terms are made ready. */
export class Variables {
  /** Whose rows the statement is about. */
  readonly table: TableSchema | null
  readonly #specs: (ColumnSpec | undefined)[]

  constructor(count: number, table: TableSchema | null) {
    this.table = table
    this.#specs = new Array<ColumnSpec | undefined>(count).fill(undefined)
  }

  note(marker: Marker, spec: ColumnSpec): void {
    this.#specs[marker.index] = marker.name === null ? spec : { ...spec, name: marker.name }
  }

  /** Both together: the statements of a batch. */
  joined(other: Variables): Variables {
    const both = new Variables(this.#specs.length, this.table)
    for (const index of this.#specs.keys()) both.#specs[index] = this.#specs[index] ?? other.#specs[index]
    return both
  }

  specs(): readonly ColumnSpec[] {
    return this.#specs.map((spec) => {
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
      if (!isAssignable(wanted, type)) {
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
  const place = { kind: term.kind, receiver, table: variables.table }
  const parts = partsOf(term).map((part, index) => compileElement(part, { ...place, index }))
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

function compileElement(
  part: Term,
  place: {
    readonly index: number
    readonly kind: 'list' | 'set' | 'map'
    readonly receiver: ColumnSpec
    readonly table: TableSchema | null
  },
): Bound {
  const { index, kind, receiver, table } = place
  if (hasMarker(part)) {
    throw invalid(
      `Invalid ${kind} literal for ${receiver.name}: bind variables are not supported inside collection literals`,
    )
  }
  if (part.kind === 'null') throw invalid('null is not supported inside collections')
  return compileTerm(part, elementSpec(receiver, index), new Variables(0, table))
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
  const found = findFunction(term.name, {
    argTypes: term.args.map((arg) => typeOfTerm(arg, receiver, variables)),
    receiver,
    table: variables.table,
  })
  if (!isAssignable(found.returns, receiver.type)) {
    throw invalid(
      `Type error: cannot assign result of function ${found.name} (type ${typeText(found.returns)}) to ${receiver.name} (type ${typeText(receiver.type)})`,
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

/** Null: what it is depends on what is wanted. */
function typeOfTerm(term: Term, receiver: ColumnSpec, variables: Variables): CqlType | null {
  if (term.kind === 'cast') return resolveType(term.type, receiver.keyspace, () => null)
  if (term.kind !== 'call') return null
  const argTypes = term.args.map((arg) => typeOfTerm(arg, receiver, variables))
  return findFunction(term.name, { argTypes, receiver, table: variables.table }).returns
}

/** Whether a value of one type may stand where another is wanted. */
function isAssignable(from: CqlType, to: CqlType): boolean {
  if (isSameType(freeze(from), freeze(to))) return true
  if (from.kind !== 'native' || to.kind !== 'native') return false
  if (to.name === 'blob') return true
  return WIDER[from.name]?.includes(to.name) === true
}

/** AbstractType.isValueCompatibleWith. */
const WIDER: Readonly<Record<string, readonly string[]>> = {
  ascii: ['text'],
  timeuuid: ['uuid'],
  int: ['varint'],
  bigint: ['varint', 'timestamp'],
  timestamp: ['bigint'],
}
