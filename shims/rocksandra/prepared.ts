/**
 * Prepared statements of one thread, by the id that drivers know them under: as in Cassandra the MD5 of keyspace and text,
 * so that every thread and every gateway gives a statement the same id. What is not here is answered UNPREPARED, and the
 * driver prepares it again.
 *
 * Bounded by number and by bytes of text. What has to go is the oldest that was not used since it was looked at last.
 * Source: QueryProcessor.computeId of Cassandra 3.0.
 */
import { createHash } from 'node:crypto'
import { CqlError } from './cql/errors.js'
import type { PreparedStatement } from './engine/contract.js'

export interface PreparedLimits {
  readonly maxPreparedStatements: number
  readonly maxPreparedBytes: number
}

interface Entry {
  readonly statement: PreparedStatement
  wasUsed: boolean
}

export function preparedId(text: string, keyspace: string | null): Buffer {
  return createHash('md5')
    .update(keyspace ?? '')
    .update(text)
    .digest()
}

export class PreparedStatements {
  readonly #limits: PreparedLimits
  /** By id, each byte a character; oldest first. */
  readonly #entries = new Map<string, Entry>()
  #textLength = 0

  constructor(limits: PreparedLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#entries.size
  }

  has(id: Buffer): boolean {
    return this.#entries.get(id.toString('latin1'))?.statement.isCurrent() === true
  }

  /** @throws {CqlError} UNPREPARED */
  get(id: Buffer): PreparedStatement {
    const key = id.toString('latin1')
    const entry = this.#entries.get(key)
    if (entry?.statement.isCurrent() === true) {
      entry.wasUsed = true
      return entry.statement
    }
    if (entry !== undefined) this.#remove(key, entry)
    const hex = id.subarray(0, 16).toString('hex')
    throw new CqlError(
      'UNPREPARED',
      `Prepared query with ID ${hex} not found (either the query was not prepared on this host (maybe the host has ` +
        'been restarted?) or you have prepared too many queries and it has been evicted from the internal cache)',
      { preparedId: id },
    )
  }

  put(id: Buffer, statement: PreparedStatement): void {
    const key = id.toString('latin1')
    const before = this.#entries.get(key)
    if (before !== undefined) this.#remove(key, before)
    this.#entries.set(key, { statement, wasUsed: false })
    this.#textLength += statement.text.length
    while (this.#isTooMuch()) this.#removeOne(key)
  }

  #isTooMuch(): boolean {
    const { maxPreparedStatements, maxPreparedBytes } = this.#limits
    const { size } = this.#entries
    return size > 1 && (size > maxPreparedStatements || this.#textLength > maxPreparedBytes)
  }

  #removeOne(newest: string): void {
    for (const [key, entry] of this.#entries) {
      if (entry.wasUsed || key === newest) {
        // A second chance, behind all others. Ends, because none of those comes round in use again.
        this.#entries.delete(key)
        entry.wasUsed = false
        this.#entries.set(key, entry)
      } else {
        this.#remove(key, entry)
        return
      }
    }
  }

  #remove(key: string, { statement }: Entry): void {
    this.#entries.delete(key)
    this.#textLength -= statement.text.length
  }
}
