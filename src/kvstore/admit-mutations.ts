/** Part of hop 3: what a list of mutations of one row may hold. */
import { limits } from '../base/limits.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { Mutation } from '../model/mutation.js'
import type { MutateRequest } from '../model/request.js'
import type { Cell, CellSelector } from '../model/row.js'
import { checkLocalKey, checkSelector, refuse } from './admit-sizes.js'

/** @throws {KVError} INVALID_ARGUMENT, TOO_LARGE */
export function checkMutations(mutations: readonly Mutation[], entry: DatasetEntry): void {
  if (mutations.length > limits.maxMutationsPerRow) {
    throw refuse(
      entry,
      'TOO_LARGE',
      `${mutations.length} mutations of one row, at most ${limits.maxMutationsPerRow}: split the request`,
    )
  }
  let cells = 0
  for (const mutation of mutations) cells += checkMutation(mutation, entry)
  if (cells > limits.maxCellsPerRow) {
    throw refuse(entry, 'TOO_LARGE', `${cells} cells in one write, at most ${limits.maxCellsPerRow}`)
  }
}

/** Answers how many cells it names. */
function checkMutation(mutation: Mutation, entry: DatasetEntry): number {
  switch (mutation.kind) {
    case 'PUT':
      if (mutation.cells.length === 0)
        throw refuse(entry, 'INVALID_ARGUMENT', 'a put with neither value nor cells')
      checkCells(mutation.cells, entry)
      return mutation.cells.length
    case 'APPEND':
      checkCells(mutation.cells, entry)
      return mutation.cells.length
    case 'INCREMENT':
      for (const { localKey, ttlSeconds } of mutation.deltas) {
        checkLocalKey(localKey, entry)
        checkTtl(ttlSeconds, entry)
      }
      return mutation.deltas.length
    case 'DELETE':
      return checkColumns(mutation.selector, entry)
    case 'TOUCH':
      checkTtl(mutation.ttlSeconds, entry)
      return checkColumns(mutation.selector, entry)
  }
}

function checkColumns(selector: CellSelector | null, entry: DatasetEntry): number {
  if (selector === null) return 0
  checkSelector(selector, entry)
  return selector.localKeys.length + selector.ranges.length
}

function checkCells(cells: readonly Cell[], entry: DatasetEntry): void {
  if (cells.length > limits.maxCellsPerRow) {
    throw refuse(entry, 'TOO_LARGE', `${cells.length} cells in one write, at most ${limits.maxCellsPerRow}`)
  }
  const { maxValueBytes } = entry.record
  const seen = cells.length > 1 ? new Set<string>() : null
  for (const { localKey, value, ttlSeconds } of cells) {
    checkLocalKey(localKey, entry)
    if (value.length > maxValueBytes) {
      throw refuse(entry, 'TOO_LARGE', `a value of ${value.length} bytes, at most ${maxValueBytes}`)
    }
    checkTtl(ttlSeconds, entry)
    if (seen === null) continue
    const name = localKey.toString('latin1')
    if (seen.has(name)) throw refuse(entry, 'INVALID_ARGUMENT', 'one mutation names a local key twice')
    seen.add(name)
  }
}

function checkTtl(ttlSeconds: number | null, entry: DatasetEntry): void {
  if (ttlSeconds === null || ttlSeconds > 0) return
  throw refuse(entry, 'INVALID_ARGUMENT', `a TTL of ${ttlSeconds} s: at least 1, or absent for no expiry`)
}

/** Cells that a put writes without a TTL take the dataset's. */
export function withDefaultTtl(request: MutateRequest, ttlSeconds: number): MutateRequest {
  const complete = (mutation: Mutation): Mutation => {
    if (mutation.kind !== 'PUT') return mutation
    return { ...mutation, cells: mutation.cells.map((cell) => withTtl(cell, ttlSeconds)) }
  }
  const { mutations, otherwise } = request
  return { ...request, mutations: mutations.map(complete), otherwise: otherwise.map(complete) }
}

function withTtl(cell: Cell, ttlSeconds: number): Cell {
  return cell.ttlSeconds === null ? { ...cell, ttlSeconds } : cell
}
