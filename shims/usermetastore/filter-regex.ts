/**
 * The part of Java's regular expressions that can be matched in time linear in the text: literals, classes, groups,
 * alternatives, repetitions and the anchors at both ends. All states that a prefix can lead to are followed at once
 * (Thompson), so that no expression of a caller can keep a thread busy. Back references, look-around, flags, possessive
 * repetition and word boundaries are refused by name. As RegexStringComparator: found anywhere, the dot takes line
 * ends, too.
 */
import { limits } from '../../src/base/limits.js'
import { DO_NOT_RETRY, ioFault, runtime } from './hbase-errors.js'

type Test = (codePoint: number) => boolean

type Node =
  | { readonly kind: 'char'; readonly test: Test }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'any'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly inner: Node; readonly min: number; readonly max: number }

/** One instruction of the automaton; `to` and `or` are indexes of further ones. */
type State =
  | { readonly kind: 'char'; readonly test: Test; to: number }
  | { readonly kind: 'start' | 'end'; to: number }
  | { readonly kind: 'split'; to: number; or: number }
  | { readonly kind: 'match' }

export class LinearRegex {
  readonly #states: State[] = []
  readonly #start: number

  /** @throws {KVError} for what does not parse, cannot be matched in linear time, or is too large */
  constructor(source: string) {
    const tree = new RegexParser(source).parse()
    this.#start = this.#compile(tree, this.#add({ kind: 'match' }))
  }

  /** Whether it matches any part of the text. */
  isFoundIn(text: string): boolean {
    const marks = new Int32Array(this.#states.length).fill(-1)
    let current: number[] = []
    const points = Array.from(text, (character) => character.codePointAt(0) ?? 0)
    let steps = 0
    for (let at = 0; at <= points.length; at++) {
      const isEnd = at === points.length
      if (this.#enter(this.#start, current, { marks, at, isEnd })) return true
      const point = points[at]
      if (point === undefined) return false
      const next: number[] = []
      steps += current.length
      if (steps > limits.maxRegexSteps) throw tooLong(points.length)
      for (const index of current) {
        const state = this.#states[index]
        if (state?.kind !== 'char' || !state.test(point)) continue
        if (this.#enter(state.to, next, { marks, at: at + 1, isEnd: at + 1 === points.length })) return true
      }
      current = next
    }
    return false
  }

  /** Adds the state and what it leads to without a character; true: that is the match. */
  #enter(
    first: number,
    into: number[],
    place: { readonly marks: Int32Array; readonly at: number; readonly isEnd: boolean },
  ): boolean {
    const waiting = [first]
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      if (place.marks[index] === place.at) continue
      place.marks[index] = place.at
      const state = this.#states[index]
      if (state === undefined) continue
      if (state.kind === 'match') return true
      if (state.kind === 'char') into.push(index)
      else if (state.kind === 'split') waiting.push(state.or, state.to)
      else if (state.kind === 'start' ? place.at === 0 : place.isEnd) waiting.push(state.to)
    }
    return false
  }

  /** Answers where the node's automaton begins, which goes on at `to`. */
  #compile(node: Node, to: number): number {
    switch (node.kind) {
      case 'char':
        return this.#add({ kind: 'char', test: node.test, to })
      case 'start':
      case 'end':
        return this.#add({ kind: node.kind, to })
      case 'all':
        return node.parts.reduceRight((next, part) => this.#compile(part, next), to)
      case 'any':
        return node.parts
          .map((part) => this.#compile(part, to))
          .reduceRight((or, first) => this.#add({ kind: 'split', to: first, or }))
      case 'repeat':
        return this.#repeat(node, to)
    }
  }

  #repeat({ inner, min, max }: Extract<Node, { kind: 'repeat' }>, to: number): number {
    let next = to
    if (max === Number.POSITIVE_INFINITY) {
      const loop = this.#add({ kind: 'split', to: -1, or: to })
      const again = this.#compile(inner, loop)
      Object.assign(this.#states[loop] ?? {}, { to: again })
      next = loop
    } else {
      for (let count = min; count < max; count++) {
        next = this.#add({ kind: 'split', to: this.#compile(inner, next), or: to })
      }
    }
    for (let count = 0; count < min; count++) next = this.#compile(inner, next)
    return next
  }

  #add(state: State): number {
    if (this.#states.length >= limits.maxRegexStates)
      throw runtime(`a regular expression of more than ${limits.maxRegexStates} states`)
    return this.#states.push(state) - 1
  }
}

function tooLong(characters: number): Error {
  return ioFault(
    DO_NOT_RETRY,
    `regexstring: a text of ${characters} characters takes the expression more than ${limits.maxRegexSteps} steps`,
  )
}

const DIGIT: Test = (point) => point >= 0x30 && point <= 0x39
const SPACE: Test = (point) => point === 0x20 || (point >= 0x09 && point <= 0x0d)
const WORD: Test = (point) =>
  DIGIT(point) || (point >= 0x41 && point <= 0x5a) || (point >= 0x61 && point <= 0x7a) || point === 0x5f
const CLASSES: Readonly<Record<string, Test>> = {
  d: DIGIT,
  D: (point) => !DIGIT(point),
  s: SPACE,
  S: (point) => !SPACE(point),
  w: WORD,
  W: (point) => !WORD(point),
}
const CONTROLS: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f' }
const MAX_REPEAT = 1_000

class RegexParser {
  readonly #text: readonly string[]
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.#text = Array.from(source)
  }

  parse(): Node {
    const node = this.#alternatives()
    if (this.#at < this.#text.length) throw this.#refuse('an unopened )')
    return node
  }

  #alternatives(): Node {
    this.#depth += 1
    if (this.#depth > limits.maxFilterDepth) throw this.#refuse('groups nested too deep')
    const parts = [this.#sequence()]
    while (this.#take('|')) parts.push(this.#sequence())
    this.#depth -= 1
    return { kind: 'any', parts }
  }

  #sequence(): Node {
    const parts: Node[] = []
    while (this.#at < this.#text.length && this.#peek() !== '|' && this.#peek() !== ')')
      parts.push(this.#repeated(this.#atom()))
    return { kind: 'all', parts }
  }

  #repeated(inner: Node): Node {
    let node = inner
    for (;;) {
      const range = this.#repetition()
      if (range === null) return node
      // What is found does not depend on how much a repetition takes; giving nothing back does.
      if (!this.#take('?') && this.#peek() === '+') throw this.#refuse('possessive repetition')
      node = { kind: 'repeat', inner: node, ...range }
    }
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

  #atom(): Node {
    const character = this.#text[this.#at++] ?? ''
    switch (character) {
      case '.':
        return { kind: 'char', test: () => true }
      case '^':
        return { kind: 'start' }
      case '$':
        return { kind: 'end' }
      case '(':
        return this.#group()
      case '[':
        return { kind: 'char', test: this.#class() }
      case '\\':
        return { kind: 'char', test: this.#escape() }
      case '*':
      case '+':
      case '?':
      case '{':
        throw this.#refuse('a repetition of nothing')
      default:
        return { kind: 'char', test: equals(character) }
    }
  }

  #group(): Node {
    if (this.#take('?') && !this.#take(':')) throw this.#refuse('look-around, named groups and flags')
    const node = this.#alternatives()
    if (!this.#take(')')) throw this.#refuse('an unclosed (')
    return node
  }

  #escape(): Test {
    const character = this.#text[this.#at++]
    if (character === undefined) throw this.#refuse('a \\ at the end')
    const known = CLASSES[character]
    if (known !== undefined) return known
    return equals(this.#escaped(character))
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

  #class(): Test {
    const isNegated = this.#take('^')
    const tests: Test[] = []
    let isFirst = true
    for (;;) {
      const character = this.#text[this.#at++]
      if (character === undefined) throw this.#refuse('an unclosed [')
      if (character === ']' && !isFirst) break
      isFirst = false
      if (character === '[' || (character === '&' && this.#peek() === '&'))
        throw this.#refuse('unions and intersections of classes')
      tests.push(this.#classItem(character))
    }
    return (point) => tests.some((test) => test(point)) !== isNegated
  }

  #classItem(character: string): Test {
    let low = character
    if (character === '\\') {
      const escaped = this.#text[this.#at++] ?? ''
      const known = CLASSES[escaped]
      if (known !== undefined) return known
      low = this.#escaped(escaped)
    }
    const isRange = this.#peek() === '-' && this.#text[this.#at + 1] !== ']'
    if (!isRange || this.#at + 1 >= this.#text.length) return equals(low)
    this.#at += 1
    const next = this.#text[this.#at++] ?? ''
    const high = next === '\\' ? this.#escaped(this.#text[this.#at++] ?? '') : next
    const [from, to] = [low.codePointAt(0) ?? 0, high.codePointAt(0) ?? 0]
    if (to < from) throw this.#refuse('a range of characters from high to low')
    return (point) => point >= from && point <= to
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

function equals(character: string): Test {
  const wanted = character.codePointAt(0)
  return (point) => point === wanted
}
