/**
 * How far types reach that are made of each other. An answer spells out every type of its columns whole, so that a few user
 * types that each have the one before it twice would be more than memory holds, and long chains more than a stack does.
 */
import { limits } from '../../../src/base/limits.js'
import { invalid } from './errors.js'
import { type CqlType, typeText } from './types.js'

interface Extent {
  /** Types within each other, this one included. */
  readonly depth: number
  /** Types that its description names, each as often as it does. */
  readonly parts: number
}

/** Of user types, which others share. */
export type KnownExtents = Map<CqlType, Extent>

/** @throws {CqlError} INVALID */
export function checkExtent(type: CqlType, known: KnownExtents = new Map()): void {
  const { depth, parts } = extentOf(type, known)
  if (depth > limits.maxCqlTypeDepth) {
    throw invalid(
      `Types within each other ${depth} deep, at most ${limits.maxCqlTypeDepth}: ${startOf(type)}`,
    )
  }
  if (parts > limits.maxCqlTypeParts) {
    throw invalid(
      `A type of ${parts} types within each other, at most ${limits.maxCqlTypeParts}: ${startOf(type)}`,
    )
  }
}

function extentOf(type: CqlType, known: KnownExtents): Extent {
  const found = known.get(type)
  if (found !== undefined) return found
  let [depth, parts] = [0, 0]
  for (const inner of innerTypes(type)) {
    const extent = extentOf(inner, known)
    depth = Math.max(depth, extent.depth)
    parts += extent.parts
  }
  const extent = { depth: depth + 1, parts: parts + 1 }
  known.set(type, extent)
  return extent
}

function innerTypes(type: CqlType): readonly CqlType[] {
  switch (type.kind) {
    case 'native':
    case 'custom':
      return []
    case 'list':
    case 'set':
      return [type.element]
    case 'map':
      return [type.key, type.value]
    case 'tuple':
      return type.elements
    case 'user':
      return type.fields.map((field) => field.type)
  }
}

function startOf(type: CqlType): string {
  return typeText(type).slice(0, limits.maxCqlErrorChars)
}
