/** A JSON value as the text of a cell: text as it is, numbers in decimal, everything else as JSON. */

/** Why a line does not become a row; the message never holds what the line says. */
export class BadLineError extends Error {
  override readonly name = 'BadLineError'
}

/**
 * Null for null: the column is absent. `hasEscapes` is false when the line has no `\u`, which spares looking for what
 * only that can bring: a test of every text costs as much as parsing it.
 * @throws {BadLineError} when the text would not be what the file says
 */
export function valueToText(value: unknown, hasEscapes: boolean): string | null {
  if (typeof value === 'string') return hasEscapes ? wellFormed(value) : value
  if (typeof value === 'number') return numberToText(value)
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  return value === null ? null : nestedToText(value)
}

// Half of a surrogate pair, which only an escape such as "\ud800" can bring. It has no UTF-8.
const LONE_SURROGATE = /\p{Surrogate}/u

/** The text itself. @throws {BadLineError} when it has no UTF-8 */
export function wellFormed(text: string): string {
  if (LONE_SURROGATE.test(text))
    throw new BadLineError('text with half a surrogate pair, which is not Unicode')
  return text
}

/** Without exponent: 1e-7 is 0.0000001. */
function numberToText(value: number): string {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw new BadLineError('a number beyond 2^53, which JSON cannot hold exactly; write it as text')
  }
  return plainDecimal(String(value))
}

/** The decimal without its exponent: 1e-7 is 0.0000001, 1.5e+21 is 1500000000000000000000. Minus zero is 0 by then. */
export function plainDecimal(text: string): string {
  if (!text.includes('e')) return text
  const parts = /^(-?)(\d)(?:\.(\d+))?e([+-])(\d+)$/.exec(text)
  if (parts === null) return text
  const [, sign = '', first = '', rest = '', direction = '', exponent = ''] = parts
  if (direction === '-') return `${sign}0.${'0'.repeat(Number(exponent) - 1)}${first}${rest}`
  // Doubles of such a size have no more digits than that.
  return `${sign}${first}${rest.padEnd(Number(exponent), '0')}`
}

function nestedToText(value: unknown): string {
  try {
    // Checks what is inside on the way; the text is the parser's normal form of what the file says.
    return JSON.stringify(value, (key, inner: unknown) => {
      wellFormed(key)
      if (typeof inner === 'string') wellFormed(inner)
      if (typeof inner === 'number') numberToText(inner)
      return inner
    })
  } catch (error) {
    if (error instanceof RangeError) throw new BadLineError('nested too deeply')
    throw error
  }
}
