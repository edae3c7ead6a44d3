/**
 * The records of one table in memory, as the store last had them for certain, and their way to the store and back. Only
 * the ledger changes one.
 */
import { KVError } from '../base/errors.js'
import type { MetaStoreBackend, MetaTable, RecordWrite, StoredRecord } from './store.js'

/** What is stored under a name: a record that everybody sees and, for some tables, what only KVSM needs to know. */
export interface Stored {
  readonly record: { readonly name: string; readonly revision: number }
}

export interface ShelfRules<S extends Stored> {
  readonly table: MetaTable
  /** For messages: `dataset`, `cluster`. */
  readonly noun: string
  encode(stored: S): string
  /** Frozen to the leaves, at the revision that the store gives. @throws {KVError} CORRUPT, FAILED_PRECONDITION */
  decode(stored: StoredRecord): S
  /** The same at another revision, frozen to the leaves. */
  atRevision(stored: S, revision: number): S
}

export class Shelf<S extends Stored> {
  readonly rules: ShelfRules<S>
  #records = new Map<string, S>()

  constructor(rules: ShelfRules<S>) {
    this.rules = rules
  }

  get(name: string): S | null {
    return this.#records.get(name) ?? null
  }

  /** By name. */
  list(): S[] {
    return [...this.#records.values()].sort((a, b) => (a.record.name < b.record.name ? -1 : 1))
  }

  /**
   * What the store holds now; nothing is changed here.
   * @throws {KVError} one error that names the first ten records that cannot be read, UNAVAILABLE
   */
  async load(backend: MetaStoreBackend): Promise<S[]> {
    return decodeAll(await backend.list(this.rules.table), (one) => this.rules.decode(one))
  }

  /** Answers the names whose records are new, differ or are gone. */
  replace(loaded: readonly S[]): string[] {
    const before = this.#records
    this.#records = new Map(loaded.map((one) => [one.record.name, one]))
    const names = new Set([...before.keys(), ...this.#records.keys()])
    const revisionIn = (records: ReadonlyMap<string, S>, name: string) => records.get(name)?.record.revision
    return [...names].filter((name) => revisionIn(before, name) !== revisionIn(this.#records, name))
  }

  /** The part of a commit that makes `next` of what is there now; null removes it. */
  write(name: string, next: S | null): RecordWrite {
    const expectedRevision = this.get(name)?.record.revision ?? 0
    const value = next === null ? null : this.rules.encode(next)
    return { table: this.rules.table, key: name, value, expectedRevision }
  }

  /** After the commit. */
  adopt(name: string, next: S | null, revision: number): S | null {
    if (next === null) {
      this.#records.delete(name)
      return null
    }
    const adopted = this.rules.atRevision(next, revision)
    this.#records.set(name, adopted)
    return adopted
  }

  /** @throws {KVError} CONFLICT unless the record is at the revision that the change expects; null: it expects none */
  checkRevision(name: string, expected: number | null): void {
    const revision = this.get(name)?.record.revision ?? 0
    if (expected === null || expected === revision) return
    const { noun, table } = this.rules
    throw new KVError(
      'CONFLICT',
      `${noun} ${name} is at revision ${revision} and the change expects ${expected}: read it again, then repeat`,
      { outcome: 'NOT_APPLIED', ...(table === 'dataset' ? { dataset: name } : {}) },
    )
  }
}

/** All records, or one error that names the first ten that cannot be read. */
export function decodeAll<Text, T>(stored: readonly Text[], decode: (one: Text) => T): T[] {
  const decoded: T[] = []
  const faults: KVError[] = []
  for (const one of stored) {
    try {
      decoded.push(decode(one))
    } catch (error) {
      if (!(error instanceof KVError)) throw error
      faults.push(error)
    }
  }
  const [first] = faults
  if (first === undefined) return decoded
  const named = faults.slice(0, 10).map((fault) => fault.message)
  const more = faults.length > named.length ? `; and ${faults.length - named.length} more` : ''
  // A newer format explains damage that an older program believes to see, so it is the answer when both
  // occur.
  const code = faults.some((fault) => fault.code === 'FAILED_PRECONDITION')
    ? 'FAILED_PRECONDITION'
    : first.code
  throw new KVError(code, `${named.join('; ')}${more}`, { cause: first })
}
