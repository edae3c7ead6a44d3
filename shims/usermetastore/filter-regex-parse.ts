/**
 * The part of Java's regular expressions that can be matched in linear time, as a tree: literals, classes, groups,
 * alternatives, repetitions and the anchors at both ends. Back references, look-around, flags, possessive repetition and
 * word boundaries are refused by name. The dot takes line ends, too, as RegexStringComparator has it.
 */
import { limits } from '../../src/base/limits.js'
import { runtime } from './hbase-errors.js'

/** From and to, both included. */
export type Span = readonly [number, number]
/** Code points: ascending, disjoint. */
export type Spans = readonly Span[]

export type RegexNode =
  | { readonly kind: 'char'; readonly spans: Spans }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'all'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'any'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly inner: RegexNode; readonly min: number; readonly max: number }

const MAX_REPEAT = 1_000
const LAST_POINT = 0x10ffff

const ANY: Spans = [[0, LAST_POINT]]
const DIGIT: Spans = [[0x30, 0x39]]
const SPACE: Spans = [
  [0x09, 0x0d],
  [0x20, 0x20],
]
const WORD: Spans = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
const CLASSES: Readonly<Record<string, Spans>> = {
  d: DIGIT,
  D: othersThan(DIGIT),
  s: SPACE,
  S: othersThan(SPACE),
  w: WORD,
  W: othersThan(WORD),
}
const CONTROLS: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f' }

/** @throws {KVError} for what does not parse or is not offered */
export function parseRegex(source: string): RegexNode {
  return new RegexParser(source).parse()
}

/** However many there are, by halves. */
export function isWithin(spans: Spans, point: number): boolean {
  let low = 0
  for (let high = spans.length - 1; low <= high;) {
    const middle = (low + high) >> 1
    const [from, to] = spans[middle] ?? [0, 0]
    if (point < from) high = middle - 1
    else if (point > to) low = middle + 1
    else return true
  }
  return false
}

function joined(spans: readonly Span[]): Spans {
  const all: [number, number][] = []
  for (const [from, to] of [...spans].sort(([a], [b]) => a - b)) {
    const last = all.at(-1)
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else all.push([from, to])
  }
  return all
}

function othersThan(spans: Spans): Spans {
  const others: Span[] = []
  let next = 0
  for (const [from, to] of spans) {
    if (from > next) others.push([next, from - 1])
    next = to + 1
  }
  if (next <= LAST_POINT) others.push([next, LAST_POINT])
  return others
}

function only(character: string): Spans {
  const point = character.codePointAt(0) ?? 0
  return [[point, point]]
}

class RegexParser {
  readonly #text: readonly string[]
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.#text = Array.from(source)
  }

  parse(): RegexNode {
    const node = this.#alternatives()
    if (this.#at < this.#text.length) throw this.#refuse('an unopened )')
    return node
  }

  #alternatives(): RegexNode {
    this.#depth += 1
    if (this.#depth > limits.maxFilterDepth) throw this.#refuse('groups nested too deep')
    const parts = [this.#sequence()]
    while (this.#take('|')) parts.push(this.#sequence())
    this.#depth -= 1
    return { kind: 'any', parts }
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = []
    while (this.#at < this.#text.length && this.#peek() !== '|' && this.#peek() !== ')')
      parts.push(this.#repeated(this.#atom()))
    return { kind: 'all', parts }
  }

  #repeated(inner: RegexNode): RegexNode {
    let node = inner
    // Each repetition of a repetition is a level that the compiler descends.
    for (let depth = 0; depth <= limits.maxFilterDepth; depth++) {
      const range = this.#repetition()
      if (range === null) return node
      // What is found does not depend on how much a repetition takes; giving nothing back does.
      if (!this.#take('?') && this.#peek() === '+') throw this.#refuse('possessive repetition')
      node = { kind: 'repeat', inner: node, ...range }
    }
    throw this.#refuse('repetitions nested too deep')
  }

  #repetition(): { readonly min: number; readonly max: number } | null {
    if (this.#take('*')) return { min: 0, max: Number.POSITIVE_INFINITY }
    if (this.#take('+')) return { min: 1, max: Number.POSITIVE_INFINITY }
    if (this.#take('?')) return { min: 0, max: 1 }
    if (!this.#take('{')) return null
    const end = this.#text.indexOf('}', this.#at)
    const counts = /^(\d+)(,(\d*))?$/.exec(this.#text.slice(this.#at, Math.max(end, this.#at)).join(''))
    if (counts === null) throw this.#refuse('a repetition that is none')
    this.#at = end + 1
    const min = Number(counts[1])
    const max =
      counts[2] === undefined ? min : counts[3] === '' ? Number.POSITIVE_INFINITY : Number(counts[3])
    if (max < min || min > MAX_REPEAT || (max > MAX_REPEAT && Number.isFinite(max)))
      throw this.#refuse(`a repetition beyond ${MAX_REPEAT}, or of more to less`)
    return { min, max }
  }

  #atom(): RegexNode {
    const character = this.#text[this.#at++] ?? ''
    switch (character) {
      case '.':
        return { kind: 'char', spans: ANY }
      case '^':
        return { kind: 'start' }
      case '$':
        return { kind: 'end' }
      case '(':
        return this.#group()
      case '[':
        return { kind: 'char', spans: this.#class() }
      case '\\':
        return { kind: 'char', spans: this.#escape() }
      case '*':
      case '+':
      case '?':
      case '{':
        throw this.#refuse('a repetition of nothing')
      default:
        return { kind: 'char', spans: only(character) }
    }
  }

  #group(): RegexNode {
    if (this.#take('?') && !this.#take(':')) throw this.#refuse('look-around, named groups and flags')
    const node = this.#alternatives()
    if (!this.#take(')')) throw this.#refuse('an unclosed (')
    return node
  }

  #escape(): Spans {
    const character = this.#text[this.#at++]
    if (character === undefined) throw this.#refuse('a \\ at the end')
    return CLASSES[character] ?? only(this.#escaped(character))
  }

  #escaped(character: string): string {
    const control = CONTROLS[character]
    if (control !== undefined) return control
    if (character === 'x') {
      const digits = this.#text.slice(this.#at, this.#at + 2).join('')
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) throw this.#refuse('\\x without two digits')
      this.#at += 2
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    if (/[A-Za-z0-9]/.test(character)) throw this.#refuse(`\\${character}`)
    return character
  }

  #class(): Spans {
    const isNegated = this.#take('^')
    const spans: Span[] = []
    let isFirst = true
    for (;;) {
      const character = this.#text[this.#at++]
      if (character === undefined) throw this.#refuse('an unclosed [')
      if (character === ']' && !isFirst) break
      isFirst = false
      if (character === '[' || (character === '&' && this.#peek() === '&'))
        throw this.#refuse('unions and intersections of classes')
      spans.push(...this.#classItem(character))
    }
    return isNegated ? othersThan(joined(spans)) : joined(spans)
  }

  #classItem(character: string): Spans {
    let low = character
    if (character === '\\') {
      const escaped = this.#text[this.#at++] ?? ''
      const known = CLASSES[escaped]
      if (known !== undefined) return known
      low = this.#escaped(escaped)
    }
    const isRange = this.#peek() === '-' && this.#text[this.#at + 1] !== ']'
    if (!isRange || this.#at + 1 >= this.#text.length) return only(low)
    this.#at += 1
    const next = this.#text[this.#at++] ?? ''
    const high = next === '\\' ? this.#escaped(this.#text[this.#at++] ?? '') : next
    const [from, to] = [low.codePointAt(0) ?? 0, high.codePointAt(0) ?? 0]
    if (to < from) throw this.#refuse('a range of characters from high to low')
    return [[from, to]]
  }

  #peek(): string | undefined {
    return this.#text[this.#at]
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at += 1
    return true
  }

  #refuse(what: string): Error {
    return runtime(`regexstring: ${what} is not offered, at character ${this.#at}`)
  }
}
