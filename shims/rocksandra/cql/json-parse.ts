/**
 * JSON with its numbers as they are written: JavaScript's own parser makes doubles of them, and a bigint would lose digits.
 * Of a key that is written twice the later value counts.
 */
import { limits } from '../../../src/base/limits.js'
import { doubleText } from './values/doubles.js'

/** What is wrong with a text that is no JSON, and where. Its caller says of what. */
export class JsonFault extends Error {}

/** A number as it is written. */
export class JsonNumber {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  /** Without a fraction and an exponent. */
  get isInteger(): boolean {
    return /^-?\d+$/.test(this.text)
  }

  /** As Java prints what its parser makes of it: an integer as it is, anything else as a double. */
  get javaText(): string {
    if (!this.isInteger) return doubleText(Number(this.text))
    return this.text === '-0' ? '0' : this.text
  }
}

export type JsonObject = ReadonlyMap<string, JsonValue>
export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject

/** @throws {JsonFault} */
export function parseJson(text: string): JsonValue {
  return new Parser(text).parse()
}

const SPACE = /[ \t\n\r]*/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
/** Any run of characters that are no quote; escapes are checked afterwards. */
const STRING = /"(?:[^"\\]|\\.)*"/sy

const WORDS: readonly (readonly [string, null | boolean])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
]

class Parser {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): JsonValue {
    const value = this.#value()
    this.#skipSpace()
    if (this.#at < this.#text.length) throw this.#fault('the end')
    return value
  }

  #value(): JsonValue {
    this.#skipSpace()
    switch (this.#text.charAt(this.#at)) {
      case '{':
        return this.#nested(() => this.#object())
      case '[':
        return this.#nested(() => this.#array())
      case '"':
        return this.#string()
      default:
        return this.#word()
    }
  }

  #nested<T>(rule: () => T): T {
    if (this.#depth >= limits.maxCqlDepth) throw new JsonFault(`nested deeper than ${limits.maxCqlDepth}`)
    this.#depth++
    this.#at++
    const value = rule()
    this.#depth--
    return value
  }

  #object(): JsonObject {
    const entries = new Map<string, JsonValue>()
    if (this.#take('}')) return entries
    do {
      this.#skipSpace()
      const key = this.#string()
      if (!this.#take(':')) throw this.#fault("':'")
      entries.set(key, this.#value())
    } while (this.#take(','))
    if (!this.#take('}')) throw this.#fault("',' or '}'")
    return entries
  }

  #array(): readonly JsonValue[] {
    const items: JsonValue[] = []
    if (this.#take(']')) return items
    do items.push(this.#value())
    while (this.#take(','))
    if (!this.#take(']')) throw this.#fault("',' or ']'")
    return items
  }

  #string(): string {
    const written = this.#match(STRING)
    if (written === null) throw this.#fault('a string')
    if (!written.includes('\\') && !/[\u0000-\u001f]/.test(written)) return written.slice(1, -1)
    try {
      return String(JSON.parse(written))
    } catch {
      throw this.#fault('a string with valid escapes')
    }
  }

  /** `null`, `true`, `false` or a number. */
  #word(): JsonValue {
    const found = WORDS.find(([word]) => this.#text.startsWith(word, this.#at))
    if (found !== undefined) {
      this.#at += found[0].length
      return found[1]
    }
    const written = this.#match(NUMBER)
    if (written === null) throw this.#fault('a value')
    return new JsonNumber(written)
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) return null
    this.#at = pattern.lastIndex
    return match[0]
  }

  #take(character: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #skipSpace(): void {
    this.#match(SPACE)
  }

  #fault(expected: string): JsonFault {
    return new JsonFault(`${expected} expected at character ${this.#at}`)
  }
}
