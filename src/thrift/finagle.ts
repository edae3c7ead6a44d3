/**
 * What Finagle's thrift clients say beside Thrift ("TTwitter"): on each new connection they ask by a call of an unusual name
 * whether headers may be sent. Once that is answered, every request has a RequestHeader struct in front of its message and
 * every answer a ResponseHeader, both inside the frame and without a message envelope of their own.
 *
 * Source: finagle-thrift, ThriftServerFramedCodec.scala and tracing.thrift, as of 2013 and later; what is not known in a
 * header is skipped, because later versions added fields.
 */
import { cutText } from '../base/text.js'
import { bindMethod, type BoundMethod, type ThriftReader, ThriftType, type ThriftWriter } from './protocol.js'

const UPGRADE_METHOD = '__can__finagle__trace__v3__'
const CLIENT_ID_FIELD = 6
const CLIENT_NAME_FIELD = 1

/** Longer names are cut: a caller's name goes to logs and metrics. */
const MAX_CLIENT_NAME = 128

/** The call that upgrades a connection; its argument and its answer are structs of which no field matters. */
export const FINAGLE_UPGRADE: BoundMethod = bindMethod(
  {
    name: UPGRADE_METHOD,
    isOneway: false,
    isVoid: false,
    readArgs: (input) => {
      input.skip(ThriftType.STRUCT)
      return null
    },
    writeArgs: writeEmptyStruct,
    readResult: (input) => {
      input.skip(ThriftType.STRUCT)
      return { value: null, exception: null }
    },
    writeResult: writeEmptyStruct,
    writeException: writeEmptyStruct,
  },
  (_args, call) => call.reply(null),
)

/**
 * Reads the header in front of an upgraded connection's request.
 * @returns the calling client's name; null when it does not say
 */
export function readRequestHeader(input: ThriftReader): string | null {
  let clientName: string | null = null
  input.readStructBegin()
  for (let type = input.readFieldBegin(); type !== ThriftType.STOP; type = input.readFieldBegin()) {
    if (input.fieldId === CLIENT_ID_FIELD && type === ThriftType.STRUCT) clientName = readClientId(input)
    else input.skip(type)
  }
  input.readStructEnd()
  return clientName
}

/** The name of the call above. */
export const FINAGLE_METHOD = UPGRADE_METHOD

/** The arguments of that call, which are a struct of their own and not in one. */
export function writeUpgradeArgs(output: ThriftWriter): void {
  writeEmptyStruct(output)
}

/** What a request of ours says of itself: nobody asked for it to be traced. */
export interface RequestHeader {
  readonly traceId: bigint
  readonly spanId: bigint
  readonly clientName: string
}

/** In front of an upgraded connection's request. */
export function writeRequestHeader(
  output: ThriftWriter,
  { traceId, spanId, clientName }: RequestHeader,
): void {
  output.writeStructBegin()
  output.writeFieldBegin(ThriftType.I64, 1)
  output.writeI64(traceId)
  output.writeFieldBegin(ThriftType.I64, 2)
  output.writeI64(spanId)
  output.writeFieldBegin(ThriftType.BOOL, 5)
  output.writeBool(false)
  output.writeFieldBegin(ThriftType.STRUCT, CLIENT_ID_FIELD)
  output.writeStructBegin()
  output.writeFieldBegin(ThriftType.STRING, CLIENT_NAME_FIELD)
  output.writeString(clientName)
  output.writeFieldStop()
  output.writeStructEnd()
  output.writeFieldBegin(ThriftType.I64, 7)
  output.writeI64(0n)
  output.writeFieldStop()
  output.writeStructEnd()
}

/** Passes over the header in front of an upgraded connection's answer. */
export function skipResponseHeader(input: ThriftReader): void {
  input.skip(ThriftType.STRUCT)
}

/** An empty header, in front of an answer. */
export function writeResponseHeader(output: ThriftWriter): void {
  writeEmptyStruct(output)
}

function readClientId(input: ThriftReader): string | null {
  let name: string | null = null
  input.readStructBegin()
  for (let type = input.readFieldBegin(); type !== ThriftType.STOP; type = input.readFieldBegin()) {
    if (input.fieldId === CLIENT_NAME_FIELD && type === ThriftType.STRING) {
      name = cutText(input.readString(), MAX_CLIENT_NAME)
    } else input.skip(type)
  }
  input.readStructEnd()
  return name
}

function writeEmptyStruct(output: ThriftWriter): void {
  output.writeStructBegin()
  output.writeFieldStop()
  output.writeStructEnd()
}
