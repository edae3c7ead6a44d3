/** Calls UserMetaStore of a gateway under test; what it throws is the exception that was answered. */
import assert from 'node:assert/strict'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/usermetastore.js'
import type { ThriftMethod } from '../../src/thrift/protocol.js'

const { UserMetaStoreMethods: methods } = wire
const DEADLINE = Number.POSITIVE_INFINITY

/** An answered exception as an Error, so that assert.rejects can look at it. */
export class UmsFailure extends Error {
  readonly error: wire.UmsError

  constructor(error: wire.UmsError) {
    super(error.message ?? '')
    this.error = error
  }
}

export class UmsClient {
  readonly #client: ThriftClient

  constructor(port: number) {
    this.#client = new ThriftClient({ name: 'usermetastore', host: '127.0.0.1', port })
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  call<A, R>(method: ThriftMethod<A, R, wire.UmsException>, args: A): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#client.call(method, args, DEADLINE, (outcome) => {
        if (outcome instanceof KVError) reject(outcome)
        else if (outcome.exception !== null) {
          const { error, message } = outcome.exception
          if (error === null || error.message !== message) reject(new Error('the exception has two messages'))
          else reject(new UmsFailure(error))
        } else if (outcome.value === null) reject(new Error(`${method.name} answered nothing`))
        else resolve(outcome.value)
      })
    })
  }

  get(request: Partial<wire.GetRequest>): Promise<wire.Row> {
    return this.call(methods.get, { request: wire.makeGetRequest(request) })
  }

  multiGet(request: Partial<wire.MultiGetRequest>): Promise<wire.MultiGetResponse> {
    return this.call(methods.multiGet, { request: wire.makeMultiGetRequest(request) })
  }

  put(request: Partial<wire.PutRequest>): Promise<wire.WriteResult> {
    return this.call(methods.put, { request: wire.makePutRequest(request) })
  }

  multiPut(request: Partial<wire.MultiPutRequest>): Promise<wire.MultiWriteResponse> {
    return this.call(methods.multiPut, { request: wire.makeMultiPutRequest(request) })
  }

  remove(request: Partial<wire.DeleteRequest>): Promise<wire.WriteResult> {
    return this.call(methods.remove, { request: wire.makeDeleteRequest(request) })
  }

  multiRemove(request: Partial<wire.MultiDeleteRequest>): Promise<wire.MultiWriteResponse> {
    return this.call(methods.multiRemove, { request: wire.makeMultiDeleteRequest(request) })
  }

  checkAndPut(request: Partial<wire.CheckAndPutRequest>): Promise<wire.CheckResult> {
    return this.call(methods.checkAndPut, { request: wire.makeCheckAndPutRequest(request) })
  }

  checkAndRemove(request: Partial<wire.CheckAndDeleteRequest>): Promise<wire.CheckResult> {
    return this.call(methods.checkAndRemove, { request: wire.makeCheckAndDeleteRequest(request) })
  }

  increment(request: Partial<wire.IncrementRequest>): Promise<wire.IncrementResponse> {
    return this.call(methods.increment, { request: wire.makeIncrementRequest(request) })
  }

  getCounts(request: Partial<wire.GetCountsRequest>): Promise<wire.GetCountsResponse> {
    return this.call(methods.getCounts, { request: wire.makeGetCountsRequest(request) })
  }

  append(request: Partial<wire.AppendRequest>): Promise<wire.Row> {
    return this.call(methods.append, { request: wire.makeAppendRequest(request) })
  }

  scanRow(request: Partial<wire.ScanRowRequest>): Promise<wire.ScanRowResponse> {
    return this.call(methods.scanRow, { request: wire.makeScanRowRequest(request) })
  }

  scan(request: Partial<wire.ScanRequest>): Promise<wire.ScanResponse> {
    return this.call(methods.scan, { request: wire.makeScanRequest(request) })
  }

  describeTable(table: string): Promise<wire.TableInfo> {
    return this.call(methods.describeTable, { table })
  }

  listTables(): Promise<readonly string[]> {
    return this.call(methods.listTables, {})
  }

  ping(): Promise<wire.ServerInfo> {
    return this.call(methods.ping, {})
  }
}

/** For assert.rejects: refused with this code, and nothing of it applied. */
export function refusedWith(code: keyof typeof wire.UmsErrorCode, pattern?: RegExp) {
  return (failure: unknown): boolean => {
    assert.ok(failure instanceof UmsFailure, String(failure))
    assert.equal(wire.umsErrorCodeName(failure.error.code), code, failure.message)
    if (pattern !== undefined) assert.match(failure.message, pattern)
    return true
  }
}

export function cell(column: string, value: string | Buffer, timestamp: bigint | null = null): wire.Cell {
  return wire.makeCell({ column: Buffer.from(column, 'latin1'), value: Buffer.from(value), timestamp })
}

/** `column=value`, and `@time` where the answer has one. */
export function shown(cells: readonly wire.Cell[] | null): string[] {
  return (cells ?? []).map(({ column, value, timestamp }) => {
    const text = `${column?.toString('latin1')}=${value?.toString('latin1')}`
    return timestamp === null ? text : `${text}@${timestamp}`
  })
}
