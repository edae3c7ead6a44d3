/**
 * Protocol buffers as far as HBase's filters need them: one message's fields by number, in the order in which they came.
 * Every length is checked against the bytes that are there; what is read are views into them.
 */
import { DO_NOT_RETRY, ioFault } from './hbase-errors.js'

/** Wire types that a field of a filter may have; groups are not among them. */
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

const MAX_VARINT_BYTES = 10

interface Field {
  readonly number: number
  /** Of VARINT: as an i64. */
  readonly value: bigint | Buffer
}

export class ProtoMessage {
  /** What it is called in a refusal. */
  readonly name: string
  readonly #fields: readonly Field[]

  /** @throws {KVError} where the bytes are no message */
  constructor(name: string, bytes: Buffer) {
    this.name = name
    const cursor = new Cursor(name, bytes)
    const fields: Field[] = []
    while (!cursor.isAtEnd) fields.push(cursor.readField())
    this.#fields = fields
  }

  /** Null: absent. Of one that came several times the last counts. */
  bytes(number: number): Buffer | null {
    const value = this.#fields.findLast((field) => field.number === number)?.value
    if (value === undefined) return null
    return typeof value === 'bigint' ? this.#refuse(`field ${number} is a number`) : value
  }

  text(number: number): string | null {
    return this.bytes(number)?.toString('utf8') ?? null
  }

  integer(number: number): bigint | null {
    const value = this.#fields.findLast((field) => field.number === number)?.value
    if (value === undefined) return null
    return typeof value === 'bigint' ? value : this.#refuse(`field ${number} is no number`)
  }

  flag(number: number): boolean {
    return (this.integer(number) ?? 0n) !== 0n
  }

  /** Of a repeated field. */
  all(number: number): Buffer[] {
    return this.#values(number).map((value) =>
      typeof value === 'bigint' ? this.#refuse(`field ${number} is a number`) : value,
    )
  }

  /** Of a repeated field, whether packed or not. */
  integers(number: number): bigint[] {
    return this.#values(number).flatMap((value) => {
      return typeof value === 'bigint' ? [value] : new Cursor(this.name, value).rest()
    })
  }

  /** @throws {KVError} where it is absent */
  required<T>(value: T | null, number: number): T {
    return value ?? this.#refuse(`field ${number} is missing`)
  }

  /** @throws {KVError} where it is absent or no message */
  message(number: number, name: string): ProtoMessage {
    return new ProtoMessage(name, this.required(this.bytes(number), number))
  }

  #values(number: number): (bigint | Buffer)[] {
    return this.#fields.filter((field) => field.number === number).map(({ value }) => value)
  }

  #refuse(why: string): never {
    throw noMessage(this.name, why)
  }
}

const MAX_FIELD_NUMBER = 2 ** 29 - 1

class Cursor {
  readonly #name: string
  readonly #bytes: Buffer
  #at = 0

  constructor(name: string, bytes: Buffer) {
    this.#name = name
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** The numbers of a packed field. */
  rest(): bigint[] {
    const numbers: bigint[] = []
    while (!this.isAtEnd) numbers.push(this.#readVarint())
    return numbers
  }

  readField(): Field {
    const tag = Number(this.#readVarint())
    const number = Math.floor(tag / 8)
    if (number < 1 || number > MAX_FIELD_NUMBER) this.#refuse(`field number ${number}`)
    switch (tag % 8) {
      case VARINT:
        return { number, value: this.#readVarint() }
      case BYTES:
        return { number, value: this.#readBytes(Number(this.#readVarint())) }
      case FIXED64:
        return { number, value: this.#readBytes(8) }
      case FIXED32:
        return { number, value: this.#readBytes(4) }
      default:
        return this.#refuse(`wire type ${tag % 8}`)
    }
  }

  #readVarint(): bigint {
    let value = 0n
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      const byte = this.#bytes[this.#at++] ?? this.#refuse('it ends within a number')
      value |= BigInt(byte & 0x7f) << BigInt(7 * index)
      if (byte < 0x80) return BigInt.asIntN(64, value)
    }
    return this.#refuse(`a number of more than ${MAX_VARINT_BYTES} bytes`)
  }

  #readBytes(size: number): Buffer {
    if (size < 0 || size > this.#bytes.length - this.#at)
      this.#refuse(`a field of ${size} bytes goes beyond its end`)
    this.#at += size
    return this.#bytes.subarray(this.#at - size, this.#at)
  }

  #refuse(why: string): never {
    throw noMessage(this.#name, `${why}, at byte ${this.#at}`)
  }
}

function noMessage(name: string, why: string): Error {
  return ioFault(DO_NOT_RETRY, `filterBytes holds no ${name}: ${why}`)
}
