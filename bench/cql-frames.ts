/**
 * CQL as its clients put it on the wire, frame by frame: prepared once, then executed by id without metadata, as drivers
 * do. The load generator puts its own streams into them.
 */
import { FramedClient } from './client.js'

const VERSION = 4
const HEADER_SIZE = 9
const STARTUP = 0x01
const QUERY = 0x07
const PREPARE = 0x09
const EXECUTE = 0x0a
const BATCH = 0x0d
const ERROR = 0x00
/** Of every statement. */
const CONSISTENCY_ONE = u16(1)
const VALUES = 0x01
const SKIP_METADATA = 0x02

export type BatchType = 'LOGGED' | 'UNLOGGED'

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

/** Also a value of type int. */
export function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function frame(opcode: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.of(VERSION, 0, 0, 0, opcode), i32(body.length), body])
}

function text(value: string): Buffer {
  return Buffer.concat([u16(Buffer.byteLength(value)), Buffer.from(value)])
}

function longText(value: string): Buffer {
  return Buffer.concat([i32(Buffer.byteLength(value)), Buffer.from(value)])
}

function valuesOf(values: readonly Buffer[]): Buffer[] {
  return [u16(values.length), ...values.flatMap((value) => [i32(value.length), value])]
}

/** A statement as text, without variables. */
export function queryFrame(statement: string): Buffer {
  return frame(QUERY, longText(statement), CONSISTENCY_ONE, Buffer.of(SKIP_METADATA))
}

export function executeFrame(id: Buffer, values: readonly Buffer[]): Buffer {
  const parameters = [CONSISTENCY_ONE, Buffer.of(VALUES | SKIP_METADATA), ...valuesOf(values)]
  return frame(EXECUTE, u16(id.length), id, ...parameters)
}

/** One prepared statement with several sets of values. */
export function batchFrame(type: BatchType, id: Buffer, rows: readonly (readonly Buffer[])[]): Buffer {
  const parts = rows.flatMap((values) => [Buffer.of(1), u16(id.length), id, ...valuesOf(values)])
  return frame(
    BATCH,
    Buffer.of(type === 'LOGGED' ? 0 : 1),
    u16(rows.length),
    ...parts,
    CONSISTENCY_ONE,
    Buffer.of(0),
  )
}

/** A connection with one request in flight: for what goes before a measurement. */
export class CqlCaller {
  readonly #client: FramedClient

  private constructor(client: FramedClient) {
    this.#client = client
  }

  static async connect(port: number): Promise<CqlCaller> {
    const caller = new CqlCaller(await FramedClient.connect(port, { headerBytes: HEADER_SIZE }))
    await caller.call(frame(STARTUP, u16(1), text('CQL_VERSION'), text('3.0.0')))
    return caller
  }

  /** The answer's body. @throws when it is an ERROR */
  async call(request: Buffer): Promise<Buffer> {
    const answer = await this.#client.call(request)
    const body = answer.subarray(HEADER_SIZE)
    if (answer[4] !== ERROR) return body
    throw new Error(`the server answered: ${body.toString('utf8', 6, 6 + body.readUInt16BE(4))}`)
  }

  query(statement: string): Promise<Buffer> {
    return this.call(queryFrame(statement))
  }

  /** The statement's id. */
  async prepare(statement: string): Promise<Buffer> {
    const body = await this.call(frame(PREPARE, longText(statement)))
    return Buffer.from(body.subarray(6, 6 + body.readUInt16BE(4)))
  }

  close(): void {
    this.#client.close()
  }
}
