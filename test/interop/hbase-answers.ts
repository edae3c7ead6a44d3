/**
 * Calls of HBase clients that can be repeated and printed, and what a server answers to each in words that can be compared:
 * bytes as text, times that the server gave as `now`, exceptions by class and first line as far as it names no machine.
 */
import { KVError } from '../../src/base/errors.js'
import { HBaseClient } from '../support/hbase.js'

/** Times below are the generated ones. */
const FIRST_SERVER_TIME = 1_000_000_000n
/** Rows, or pieces of them, that a scan asks for at a time unless it says otherwise. */
const PIECES = 2

/** A call, made of plain data so that it can be printed; `gateway` is 1 or 2. */
export interface Operation {
  readonly gateway: 1 | 2
  readonly method: string
  /** Of the row prefix that a sequence has to itself. */
  readonly args: (prefix: string) => Readonly<Record<string, unknown>>
  /** The server's clock decides: the next call must come in another millisecond. */
  readonly isStamped: boolean
  readonly text: string
}

/** What a server answers to operations. */
export class Answering {
  readonly client: HBaseClient

  constructor(ports: { readonly port1: number; readonly port2: number }) {
    this.client = new HBaseClient(ports)
  }

  /** What the call answers, as text. */
  async answer({ gateway, method, args }: Operation, prefix: string): Promise<string> {
    if (method === 'scan') return await this.#scan(gateway, args(prefix))
    return shown(await this.client.call(gateway, method, args(prefix)))
  }

  /** Opens, reads in pieces and closes. */
  async #scan(gateway: 1 | 2, args: Readonly<Record<string, unknown>>): Promise<string> {
    const count = typeof args['pieces'] === 'number' ? args['pieces'] : PIECES
    const [list, close] =
      gateway === 1
        ? ([count === 1 ? 'scannerGet' : 'scannerGetList', 'scannerClose'] as const)
        : (['getScannerRows', 'closeScanner'] as const)
    const usual = gateway === 1 ? 'scannerOpenWithScan' : 'openScanner'
    const open = typeof args['open'] === 'string' ? args['open'] : usual
    const id = await this.client.call(gateway, open, args)
    if (typeof id !== 'number') return shown(id)
    const found: unknown[] = []
    const ids = gateway === 1 ? { id, nbRows: count } : { scannerId: id, numRows: count }
    for (;;) {
      const rows = await this.client.call(gateway, list, ids)
      if (!Array.isArray(rows)) return shown(rows)
      if (rows.length === 0) break
      found.push(...(rows as unknown[]))
    }
    const closed = await this.client.call(gateway, close, ids)
    return `${shown(found)} closed ${shown(closed)}`
  }
}

export function shown(answer: unknown): string {
  if (answer instanceof KVError) return fault(answer)
  if (typeof answer === 'object' && answer !== null && 'thriftType' in answer) {
    const { thriftType, message, canRetry } = answer as unknown as DeclaredException
    return `${thriftType}: ${firstLine(message ?? '')}${canRetry === true ? ' (canRetry)' : ''}`
  }
  return JSON.stringify(answer, (_key, value: unknown) => plain(value))
}

interface DeclaredException {
  readonly thriftType: string
  readonly message: string | null
  /** Of IOError and TIOError. */
  readonly canRetry?: boolean | null
}

/** A TApplicationException's text says why with us, and nothing in HBase. */
function fault({ message }: KVError): string {
  return /Internal error processing \w+/.exec(message)?.[0] ?? message
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '')
    .replace(/ in region .*$/, '')
    .replace(/: \d+ times?, servers with issues.*$/, '')
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value >= FIRST_SERVER_TIME ? 'now' : String(value)
  if (typeof value !== 'object' || value === null) return value
  const { type, data } = value as { type?: unknown; data?: unknown }
  if (type === 'Buffer' && Array.isArray(data)) return Buffer.from(data as number[]).toString('latin1')
  return value
}
