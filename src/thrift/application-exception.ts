/** TApplicationException: how Thrift itself reports that a call could not be served; every language knows it. */
import { ThriftType, type ThriftReader, type ThriftWriter } from './protocol.js'

/** Its `type` field. Never renumber. */
export const ApplicationExceptionType = {
  UNKNOWN: 0,
  UNKNOWN_METHOD: 1,
  INVALID_MESSAGE_TYPE: 2,
  WRONG_METHOD_NAME: 3,
  BAD_SEQUENCE_ID: 4,
  MISSING_RESULT: 5,
  INTERNAL_ERROR: 6,
  PROTOCOL_ERROR: 7,
} as const

export interface ApplicationException {
  readonly type: number
  readonly message: string
}

export function writeApplicationException(output: ThriftWriter, exception: ApplicationException): void {
  output.writeStructBegin()
  output.writeFieldBegin(ThriftType.STRING, 1)
  output.writeString(exception.message)
  output.writeFieldBegin(ThriftType.I32, 2)
  output.writeI32(exception.type)
  output.writeFieldStop()
  output.writeStructEnd()
}

export function readApplicationException(input: ThriftReader): ApplicationException {
  let message = ''
  let type: number = ApplicationExceptionType.UNKNOWN
  input.readStructBegin()
  for (;;) {
    const fieldType = input.readFieldBegin()
    if (fieldType === ThriftType.STOP) break
    if (input.fieldId === 1 && fieldType === ThriftType.STRING) message = input.readString()
    else if (input.fieldId === 2 && fieldType === ThriftType.I32) type = input.readI32()
    else input.skip(fieldType)
  }
  input.readStructEnd()
  return { type, message }
}
