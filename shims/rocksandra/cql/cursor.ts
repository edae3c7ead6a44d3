/**
 * What every rule of the grammar stands on: the current token, names, lists, bind markers, a bound on nesting, and
 * the errors. The texts of errors follow ANTLR 3, which Cassandra's parser is made with: "missing", "extraneous" and
 * "mismatched" where one token was expected, "no viable alternative" where several were, with the line and column of
 * the token and a piece of the statement around it (ErrorCollector.java).
 */
import { limits } from '../../../src/base/limits.js'
import { CqlError } from './errors.js'
import { isUnreserved } from './keywords.js'
import { Lexer, placeOf } from './lexer.js'
import type { TokenKind } from './lexer.js'
import type { Marker, QualifiedName } from './ast.js'

/** Tokens shown before the wrong one, white space between them counted. */
const TOKENS_BEFORE = 10

const NAMED_TOKENS: Readonly<Partial<Record<TokenKind, string>>> = {
  identifier: 'IDENT',
  quotedName: 'QUOTED_NAME',
  string: 'STRING_LITERAL',
  integer: 'INTEGER',
  float: 'FLOAT',
  boolean: 'BOOLEAN',
  uuid: 'UUID',
  hex: 'HEXNUMBER',
  end: 'EOF',
  '?': 'QMARK',
}

/** As ANTLR names a token that it expects. */
function tokenName(kind: TokenKind): string {
  const named = NAMED_TOKENS[kind]
  if (named !== undefined) return named
  return /^[A-Z]/.test(kind) ? `K_${kind}` : `'${kind}'`
}

export function isNameKind(kind: TokenKind): boolean {
  return kind === 'identifier' || kind === 'quotedName' || isUnreserved(kind)
}

export class Cursor {
  readonly #lexer: Lexer
  readonly #markers: (string | null)[] = []
  #depth = 0

  constructor(text: string) {
    this.#lexer = new Lexer(text)
  }

  get kind(): TokenKind {
    return this.#lexer.kind
  }

  /** The token as it is written. */
  get raw(): string {
    return this.#lexer.raw
  }

  /** Names of the bind markers so far, null for `?`. */
  get markers(): readonly (string | null)[] {
    return this.#markers
  }

  next(): void {
    this.#lexer.next()
  }

  mark(): number {
    return this.#lexer.mark()
  }

  reset(mark: number): void {
    this.#lexer.reset(mark)
  }

  /** The kind of the token behind the current one. */
  peek(): TokenKind {
    const mark = this.#lexer.mark()
    this.#lexer.next()
    const { kind } = this.#lexer
    this.#lexer.reset(mark)
    return kind
  }

  /** Goes on if this is the current token. */
  take(kind: TokenKind): boolean {
    if (this.#lexer.kind !== kind) return false
    this.#lexer.next()
    return true
  }

  /** Goes on behind the token, or fails. `mayFollow` is what tells a forgotten token from a wrong one. */
  expect(kind: TokenKind, mayFollow?: (kind: TokenKind) => boolean): void {
    if (this.#lexer.kind === kind) this.#lexer.next()
    else throw this.#mismatch(kind, mayFollow)
  }

  /** `WORD ...` in a row. */
  expectAll(...kinds: readonly TokenKind[]): void {
    for (const kind of kinds) this.expect(kind)
  }

  /** What the current token says, behind which the cursor then is. */
  takeValue(kind: TokenKind): string {
    if (this.#lexer.kind !== kind) throw this.#mismatch(kind)
    const { value } = this.#lexer
    this.#lexer.next()
    return value
  }

  /** A name: folded to lower case unless it is in quotes. */
  name(): string {
    const { kind } = this.#lexer
    if (kind === 'quotedName') return this.takeValue('quotedName')
    if (kind !== 'identifier' && !isUnreserved(kind)) throw this.noViable()
    const name = this.#lexer.raw.toLowerCase()
    this.#lexer.next()
    return name
  }

  get isName(): boolean {
    return isNameKind(this.#lexer.kind)
  }

  /** A name of something `what` that cannot be a bind marker. */
  nameOf(what: 'keyspace' | 'table' | 'index'): string {
    if (this.#lexer.kind === '?') throw this.refuse(`Bind variables cannot be used for ${what} names`)
    return this.name()
  }

  qualifiedName(what: 'table' | 'index'): QualifiedName {
    const first = this.nameOf(what)
    return this.take('.') ? { keyspace: first, name: this.nameOf(what) } : { keyspace: null, name: first }
  }

  /** `item, item ...`: one at least. */
  list<T>(item: () => T): T[] {
    const items = [item()]
    while (this.take(',')) items.push(item())
    return items
  }

  /** `?` or `:name`, or null when there is none. */
  marker(): Marker | null {
    const { kind } = this.#lexer
    if (kind !== '?' && kind !== ':') return null
    this.#lexer.next()
    const name = kind === ':' ? this.name() : null
    const index = this.#markers.length
    if (index >= limits.maxCqlMarkers) {
      throw this.refuse(`more than ${limits.maxCqlMarkers} bind variables in one statement`)
    }
    this.#markers.push(name)
    return { kind: 'marker', index, name }
  }

  /** Runs a rule that can contain itself. */
  nested<T>(rule: () => T): T {
    if (this.#depth >= limits.maxCqlDepth) {
      throw this.refuse(
        `line ${this.#place()} values, types or relations nested deeper than ${limits.maxCqlDepth}`,
      )
    }
    this.#depth++
    const result = rule()
    this.#depth--
    return result
  }

  /** Nothing but semicolons is left. */
  expectEnd(): void {
    while (this.take(';'));
    if (this.#lexer.kind !== 'end') throw this.#mismatch('end', () => true)
  }

  /** None of the tokens that could stand here does. */
  noViable(): CqlError {
    const input = this.#display(this.#lexer.kind, this.#lexer.raw)
    return this.#wrong(`no viable alternative at input ${input}`, this.#lexer.end)
  }

  /** What the grammar allows and its actions refuse: Cassandra gives no place for these. */
  refuse(message: string): CqlError {
    return new CqlError('SYNTAX_ERROR', message)
  }

  /** As ANTLR's recoverFromMismatchedToken words it; it has looked one token further by then. */
  #mismatch(expected: TokenKind, mayFollow?: (kind: TokenKind) => boolean): CqlError {
    const lexer = this.#lexer
    const { kind, raw, start, end } = lexer
    const found = this.#display(kind, raw)
    lexer.next()
    const { kind: following, end: followingEnd } = lexer
    lexer.reset(start)
    const shownEnd = following === 'end' ? end : followingEnd
    if (following === expected && kind !== 'end') {
      return this.#wrong(`extraneous input ${found} expecting ${tokenName(expected)}`, shownEnd)
    }
    if (mayFollow?.(kind) === true) return this.#wrong(`missing ${tokenName(expected)} at ${found}`, shownEnd)
    return this.#wrong(`mismatched input ${found} expecting ${tokenName(expected)}`, shownEnd)
  }

  #display(kind: TokenKind, raw: string): string {
    if (kind === 'end') return "'<EOF>'"
    const text = raw.replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')
    return `'${text.length <= limits.maxCqlErrorChars ? text : `${text.slice(0, limits.maxCqlErrorChars)}...`}'`
  }

  /** ANTLR's end of the text has no place of its own. */
  #place(): string {
    return this.#lexer.kind === 'end' ? '0:-1' : placeOf(this.#lexer.text, this.#lexer.start)
  }

  #wrong(what: string, shownEnd: number): CqlError {
    const snippet = this.#lexer.kind === 'end' ? '' : ` (${this.#snippet(shownEnd)})`
    return new CqlError('SYNTAX_ERROR', `line ${this.#place()} ${what}${snippet}`)
  }

  /** Some tokens before, the wrong one in brackets, and the text up to `shownEnd`. */
  #snippet(shownEnd: number): string {
    const { text, start, end } = this.#lexer
    const from = snippetStart(text, start)
    const shown = text.slice(from, start) + `[${text.slice(start, end)}]` + text.slice(end, shownEnd)
    const line = shown.replaceAll('\n', '').slice(0, limits.maxCqlErrorChars)
    return `${from === 0 ? '' : '...'}${line}${shownEnd === text.length ? '' : '...'}`
  }
}

/** Where the piece begins that is shown of a text before `at`: ten tokens back, white space being one. */
function snippetStart(text: string, at: number): number {
  const starts: number[] = []
  const lexer = new Lexer(text)
  let shownTo = 0
  while (lexer.start < at && lexer.kind !== 'end') {
    if (lexer.start > shownTo) starts.push(shownTo)
    starts.push(lexer.start)
    shownTo = lexer.end
    lexer.next()
    if (starts.length > 2 * TOKENS_BEFORE) starts.splice(0, starts.length - TOKENS_BEFORE)
  }
  if (at > shownTo) starts.push(shownTo)
  return starts.at(-TOKENS_BEFORE) ?? 0
}
