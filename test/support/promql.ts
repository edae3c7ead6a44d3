/** As much of PromQL as tells which metrics and labels an expression speaks of. It is no check of the grammar. */

export interface MetricUse {
  readonly metric: string
  /** Labels that its matchers name. */
  readonly labels: readonly string[]
  /** The functions around a range of it, such as rate; null: it is used as it is. */
  readonly rangeFunction: string | null
}

export interface Expression {
  readonly metrics: readonly MetricUse[]
  /** Labels of `by`, `on`, `ignoring` and `without`. */
  readonly grouping: readonly string[]
}

const GROUPING = /^(by|without|on|ignoring|group_left|group_right)$/
const OPERATOR = /^(and|or|unless|bool|offset|inf|nan)$/i

interface Token {
  readonly text: string
  readonly kind: 'word' | 'text' | 'sign'
}

function tokensOf(expression: string): Token[] {
  const tokens: Token[] = []
  const pattern = /"(?:[^"\\]|\\.)*"|[A-Za-z_:$][A-Za-z0-9_:$]*|\d[\w.]*|=~|!~|!=|\S/g
  for (const [text] of expression.matchAll(pattern)) {
    const kind = text.startsWith('"') ? 'text' : /^[A-Za-z_:$]/.test(text) ? 'word' : 'sign'
    tokens.push({ text, kind })
  }
  return tokens
}

export function parsePromql(text: string): Expression {
  const tokens = tokensOf(text)
  const metrics: MetricUse[] = []
  const grouping: string[] = []
  const calls: string[] = []
  const at = (index: number): string => tokens[index]?.text ?? ''
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index]
    if (token === undefined) break
    if (token.text === '(') calls.push(at(index - 1))
    if (token.text === ')') calls.pop()
    // The range of a selector: a duration, or a variable of Grafana's.
    if (token.text === '[') index = closing(tokens, index, ']')
    if (token.kind !== 'word') continue
    if (GROUPING.test(token.text) && at(index + 1) === '(') {
      const end = closing(tokens, index + 1, ')')
      grouping.push(...words(tokens.slice(index + 2, end)))
      index = end
    } else if (!isFunction(at(index + 1)) && !OPERATOR.test(token.text) && !GROUPING.test(token.text)) {
      const hasMatchers = at(index + 1) === '{'
      const end = hasMatchers ? closing(tokens, index + 1, '}') : index
      const labels = hasMatchers ? words(tokens.slice(index + 2, end)) : []
      const isRange = at(end + 1) === '['
      metrics.push({ metric: token.text, labels, rangeFunction: isRange ? (calls.at(-1) ?? null) : null })
      index = end
    }
  }
  return { metrics, grouping }
}

/** Whether a word is a function or an aggregation, by what stands behind it. */
function isFunction(next: string): boolean {
  return next === '(' || GROUPING.test(next)
}

function closing(tokens: readonly Token[], from: number, sign: string): number {
  const end = tokens.findIndex(({ text }, index) => index > from && text === sign)
  if (end === -1) throw new SyntaxError(`no ${sign} in the expression`)
  return end
}

function words(tokens: readonly Token[]): string[] {
  return tokens.filter(({ kind }) => kind === 'word').map(({ text }) => text)
}
