/**
 * Notes which columns some of a thread's reads ask for. How many are passed over between two that are looked at follows
 * the load, so that about limits.maxSampledRequestsPerSecond are, however many come; the number is drawn anew each time,
 * so that callers who take turns are met alike.
 */
import { limits } from '../base/limits.js'
import type { ReadRequest } from '../model/request.js'
import type { CellSelector } from '../model/row.js'
import type { ScanRequest } from '../model/scan.js'
import { OTHERS, type DatasetSample } from '../base/usage.js'
import { type AdvisedReader, newReader } from './advised-reader.js'

/** Milliseconds between two samples that the distance aims at. */
const AIM_MS = 1_000 / limits.maxSampledRequestsPerSecond
const MAX_DISTANCE = 1_000_000
/** After so long without a sample the load is another one: the next request is looked at, and the distance begins anew. */
const QUIET_MS = 1_000

export class AdviseSampler {
  readonly #random: () => number
  /** Columns in latin1. */
  #byDataset = new Map<string, AdvisedReader[]>()
  /** Requests for one that is looked at, on average. */
  #distance = 1
  #left = 1
  #lastAtMs = Number.NEGATIVE_INFINITY

  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  note(request: ReadRequest | ScanRequest, dataset: string, atMs: number): void {
    this.#left -= 1
    const gapMs = Math.max(atMs - this.#lastAtMs, 0)
    if (this.#left > 0 && gapMs < QUIET_MS) return
    this.#lastAtMs = atMs
    const change = gapMs === 0 ? 2 : Math.min(2, Math.max(0.5, AIM_MS / gapMs))
    const distance = gapMs < QUIET_MS ? this.#distance * change : 1
    this.#distance = Math.min(MAX_DISTANCE, Math.max(1, distance))
    this.#left = 1 + Math.floor(this.#random() * (2 * this.#distance - 1))
    if (dataset !== '') this.#sample(request, dataset)
  }

  /** What was sampled since it was taken last. */
  take(): readonly DatasetSample[] {
    const samples = Array.from(this.#byDataset, ([dataset, readers]) => ({
      dataset,
      readers: readers.map(({ columns, ...reader }) => ({
        ...reader,
        columns: Object.fromEntries(Array.from(columns, ([name, count]) => [keyOf(name), count])),
      })),
    }))
    this.#byDataset = new Map()
    return samples
  }

  #sample(request: ReadRequest | ScanRequest, dataset: string): void {
    const reader = this.#readerOf(dataset, request.context.api, request.context.caller)
    if (reader === null) return
    reader.requests += 1
    const selectors = ('selectorsByKey' in request ? request.selectorsByKey : null) ?? [request.selector]
    const named = new Set<string>()
    let isWhole = selectors.length === 0
    for (const selector of selectors.slice(0, limits.maxSampledSelectors)) {
      if (selector === null || !namesColumns(selector)) isWhole = true
      else for (const localKey of selector.localKeys) addColumn(named, localKey)
    }
    if (isWhole) reader.whole += 1
    else if (named.size === 1 && named.has('')) reader.unnamed += 1
    else for (const name of named) count(reader.columns, name)
  }

  /** Null: there is no room. */
  #readerOf(dataset: string, api: string, caller: string | null): AdvisedReader | null {
    let readers = this.#byDataset.get(dataset)
    if (readers === undefined) {
      if (this.#byDataset.size >= limits.maxAdvisedDatasets) return null
      readers = []
      this.#byDataset.set(dataset, readers)
    }
    const known = readers.find((reader) => reader.caller === caller && reader.api === api)
    if (known !== undefined) return known
    if (readers.length >= limits.maxAdvisedReaders && caller !== OTHERS) {
      return this.#readerOf(dataset, api, OTHERS)
    }
    const reader = newReader(api, caller)
    readers.push(reader)
    return reader
  }
}

function namesColumns({ localKeys, ranges }: CellSelector): boolean {
  return localKeys.length > 0 && ranges.length === 0
}

function addColumn(named: Set<string>, localKey: Buffer): void {
  if (named.size < limits.maxAdvisedColumns && localKey.length <= limits.maxNameLength) {
    named.add(localKey.toString('latin1'))
  } else named.add(OTHERS)
}

function count(columns: Map<string, number>, name: string): void {
  const counted = columns.has(name) || columns.size < limits.maxAdvisedColumns ? name : OTHERS
  columns.set(counted, (columns.get(counted) ?? 0) + 1)
}

function keyOf(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('base64')
}
