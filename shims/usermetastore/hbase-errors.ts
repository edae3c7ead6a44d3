/**
 * What HBase's Thrift gateways say when a call fails. IOError and IllegalArgument of the first one carry a Java stack trace,
 * whose first line `class: message` is what clients look at; ours carry that line. TIOError of the second carries the
 * message
 * alone. A RuntimeException of a handler is a TApplicationException there. Texts are those of HBase 2.5, seen on the wire.
 */
import { KVError } from '../../src/base/errors.js'
import { HBASE_EXCEPTIONS } from './errors.js'

const HBASE = 'org.apache.hadoop.hbase'

export const TABLE_NOT_FOUND = `${HBASE}.TableNotFoundException`
export const TABLE_NOT_ENABLED = `${HBASE}.TableNotEnabledException`
export const TABLE_NOT_DISABLED = `${HBASE}.TableNotDisabledException`
export const TABLE_EXISTS = `${HBASE}.TableExistsException`
export const NO_FAMILY = `${HBASE}.regionserver.NoSuchColumnFamilyException`
export const NO_NAMESPACE = `${HBASE}.NamespaceNotFoundException`
export const DO_NOT_RETRY = `${HBASE}.DoNotRetryIOException`
export const WRONG_ROW = `${HBASE}.client.WrongRowIOException`
export const RETRIES_EXHAUSTED = `${HBASE}.client.RetriesExhaustedWithDetailsException`
export const IO_EXCEPTION = 'java.io.IOException'
export const ILLEGAL_ARGUMENT = 'java.lang.IllegalArgumentException'

/**
 * `io`: IOError and TIOError. `illegal`: IllegalArgument where a method declares it, else as `runtime`. `scanner`: no such
 * scanner. `exists`: AlreadyExists. `runtime`: the handler itself failed, which Thrift reports.
 */
export type FaultKind = 'io' | 'illegal' | 'scanner' | 'exists' | 'runtime'

/** A failure in HBase's own words. */
export class HBaseFault extends KVError {
  readonly faultKind: FaultKind
  /** Java class of the exception; empty: the message stands alone. */
  readonly javaClass: string
  /** What follows the class. */
  readonly text: string

  constructor(faultKind: FaultKind, javaClass: string, text: string) {
    super('INVALID_ARGUMENT', text, { outcome: 'NOT_APPLIED' })
    this.faultKind = faultKind
    this.javaClass = javaClass
    this.text = text
  }
}

export function ioFault(javaClass: string, text: string): HBaseFault {
  return new HBaseFault('io', javaClass, text)
}

/** An exception that a region server threw: its class stands in the message as well. */
export function remoteFault(javaClass: string, text: string): HBaseFault {
  return new HBaseFault('io', javaClass, `${javaClass}: ${text}`)
}

export function illegal(text: string): HBaseFault {
  return new HBaseFault('illegal', ILLEGAL_ARGUMENT, text)
}

export function runtime(text: string): HBaseFault {
  return new HBaseFault('runtime', ILLEGAL_ARGUMENT, text)
}

export function noSuchFamily(family: Buffer, table: string): HBaseFault {
  const where = `Column family ${family.toString('latin1')} does not exist in region ${regionName(table)}`
  return remoteFault(NO_FAMILY, `${where} in table '${table}'`)
}

/** Of several rows that are written together the failure of the first one. */
export function batchFault(failed: number, first: KVError): HBaseFault {
  const { javaClass, text } = faultOf(first)
  const why = text.startsWith(javaClass) ? text : `${javaClass}: ${text}`
  const actions = `Failed ${failed} action${failed === 1 ? '' : 's'}`
  return ioFault(RETRIES_EXHAUSTED, `${actions}: ${javaClass === TABLE_NOT_FOUND ? text : why}`)
}

/** Runs what HBase sends as a batch of so many actions, which fails as one. */
export function asBatch<T>(count: number, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof HBaseFault && error.faultKind === 'io') throw batchFault(count, error)
    throw error
  }
}

/** The same of several rows; one alone is no batch. */
export function asActions<T>(count: number, run: () => T): T {
  return count === 1 ? run() : asBatch(count, run)
}

/** Any failure in HBase's words. */
export function faultOf(error: KVError): HBaseFault {
  if (error instanceof HBaseFault) return error
  if (error.code === 'NOT_A_COUNTER') {
    const width = /holds (\d+) bytes/.exec(error.message)?.[1] ?? '?'
    return remoteFault(DO_NOT_RETRY, `Field is not a long, it's ${width} bytes wide`)
  }
  if (error.code === 'DATASET_NOT_FOUND' && error.dataset !== undefined)
    return ioFault(TABLE_NOT_FOUND, error.dataset)
  return ioFault(HBASE_EXCEPTIONS[error.code], error.message)
}

/** Those of the classes here, and of HBASE_EXCEPTIONS, that extend DoNotRetryIOException. */
const NEVER_RETRIED: ReadonlySet<string> = new Set([
  DO_NOT_RETRY,
  TABLE_NOT_FOUND,
  TABLE_NOT_ENABLED,
  TABLE_NOT_DISABLED,
  TABLE_EXISTS,
  NO_FAMILY,
  NO_NAMESPACE,
  `${HBASE}.UnknownScannerException`,
  `${HBASE}.io.hfile.CorruptHFileException`,
  `${HBASE}.security.AccessDeniedException`,
])

/** As getIOError and getTIOError of HBase's handlers say it: by the class alone, so that a failed batch always may be. */
export function canRetry({ javaClass }: HBaseFault): boolean {
  return !NEVER_RETRIED.has(javaClass)
}

/** Bytes.toStringBinary: what HBase's messages show of a key, of which ours show the beginning. */
export function binaryText(key: Buffer): string {
  let text = ''
  for (const byte of key.subarray(0, MAX_SHOWN_BYTES)) {
    const isShown = byte >= FIRST_SHOWN && byte <= LAST_SHOWN && byte !== BACKSLASH
    text += isShown ? String.fromCharCode(byte) : `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

const MAX_SHOWN_BYTES = 100
const [FIRST_SHOWN, LAST_SHOWN, BACKSLASH] = [0x20, 0x7e, 0x5c]

/** First line of a stack trace. */
export function firstLineOf({ javaClass, text }: HBaseFault): string {
  return javaClass === '' ? text : `${javaClass}: ${text}`
}

/** The one region that a table has here. */
export function regionName(table: string): string {
  return `${table},,0.00000000000000000000000000000000.`
}
