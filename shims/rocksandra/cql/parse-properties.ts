/** Values of properties: constants and words as text, and maps of them. Bind markers have no place here. */
import type { Cursor } from './cursor.js'
import type { Term } from './ast.js'
import { nativeOf } from './keywords.js'
import { term } from './parse-terms.js'
import { termText } from './term-text.js'

/** A constant, or a word that is no reserved one, as text. */
export function propertyValue(cursor: Cursor): string {
  const { kind, raw } = cursor
  if (kind !== 'identifier' && kind !== 'quotedName' && cursor.isName) {
    cursor.next()
    return nativeOf(kind) === null ? raw : raw.toLowerCase()
  }
  if (kind === '?' || kind === ':' || kind === '[' || kind === '(' || cursor.isName) throw cursor.noViable()
  const value = term(cursor)
  if (value.kind !== 'constant') throw cursor.noViable()
  return value.text
}

/** `{'class': 'SimpleStrategy', 'replication_factor': 1}`. */
export function propertyMap(cursor: Cursor): ReadonlyMap<string, string> {
  cursor.expect('{')
  const found = new Map<string, string>()
  if (cursor.take('}')) return found
  cursor.list(() => {
    const key = term(cursor)
    cursor.expect(':')
    const value = term(cursor)
    if (key.kind !== 'constant') throw cursor.refuse(`Invalid property name: ${reason(key)}`)
    if (value.kind !== 'constant') {
      throw cursor.refuse(`Invalid property value: ${termText(value)} for property: ${reason(key, value)}`)
    }
    found.set(key.text, value.text)
  })
  cursor.expect('}')
  return found
}

function reason(shown: Term, wrong: Term = shown): string {
  const isMarker = wrong.kind === 'marker'
  return `${termText(shown)}${isMarker ? ' (bind variables are not supported in DDL queries)' : ''}`
}
