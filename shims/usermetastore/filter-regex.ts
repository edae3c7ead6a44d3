/**
 * Regular expressions of filters, matched in time linear in the text: all states that a prefix can lead to are followed at
 * once (Thompson), so that no expression of a caller can keep a thread busy. As RegexStringComparator: found anywhere.
 */
import { limits } from '../../src/base/limits.js'
import { FilterWork } from './filter-work.js'
import { runtime } from './hbase-errors.js'
import { type RegexNode, type Spans, isWithin, parseRegex } from './filter-regex-parse.js'

/** One instruction of the automaton; `to` and `or` are indexes of further ones. */
type State =
  | { readonly kind: 'char'; readonly spans: Spans; to: number }
  | { readonly kind: 'start' | 'end'; to: number }
  | { readonly kind: 'split'; to: number; or: number }
  | { readonly kind: 'match' }

/** Nodes that are looked at while states are made: an empty group that is repeated makes none. */
const MAX_COMPILED_NODES = 10 * limits.maxRegexStates

/** A character of the text and what surrounds it. */
interface Place {
  readonly marks: Int32Array
  readonly at: number
  readonly isEnd: boolean
}

export class LinearRegex {
  readonly #states: State[] = []
  readonly #work: FilterWork
  readonly #start: number
  #compiledNodes = 0
  #visited = 0

  /** @throws {KVError} for what does not parse, cannot be matched in linear time, or is too large */
  constructor(source: string, work = new FilterWork()) {
    this.#work = work
    const tree = parseRegex(source)
    this.#start = this.#compile(tree, this.#add({ kind: 'match' }))
  }

  /** Whether it matches any part of the text. @throws {KVError} where it takes too many steps */
  isFoundIn(text: string): boolean {
    const marks = new Int32Array(this.#states.length).fill(-1)
    const lastLine = lastLineEnd(text)
    const isEndAt = (at: number): boolean => at === text.length || at === lastLine
    let current: number[] = []
    for (let at = 0; ;) {
      if (this.#enter(this.#start, current, { marks, at, isEnd: isEndAt(at) })) return true
      const point = text.codePointAt(at)
      if (point === undefined) return false
      at += point > 0xffff ? 2 : 1
      this.#work.spend(this.#visited + current.length + 1)
      this.#visited = 0
      const next: number[] = []
      const place = { marks, at, isEnd: isEndAt(at) }
      for (const index of current) {
        const state = this.#states[index]
        if (state?.kind !== 'char' || !isWithin(state.spans, point)) continue
        if (this.#enter(state.to, next, place)) return true
      }
      current = next
    }
  }

  /** Adds the state and what it leads to without a character; true: that is the match. */
  #enter(first: number, into: number[], place: Place): boolean {
    const waiting = [first]
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      if (place.marks[index] === place.at) continue
      place.marks[index] = place.at
      this.#visited += 1
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
  #compile(node: RegexNode, to: number): number {
    this.#compiledNodes += 1
    if (this.#compiledNodes > MAX_COMPILED_NODES) throw tooLarge()
    switch (node.kind) {
      case 'char':
        return this.#add({ kind: 'char', spans: node.spans, to })
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

  #repeat({ inner, min, max }: Extract<RegexNode, { kind: 'repeat' }>, to: number): number {
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
    if (this.#states.length >= limits.maxRegexStates) throw tooLarge()
    this.#work.addState()
    return this.#states.push(state) - 1
  }
}

function tooLarge(): Error {
  return runtime(`a regular expression of more than ${limits.maxRegexStates} states`)
}

/** java.util.regex.Pattern: `$` stands at the end and before a line's end there, however that is written. */
const LINE_ENDS = new Set(['\n', '\r', '\u0085', '\u2028', '\u2029'])

/** Where the line's end begins that the text ends with; -1: it ends with none. */
function lastLineEnd(text: string): number {
  if (!LINE_ENDS.has(text.slice(-1))) return -1
  return text.endsWith('\r\n') ? text.length - 2 : text.length - 1
}
