/** All threads' samples of what is asked for, since the gateway was started. In memory: they are worth little when old. */
import { limits } from '../base/limits.js'
import { OTHERS, type DatasetSample, type SampledReader } from '../base/usage.js'
import { type AdvisedReader, newReader } from './advised-reader.js'

/** As the threads' samplers write it, in base64. */
const OTHER_COLUMNS = Buffer.from(OTHERS).toString('base64')

export class AdviseLedger {
  readonly sinceMs: number
  /** Columns in base64. */
  readonly #byDataset = new Map<string, AdvisedReader[]>()

  constructor(sinceMs: number) {
    this.sinceMs = sinceMs
  }

  add(samples: readonly DatasetSample[]): void {
    for (const { dataset, readers } of samples) {
      for (const { api, caller, requests, whole, unnamed, columns } of readers) {
        const reader = this.#readerOf(dataset, api, caller)
        if (reader === null) continue
        reader.requests += requests
        reader.whole += whole
        reader.unnamed += unnamed
        for (const [column, count] of Object.entries(columns)) {
          const hasRoom = reader.columns.has(column) || reader.columns.size < limits.maxAdvisedColumns
          const counted = hasRoom ? column : OTHER_COLUMNS
          reader.columns.set(counted, (reader.columns.get(counted) ?? 0) + count)
        }
      }
    }
  }

  /** Forgets datasets that are gone: one of that name that comes later is another one. */
  keepOnly(isThere: (dataset: string) => boolean): void {
    for (const dataset of this.#byDataset.keys()) if (!isThere(dataset)) this.#byDataset.delete(dataset)
  }

  readersOf(dataset: string): readonly SampledReader[] {
    const readers = this.#byDataset.get(dataset) ?? []
    return readers.map(({ columns, ...reader }) => ({ ...reader, columns: Object.fromEntries(columns) }))
  }

  #readerOf(dataset: string, api: string, caller: string | null): AdvisedReader | null {
    const readers = this.#byDataset.get(dataset) ?? []
    const known = readers.find((reader) => reader.caller === caller && reader.api === api)
    if (known !== undefined) return known
    if (readers.length === 0) {
      if (this.#byDataset.size >= limits.maxAdvisedDatasets) return null
      this.#byDataset.set(dataset, readers)
    }
    if (readers.length >= limits.maxAdvisedReaders && caller !== OTHERS) {
      return this.#readerOf(dataset, api, OTHERS)
    }
    const reader = newReader(api, caller)
    readers.push(reader)
    return reader
  }
}
