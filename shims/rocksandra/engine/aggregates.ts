/** Aggregates of Cassandra 3.0 (AggregateFcts.java): count, min, max, sum and avg over the rows of a whole answer. */
import type { NativeName, QualifiedName } from '../cql/ast.js'
import { comparatorOf } from '../cql/compare.js'
import { invalid } from '../cql/errors.js'
import { doubleToBytes, floatToBytes, longToBytes } from '../cql/literals.js'
import { type CqlType, NATIVE_FACTS, TYPES } from '../cql/types.js'
import { decimalFromBytes, decimalToBytes } from '../cql/values/decimals.js'
import { bytesToVarint, varintToBytes } from '../cql/values/integers.js'
import { calledText, isNative } from './functions.js'
import { type Argument, type Signature, chosen } from './signatures.js'

export interface Accumulator {
  add(value: Buffer | null): void
  result(): Buffer | null
}

export interface Aggregate extends Signature {
  readonly start: () => Accumulator
}

export class RowCount implements Accumulator {
  #count = 0n

  add(): void {
    this.#count++
  }

  result(): Buffer {
    return longToBytes(this.#count)
  }
}

class ValueCount implements Accumulator {
  #count = 0n

  add(value: Buffer | null): void {
    if (value !== null) this.#count++
  }

  result(): Buffer {
    return longToBytes(this.#count)
  }
}

class Extreme implements Accumulator {
  readonly #compare: (a: Buffer, b: Buffer) => number
  readonly #sign: number
  #found: Buffer | null = null

  /** @param sign 1 for the greatest, -1 for the least */
  constructor(compare: (a: Buffer, b: Buffer) => number, sign: number) {
    this.#compare = compare
    this.#sign = sign
  }

  add(value: Buffer | null): void {
    if (value === null) return
    if (this.#found === null || this.#compare(value, this.#found) * this.#sign > 0) this.#found = value
  }

  result(): Buffer | null {
    return this.#found
  }
}

/** Java's wrap around. */
function fixedInteger(value: bigint, size: number): Buffer {
  const bytes = longToBytes(BigInt.asIntN(size * 8, value))
  return bytes.subarray(8 - size)
}

class IntegerSum implements Accumulator {
  readonly #isAverage: boolean
  readonly #write: (sum: bigint) => Buffer
  #sum = 0n
  #count = 0n

  constructor(isAverage: boolean, write: (sum: bigint) => Buffer) {
    this.#isAverage = isAverage
    this.#write = write
  }

  add(value: Buffer | null): void {
    if (value === null) return
    this.#sum += bytesToVarint(value)
    this.#count++
  }

  result(): Buffer {
    if (!this.#isAverage) return this.#write(this.#sum)
    return this.#write(this.#count === 0n ? 0n : this.#sum / this.#count)
  }
}

class DoubleSum implements Accumulator {
  readonly #isAverage: boolean
  readonly #write: (sum: number) => Buffer
  #sum = 0
  #count = 0

  constructor(isAverage: boolean, write: (sum: number) => Buffer) {
    this.#isAverage = isAverage
    this.#write = write
  }

  add(value: Buffer | null): void {
    if (value === null || value.length === 0) return
    this.#sum += value.length === 4 ? value.readFloatBE() : value.readDoubleBE()
    this.#count++
  }

  result(): Buffer {
    if (!this.#isAverage) return this.#write(this.#sum)
    return this.#write(this.#count === 0 ? 0 : this.#sum / this.#count)
  }
}

/** The average is rounded half to even with each value, to the most digits that any had (AggregateFcts.java). */
class DecimalSum implements Accumulator {
  readonly #isAverage: boolean
  #unscaled = 0n
  #scale = 0
  #count = 0n

  constructor(isAverage: boolean) {
    this.#isAverage = isAverage
  }

  add(value: Buffer | null): void {
    const decimal = value === null ? null : decimalFromBytes(value)
    if (decimal === null) return
    const scale = Math.max(this.#scale, decimal.scale)
    if (scale - Math.min(this.#scale, decimal.scale) > MAX_DIGITS) {
      throw invalid(`decimals whose sum would have more than ${MAX_DIGITS} digits`)
    }
    const whole = rescaled(this.#unscaled, scale - this.#scale)
    const number = rescaled(decimal.unscaled, scale - decimal.scale)
    this.#count++
    this.#unscaled = whole + (this.#isAverage ? halfEven(number - whole, this.#count) : number)
    this.#scale = scale
  }

  result(): Buffer {
    return decimalToBytes({ unscaled: this.#unscaled, scale: this.#scale })
  }
}

/** An exponent is the caller's to choose: 1E2000000000 is six bytes and has two billion digits. */
const MAX_DIGITS = 10_000

function rescaled(unscaled: bigint, by: number): bigint {
  return by === 0 ? unscaled : unscaled * 10n ** BigInt(by)
}

function halfEven(value: bigint, by: bigint): bigint {
  const whole = value / by
  const rest = value % by
  const twice = (rest < 0n ? -rest : rest) * 2n
  if (twice < by || (twice === by && whole % 2n === 0n)) return whole
  return whole + (value < 0n ? -1n : 1n)
}

const OF_ALL: readonly CqlType[] = Object.keys(NATIVE_FACTS).map((name) => TYPES[name as NativeName]) // its keys

type Start = (isAverage: boolean) => Accumulator

const OF_NUMBERS: readonly (readonly [type: CqlType, start: Start])[] = [
  ...(
    [
      ['tinyint', 1],
      ['smallint', 2],
      ['int', 4],
      ['bigint', 8],
      ['counter', 8],
    ] as const
  ).map(([name, size]) => {
    const start: Start = (isAverage) => new IntegerSum(isAverage, (sum) => fixedInteger(sum, size))
    return [TYPES[name], start] as const
  }),
  [TYPES.varint, (isAverage) => new IntegerSum(isAverage, varintToBytes)],
  [TYPES.decimal, (isAverage) => new DecimalSum(isAverage)],
  [TYPES.double, (isAverage) => new DoubleSum(isAverage, doubleToBytes)],
  [TYPES.float, (isAverage) => new DoubleSum(isAverage, floatToBytes)],
]

/** By name. */
const AGGREGATES: ReadonlyMap<string, readonly Aggregate[]> = new Map([
  ['count', OF_ALL.map((type) => made('count', type, TYPES.bigint, () => new ValueCount()))],
  ['min', OF_ALL.map((type) => made('min', type, type, () => new Extreme(comparatorOf(type), -1)))],
  ['max', OF_ALL.map((type) => made('max', type, type, () => new Extreme(comparatorOf(type), 1)))],
  ['sum', OF_NUMBERS.map(([type, start]) => made('sum', type, type, () => start(false)))],
  ['avg', OF_NUMBERS.map(([type, start]) => made('avg', type, type, () => start(true)))],
])

function made(name: string, takes: CqlType, returns: CqlType, start: Aggregate['start']): Aggregate {
  return { name: `system.${name}`, takes: [takes], returns, start }
}

/** Null: no aggregate has that name. @throws {CqlError} for arguments that it does not take */
export function findAggregate(called: QualifiedName, args: readonly Argument[]): Aggregate | null {
  const candidates = isNative(called) ? AGGREGATES.get(called.name) : undefined
  return candidates === undefined ? null : chosen(calledText(called), candidates, args)
}
