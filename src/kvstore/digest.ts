/**
 * Digests of what a request asks for: a page token holds one of the request that it belongs to, an idempotency token
 * one of the write. Two requests with the same digest ask for the same; the bytes of a digest mean nothing else and
 * live no longer than tokens do.
 */
import { createHash } from 'node:crypto'
import type { Mutation } from '../model/mutation.js'
import type { MutateRequest } from '../model/request.js'
import type { ByteRange, Cell, CellSelector, Condition } from '../model/row.js'
import type { ScanRequest } from '../model/scan.js'

export const DIGEST_BYTES = 16

/** What shapes the answer of a row, whichever method asked for it: its token is given to get(). */
export interface RowQuestion {
  readonly dataset: string
  readonly rowKey: Buffer
  readonly selector: CellSelector | null
  readonly withTimestamps: boolean
  readonly withTtl: boolean
}

export function digestOfRow({ dataset, rowKey, selector, withTimestamps, withTtl }: RowQuestion): Buffer {
  const digest = new Digest('row').text(dataset).bytes(rowKey)
  addSelector(digest, selector)
  return digest.flag(withTimestamps).flag(withTtl).end()
}

/** `limit` and `order` as the caller gave them: those of `request` belong to one page. An absent order is ANY, 0. */
export function digestOfScan(request: ScanRequest, limit: number | null, order: number | null): Buffer {
  const { segment } = request
  const digest = new Digest('scan').text(request.dataset)
  addRange(digest, request.range)
  addSelector(digest, request.selector)
  addConditions(digest, request.where)
  digest
    .number(limit)
    .number(order ?? 0)
    .flag(request.isReversed)
  digest.number(segment === null ? null : segment.index).number(segment === null ? null : segment.count)
  return digest.flag(request.withTimestamps).flag(request.withTtl).end()
}

/** Everything but who asks and which promise the acknowledgement makes. */
export function digestOfWrite(request: Omit<MutateRequest, 'idempotency' | 'context'>): Buffer {
  const { returnOnConflict, returnAfter } = request
  const digest = new Digest('write').text(request.dataset).bytes(request.rowKey)
  addMutations(digest, request.mutations)
  addConditions(digest, request.conditions)
  addMutations(digest, request.otherwise)
  for (const selector of [returnOnConflict, returnAfter]) {
    digest.flag(selector !== undefined)
    addSelector(digest, selector ?? null)
  }
  return digest.end()
}

/** Every part is marked and sized, so that no two lists of parts are the same bytes. */
class Digest {
  readonly #hash = createHash('sha256')

  constructor(kind: string) {
    this.text(kind)
  }

  bytes(value: Buffer | null): this {
    if (value === null) return this.#mark('-')
    this.#mark(`b${value.byteLength}:`)
    this.#hash.update(value)
    return this
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value))
  }

  number(value: number | bigint | null): this {
    return this.#mark(value === null ? '-' : `n${value};`)
  }

  flag(value: boolean): this {
    return this.#mark(value ? '+' : '~')
  }

  end(): Buffer {
    return this.#hash.digest().subarray(0, DIGEST_BYTES)
  }

  #mark(text: string): this {
    this.#hash.update(text)
    return this
  }
}

function addSelector(digest: Digest, selector: CellSelector | null): void {
  digest.flag(selector !== null)
  if (selector === null) return
  digest.number(selector.localKeys.length).number(selector.ranges.length)
  for (const localKey of selector.localKeys) digest.bytes(localKey)
  for (const range of selector.ranges) addRange(digest, range)
  digest.number(selector.limit).flag(selector.isReversed).number(selector.maxVersions)
  digest.number(selector.minTimestamp).number(selector.maxTimestamp).flag(selector.keysOnly)
}

function addRange(digest: Digest, range: ByteRange | null): void {
  digest.flag(range !== null)
  if (range !== null) digest.bytes(range.from).bytes(range.to)
}

function addConditions(digest: Digest, conditions: readonly Condition[]): void {
  digest.number(conditions.length)
  for (const { localKey, comparison, value, timestamp, ifMissing } of conditions) {
    digest.text(comparison).bytes(localKey).bytes(value).number(timestamp).flag(ifMissing)
  }
}

function addMutations(digest: Digest, mutations: readonly Mutation[]): void {
  digest.number(mutations.length)
  for (const mutation of mutations) {
    digest.text(mutation.kind)
    addMutation(digest, mutation)
  }
}

function addMutation(digest: Digest, mutation: Mutation): void {
  switch (mutation.kind) {
    case 'PUT':
      addCells(digest, mutation.cells)
      digest.number(mutation.timestamp).flag(mutation.replaceRow)
      return
    case 'DELETE':
      addSelector(digest, mutation.selector)
      digest.number(mutation.timestamp).text(mutation.scope)
      return
    case 'INCREMENT':
      digest.number(mutation.deltas.length)
      for (const { localKey, delta, ttlSeconds, wraps } of mutation.deltas) {
        digest.bytes(localKey).number(delta).number(ttlSeconds)
        if (wraps === true) digest.text('wraps')
      }
      return
    case 'APPEND':
      addCells(digest, mutation.cells)
      return
    case 'TOUCH':
      addSelector(digest, mutation.selector)
      digest.number(mutation.ttlSeconds)
  }
}

function addCells(digest: Digest, cells: readonly Cell[]): void {
  digest.number(cells.length)
  for (const { localKey, value, timestamp, ttlSeconds } of cells) {
    digest.bytes(localKey).bytes(value).number(timestamp).number(ttlSeconds)
  }
}
