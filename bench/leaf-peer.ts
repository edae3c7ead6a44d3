/**
 * A leaf for bench/remote-leaf.ts, with one shard: by the leaf's own HTTP server, or by frames on a bare TCP connection
 * (`[u32 size][u32 number][batch]`, answered by as many such frames as it takes), which serve the same batches by the same
 * code, so that what differs is the transport.
 */
import { mkdtempSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../src/base/clock.js'
import { silentLogger } from '../src/base/logger.js'
import { Batch } from '../src/leaf/http/batch.js'
import { LeafDirectory } from '../src/leaf/http/leaf-directory.js'
import { Receiving } from '../src/leaf/http/receiving.js'
import { LeafServer } from '../src/leaf/http/server.js'
import { ShardSet } from '../src/leaf/http/shard-set.js'
import type { ShardTarget } from '../src/leaf/http/wire.js'
import { acquireDirectoryLock } from '../src/leaf/rocksdb/store/directory-lock.js'
import { RocksEngine } from '../src/leaf/rocksdb/engine.js'
import { RocksStore } from '../src/leaf/rocksdb/store/store.js'
import { answerParent, receiveSettings } from './processes.js'

export interface LeafPeerSettings {
  /** Of a sealed shard that nobody has open. */
  readonly directory: string
  readonly transport: 'http' | 'tcp'
  readonly target: ShardTarget
}

// The type is what remote-leaf.ts sends for this script.
const { directory, transport, target } = (await receiveSettings()) as LeafPeerSettings
const engine = new RocksEngine({
  clock: systemClock,
  channel: { send: () => undefined, onAck: () => undefined },
})
const shards = new ShardSet(new RocksStore(), engine)
await shards.open(target, directory)

async function serveHttp(): Promise<number> {
  const path = mkdtempSync(join(tmpdir(), 'godwit-bench-leaf-'))
  const options = { lock: acquireDirectoryLock, clock: systemClock, logger: silentLogger }
  const leafDirectory = await LeafDirectory.open(path, options)
  const server = new LeafServer({
    directory: leafDirectory,
    shards,
    receiving: new Receiving(leafDirectory, shards, silentLogger),
    engine,
    clock: systemClock,
    logger: silentLogger,
    build: 'bench',
    allowedHosts: [],
    events: { onBatch: () => undefined, onRefused: () => undefined, onMalformed: () => undefined },
    renderMetrics: () => Promise.resolve(''),
  })
  return (await server.listen('127.0.0.1', 0)).port
}

function serveFrames(socket: Socket): void {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  let pending: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= 8 && pending.length >= 8 + pending.readUInt32BE(0)) {
      const end = 8 + pending.readUInt32BE(0)
      answer(socket, pending.readUInt32BE(4), pending.subarray(8, end))
      pending = pending.subarray(end)
    }
  })
}

function answer(socket: Socket, number: number, body: Buffer): void {
  const write = (bytes: Buffer): boolean => {
    const head = Buffer.allocUnsafe(8)
    head.writeUInt32BE(bytes.length, 0)
    head.writeUInt32BE(number, 4)
    socket.cork()
    socket.write(head)
    const isEmpty = socket.write(bytes)
    socket.uncork()
    return isEmpty
  }
  const sink = { write, end: (bytes: Buffer) => void write(bytes) }
  new Batch(body, { shards, engine, clock: systemClock, onRefused: () => undefined, sink }).start()
}

async function serveTcp(): Promise<number> {
  const server = createServer(serveFrames)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port // A TCP server's address is an object.
}

answerParent({ port: transport === 'http' ? await serveHttp() : await serveTcp() })
