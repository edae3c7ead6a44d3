/** PeerWatch: peers that fail and come back, and what a probe takes for a node. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { describe, test } from 'node:test'
import { PeerWatch, probePeer } from '../../../shims/rocksandra/system/peer-watch.js'

describe('PeerWatch', () => {
  test('a peer is down when it has failed twice in a row, and up with its first answer', async () => {
    const answers: Record<string, boolean> = { one: true, other: true }
    const told: string[] = []
    let next: (() => void) | null = null
    const watch = new PeerWatch({
      peers: ['one', 'other'],
      intervalMs: 1_000,
      startTimer: (delayMs, run) => {
        assert.equal(delayMs, 1_000)
        next = run
        return () => undefined
      },
      probe: (address) => Promise.resolve(answers[address] === true),
      onChange: (address, isUp) => told.push(`${address} ${isUp ? 'up' : 'down'}`),
    })
    const round = async (one: boolean): Promise<string> => {
      answers['one'] = one
      next?.()
      await new Promise((resolve) => setImmediate(resolve))
      return told.splice(0).join()
    }
    watch.start()
    await round(true)
    const heard = []
    for (const one of [false, true, false, false, false, true, true]) heard.push(await round(one))
    assert.deepEqual(heard, ['', '', '', 'one down', '', 'one up', ''])
  })
})

describe('probePeer', () => {
  const SUPPORTED = Buffer.of(0x84, 0, 0, 0, 6, 0, 0, 0, 2, 0, 0)
  const peers: readonly (readonly [string, boolean, (socket: Socket) => void])[] = [
    ['answers SUPPORTED', true, (socket) => socket.end(SUPPORTED)],
    ['answers in pieces', true, (socket) => {
      socket.write(SUPPORTED.subarray(0, 4), () => socket.write(SUPPORTED.subarray(4)))
    }],
    ['answers something else', false, (socket) => socket.end('HTTP/1.1 400 Bad Request')],
    ['closes', false, (socket) => socket.destroy()],
    ['says nothing', false, () => undefined],
  ] // prettier-ignore
  for (const [what, isServing, answer] of peers) {
    test(`one that ${what} ${isServing ? 'serves' : 'does not serve'}`, async () => {
      const sockets: Socket[] = []
      const server = createServer((socket) => {
        sockets.push(socket)
        socket.on('error', () => undefined)
        socket.once('data', (question) => {
          assert.deepEqual([...question], [4, 0, 0, 0, 5, 0, 0, 0, 0])
          answer(socket)
        })
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo // a TCP server's
      assert.equal(await probePeer('127.0.0.1', { port, hasTls: false, timeoutMs: 300 }), isServing)
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
      assert.equal(await probePeer('127.0.0.1', { port, hasTls: false, timeoutMs: 300 }), false)
    })
  }
})
