/** Floating point numbers as Java reads and writes them. */

const FORM = /^[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?)$/

/** Null for what is no number. The case of NaN and Infinity is as written by the caller of CQL: any. */
export function parseDouble(text: string): number | null {
  const word = /^([+-]?)(nan|infinity)$/i.exec(text.trim())
  if (word === null) return javaDouble(text)
  if (word[2]?.toLowerCase() === 'nan') return Number.NaN
  return word[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

/** As Double.parseDouble, but for its numbers in hex; null for what is none. */
export function javaDouble(text: string): number | null {
  const trimmed = text.trim()
  return FORM.test(trimmed) ? Number(trimmed.replace(/[fFdD]$/, '')) : null
}

/** As Double.toString: always with a point, with an exponent below 0.001 and from ten million on. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  return javaForm(value, value.toString())
}

/** As Float.toString: as few digits as tell it from its neighbours of 32 bits. */
export function floatText(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return doubleText(value)
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits)
    if (Math.fround(Number(text)) === value) return javaForm(value, Number(text).toString())
  }
  return javaForm(value, Number(value.toPrecision(9)).toString())
}

/** `shortest` is the number in JavaScript's form. */
function javaForm(value: number, shortest: string): string {
  const magnitude = Math.abs(value)
  const { digits, exponent } = parts(shortest)
  const sign = value < 0 ? '-' : ''
  if (magnitude >= 1e-3 && magnitude < 1e7) return sign + plain(digits, exponent)
  return `${sign}${digits.slice(0, 1)}.${digits.slice(1) || '0'}E${exponent - 1}`
}

/** A number as its digits without zeros at the ends, where it is `0.digits` times ten to the exponent. */
function parts(text: string): { digits: string; exponent: number } {
  const match = /^-?(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(text)
  const [, whole = '', fraction = '', power = '0'] = match ?? []
  const all = whole + fraction
  const leading = /^0*/.exec(all)?.[0].length ?? 0
  return {
    digits: all.slice(leading).replace(/0+$/, ''),
    exponent: whole.length - leading + Number(power),
  }
}

function plain(digits: string, exponent: number): string {
  if (exponent <= 0) return `0.${'0'.repeat(-exponent)}${digits}`
  const whole = digits.slice(0, exponent).padEnd(exponent, '0')
  return `${whole}.${digits.slice(exponent) || '0'}`
}
