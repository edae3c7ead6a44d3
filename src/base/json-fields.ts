/** JSON from elsewhere, checked field by field as it is taken. */
import type { KVError } from './errors.js'

const MAX_TEXT = 4_096

/** Makes the error that says what is wrong, in the words of whoever reads the text. */
export type Refusal = (what: string, cause?: unknown) => KVError

/** @throws what `refuse` makes, when the bytes are no object of JSON in UTF-8 */
export function parseFields(bytes: Buffer, refuse: Refusal): JsonFields {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw refuse('it is no JSON', error)
  }
  return new JsonFields(value, refuse)
}

/** The fields of an object; each method throws what `refuse` makes when a field is not what it should be. */
export class JsonFields {
  readonly #fields: ReadonlyMap<string, unknown>
  readonly #refuse: Refusal

  constructor(value: unknown, refuse: Refusal) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw refuse('a part of it is no object')
    this.#fields = new Map(Object.entries(value))
    this.#refuse = refuse
  }

  text(name: string): string {
    const value = this.#fields.get(name)
    if (typeof value === 'string' && value.length <= MAX_TEXT) return value
    throw this.#refuse(`${name} is no text`)
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const text = this.text(name)
    const found = allowed.find((one) => one === text)
    if (found === undefined) throw this.#refuse(`${name} is not one of ${allowed.join(', ')}`)
    return found
  }

  /** A whole number of 0 or more. */
  count(name: string): number {
    const value = this.#fields.get(name)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    throw this.#refuse(`${name} is no whole number`)
  }

  countOrNull(name: string): number | null {
    return this.#fields.get(name) === null ? null : this.count(name)
  }

  object(name: string): JsonFields {
    return new JsonFields(this.#fields.get(name), this.#refuse)
  }

  list(name: string, max: number): JsonFields[] {
    const value = this.#fields.get(name)
    if (!Array.isArray(value)) throw this.#refuse(`${name} is no list`)
    if (value.length > max) throw this.#refuse(`${name} has more than ${max} entries`)
    return value.map((item: unknown) => new JsonFields(item, this.#refuse))
  }
}
