/**
 * A Terrapin's answers as rows, pure. Its value is the only cell, under the empty local key, without a timestamp and without
 * an expiry: what the same data is after it was loaded into the leaf tier, so that both sides of a migration answer alike.
 */
import { EMPTY_BYTES } from '../../src/base/bytes.js'
import type { CellSelector, Row } from '../../src/model/row.js'
import type { TerrapinSingleResponse } from '../../src/thrift/generated/terrapin.js'

/** One key's answer; null: it is not stored. */
export type KeyAnswer = (key: Buffer) => TerrapinSingleResponse | null

/** Null: the answer holds a key that is none of those, or one of them twice. */
export function answersByKey(
  asked: readonly Buffer[],
  answered: readonly (readonly [Buffer, TerrapinSingleResponse])[],
): KeyAnswer | null {
  if (answered.length > asked.length) return null
  const [only] = asked
  if (asked.length === 1 && only !== undefined) {
    const [first] = answered
    if (first !== undefined && !first[0].equals(only)) return null
    return () => first?.[1] ?? null
  }
  const known = new Set(asked.map(textOf))
  const answers = new Map<string, TerrapinSingleResponse>()
  for (const [key, answer] of answered) {
    const text = textOf(key)
    if (!known.has(text) || answers.has(text)) return null
    answers.set(text, answer)
  }
  return (key) => answers.get(textOf(key)) ?? null
}

/** Null: nothing of it is selected. */
export function rowOf(value: Buffer, selector: CellSelector | null): Row | null {
  if (selector !== null && !selectsUnnamed(selector)) return null
  const isEmptied = selector?.keysOnly === true
  const cell = {
    localKey: EMPTY_BYTES,
    value: isEmptied ? EMPTY_BYTES : value,
    timestamp: null,
    ttlSeconds: null,
  }
  return { cells: [cell], next: null }
}

function selectsUnnamed({ localKeys, ranges, minTimestamp, maxTimestamp }: CellSelector): boolean {
  // What has no timestamp lies within no times, as in sealed rows.
  if (minTimestamp !== null || maxTimestamp !== null) return false
  if (localKeys.length === 0 && ranges.length === 0) return true
  return localKeys.some(({ length }) => length === 0) || ranges.some(({ from }) => from.length === 0)
}

function textOf(key: Buffer): string {
  return key.toString('latin1')
}
