/** A gateway's HBase listeners, and a client of ours for both. */
import assert from 'node:assert/strict'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as one from '../../src/thrift/generated/hbase1.js'
import * as two from '../../src/thrift/generated/hbase2.js'
import type { ThriftMethod } from '../../src/thrift/protocol.js'
import type { Gateway } from './gateway.js'

const CALL_MS = 30_000

/** Free ports, and an owner for the tables that clients make. */
export const HBASE_PORTS = [
  'listeners:',
  '  kvstore: { port: 0 }',
  '  admin: { port: 0 }',
  '  hbase1: { port: 0, enabled: true }',
  '  hbase2: { port: 0, enabled: true }',
  'hbase: { owner: { name: tables, contact: tables@example.org } }',
  '',
].join('\n')

/** One connection to each of the two gateways. */
export class HBaseClient {
  readonly #first: ThriftClient
  readonly #second: ThriftClient

  constructor(ports: { readonly port1: number; readonly port2: number }) {
    const options = { name: 'gateway', host: '127.0.0.1', connections: 1 }
    this.#first = new ThriftClient({ ...options, port: ports.port1 })
    this.#second = new ThriftClient({ ...options, port: ports.port2 })
  }

  static of(gateway: Gateway): HBaseClient {
    return new HBaseClient({ port1: gateway.port('hbase1'), port2: gateway.port('hbase2') })
  }

  /** The value, the declared exception, or the KVError that a TApplicationException is. */
  async call(gateway: 1 | 2, name: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    const methods: Readonly<Record<string, unknown>> =
      gateway === 1 ? one.HbaseMethods : two.THBaseServiceMethods
    // Tests name methods that the tables have.
    const method = methods[name] as ThriftMethod<unknown, unknown, unknown>
    const client = gateway === 1 ? this.#first : this.#second
    return await new Promise((resolve) => {
      client.call(method, args, performance.now() + CALL_MS, (outcome) => {
        if (outcome instanceof KVError) resolve(outcome)
        else resolve(outcome.exception ?? outcome.value)
      })
    })
  }

  async close(): Promise<void> {
    await Promise.all([this.#first.close(), this.#second.close()])
  }
}

/** By the first gateway. */
export async function createTable(
  gateway: Gateway,
  name: string,
  families: readonly { readonly name: string; readonly maxVersions: number }[],
): Promise<void> {
  const client = HBaseClient.of(gateway)
  const columnFamilies = families.map((family) =>
    one.makeColumnDescriptor({ name: Buffer.from(`${family.name}:`), maxVersions: family.maxVersions }),
  )
  assert.equal(await client.call(1, 'createTable', { tableName: Buffer.from(name), columnFamilies }), null)
  await client.close()
}
