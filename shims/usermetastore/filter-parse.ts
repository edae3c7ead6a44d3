/**
 * HBase's filter language: `PrefixFilter('r') AND (KeyOnlyFilter() OR NOT..)` as a tree. SKIP and WHILE bind closest, then
 * AND, then OR; strings stand in single quotes, a doubled one is a quote. Source: ParseFilter and ParseConstants of HBase.
 * One pass, bounded in size and depth; what does not parse is refused by saying what and where.
 */
import { limits } from '../../src/base/limits.js'
import type { ByteRange } from '../../src/model/row.js'
import { runtime } from './hbase-errors.js'

/** Bytes of a quoted argument, the bare text of another one, or a comparator that is not written as text. */
export type FilterArgument =
  | { readonly kind: 'bytes'; readonly value: Buffer }
  | { readonly kind: 'word'; readonly value: string }
  | { readonly kind: 'comparator'; readonly value: TypedComparator }

/** What a cell's bytes are compared with. The language has the first four, as `binary:...`. */
export type TypedComparator =
  | { readonly name: 'binary' | 'binaryprefix' | 'regexstring' | 'substring'; readonly value: Buffer }
  | { readonly name: 'long' | 'null'; readonly value: Buffer }
  | { readonly name: 'bit'; readonly value: Buffer; readonly operation: 'AND' | 'OR' | 'XOR' }

export type FilterTree =
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly FilterArgument[] }
  /** Row keys alone decide; no name of the language stands for it. */
  | {
      readonly kind: 'keys'
      readonly passes: (rowKey: Buffer) => boolean
      readonly range: ByteRange | null
      /** Ranges or patterns that a key is compared with. */
      readonly count: number
    }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly FilterTree[] }
  | { readonly kind: 'skip' | 'while'; readonly inner: FilterTree }

const QUOTE = 0x27
const LEFT = 0x28
const RIGHT = 0x29
const COMMA = 0x2c

/** @throws {KVError} what the handler's parser throws, which Thrift reports */
export function parseFilter(text: Buffer): FilterTree {
  if (text.length > limits.maxFilterBytes)
    throw runtime(`a filter of ${text.length} bytes, at most ${limits.maxFilterBytes}`)
  return new Parser(text).parse()
}

class Parser {
  readonly #text: Buffer
  #at = 0
  #depth = 0
  #calls = 0

  constructor(text: Buffer) {
    this.#text = text
  }

  parse(): FilterTree {
    const tree = this.#any()
    this.#skipSpace()
    if (this.#at < this.#text.length) throw this.#wrong('an end')
    return tree
  }

  #any(): FilterTree {
    return this.#list('or', 'OR', () => this.#all())
  }

  #all(): FilterTree {
    return this.#list('and', 'AND', () => this.#one())
  }

  #list(kind: 'and' | 'or', keyword: string, part: () => FilterTree): FilterTree {
    const first = part()
    const parts = [first]
    while (this.#takeKeyword(keyword)) parts.push(part())
    return parts.length === 1 ? first : { kind, parts }
  }

  #one(): FilterTree {
    this.#depth += 1
    if (this.#depth > limits.maxFilterDepth)
      throw runtime(`a filter nested more than ${limits.maxFilterDepth} deep`)
    const tree = this.#takeKeyword('SKIP')
      ? ({ kind: 'skip', inner: this.#one() } as const)
      : this.#takeKeyword('WHILE')
        ? ({ kind: 'while', inner: this.#one() } as const)
        : this.#takeByte(LEFT)
          ? this.#closed(this.#any())
          : this.#call()
    this.#depth -= 1
    return tree
  }

  #closed(tree: FilterTree): FilterTree {
    if (!this.#takeByte(RIGHT)) throw this.#wrong('a closing parenthesis')
    return tree
  }

  #call(): FilterTree {
    this.#calls += 1
    if (this.#calls > limits.maxFilterParts)
      throw runtime(`a filter of more than ${limits.maxFilterParts} parts`)
    this.#skipSpace()
    const from = this.#at
    while (isWordByte(this.#text[this.#at])) this.#at += 1
    const name = this.#text.toString('latin1', from, this.#at)
    if (name === '' || !this.#takeByte(LEFT)) throw this.#wrong("a filter's name and its arguments")
    const args: FilterArgument[] = []
    while (!this.#takeByte(RIGHT)) {
      if (this.#takeByte(COMMA)) continue
      args.push(this.#argument())
    }
    return { kind: 'call', name, args }
  }

  #argument(): FilterArgument {
    if (this.#text[this.#at] === QUOTE) return { kind: 'bytes', value: this.#quoted() }
    const from = this.#at
    while (this.#at < this.#text.length && !isDelimiter(this.#text[this.#at])) this.#at += 1
    if (this.#at === from) throw this.#wrong('an argument')
    return { kind: 'word', value: this.#text.toString('latin1', from, this.#at) }
  }

  #quoted(): Buffer {
    const pieces: Buffer[] = []
    let from = this.#at + 1
    for (;;) {
      const end = this.#text.indexOf(QUOTE, from)
      if (end < 0) throw this.#wrong('a closing quote')
      pieces.push(this.#text.subarray(from, end))
      this.#at = end + 1
      if (this.#text[this.#at] !== QUOTE) return Buffer.concat(pieces)
      // A doubled quote: the second one begins the next piece.
      pieces.push(this.#text.subarray(end, end + 1))
      from = end + 2
    }
  }

  /** A word of its own: what follows it is no letter of a longer one. */
  #takeKeyword(keyword: string): boolean {
    this.#skipSpace()
    const end = this.#at + keyword.length
    if (this.#text.toString('latin1', this.#at, end) !== keyword || isWordByte(this.#text[end])) return false
    this.#at = end
    return true
  }

  #takeByte(byte: number): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== byte) return false
    this.#at += 1
    return true
  }

  #skipSpace(): void {
    while (this.#text[this.#at] === 0x20 || this.#text[this.#at] === 0x09) this.#at += 1
  }

  #wrong(wanted: string): Error {
    return runtime(`Incorrect Filter String: ${wanted} is missing at byte ${this.#at}`)
  }
}

function isWordByte(byte: number | undefined): boolean {
  if (byte === undefined) return false
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39)
}

function isDelimiter(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === COMMA || byte === RIGHT || byte === LEFT || byte === QUOTE
}
