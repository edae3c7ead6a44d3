/**
 * Text to tokens, one at a time: the parser pulls, looks at `kind` and goes on. No list of tokens is kept; looking further
 * ahead is remembering `mark()` and going back to it. Every character is looked at a bounded number of times.
 * The rules and the texts of errors are those of Cassandra 3.0's lexer (Cql.g), made by ANTLR 3.
 */
import { CqlError } from './errors.js'
import { keywordOf } from './keywords.js'
import type { Keyword } from './keywords.js'

export type Punctuation =
  | ';'
  | '('
  | ')'
  | ','
  | '.'
  | '{'
  | '}'
  | '['
  | ']'
  | ':'
  | '='
  | '<'
  | '>'
  | '<='
  | '>='
  | '!='
  | '+'
  | '-'
  | '*'
  | '?'

export type TokenKind =
  | Keyword
  | Punctuation
  | 'identifier'
  | 'quotedName'
  | 'string'
  | 'integer'
  | 'float'
  | 'boolean'
  | 'uuid'
  | 'hex'
  | 'end'

const TAB = 0x09
const NEWLINE = 0x0a
const RETURN = 0x0d
const SPACE = 0x20
const QUOTE = 0x27
const DOUBLE_QUOTE = 0x22
const DOLLAR = 0x24
const STAR = 0x2a
const PLUS = 0x2b
const MINUS = 0x2d
const DOT = 0x2e
const SLASH = 0x2f
const ZERO = 0x30
const EQUALS = 0x3d
const EXPONENT = 0x65
const HEX_MARK = 0x78
/** Folds an ASCII letter to lower case. */
const LOWER = 0x20

const NONE = 0
const IS_DIGIT = 1
const IS_LETTER = 2
const IS_HEX = 4
const IS_SPACE = 8
const IS_WORD = 16
const IS_UPPER = 32
const IS_LOWER = 64

/** What a character below 128 can be part of. */
const CLASSES = buildClasses()

function buildClasses(): Uint8Array {
  const classes = new Uint8Array(128)
  const add = (characters: string, bits: number): void => {
    for (const character of characters) {
      const code = character.charCodeAt(0)
      classes[code] = (classes[code] ?? 0) | bits
    }
  }
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  add('0123456789', IS_DIGIT | IS_HEX | IS_WORD)
  add(letters, IS_LETTER | IS_WORD | IS_LOWER)
  add(letters.toUpperCase(), IS_LETTER | IS_WORD | IS_UPPER)
  add('abcdefABCDEF', IS_HEX)
  add('_', IS_WORD)
  add(' \t\n\r', IS_SPACE)
  return classes
}

function classOf(code: number): number {
  return code < 128 ? (CLASSES[code] ?? NONE) : NONE
}

const SINGLES: ReadonlyMap<number, Punctuation> = new Map(
  ([';', '(', ')', ',', '.', '{', '}', '[', ']', ':', '=', '<', '>', '+', '-', '*', '?'] as const).map(
    (text) => [text.charCodeAt(0), text],
  ),
)

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/iy
const UUID_SIZE = 36

export class Lexer {
  readonly text: string
  kind: TokenKind = 'end'
  /** Where the token begins and ends in the text; a string with its quotes. */
  start = 0
  end = 0
  #hasEscapes = false

  constructor(text: string) {
    this.text = text
    this.next()
  }

  /** A place to come back to. */
  mark(): number {
    return this.start
  }

  /** Makes the token that begins at `mark` the current one again. */
  reset(mark: number): void {
    this.end = mark
    this.next()
  }

  /** The token as it is written. */
  get raw(): string {
    return this.text.slice(this.start, this.end)
  }

  /** What a token says: strings and names without quotes and escapes, the rest as written. */
  get value(): string {
    const { text, start, end } = this
    if (this.kind === 'string') {
      if (text.charCodeAt(start) === DOLLAR) return text.slice(start + 2, end - 2)
      const inner = text.slice(start + 1, end - 1)
      return this.#hasEscapes ? inner.replaceAll("''", "'") : inner
    }
    if (this.kind === 'quotedName') {
      const inner = text.slice(start + 1, end - 1)
      return this.#hasEscapes ? inner.replaceAll('""', '"') : inner
    }
    return text.slice(start, end)
  }

  /** Goes to the next token; at the end of the text it stays `end`. */
  next(): void {
    const start = this.#skipHidden(this.end)
    this.start = start
    if (start >= this.text.length) {
      this.end = start
      this.kind = 'end'
      return
    }
    const code = this.text.charCodeAt(start)
    const bits = classOf(code)
    if ((bits & (IS_DIGIT | IS_LETTER)) !== 0) {
      if ((bits & IS_HEX) !== 0 && this.#isUuid(start)) this.#finish('uuid', start + UUID_SIZE)
      else if ((bits & IS_LETTER) !== 0) this.#word(start)
      else this.#number(start, start)
      return
    }
    this.#other(start, code)
  }

  #finish(kind: TokenKind, end: number): void {
    this.kind = kind
    this.end = end
  }

  #codeAt(at: number): number {
    return at < this.text.length ? this.text.charCodeAt(at) : -1
  }

  #isUuid(start: number): boolean {
    if (this.#codeAt(start + 8) !== MINUS) return false
    UUID.lastIndex = start
    return UUID.test(this.text)
  }

  #word(start: number): void {
    const { text } = this
    let end = start
    let seen = NONE
    for (; end < text.length; end++) {
      const bits = classOf(text.charCodeAt(end))
      if ((bits & IS_WORD) === 0) break
      seen |= bits === IS_WORD ? IS_DIGIT : bits
    }
    // No keyword has a digit or an underscore.
    const isPlain = (seen & IS_DIGIT) === 0
    const isMixed = (seen & (IS_UPPER | IS_LOWER)) === (IS_UPPER | IS_LOWER)
    this.#finish((isPlain ? keywordOf(text.slice(start, end), isMixed) : null) ?? 'identifier', end)
  }

  #digits(from: number): number {
    let end = from
    while ((classOf(this.#codeAt(end) & 0xffff) & IS_DIGIT) !== 0) end++
    return end
  }

  /** An integer, a float or hex; `start` is before a sign, `digits` behind it. */
  #number(start: number, digits: number): void {
    const code = this.#codeAt(start)
    if (code === ZERO && (this.#codeAt(start + 1) | LOWER) === HEX_MARK) {
      let end = start + 2
      while ((classOf(this.#codeAt(end) & 0xffff) & IS_HEX) !== 0) end++
      this.#finish('hex', end)
      return
    }
    let end = this.#digits(digits)
    let kind: TokenKind = 'integer'
    if (this.#codeAt(end) === DOT) {
      kind = 'float'
      end = this.#digits(end + 1)
    }
    const exponent = this.#exponentEnd(end)
    this.#finish(exponent === end ? kind : 'float', exponent)
  }

  #exponentEnd(from: number): number {
    if ((this.#codeAt(from) | LOWER) !== EXPONENT) return from
    const sign = this.#codeAt(from + 1)
    const digits = sign === PLUS || sign === MINUS ? from + 2 : from + 1
    const end = this.#digits(digits)
    return end === digits ? from : end
  }

  #other(start: number, code: number): void {
    if (code === QUOTE) this.#quoted(start, 'string')
    else if (code === DOUBLE_QUOTE) this.#quoted(start, 'quotedName')
    else if (code === DOLLAR) this.#dollars(start)
    else if (code === MINUS && (classOf(this.#codeAt(start + 1) & 0xffff) & IS_DIGIT) !== 0) {
      this.#number(start, start + 1)
    } else this.#punctuation(start, code)
  }

  #punctuation(start: number, code: number): void {
    const isBeforeEquals = this.#codeAt(start + 1) === EQUALS
    const character = String.fromCharCode(code)
    if (character === '<' || character === '>') {
      this.#finish(isBeforeEquals ? `${character}=` : character, isBeforeEquals ? start + 2 : start + 1)
    } else if (character === '!') {
      if (!isBeforeEquals) throw this.#mismatch(start + 1, "'='")
      this.#finish('!=', start + 2)
    } else {
      const kind = SINGLES.get(code)
      if (kind === undefined) throw this.#unknown(start)
      this.#finish(kind, start + 1)
    }
  }

  /** A string or a name in quotes, in which a doubled quote is one. */
  #quoted(start: number, kind: 'string' | 'quotedName'): void {
    const quote = kind === 'string' ? "'" : '"'
    let hasEscapes = false
    let at = start + 1
    for (;;) {
      const end = this.text.indexOf(quote, at)
      if (end === -1) throw this.#mismatch(this.text.length, `'${quote}'`)
      if (this.text[end + 1] !== quote) {
        if (kind === 'quotedName' && end === start + 1) throw this.#emptyName(end)
        this.#hasEscapes = hasEscapes
        this.#finish(kind, end + 1)
        return
      }
      hasEscapes = true
      at = end + 2
    }
  }

  #dollars(start: number): void {
    if (this.#codeAt(start + 1) !== DOLLAR) throw this.#mismatch(start + 1, "'$'")
    const end = this.text.indexOf('$$', start + 2)
    if (end === -1) throw this.#mismatch(this.text.length, "'$'")
    this.#finish('string', end + 2)
  }

  /** Behind white space and comments. */
  #skipHidden(from: number): number {
    let at = from
    for (;;) {
      const code = this.#codeAt(at)
      if (code === SPACE || code === NEWLINE || code === RETURN || code === TAB) {
        at++
        continue
      }
      const following = code === MINUS || code === SLASH ? this.#codeAt(at + 1) : -1
      if (following === code && code !== -1) at = this.#lineComment(at)
      else if (code === SLASH && following === STAR) at = this.#blockComment(at)
      else return at
    }
  }

  /** Cassandra wants the end of the line: a comment that the text ends with is an error there as well. */
  #lineComment(start: number): number {
    for (let at = start + 2; at < this.text.length; at++) {
      const code = this.text.charCodeAt(at)
      if (code === NEWLINE || code === RETURN) return at + 1
    }
    throw this.#mismatch(this.text.length, 'set null')
  }

  #blockComment(start: number): number {
    const end = this.text.indexOf('*/', start + 2)
    if (end === -1) throw this.#mismatch(this.text.length, "'*'")
    return end + 2
  }

  #display(at: number): string {
    const point = this.text.codePointAt(at)
    if (point === undefined) return "'<EOF>'"
    if (point === NEWLINE) return "'\\n'"
    if (point === TAB) return "'\\t'"
    if (point === RETURN) return "'\\r'"
    return `'${String.fromCodePoint(point)}'`
  }

  #mismatch(at: number, expected: string): CqlError {
    return this.#wrong(at, `mismatched character ${this.#display(at)} expecting ${expected}`)
  }

  #unknown(at: number): CqlError {
    return this.#wrong(at, `no viable alternative at character ${this.#display(at)}`)
  }

  #emptyName(at: number): CqlError {
    return this.#wrong(at, `required (...)+ loop did not match anything at character ${this.#display(at)}`)
  }

  #wrong(at: number, what: string): CqlError {
    return new CqlError('SYNTAX_ERROR', `line ${placeOf(this.text, at)} ${what}`)
  }
}

/** `line:column` as ANTLR counts: lines from 1, columns from 0. */
export function placeOf(text: string, at: number): string {
  let line = 1
  let lineStart = 0
  for (;;) {
    const newline = text.indexOf('\n', lineStart)
    if (newline === -1 || newline >= at) return `${line}:${at - lineStart}`
    line++
    lineStart = newline + 1
  }
}
