/**
 * The seam between generated code and wire protocols: what a generated reader asks of a protocol (ThriftReader), what a
 * generated writer asks of one (ThriftWriter), and what a service's methods look like to the server and to the client.
 * Binary and compact implement it; another protocol is another implementation, and no generated file changes for it.
 */
import { limits } from '../base/limits.js'

/** Type codes as Apache Thrift numbers them, for every protocol. Never renumber. */
export const ThriftType = {
  STOP: 0,
  BOOL: 2,
  BYTE: 3,
  DOUBLE: 4,
  I16: 6,
  I32: 8,
  I64: 10,
  STRING: 11,
  STRUCT: 12,
  MAP: 13,
  SET: 14,
  LIST: 15,
  UUID: 16,
} as const

/** Message types of the message header. Never renumber. */
export const MessageType = { CALL: 1, REPLY: 2, EXCEPTION: 3, ONEWAY: 4 } as const

/** Answers repeat a method's name, so that it must not be of any size. */
export const MAX_NAME_BYTES = 1024

/** Why bytes are not what they should be; a metric label. */
export type MalformedReason =
  | 'truncated'
  | 'negative-size'
  | 'lying-size'
  | 'too-deep'
  | 'too-many-elements'
  | 'bad-type'
  | 'bad-version'
  | 'bad-varint'
  | 'bad-message'
  | 'frame-too-large'
  | 'unknown-transport'

/** The bytes break the protocol, or an answer would break a limit of it. Nothing else is thrown by codecs. */
export class ThriftProtocolError extends Error {
  override readonly name = 'ThriftProtocolError'
  readonly reason: MalformedReason

  constructor(reason: MalformedReason, message: string) {
    super(message)
    this.reason = reason
  }
}

/**
 * One message, read forward. Every `read...` throws ThriftProtocolError where the bytes end too early or lie; none
 * allocates more than the bytes that are there can justify.
 */
export interface ThriftReader {
  /** Id of the field that readFieldBegin found. */
  readonly fieldId: number
  readStructBegin(): void
  readStructEnd(): void
  /** The field's type, or STOP behind the last one. */
  readFieldBegin(): number
  /** Count of elements. Elements of another type than the expected one are malformed, unless there are none. */
  readListBegin(elementType: number): number
  readListEnd(): void
  readMapBegin(keyType: number, valueType: number): number
  readMapEnd(): void
  readBool(): boolean
  readByte(): number
  readI16(): number
  readI32(): number
  readI64(): bigint
  readDouble(): number
  /** Bytes that are not UTF-8 become U+FFFD. */
  readString(): string
  /** A view into the frame, which stays alive as long as the view does. Copy what is kept for long. */
  readBinary(): Buffer
  skip(type: number): void
}

/** One message, written forward. Views and values are copied when written, never kept. */
export interface ThriftWriter {
  writeStructBegin(): void
  writeStructEnd(): void
  writeFieldBegin(type: number, id: number): void
  writeFieldStop(): void
  /** For lists and sets. */
  writeListBegin(elementType: number, count: number): void
  writeMapBegin(keyType: number, valueType: number, count: number): void
  writeBool(value: boolean): void
  writeByte(value: number): void
  writeI16(value: number): void
  writeI32(value: number): void
  /** @throws {RangeError} when the value does not fit 64 bits, signed */
  writeI64(value: bigint): void
  writeDouble(value: number): void
  /** Lone surrogates become U+FFFD. */
  writeString(value: string): void
  writeBinary(value: Uint8Array): void
}

export interface ReaderLimits {
  /** Nesting of structs and containers. */
  readonly maxDepth: number
  /** Elements of lists, sets and maps that one message may make us allocate, in all. */
  readonly maxElements: number
}

export const READER_LIMITS: ReaderLimits = {
  maxDepth: limits.maxThriftDepth,
  maxElements: limits.maxThriftElements,
}

/** Reads messages one after the other; what a connection asks of a protocol. */
export interface MessageReader extends ThriftReader {
  /** The header that readMessageBegin found. */
  readonly messageName: string
  readonly messageType: number
  readonly seqid: number
  /** Bytes that were not read. */
  readonly remaining: number
  /** Starts on a new message, in `buffer` from `start` up to `end`. */
  reset(buffer: Buffer, start: number, end: number): void
  readMessageBegin(): void
}

/** Writes messages one behind the other into a buffer of its own. */
export interface MessageWriter extends ThriftWriter {
  /** Bytes written and not taken. */
  readonly size: number
  /** Bytes of the buffer itself. */
  readonly capacity: number
  /** What was written so far: a view that the next write may change. */
  view(): Buffer
  /** Forgets what was written and keeps the buffer. */
  clear(): void
  /** Gives the buffer with what was written away for good; the writer starts on a new one. */
  take(): Buffer
  /** Opens a message of at most `maxBytes`, behind its size if it is framed. */
  beginFrame(maxBytes: number, isFramed: boolean): void
  /** @throws {ThriftProtocolError} frame-too-large; the message is then still open, to be rolled back */
  endFrame(): void
  /** Takes back everything since beginFrame. */
  rollbackFrame(): void
  writeMessageBegin(name: string, type: number, seqid: number): void
}

/** What a method answered: its value, or one of its declared exceptions. Both null: a void method's answer. */
export interface ThriftResult<R, E> {
  readonly value: R | null
  readonly exception: E | null
}

/** Reads and writes both directions of one method; made by the generator, used by the server and the client alike. */
export interface ThriftMethod<A, R, E> {
  readonly name: string
  readonly isOneway: boolean
  /** Answers carry no value, so that an empty one is complete. */
  readonly isVoid: boolean
  readArgs(input: ThriftReader): A
  writeArgs(output: ThriftWriter, args: A): void
  readResult(input: ThriftReader): ThriftResult<R, E>
  writeResult(output: ThriftWriter, result: R): void
  writeException(output: ThriftWriter, exception: E): void
}

/** Who called. */
export interface ThriftConnectionInfo {
  /** Unique within the server's life. */
  readonly id: number
  readonly remoteAddress: string
  /** As the peer named itself with its newest request; null where its protocol has no place for that, or it did not. */
  readonly clientName: string | null
  /** What is answered now goes nowhere. */
  readonly isClosed: boolean
}

/**
 * One request that waits for its answer. Exactly one of reply, fail and abort must be called, once, at any time and in
 * any order among calls; what is given to them must not change afterwards, because it may be encoded later.
 */
export interface ThriftCall<R, E> {
  readonly connection: ThriftConnectionInfo
  /** Name of what is called. */
  readonly method: string
  /** Monotonic milliseconds at which the bytes arrived; one reading for all requests of one arrival. */
  readonly receivedAtMs: number
  /** A void or oneway method replies null. */
  reply(result: R): void
  /** Answers one of the method's declared exceptions. */
  fail(exception: E): void
  /** Answers a TApplicationException: for failures that the IDL has no words for. */
  abort(type: number, message: string): void
}

/** One method together with who serves it. */
export interface BoundMethod {
  readonly method: ThriftMethod<unknown, unknown, unknown>
  handle(args: unknown, call: ThriftCall<unknown, unknown>): void
}

/** A served service: methods by wire name. */
export interface ThriftService {
  readonly name: string
  readonly methods: ReadonlyMap<string, BoundMethod>
  /**
   * The declared exception for a reply of more than `maxBytes` bytes; null, or no such function: the method declares
   * none that fits, and the answer is a TApplicationException.
   */
  readonly tooLarge?: (method: string, maxBytes: number) => unknown
  /** Methods whose answers have some hundred bytes at most, whatever is asked; absent: none. */
  readonly smallAnswers?: ReadonlySet<string>
}

/** Ties a method to its handler; args and result types agree by construction. */
export function bindMethod<A, R, E>(
  method: ThriftMethod<A, R, E>,
  handle: (args: A, call: ThriftCall<R, E>) => void,
): BoundMethod {
  // The method's own readArgs makes the args that handle gets, so that the wider types of BoundMethod lose nothing.
  return { method, handle: (args, call) => handle(args as A, call) }
}
