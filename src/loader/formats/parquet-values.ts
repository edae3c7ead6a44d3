/**
 * Values of Parquet columns -> bytes of cells. One rule for all formats (docs/FORMATS.md): text is UTF-8, bytes are
 * themselves, everything else is text, nested values JSON.
 */
import type { SchemaElement, SchemaTree } from 'hyparquet/src/types.js'
import { isTextual, renderOf, ValueMissing } from './parquet-text.js'

/** Null: the column is absent. @throws {BadLineError} when the row cannot hold it */
export type ToBytes = (value: unknown) => Buffer | null

export interface ParquetType {
  readonly toBytes: ToBytes
  /** Booleans and nested values are no row keys, as in the other formats. */
  readonly canBeKey: boolean
}

/** Null: a type that is not supported. */
export function parquetType(tree: SchemaTree): ParquetType | null {
  if (tree.children.length > 0 || tree.element.repetition_type === 'REPEATED') {
    const toJson = jsonOf(tree)
    if (toJson === null) return null
    return { canBeKey: false, toBytes: (value) => (isAbsent(value) ? null : Buffer.from(toJson(value))) }
  }
  const render = renderOf(tree.element)
  const toBytes: ToBytes = (value) => {
    if (value === null) return null
    // An index into the dictionary that leads nowhere.
    if (value === undefined) throw new ValueMissing('a value is missing')
    const rendered = render(value)
    return typeof rendered === 'string' ? Buffer.from(rendered, 'utf8') : rendered
  }
  return { toBytes, canBeKey: tree.element.type !== 'BOOLEAN' }
}

function isAbsent(value: unknown): boolean {
  return value === null || value === undefined
}

type ToJson = (value: unknown) => string

/** How a nested column, or a part of one, is written as JSON; null: not at all. */
function jsonOf(tree: SchemaTree): ToJson | null {
  const { element, children } = tree
  if (element.logical_type?.type === 'VARIANT' || element.name === '__proto__') return null
  const inner = children.length === 0 ? leafJson(element) : groupJson(tree)
  if (inner === null) return null
  const whole = element.repetition_type === 'REPEATED' ? listJson(inner) : inner
  return (value) => (isAbsent(value) ? 'null' : whole(value))
}

function listJson(inner: ToJson): ToJson {
  return (value) => `[${arrayOf(value).map(inner).join(',')}]`
}

function groupJson(tree: SchemaTree): ToJson | null {
  const [only, ...others] = tree.children
  if (only === undefined) return null
  const isList = tree.element.converted_type === 'LIST' && others.length === 0 && only.children.length <= 1
  if (isList && only.element.repetition_type === 'REPEATED') {
    // hyparquet takes the middle level of a list of three levels away.
    const item = jsonOf({
      ...(only.children[0] ?? only),
      ...(only.children.length === 0 && { element: once(only) }),
    })
    return item && listJson(item)
  }
  const isMap = ['MAP', 'MAP_KEY_VALUE'].includes(tree.element.converted_type ?? '') && others.length === 0
  if (isMap && only.children.length === 2) return mapJson(only)
  return structJson(tree)
}

function once({ element }: SchemaTree): SchemaElement {
  return { ...element, repetition_type: 'REQUIRED' }
}

/** Pairs; as an object where the keys are text, otherwise as a list of lists of two. */
function mapJson(pairs: SchemaTree): ToJson | null {
  const [key, value] = pairs.children
  if (key === undefined || value === undefined) return null
  const keyJson = jsonOf(key)
  const valueJson = jsonOf(value)
  if (keyJson === null || valueJson === null) return null
  const { name: keyName } = key.element
  const { name: valueName } = value.element
  const isText = key.children.length === 0 && isTextual(key.element)
  return (map) => {
    const entries = arrayOf(fieldsOf(map)[pairs.element.name]).map((pair) => {
      const fields = fieldsOf(pair)
      const texts = [keyJson(fields[keyName]), valueJson(fields[valueName])]
      return isText ? texts.join(':') : `[${texts.join(',')}]`
    })
    return isText ? `{${entries.join(',')}}` : `[${entries.join(',')}]`
  }
}

function structJson(tree: SchemaTree): ToJson | null {
  const fields: { readonly name: string; readonly label: string; readonly toJson: ToJson }[] = []
  for (const child of tree.children) {
    const toJson = jsonOf(child)
    if (toJson === null) return null
    const { name } = child.element
    fields.push({ name, label: JSON.stringify(name), toJson })
  }
  return (value) => {
    const found = fieldsOf(value)
    return `{${fields.map(({ name, label, toJson }) => `${label}:${toJson(found[name])}`).join(',')}}`
  }
}

/** Numbers as they are, exactly; bytes in base64; everything else a string. */
function leafJson(element: SchemaElement): ToJson {
  const { type, logical_type: logical, converted_type: converted } = element
  const render = renderOf(element)
  if (type === 'BOOLEAN') return String
  const isNumber =
    ['INT32', 'INT64', 'FLOAT', 'DOUBLE'].includes(type ?? '') &&
    [undefined, 'INTEGER', 'DECIMAL'].includes(logical?.type) &&
    !/^(DATE|TIME)/.test(converted ?? '')
  const isDecimal = (logical?.type ?? converted) === 'DECIMAL' || logical?.type === 'FLOAT16'
  const isText = isTextual(element)
  return (value) => {
    const rendered = render(value)
    if (typeof rendered !== 'string') return JSON.stringify(rendered.toString(isText ? 'utf8' : 'base64'))
    return (isNumber || isDecimal) && /\d$/.test(rendered) ? rendered : JSON.stringify(rendered)
  }
}

function arrayOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>)
  throw new ValueMissing('a list is no list')
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  throw new ValueMissing('a group is no group')
}
