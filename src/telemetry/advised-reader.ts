/** Who reads a dataset over which API, and what of it: counted by each thread's sampler, and added up by the ledger. */
export interface AdvisedReader {
  readonly api: string
  readonly caller: string | null
  requests: number
  whole: number
  unnamed: number
  /** By column, in the text that its counter names columns by. */
  readonly columns: Map<string, number>
}

export function newReader(api: string, caller: string | null): AdvisedReader {
  return { api, caller, requests: 0, whole: 0, unnamed: 0, columns: new Map() }
}
