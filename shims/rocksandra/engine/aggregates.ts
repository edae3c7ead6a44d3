/** Aggregates of Cassandra 3.0 (AggregateFcts.java): count, min, max, sum and avg over the rows of a whole answer. */
import type { NativeName, QualifiedName } from '../cql/ast.js'
import { comparatorOf } from '../cql/compare.js'
import { invalid } from '../cql/errors.js'
import { doubleToBytes, floatToBytes, longToBytes } from '../cql/literals.js'
import { type CqlType, TYPES, typeText } from '../cql/types.js'
import { decimalFromBytes, decimalToBytes } from '../cql/values/decimals.js'
import { bytesToVarint, varintToBytes } from '../cql/values/integers.js'

export interface Accumulator {
  add(value: Buffer | null): void
  result(): Buffer | null
}

export interface Aggregate {
  /** With its keyspace, as results name their columns. */
  readonly name: string
  readonly returns: CqlType
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

/** Null: no aggregate has that name. @throws {CqlError} for arguments that it does not take */
export function findAggregate(
  { keyspace, name }: QualifiedName,
  argTypes: readonly (CqlType | null)[],
): Aggregate | null {
  if ((keyspace !== null && keyspace !== 'system') || !/^(count|min|max|sum|avg)$/.test(name)) return null
  const [type] = argTypes
  if (type == null || argTypes.length !== 1) {
    throw invalid(
      `Invalid number of arguments in call to function system.${name}: 1 required but ${argTypes.length} provided`,
    )
  }
  const full = `system.${name}`
  if (name === 'count') return { name: full, returns: TYPES.bigint, start: () => new ValueCount() }
  if (name === 'min' || name === 'max') {
    const sign = name === 'min' ? -1 : 1
    // Of types without an aggregate of their own the one of blobs is taken (FunctionResolver.java).
    const returns = type.kind === 'native' ? type : TYPES.blob
    return { name: full, returns, start: () => new Extreme(comparatorOf(returns), sign) }
  }
  const numbers = numbersOf(type)
  if (numbers === null) {
    throw invalid(
      `Invalid call to function ${name}, none of its type signatures match (known type signatures: system.${name} : the numbers; got ${typeText(type)})`,
    )
  }
  return { name: full, returns: numbers.returns, start: () => numbers.start(name === 'avg') }
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

interface Numbers {
  readonly returns: CqlType
  readonly start: (isAverage: boolean) => Accumulator
}

const INTEGER_SIZES: Readonly<Partial<Record<NativeName, number>>> = {
  tinyint: 1,
  smallint: 2,
  int: 4,
  bigint: 8,
  counter: 8,
}

function numbersOf(type: CqlType): Numbers | null {
  if (type.kind !== 'native') return null
  const size = INTEGER_SIZES[type.name]
  if (size !== undefined) {
    const write = (sum: bigint) => fixedInteger(sum, size)
    return { returns: type, start: (isAverage) => new IntegerSum(isAverage, write) }
  }
  if (type.name === 'varint') {
    return { returns: type, start: (isAverage) => new IntegerSum(isAverage, varintToBytes) }
  }
  if (type.name === 'decimal') return { returns: type, start: (isAverage) => new DecimalSum(isAverage) }
  if (type.name !== 'double' && type.name !== 'float') return null
  const write = type.name === 'double' ? doubleToBytes : floatToBytes
  return { returns: type, start: (isAverage) => new DoubleSum(isAverage, write) }
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
    this.#unscaled =
      rescaled(this.#unscaled, scale - this.#scale) + rescaled(decimal.unscaled, scale - decimal.scale)
    this.#scale = scale
    this.#count++
  }

  /** The average has the sum's scale, rounded half to even, as BigDecimal.divide in AggregateFcts. */
  result(): Buffer {
    const sum = { unscaled: this.#unscaled, scale: this.#scale }
    if (!this.#isAverage || this.#count === 0n) return decimalToBytes(sum)
    return decimalToBytes({ unscaled: halfEven(this.#unscaled, this.#count), scale: this.#scale })
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
