/** UserMetaStore beside KVStore: the same rows of the same table, read and written through either. */
import { join } from 'node:path'
import { KVError } from '../src/base/errors.js'
import { ThriftClient } from '../src/thrift/client.js'
import * as wire from '../src/thrift/generated/usermetastore.js'
import { rowValue } from './dataset.js'
import { frameFile, hotKeys } from './frames.js'
import { createDataset, startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import { served } from './load-generator.js'
import { encodeCalls, types } from './stock-thrift.js'
import { framesOf } from './terrapin.js'

const TABLE = 'table'
const COLUMN = Buffer.from('c')
const ROWS_EACH = 1_000

const { get, put, multiPut } = wire.UserMetaStoreMethods

export const usermetastore: Bench = {
  name: 'usermetastore',
  question: "what do UserMetaStore's gets and puts cost, held against KVStore's of the same table?",
  async run(context) {
    const kvstore = await startGateway({
      folder: join(context.folder, 'usermetastore'),
      dataThreads: 1,
      core: 0,
      servesUserMetaStore: true,
    })
    const { usermetastorePort } = kvstore
    if (usermetastorePort === null) throw new Error('the gateway does not serve UserMetaStore')
    const usermetastore = { ...kvstore, port: usermetastorePort }
    await createDataset(kvstore, TABLE, 'READ_WRITE', {
      keyOrder: 'ORDERED',
      timestampUnit: 'MILLISECONDS',
    })
    await fill(context, usermetastorePort)
    const one = { context, core: 1 } as const
    const series = await alternate(context, [
      served('KVStore get, 64 x 1', kvstore, kvstoreGets(context), one),
      served('UserMetaStore get, 64 x 1', usermetastore, gets(context), one),
      served('KVStore put, 64 x 1', kvstore, kvstorePuts(context), one),
      served('UserMetaStore put, 64 x 1', usermetastore, puts(context), one),
    ])
    await kvstore.stop()
    const named = (name: string) => seriesNamed(series, name)
    return {
      series,
      verdicts: [
        judge(goals.usermetastoreGet, named('UserMetaStore get, 64 x 1'), named('KVStore get, 64 x 1')),
        judge(goals.usermetastorePut, named('UserMetaStore put, 64 x 1'), named('KVStore put, 64 x 1')),
      ],
      notes: ['An ORDERED table, one column a row; one data thread, whole rows are read, puts are synced.'],
    }
  },
}

/** Every hot row, so that no read misses. */
async function fill(context: BenchContext, port: number): Promise<void> {
  const client = new ThriftClient({ name: 'usermetastore', host: '127.0.0.1', port })
  const keys = hotKeys(context)
  for (let from = 0; from < keys.length; from += ROWS_EACH) {
    const rows = keys.slice(from, from + ROWS_EACH).map((key, index) => {
      return wire.makeRowPut({ key, cells: [cellOf(from + index)] })
    })
    const request = wire.makeMultiPutRequest({ table: TABLE, rows })
    await new Promise<void>((resolve, reject) => {
      client.call(multiPut, { request }, Number.POSITIVE_INFINITY, (outcome) => {
        if (outcome instanceof KVError) reject(outcome)
        else if (outcome.value?.results?.every(({ error }) => error === null) === true) resolve()
        else reject(new Error(`rows from ${from} on were not written`))
      })
    })
  }
  await client.close()
}

function cellOf(index: number): wire.Cell {
  return wire.makeCell({ column: COLUMN, value: rowValue(index) })
}

function kvstoreGets(context: BenchContext): string {
  return frameFile(context, 'table-get', () =>
    encodeCalls(
      'get',
      hotKeys(context).map((key) => new types.GetRequest({ dataset: TABLE, key })),
    ),
  )
}

function kvstorePuts(context: BenchContext): string {
  return frameFile(context, 'table-put', () =>
    encodeCalls(
      'put',
      hotKeys(context).map((key, index) => {
        const cells = [new types.Cell({ localKey: COLUMN, value: rowValue(index) })]
        return new types.PutRequest({ dataset: TABLE, key, cells })
      }),
    ),
  )
}

function gets(context: BenchContext): string {
  return frameFile(context, 'usermetastore-get', () =>
    framesOf(
      get,
      hotKeys(context).map((key) => ({ request: wire.makeGetRequest({ table: TABLE, key }) })),
    ),
  )
}

function puts(context: BenchContext): string {
  return frameFile(context, 'usermetastore-put', () =>
    framesOf(
      put,
      hotKeys(context).map((key, index) => ({
        request: wire.makePutRequest({ table: TABLE, key, cells: [cellOf(index)] }),
      })),
    ),
  )
}
