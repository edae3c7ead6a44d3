/**
 * What differs between two answers for one row: pure, typed, by column. What an origin's wire cannot show is left out by a
 * rule with a name, never by accident. That rows are of the same version is the caller's to know.
 */
import { createHmac } from 'node:crypto'
import { KVError } from '../base/errors.js'
import type { DifferenceKind } from '../model/difference.js'
import type { Cell, Row, RowOutcome } from '../model/row.js'

/** What the wire of an origin shows of a row. */
export interface WireView {
  /** False: only the column under the empty local key; others are left out of the comparison. */
  readonly showsColumns: boolean
  readonly showsTimestamps: boolean
  readonly showsTtls: boolean
}

/** KVStore shows all there is. */
export const WHOLE_VIEW: WireView = { showsColumns: true, showsTimestamps: true, showsTtls: true }

/** Terrapin answers a value, or none: TerrapinSingleResponse has no other field of the row. */
export const VALUE_VIEW: WireView = { showsColumns: false, showsTimestamps: false, showsTtls: false }

/** What is left of a TTL falls between two reads. */
const TTL_SLACK_SECONDS = 2

/** One difference; what a side has is its value, an error's code, or null where it has nothing. */
export interface Finding {
  readonly kind: DifferenceKind
  /** Null: the row as a whole. */
  readonly localKey: Buffer | null
  readonly origin: Buffer | string | null
  readonly target: Buffer | string | null
}

const NONE: readonly Finding[] = []

/** Whether the outcome says that a side could not answer: nothing can be compared then, and nobody's data is wrong. */
export function isUnanswered(outcome: RowOutcome): boolean {
  if (!(outcome instanceof KVError)) return false
  const { code, kind } = outcome
  // What is not offered there is no difference of data; damage that one side reports is.
  return (
    kind === 'AVAILABILITY' || kind === 'CAPACITY' || code === 'UNSUPPORTED' || code === 'NO_VERSION_ONLINE'
  )
}

/** Empty: nothing differs. Neither outcome is unanswered. */
export function compareOutcomes(origin: RowOutcome, target: RowOutcome, view: WireView): readonly Finding[] {
  if (origin instanceof KVError || target instanceof KVError) return compareErrors(origin, target)
  if (areAlike(origin, target)) return NONE
  const [before, after] = comparableCells(origin, target, view)
  return compareCells(before, after, view)
}

function compareErrors(origin: RowOutcome, target: RowOutcome): readonly Finding[] {
  const [before, after] = [origin, target].map((one) => (one instanceof KVError ? one.code : null))
  if (before === after) return NONE
  return [{ kind: 'ERROR_CODE', localKey: null, origin: before ?? 'OK', target: after ?? 'OK' }]
}

/** The common case: the same cells in the same order. */
function areAlike(origin: Row | null, target: Row | null): boolean {
  if (origin === null || target === null) return origin === target
  const { cells } = origin
  if (cells.length !== target.cells.length) return false
  for (let index = 0; index < cells.length; index += 1) {
    const [a, b] = [cells[index], target.cells[index]]
    if (a === undefined || b === undefined) return false
    if (a.timestamp !== b.timestamp || a.ttlSeconds !== b.ttlSeconds) return false
    if (!a.value.equals(b.value) || !a.localKey.equals(b.localKey)) return false
  }
  return true
}

function comparableCells(
  origin: Row | null,
  target: Row | null,
  { showsColumns }: WireView,
): readonly [readonly Cell[], readonly Cell[]] {
  let before = origin?.cells ?? []
  let after = target?.cells ?? []
  if (!showsColumns) {
    const isShown = ({ localKey }: Cell): boolean => localKey.length === 0
    before = before.filter(isShown)
    after = after.filter(isShown)
  }
  // A row that was cut at a page is compared up to there.
  if (origin?.next == null && target?.next == null) return [before, after]
  const length = Math.min(before.length, after.length)
  return [before.slice(0, length), after.slice(0, length)]
}

function compareCells(before: readonly Cell[], after: readonly Cell[], view: WireView): readonly Finding[] {
  const [byName, others] = [cellsByName(before), cellsByName(after)]
  const findings: Finding[] = []
  for (const [name, cell] of byName) {
    const other = others.get(name)
    if (other === undefined) findings.push(missing(cell))
    else findings.push(...comparePair(cell, other, view))
  }
  for (const [name, cell] of others) if (!byName.has(name)) findings.push(extra(cell))
  if (findings.length > 0) return findings
  const names = [...others.keys()]
  const isSameOrder = [...byName.keys()].every((name, index) => name === names[index])
  return isSameOrder ? NONE : [{ kind: 'ORDER', localKey: null, origin: null, target: null }]
}

/** Versions of one column are told apart by their place among them. */
function cellsByName(cells: readonly Cell[]): ReadonlyMap<string, Cell> {
  const found = new Map<string, Cell>()
  for (const cell of cells) {
    const column = cell.localKey.toString('latin1')
    let name = `0 ${column}`
    for (let version = 1; found.has(name); version += 1) name = `${version} ${column}`
    found.set(name, cell)
  }
  return found
}

function missing({ localKey, value }: Cell): Finding {
  const kind = value.length === 0 ? 'MISSING_FOR_EMPTY' : 'MISSING'
  return { kind, localKey, origin: value, target: null }
}

function extra({ localKey, value }: Cell): Finding {
  const kind = value.length === 0 ? 'EMPTY_FOR_MISSING' : 'EXTRA'
  return { kind, localKey, origin: null, target: value }
}

function comparePair(before: Cell, after: Cell, view: WireView): readonly Finding[] {
  const { localKey } = before
  const found = (kind: DifferenceKind, origin: Buffer | string, target: Buffer | string): Finding[] => {
    return [{ kind, localKey, origin, target }]
  }
  if (!before.value.equals(after.value)) return found('VALUE', before.value, after.value)
  if (view.showsTimestamps && before.timestamp !== after.timestamp) {
    return found('TIMESTAMP', String(before.timestamp), String(after.timestamp))
  }
  if (view.showsTtls && !isSameTtl(before.ttlSeconds, after.ttlSeconds)) {
    return found('TTL', String(before.ttlSeconds), String(after.ttlSeconds))
  }
  return NONE
}

function isSameTtl(before: number | null, after: number | null): boolean {
  if (before === null || after === null) return before === after
  return Math.abs(before - after) <= TTL_SLACK_SECONDS
}

/** Stands for a value in a record. Keyed, so that who reads the record cannot try values out. */
export function digestOfValue(key: Uint8Array, value: Uint8Array): string {
  return createHmac('sha256', key).update(value).digest('hex').slice(0, DIGEST_DIGITS)
}

const DIGEST_DIGITS = 16

/** What identifies a finding among those of a row: found twice, it is the same one. */
export function nameOfFinding({ kind, localKey }: Finding): string {
  return `${kind} ${nameOfColumn(localKey)}`
}

export function nameOfColumn(localKey: Buffer | null): string {
  return localKey === null ? '' : `=${localKey.toString('latin1')}`
}
