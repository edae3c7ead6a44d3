/** CQL's prepared statements beside KVStore: the same rows of the same table, read and written through either. */
import { join } from 'node:path'
import { EMPTY_BYTES } from '../src/base/bytes.js'
import { CqlCaller, executeFrame } from './cql-frames.js'
import { KEYSPACE, POINTS, fillPoints, makeTables } from './cql-table.js'
import { rowValue } from './dataset.js'
import { frameFile, hotKeys } from './frames.js'
import { startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import { PIPELINED, served } from './load-generator.js'
import { encodeCalls, types } from './stock-thrift.js'

const DATASET = `${KEYSPACE}.points`
/** As FORMATS.md has it: the row's own marker, and the column's value under its name. */
const MARKER = EMPTY_BYTES
const COLUMN = Buffer.from('v')

export const cql: Bench = {
  name: 'cql',
  question: "what do CQL's prepared reads and writes cost, held against KVStore's of the same rows?",
  async run(context) {
    const kvstore = await startGateway({
      folder: join(context.folder, 'cql'),
      dataThreads: 1,
      core: 0,
      servesCql: true,
      settings: { rocksandra: { owner: { name: 'bench', contact: 'bench@localhost' } } },
    })
    if (kvstore.cqlPort === null) throw new Error('the gateway does not serve CQL')
    const server = { ...kvstore, port: kvstore.cqlPort }
    const frames = await prepareFrames(context, server.port)
    const one = { context, core: 1 } as const
    const many = { ...one, ...PIPELINED }
    const asCql = { isCql: true } as const
    const series = await alternate(context, [
      served('KVStore get of a column, 64 x 1', kvstore, frames.gets, one),
      served('CQL read, 64 x 1', server, frames.reads, { ...one, ...asCql }),
      served('KVStore put of two cells, 64 x 1', kvstore, frames.puts, one),
      served('CQL write, 64 x 1', server, frames.writes, { ...one, ...asCql }),
      served('KVStore get of a column, 16 x 16', kvstore, frames.gets, many),
      served('CQL read, 16 x 16', server, frames.reads, { ...many, ...asCql }),
      served('KVStore put of two cells, 16 x 16', kvstore, frames.puts, many),
      served('CQL write, 16 x 16', server, frames.writes, { ...many, ...asCql }),
    ])
    await kvstore.stop()
    const named = (name: string) => seriesNamed(series, name)
    const judged = (goal: (typeof goals)[keyof typeof goals], of: string, to: string, load: string) =>
      judge(goal, named(`CQL ${of}, ${load}`), named(`KVStore ${to}, ${load}`))
    return {
      series,
      verdicts: [
        judged(goals.cqlRead, 'read', 'get of a column', '64 x 1'),
        judged(goals.cqlWrite, 'write', 'put of two cells', '64 x 1'),
        judged(goals.cqlReadPipelined, 'read', 'get of a column', '16 x 16'),
        judged(goals.cqlWritePipelined, 'write', 'put of two cells', '16 x 16'),
      ],
      notes: [
        `${POINTS.read}; ${POINTS.write}; one data thread, writes are synced.`,
        "An INSERT writes two cells, the row's marker and the column's; KVStore's put writes the same two.",
      ],
    }
  },
}

/** Every hot row is there, so that no read misses. */
async function prepareFrames(context: BenchContext, port: number) {
  const keys = hotKeys(context)
  const caller = await CqlCaller.connect(port)
  await makeTables(caller)
  context.log(`filling ${DATASET}`)
  await fillPoints(caller, keys)
  const [read, write] = [await caller.prepare(POINTS.read), await caller.prepare(POINTS.write)]
  caller.close()
  const cells = new types.CellSelector({ localKeys: [COLUMN] })
  return {
    reads: frameFile(context, 'cql-read', () => Buffer.concat(keys.map((key) => executeFrame(read, [key])))),
    writes: frameFile(context, 'cql-write', () =>
      Buffer.concat(keys.map((key, index) => executeFrame(write, [key, rowValue(index)]))),
    ),
    gets: frameFile(context, 'cql-kvstore-get', () =>
      encodeCalls(
        'get',
        keys.map((key) => new types.GetRequest({ dataset: DATASET, key, cells })),
      ),
    ),
    puts: frameFile(context, 'cql-kvstore-put', () =>
      encodeCalls(
        'put',
        keys.map((key, index) => {
          const row = [
            new types.Cell({ localKey: MARKER, value: EMPTY_BYTES }),
            new types.Cell({ localKey: COLUMN, value: rowValue(index) }),
          ]
          return new types.PutRequest({ dataset: DATASET, key, cells: row })
        }),
      ),
    ),
  }
}
