/** What a dataset's record says of the Thrift structs that its values are: the checks of what is given and was stored. */
import { limits } from '../base/limits.js'
import { THRIFT_ENCODINGS, THRIFT_FIELD_TYPES } from '../base/thrift-layout.js'
import type { ThriftField, ValueLayout } from '../base/thrift-layout.js'

/** As deep as values are read. */
const MAX_DEPTH = 32
const ENCODINGS: readonly unknown[] = THRIFT_ENCODINGS
const FIELD_TYPES: readonly unknown[] = THRIFT_FIELD_TYPES

/** The layout alone, without what else the object carries; what is wrong is added to `faults`. */
export function readLayout(value: unknown, faults: string[]): { readonly explode?: ValueLayout } {
  if (value === undefined || value === null) return {}
  if (!isLayout(value)) {
    faults.push(
      `explode must have protocol, struct, columns and at most ${limits.maxExplodedFields} fields of known types`,
    )
    return {}
  }
  const { protocol, struct, columns, fields } = value
  return { explode: { protocol, struct, columns, fields } }
}

export function isLayoutOrAbsent(value: unknown): boolean {
  return value === undefined || isLayout(value)
}

export function freezeLayout(layout: ValueLayout): void {
  freezeFields(layout.fields)
  Object.freeze(layout.columns)
  Object.freeze(layout)
}

/** For the audit. */
export function describeLayout(layout: ValueLayout | undefined): string {
  if (layout === undefined) return 'none'
  const { struct, protocol, columns, fields } = layout
  const what = columns === null ? `all of ${countOf(fields)} fields` : `${columns.length} fields`
  return `${JSON.stringify(struct)} (${protocol}, ${what})`
}

function countOf(fields: readonly ThriftField[]): number {
  return fields.reduce((sum, { fields: inner }) => sum + (inner === null ? 1 : countOf(inner)), 0)
}

function freezeFields(fields: readonly ThriftField[]): void {
  for (const field of fields) {
    if (field.fields !== null) freezeFields(field.fields)
    Object.freeze(field.elements)
    Object.freeze(field)
  }
  Object.freeze(fields)
}

function isLayout(value: unknown): value is ValueLayout {
  if (!isObject(value)) return false
  const { protocol, struct, columns, fields } = value
  return (
    ENCODINGS.includes(protocol) &&
    isName(struct) &&
    (columns === null || (Array.isArray(columns) && columns.length > 0 && columns.every(isName))) &&
    areFields(fields, { left: limits.maxExplodedFields }, 0)
  )
}

/** @param budget fields that may still come, nested ones counted */
function areFields(value: unknown, budget: { left: number }, depth: number): value is readonly ThriftField[] {
  if (!Array.isArray(value) || depth > MAX_DEPTH) return false
  budget.left -= value.length
  return budget.left >= 0 && value.every((field: unknown) => isField(field, budget, depth))
}

function isField(value: unknown, budget: { left: number }, depth: number): boolean {
  if (!isObject(value)) return false
  const { id, name, type, isRequired, elements, fields } = value
  return (
    Number.isSafeInteger(id) &&
    isName(name) &&
    FIELD_TYPES.includes(type) &&
    typeof isRequired === 'boolean' &&
    Array.isArray(elements) &&
    elements.every((element) => FIELD_TYPES.includes(element)) &&
    (fields === null || areFields(fields, budget, depth + 1))
  )
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= limits.maxLocalKeyBytes
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
