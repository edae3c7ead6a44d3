/**
 * One table, three doors: what any of UserMetaStore, HBase Thrift (both gateways) and KVStore writes, every one of them
 * reads as the same columns, values and times.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { toColumn } from '../../shims/usermetastore/mapping.js'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as hbase1 from '../../src/thrift/generated/hbase1.js'
import * as hbase2 from '../../src/thrift/generated/hbase2.js'
import * as kv from '../../src/thrift/generated/kvstore.js'
import * as ums from '../../src/thrift/generated/usermetastore.js'
import type { ThriftMethod } from '../../src/thrift/protocol.js'
import { Gateway } from '../support/gateway.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n  usermetastore: { port: 0, enabled: true }\n' +
  '  hbase1: { port: 0, enabled: true }\n  hbase2: { port: 0, enabled: true }\n'
const TABLE = { keyOrder: 'ORDERED', timestampUnit: 'MILLISECONDS', maxCellVersions: 3 }
const table = 'shared'
const tableName = Buffer.from(table)

let gateway: Gateway
let doors: readonly Door[] = []

before(async () => {
  gateway = await Gateway.start({ ports: PORTS })
  await gateway.createDataset(table, TABLE)
  doors = [
    new UserMetaStoreDoor(gateway.port('usermetastore')),
    new KVStoreDoor(gateway.port('kvstore')),
    new HBase1Door(gateway.port('hbase1')),
    new HBase2Door(gateway.port('hbase2')),
  ]
})

after(async () => {
  for (const door of doors) await door.close()
  await gateway.dispose()
})

interface Stored {
  readonly localKey: Buffer
  readonly value: Buffer
  readonly timestamp: bigint | null
}

abstract class Door {
  abstract readonly name: string
  readonly #client: ThriftClient

  constructor(port: number) {
    this.#client = new ThriftClient({ name: 'door', host: '127.0.0.1', port })
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  abstract put(row: Buffer, cell: Stored): Promise<unknown>
  abstract remove(row: Buffer, localKey: Buffer): Promise<unknown>
  abstract removeRow(row: Buffer): Promise<unknown>
  abstract add(row: Buffer, localKey: Buffer, delta: bigint): Promise<bigint | null | undefined>
  abstract append(row: Buffer, localKey: Buffer, value: Buffer): Promise<unknown>
  abstract read(row: Buffer): Promise<readonly Stored[]>

  protected call<A, R, E>(method: ThriftMethod<A, R, E>, args: A): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#client.call(method, args, Number.POSITIVE_INFINITY, (outcome) => {
        if (outcome instanceof KVError) reject(outcome)
        else if (outcome.exception !== null) reject(new Error(shown(outcome.exception)))
        // A void method's answer is null, and so is its type here.
        else resolve(outcome.value as R)
      })
    })
  }
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${one}` : one))
}

class UserMetaStoreDoor extends Door {
  readonly name = 'UserMetaStore'
  readonly #methods = ums.UserMetaStoreMethods

  put(key: Buffer, { localKey, ...cell }: Stored) {
    const cells = [ums.makeCell({ ...cell, column: localKey })]
    return this.call(this.#methods.put, { request: ums.makePutRequest({ table, key, cells }) })
  }

  remove(key: Buffer, localKey: Buffer) {
    const request = ums.makeDeleteRequest({ table, key, columns: [localKey] })
    return this.call(this.#methods.remove, { request })
  }

  removeRow(key: Buffer) {
    return this.call(this.#methods.remove, { request: ums.makeDeleteRequest({ table, key }) })
  }

  async add(key: Buffer, column: Buffer, delta: bigint) {
    const request = ums.makeIncrementRequest({ table, key, deltas: [{ column, delta }] })
    return (await this.call(this.#methods.increment, { request })).values?.[0]?.value
  }

  append(key: Buffer, column: Buffer, value: Buffer) {
    const request = ums.makeAppendRequest({ table, key, cells: [ums.makeCell({ column, value })] })
    return this.call(this.#methods.append, { request })
  }

  async read(key: Buffer) {
    const options = ums.makeReadOptions({ withTimestamps: true })
    const { cells } = await this.call(this.#methods.get, {
      request: ums.makeGetRequest({ table, key, options }),
    })
    return (cells ?? []).map((cell) => stored(cell.column, cell.value, cell.timestamp))
  }
}

class KVStoreDoor extends Door {
  readonly name = 'KVStore'
  readonly #methods = kv.KVStoreMethods

  put(key: Buffer, cell: Stored) {
    const request = kv.makePutRequest({ dataset: table, key, cells: [kv.makeCell(cell)] })
    return this.call(this.#methods.put, { request })
  }

  remove(key: Buffer, localKey: Buffer) {
    const cells = kv.makeCellSelector({ localKeys: [localKey] })
    return this.call(this.#methods.remove, { request: kv.makeDeleteRequest({ dataset: table, key, cells }) })
  }

  removeRow(key: Buffer) {
    return this.call(this.#methods.remove, { request: kv.makeDeleteRequest({ dataset: table, key }) })
  }

  async add(key: Buffer, localKey: Buffer, delta: bigint) {
    const deltas = [kv.makeCounterDelta({ localKey, delta })]
    const request = kv.makeIncrementRequest({ dataset: table, key, deltas })
    return (await this.call(this.#methods.increment, { request })).counters?.[0]?.value
  }

  append(key: Buffer, localKey: Buffer, value: Buffer) {
    const append = kv.makeAppendMutation({ cells: [kv.makeCell({ localKey, value })] })
    const request = kv.makeMutateRequest({ dataset: table, key, mutations: [kv.makeMutation({ append })] })
    return this.call(this.#methods.mutate, { request })
  }

  async read(key: Buffer) {
    const options = kv.makeReadOptions({ withTimestamps: true })
    const request = kv.makeGetRequest({ dataset: table, key, options })
    const { value, timestamp, cells } = await this.call(this.#methods.get, { request })
    const unnamed = value === null ? [] : [stored(Buffer.alloc(0), value, timestamp)]
    return [...unnamed, ...(cells ?? []).map((cell) => stored(cell.localKey, cell.value, cell.timestamp))]
  }
}

class HBase1Door extends Door {
  readonly name = 'HBase Thrift1'
  readonly #methods = hbase1.HbaseMethods

  put(row: Buffer, { localKey, value, timestamp }: Stored): Promise<unknown> {
    const mutations = [hbase1.makeMutation({ column: columnOf(localKey), value })]
    const args = { tableName, row, mutations, attributes: null }
    if (timestamp === null) return this.call(this.#methods.mutateRow, args)
    return this.call(this.#methods.mutateRowTs, { ...args, timestamp })
  }

  remove(row: Buffer, localKey: Buffer) {
    const args = { tableName, row, column: columnOf(localKey), attributes: null }
    return this.call(this.#methods.deleteAll, args)
  }

  removeRow(row: Buffer) {
    return this.call(this.#methods.deleteAllRow, { tableName, row, attributes: null })
  }

  add(row: Buffer, localKey: Buffer, value: bigint) {
    return this.call(this.#methods.atomicIncrement, { tableName, row, column: columnOf(localKey), value })
  }

  append(row: Buffer, localKey: Buffer, value: Buffer) {
    const append = hbase1.makeTAppend({
      table: tableName,
      row,
      columns: [columnOf(localKey)],
      values: [value],
    })
    return this.call(this.#methods.append, { append })
  }

  async read(row: Buffer) {
    const [found] = await this.call(this.#methods.getRow, { tableName, row, attributes: null })
    return (found?.columns ?? []).map(([column, cell]) => {
      const at = column.indexOf(':')
      const [family, qualifier] = [column.subarray(0, at), column.subarray(at + 1)]
      return stored(localKeyOf(family, qualifier), cell.value, cell.timestamp)
    })
  }
}

class HBase2Door extends Door {
  readonly name = 'HBase Thrift2'
  readonly #methods = hbase2.THBaseServiceMethods

  put(row: Buffer, { localKey, value, timestamp }: Stored) {
    const columnValues = [hbase2.makeTColumnValue({ ...toColumn(localKey), value, timestamp })]
    const tput = hbase2.makeTPut({ row, columnValues })
    return this.call(this.#methods.put, { table: tableName, tput })
  }

  remove(row: Buffer, localKey: Buffer) {
    const tdelete = hbase2.makeTDelete({ row, columns: [hbase2.makeTColumn(toColumn(localKey))] })
    return this.call(this.#methods.deleteSingle, { table: tableName, tdelete })
  }

  removeRow(row: Buffer) {
    return this.call(this.#methods.deleteSingle, { table: tableName, tdelete: hbase2.makeTDelete({ row }) })
  }

  async add(row: Buffer, localKey: Buffer, amount: bigint) {
    const columns = [hbase2.makeTColumnIncrement({ ...toColumn(localKey), amount })]
    const tincrement = hbase2.makeTIncrement({ row, columns })
    const { columnValues } = await this.call(this.#methods.increment, { table: tableName, tincrement })
    return columnValues?.[0]?.value?.readBigInt64BE(0)
  }

  append(row: Buffer, localKey: Buffer, value: Buffer) {
    const columns = [hbase2.makeTColumnValue({ ...toColumn(localKey), value })]
    return this.call(this.#methods.append, {
      table: tableName,
      tappend: hbase2.makeTAppend({ row, columns }),
    })
  }

  async read(row: Buffer) {
    const args = { table: tableName, tget: hbase2.makeTGet({ row }) }
    const { columnValues } = await this.call(this.#methods.get, args)
    return (columnValues ?? []).map(({ family, qualifier, value, timestamp }) =>
      stored(localKeyOf(family, qualifier), value, timestamp),
    )
  }
}

function stored(localKey: Buffer | null, value: Buffer | null, timestamp: bigint | null): Stored {
  assert.ok(localKey !== null && value !== null && timestamp !== null)
  return { localKey, value, timestamp }
}

/** As Thrift1 has columns. */
function columnOf(localKey: Buffer): Buffer {
  const { family, qualifier } = toColumn(localKey)
  return Buffer.concat([family, Buffer.from(':'), qualifier])
}

/** By hand, as FORMATS.md has it. */
function localKeyOf(family: Buffer | null, qualifier: Buffer | null): Buffer {
  assert.ok(family !== null && qualifier !== null)
  return family.length === 0 ? qualifier : Buffer.concat([family, Buffer.of(0), qualifier])
}

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const COLUMNS: Readonly<Record<string, Buffer>> = {
  'of a family': Buffer.from('f\0q'),
  'of a family, without a qualifier': Buffer.from('f\0'),
  'of a family, with every byte': Buffer.concat([Buffer.from('f\0'), ALL_BYTES]),
  'without a family': Buffer.from('name'),
  'without a name': Buffer.alloc(0),
  'without a family, with a colon': Buffer.from('a:b'),
}
const VALUES: Readonly<Record<string, Buffer>> = {
  empty: Buffer.alloc(0),
  text: Buffer.from('größe'),
  'every byte': ALL_BYTES,
  'a counter': Buffer.from('7fffffffffffffff', 'hex'),
  'a large one': Buffer.alloc(300_000, 'x'),
}

/** Every door reads the same, and what is expected. */
async function allRead(row: Buffer, expected: readonly Stored[], what: string): Promise<void> {
  for (const door of doors) {
    const found = await door.read(row)
    const sorted = [...found].sort((a, b) => a.localKey.compare(b.localKey))
    assert.deepEqual(sorted, expected, `${what}, read through ${door.name}`)
  }
}

describe('three doors', () => {
  for (const [kind, value] of Object.entries(VALUES)) {
    test(`a value that is ${kind} is the same through every pair of doors`, async () => {
      for (const writer of doors) {
        const row = Buffer.from(`${kind} ${writer.name}`)
        const cells = Object.values(COLUMNS).map((localKey, index) => ({
          localKey,
          value,
          timestamp: BigInt(1_000 + index),
        }))
        for (const cell of cells) await writer.put(row, cell)
        const expected = cells.sort((a, b) => a.localKey.compare(b.localKey))
        await allRead(row, expected, `written through ${writer.name}`)
      }
    })
  }

  test('times that the server makes are the same everywhere, and each door overwrites the others', async () => {
    const row = Buffer.from('stamped')
    const localKey = Buffer.from('f\0q')
    let before = 0n
    for (const writer of doors) {
      await writer.put(row, { localKey, value: Buffer.from(writer.name), timestamp: null })
      const [cell] = (await doors[0]?.read(row)) ?? []
      assert.ok(cell?.timestamp != null && cell.timestamp > before, 'times rise')
      before = cell.timestamp
      await allRead(row, [{ localKey, value: Buffer.from(writer.name), timestamp: before }], writer.name)
    }
  })

  test('counters count on and values grow, whichever door they come through', async () => {
    const row = Buffer.from('counted')
    const localKey = Buffer.from('f\0n')
    let expected = 0n
    for (const writer of [...doors, ...doors]) {
      expected += 2n ** 40n
      assert.equal(await writer.add(row, localKey, 2n ** 40n), expected, writer.name)
    }
    const text = Buffer.from('f\0text')
    for (const writer of doors) await writer.append(row, text, Buffer.from(`${writer.name}.`))
    for (const door of doors) {
      const cell = (await door.read(row)).find((one) => one.localKey.equals(text))
      assert.equal(cell?.value.toString(), 'UserMetaStore.KVStore.HBase Thrift1.HBase Thrift2.', door.name)
    }
  })

  test('what any door deletes is gone for all, and older versions that come later stay away', async () => {
    for (const remover of doors) {
      const row = Buffer.from(`deleted by ${remover.name}`)
      const cell = (name: string) => ({ localKey: Buffer.from(`f\0${name}`), value: Buffer.from(name) })
      for (const writer of doors) {
        await writer.put(row, { ...cell('a'), timestamp: null })
        await writer.put(row, { ...cell('b'), timestamp: 5n })
      }
      await remover.remove(row, cell('a').localKey)
      for (const writer of doors) await writer.put(row, { ...cell('a'), timestamp: 7n })
      await allRead(row, [{ ...cell('b'), timestamp: 5n }], `column deleted by ${remover.name}`)
      await remover.removeRow(row)
      for (const writer of doors) await writer.put(row, { ...cell('b'), timestamp: 6n })
      await allRead(row, [], `row deleted by ${remover.name}`)
    }
  })
})
