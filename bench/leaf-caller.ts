/** The calling side of bench/remote-leaf.ts: keeps so many gets in flight, by the gateway's own engine or by bare frames. */
import { connect } from 'node:net'
import { systemClock } from '../src/base/clock.js'
import { NO_DEADLINE } from '../src/base/deadline.js'
import type { Done } from '../src/base/errors.js'
import { murmur3Token } from '../src/base/hash.js'
import { HttpPool } from '../src/base/http.js'
import { ByteWriter } from '../src/leaf/http/bytes.js'
import { HttpEngine } from '../src/leaf/http/engine.js'
import { LeafLink, MAX_POSTS } from '../src/leaf/http/leaf-link.js'
import {
  decodeAnswer,
  decodeAnswerHead,
  encodeHead,
  encodeRead,
  encodeTarget,
} from '../src/leaf/http/wire.js'
import { GATEWAY_HEADER, type ShardTarget } from '../src/leaf/http/wire.js'
import type { Incarnation } from '../src/model/cluster-map.js'
import type { ShardRead } from '../src/model/plan.js'
import type { RowOutcome } from '../src/model/row.js'
import { Breaker } from '../src/routing/breaker.js'
import { pickRows, rowKey } from './dataset.js'
import type { Sample } from './harness.js'
import { answerParent, receiveSettings } from './processes.js'

export interface LeafCallerSettings {
  readonly port: number
  readonly transport: 'http' | 'tcp'
  readonly target: ShardTarget
  readonly hotRows: number
}

export interface LeafCallerRound {
  readonly inFlight: number
  readonly measureMs: number
}

type Get = (read: ShardRead, done: Done<readonly RowOutcome[]>) => void

const READS = 4_096

// The types are what remote-leaf.ts sends for this script.
const { port, transport, target, hotRows } = (await receiveSettings()) as LeafCallerSettings
const incarnation: Incarnation = {
  id: 1,
  datasetId: target.datasetId,
  shard: target.shard,
  format: 'sealed',
  maxCellVersions: 1,
  engine: 'http',
  handle: 0n,
  hasRangeTombstones: new SharedArrayBuffer(4),
  directory: 'bench',
  remote: {
    dataset: 'bench',
    versionId: target.versionId,
    leaves: [{ name: 'a', url: `http://127.0.0.1:${port}` }],
    hasOwnCopy: false,
  },
}

function byEngine(): Get {
  const engine = new HttpEngine({
    clock: systemClock,
    attemptTimeoutMs: 1_000,
    onRetry: () => undefined,
    ownCopies: {
      read: () => undefined,
      scan: () => undefined,
    },
    connect: ({ name, url }) =>
      new LeafLink({
        name,
        clock: systemClock,
        connections: new HttpPool(url, {
          connections: MAX_POSTS,
          headers: { [GATEWAY_HEADER]: 'bench', 'content-type': 'application/octet-stream' },
          connectTimeoutMs: 1_000,
        }),
        breaker: new Breaker(name, { resetMs: 1_000 }),
        onWrongAnswer: () => undefined,
        onBatch: () => undefined,
        onClose: () => undefined,
      }),
  })
  return (read, done) => engine.read(read, done)
}

/** One frame a loop turn; nothing is retried, timed or checked beyond what decoding needs. */
async function byFrames(): Promise<Get> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  let waiting: { readonly read: ShardRead; readonly done: Done<readonly RowOutcome[]> }[] = []
  const sent = new Map<number, { readonly calls: typeof waiting; hasHead: boolean }>()
  let number = 0
  const names = new ByteWriter()
  encodeTarget(names, target)
  const flush = () => {
    const output = new ByteWriter()
    output.u32(0)
    output.u32(++number)
    encodeHead(output, 1, names.written)
    for (const [id, { read }] of waiting.entries()) {
      encodeRead(output, { id, target: 0, remainingMs: Number.POSITIVE_INFINITY }, read)
    }
    output.setU32(0, output.size - 8)
    sent.set(number, { calls: waiting, hasHead: false })
    waiting = []
    socket.write(output.take())
  }
  const take = (from: number, bytes: Buffer) => {
    const batch = sent.get(from)
    if (batch === undefined) throw new Error('an answer to nothing')
    let at = batch.hasHead ? 0 : decodeAnswerHead(bytes).size
    batch.hasHead = true
    while (at < bytes.length) {
      const end = at + 4 + bytes.readUInt32BE(at)
      const answer = decodeAnswer(bytes, at + 4, end)
      at = end
      if ('rows' in answer) batch.calls[answer.id]?.done(answer.rows)
    }
  }
  let pending: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= 8 && pending.length >= 8 + pending.readUInt32BE(0)) {
      const end = 8 + pending.readUInt32BE(0)
      take(pending.readUInt32BE(4), pending.subarray(8, end))
      pending = pending.subarray(end)
    }
  })
  return (read, done) => {
    if (waiting.length === 0) setImmediate(flush)
    waiting.push({ read, done })
  }
}

const get = transport === 'http' ? byEngine() : await byFrames()
const reads = pickRows(READS, hotRows).map((row): ShardRead => {
  const key = rowKey(row)
  return {
    incarnation,
    keyOrder: 'HASHED',
    rowKeys: [key],
    tokens: [murmur3Token(key)],
    selector: null,
    selectorsByKey: null,
    withTimestamps: false,
    withTtl: false,
    pageBytes: null,
    position: null,
    deadline: NO_DEADLINE,
    positions: null,
  }
})

let next = 0

async function measure({ inFlight, measureMs }: LeafCallerRound): Promise<Sample> {
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  const endMs = start + measureMs
  const latencies: number[] = []
  let count = 0
  let ended = 0
  await new Promise<void>((resolve, reject) => {
    const ask = (): void => {
      const askedAtMs = performance.now()
      if (askedAtMs >= endMs) {
        ended += 1
        if (ended === inFlight) resolve()
        return
      }
      const read = reads[next++ % READS]
      if (read === undefined) return
      get(read, (outcome) => {
        const [row] = outcome instanceof Error ? [outcome] : outcome
        if (row === undefined || row === null || row instanceof Error || row.cells[0]?.value.length !== 200) {
          reject(row instanceof Error ? row : new Error('a row is missing'))
          return
        }
        count += 1
        if (count % 16 === 0) latencies.push(performance.now() - askedAtMs)
        ask()
      })
    }
    for (let i = 0; i < inFlight; i++) ask()
  })
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuAtStart)
  latencies.sort((a, b) => a - b)
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0) * 1000
  return { count, seconds, cpuSeconds: (user + system) / 1e6, p50Us: at(0.5), p99Us: at(0.99) }
}

process.on('message', (round) => {
  measure(round as LeafCallerRound).then(answerParent, (error: unknown) => {
    process.stderr.write(`leaf-caller: ${String(error)}\n`)
    process.exit(1)
  })
})
answerParent({ isReady: true })
