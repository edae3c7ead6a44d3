/** Terrapin's read services over real sockets, on a store in memory: for tests of what stands in their frames. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { TerrapinServiceOptions } from '../../shims/terrapin/listener.js'
import { SecondReads } from '../../shims/terrapin/second-reads.js'
import { startSystemTimer, systemClock } from '../../src/base/clock.js'
import { type Done, KVError } from '../../src/base/errors.js'
import { silentLogger } from '../../src/base/logger.js'
import type { DatasetEntry } from '../../src/model/cluster-map.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { ReadRequest, ReadResult } from '../../src/model/request.js'
import type { RowOutcome } from '../../src/model/row.js'
import type { ThriftService } from '../../src/thrift/protocol.js'
import { ThriftServer, type ThriftServerOptions } from '../../src/thrift/server.js'
import { rawSocket } from './frames.js'

const servers: ThriftServer[] = []
const listeners: Server[] = []
const sockets: Socket[] = []

/** After each test. */
export async function closeAll(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) await server.close()
  for (const listener of listeners.splice(0)) listener.close()
}

export const OPTIONS: TerrapinServiceOptions = {
  clock: systemClock,
  isCluster: (name) => name === 'c1' || name === 'c2',
  timeoutMs: 1_000,
  onAnswered: () => undefined,
  hasSeveralPlaces: () => false,
  secondReads: new SecondReads({ startTimer: startSystemTimer, onEvent: () => undefined }),
  onValues: null,
}

export function cell(value: string): RowOutcome {
  const cells = [{ localKey: Buffer.alloc(0), value: Buffer.from(value), timestamp: null, ttlSeconds: null }]
  return { cells, next: null }
}

/** File set `fs` of version 1700000000000; what stands under each key is given. */
export class FakeStore implements KVStore {
  readonly reads: ReadRequest[] = []
  readonly #rows: Readonly<Record<string, RowOutcome>>

  constructor(rows: Readonly<Record<string, RowOutcome>>) {
    this.#rows = rows
  }

  read(request: ReadRequest, done: Done<ReadResult>): void {
    this.reads.push(request)
    if (request.dataset !== 'fs') {
      done(new KVError('DATASET_NOT_FOUND', `no dataset is named ${request.dataset}`))
      return
    }
    const rows = request.rowKeys.map((key) => this.#rows[key.toString('latin1')] ?? null)
    done({ rows, datasetVersion: 1_700_000_000_000 })
  }

  scan(): void {
    throw new Error('terrapin does not scan')
  }

  mutate(): void {
    throw new Error('terrapin does not write')
  }

  describeDataset(name: string): DatasetEntry {
    if (name !== 'fs') throw new KVError('DATASET_NOT_FOUND', `no dataset is named ${name}`)
    const version = { id: 1_700_000_000_000, shards: [] }
    const record = { name, migrationState: 'TARGET_ONLY', versions: [] }
    return { record, versions: [version], current: version, live: [] } as unknown as DatasetEntry
  }
}

export async function serve(
  service: ThriftService,
  servesFinagle = true,
  limits: ThriftServerOptions['limits'] = {},
): Promise<Socket> {
  const server = new ThriftServer({ name: 'terrapin', service, servesFinagle, logger: silentLogger, limits })
  servers.push(server)
  const listener = createServer({ allowHalfOpen: true }, (socket) => server.accept(socket))
  listeners.push(listener)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const socket = await rawSocket((listener.address() as AddressInfo).port)
  sockets.push(socket)
  return socket
}

/** Sends a frame and answers the next one, both in hex. */
export async function exchange(socket: Socket, hex: string): Promise<string> {
  socket.write(Buffer.from(hex, 'hex'))
  let bytes = Buffer.alloc(0)
  while (bytes.length < 4 || bytes.length < 4 + bytes.readUInt32BE(0)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    bytes = Buffer.concat([bytes, chunk])
  }
  return bytes.toString('hex')
}
