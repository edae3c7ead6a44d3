/**
 * Statements that came as text and are kept made ready: those used last, so many of them and so much text of them, whatever
 * clients send. A long text is not kept, because it would take the place of many.
 */

export interface StatementCacheLimits {
  readonly maxCachedCqlStatements: number
  /** Of one text. */
  readonly maxCachedCqlChars: number
  /** Of all texts. */
  readonly maxCachedCqlTotalChars: number
}

export class StatementCache<T extends { readonly text: string }> {
  readonly #limits: StatementCacheLimits
  /** The one used last at the end. */
  readonly #byKey = new Map<string, T>()
  #chars = 0

  constructor(limits: StatementCacheLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#byKey.size
  }

  /** Of all texts that are kept. */
  get chars(): number {
    return this.#chars
  }

  /** Takes it out; who goes on using it puts it back. */
  take(key: string): T | null {
    const known = this.#byKey.get(key)
    if (known === undefined) return null
    this.#byKey.delete(key)
    this.#chars -= known.text.length
    return known
  }

  put(key: string, statement: T): void {
    const { maxCachedCqlStatements, maxCachedCqlChars, maxCachedCqlTotalChars } = this.#limits
    if (statement.text.length > maxCachedCqlChars) return
    this.take(key)
    this.#byKey.set(key, statement)
    this.#chars += statement.text.length
    for (const oldest of this.#byKey.keys()) {
      if (this.#byKey.size <= maxCachedCqlStatements && this.#chars <= maxCachedCqlTotalChars) return
      this.take(oldest)
    }
  }
}
