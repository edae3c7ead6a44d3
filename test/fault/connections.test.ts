/**
 * Ten thousand idle connections to one gateway: what they cost it in memory, and that callers beside them do not notice.
 *
 * Part of `npm run test:fault`. Alone: `npm run build && node --test dist/test/fault/connections.test.js`. Both processes
 * need a hard limit of open files above the number of connections (`ulimit -Hn`; node raises the soft one itself); where
 * it is lower, the test says so and is skipped. GODWIT_CONNECTIONS sets another number.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { getFrame, rawSocket } from '../support/frames.js'
import { Gateway } from '../support/gateway.js'

const CONNECTIONS = Number(process.env['GODWIT_CONNECTIONS'] ?? 10_000)
const MAX_GROWTH_BYTES = 400 * 1024 * 1024
/** Connections that are made at one time: fewer than a listening socket keeps waiting. */
const AT_A_TIME = 200
/** Files that a process has open beside its connections. */
const OTHER_FILES = 500
const dataset = 'crowded'

/** A get without a frame, in the compact protocol: `get(1: {1: dataset, 2: 'k'})`. */
const COMPACT_GET = Buffer.concat([
  Buffer.from([0x82, 0x21, 0x01, 0x03, 0x67, 0x65, 0x74, 0x1c, 0x18, dataset.length]),
  Buffer.from(dataset),
  Buffer.from([0x18, 0x01, 0x6b, 0x00, 0x00]),
])
const FRAMED_GET = getFrame(dataset, 'k')
/** The four kinds of connections in turn. */
const GETS = [FRAMED_GET, FRAMED_GET.subarray(4), COMPACT_GET, Buffer.concat([Buffer.of(0, 0, 0, COMPACT_GET.length), COMPACT_GET])] // prettier-ignore

function openFilesLimit(): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
}

let gateway: Gateway
const sockets: Socket[] = []

before(async () => {
  gateway = await Gateway.start()
  await gateway.createDataset(dataset)
})

after(async () => {
  for (const socket of sockets) socket.destroy()
  await gateway.dispose()
})

function residentBytes(): number {
  const status = readFileSync(`/proc/${gateway.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

/** An open connection that has been answered once, and has nothing more to say. */
async function connectAndAsk(index: number): Promise<void> {
  const socket = await rawSocket(gateway.port('kvstore'))
  sockets.push(socket)
  socket.write(GETS[index % GETS.length] ?? FRAMED_GET)
  await new Promise<void>((resolve, reject) => {
    socket.once('data', () => resolve())
    socket.once('close', () => reject(new Error(`connection ${index} was closed`)))
  })
  socket.removeAllListeners('close')
  socket.pause()
}

async function openMore(count: number): Promise<void> {
  for (let begun = 0; begun < count; begun += AT_A_TIME) {
    const batch = Array.from({ length: Math.min(AT_A_TIME, count - begun) }, (_, index) => begun + index)
    await Promise.all(batch.map((index) => connectAndAsk(index)))
  }
}

const isAllowed = openFilesLimit() >= CONNECTIONS + OTHER_FILES
const skip = isAllowed ? false : `a process may have ${openFilesLimit()} files open, raise ulimit -Hn`

describe('a crowd of idle connections', { skip }, () => {
  test(`${CONNECTIONS} of them, each answered once, cost less than 400 MB, and callers beside them nothing`, async (t) => {
    const caller = await gateway.connect()
    await caller.put({ dataset, key: 'k', value: 'v' })
    await openMore(AT_A_TIME)
    const before = residentBytes()
    await openMore(CONNECTIONS - sockets.length - 1)
    for (let round = 0; round < 200; round++)
      assert.equal((await caller.get({ dataset, key: 'k' })).value?.toString(), 'v')
    const growth = residentBytes() - before
    t.diagnostic(`${sockets.length} connections, ${Math.round(growth / 1024 / 1024)} MB more resident memory`)
    assert.ok(growth < MAX_GROWTH_BYTES, `memory grew by ${growth} bytes`)
    assert.ok(sockets.every((socket) => !socket.destroyed))
    caller.close()
  })
})
