import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { linger } from '../../../src/admin/serve-route.js'
import { FakeTimers } from '../../support/fake-timers.js'

// A connection that was used again and again had one listener more for each body that came behind its answer.
test('of a request that comes to its end behind its answer nothing stays with the connection', async () => {
  const timers = new FakeTimers()
  const socket = new Socket()
  const before = socket.listenerCount('close')
  const request = new IncomingMessage(socket)
  linger(request, timers.start)
  assert.deepEqual([timers.pendingCount, socket.listenerCount('close')], [1, before + 1])
  const ended = new Promise((resolve) => request.once('end', resolve))
  request.complete = true
  request.push(null)
  await ended
  assert.deepEqual([timers.pendingCount, socket.listenerCount('close')], [0, before])
})
