import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FlushTurns, type ServedConnection, ServedConnections } from '../../../src/base/served-connections.js'

class FakeConnection implements ServedConnection {
  isDirty = false
  heldBytes = 0
  owesSinceMs = Number.POSITIVE_INFINITY
  lastMs = 0
  begunMs = Number.POSITIVE_INFINITY
  readonly done: string[] = []
  onFlush: () => void = () => undefined

  isIdleSince(instantMs: number): boolean {
    return this.lastMs < instantMs
  }

  isLateSince(instantMs: number): boolean {
    return this.begunMs < instantMs
  }

  flush(): void {
    this.done.push('flush')
    this.onFlush()
  }

  finish(): void {
    this.done.push('finish')
  }

  destroy(): void {
    this.done.push('destroy')
    this.heldBytes = 0
  }
}

describe('turns', () => {
  test('send what a connection has to say once, when the outermost one is over', () => {
    const turns = new FlushTurns()
    const connection = new FakeConnection()
    turns.begin()
    turns.begin()
    turns.mark(connection)
    turns.mark(connection)
    turns.end()
    assert.deepEqual(connection.done, [])
    turns.end()
    assert.deepEqual(connection.done, ['flush'])
    assert.equal(connection.isDirty, false)
  })

  test('outside of a turn it is sent when the callback is over', async () => {
    const turns = new FlushTurns()
    const connections = [new FakeConnection(), new FakeConnection()]
    for (const connection of connections) turns.mark(connection)
    assert.deepEqual(connections[0]?.done, [])
    await Promise.resolve()
    for (const { done } of connections) assert.deepEqual(done, ['flush'])
  })

  test('a connection that has more to say while it is flushed is flushed again', () => {
    const turns = new FlushTurns()
    const connection = new FakeConnection()
    connection.onFlush = () => {
      if (connection.done.length === 1) turns.mark(connection)
    }
    turns.begin()
    turns.mark(connection)
    turns.end()
    assert.deepEqual(connection.done, ['flush', 'flush'])
  })
})

describe('open connections', () => {
  function served(limits = {}) {
    const clock = { nowMs: 0 }
    const refused: string[] = []
    const connections = new ServedConnections<FakeConnection>({
      limits: {
        ...{
          maxConnections: 2,
          maxBufferedBytesPerThread: 100,
          frameTimeoutMs: 1_000,
          idleConnectionMs: 10_000,
        },
        ...limits,
      },
      clock: { nowUs: () => 0n, nowMs: () => clock.nowMs, monotonicMs: () => clock.nowMs },
      onRefused: (_connection, reason) => refused.push(reason),
    })
    const added = (more: Partial<FakeConnection> = {}) => {
      const connection = Object.assign(new FakeConnection(), more)
      connections.add(connection)
      return connection
    }
    return { clock, refused, connections, added }
  }

  test('are at most so many, and none while they drain', async () => {
    const { connections, added } = served()
    const [first, second] = [added(), added()]
    assert.equal(connections.refusal(), 'connections')
    connections.remove(first)
    assert.equal(connections.refusal(), null)
    const drained = connections.drain(Number.POSITIVE_INFINITY)
    assert.equal(connections.refusal(), 'draining')
    assert.deepEqual(second.done, ['finish'])
    assert.equal(connections.remove(second), true)
    assert.equal(connections.remove(second), false)
    await drained
  })

  test('are cut when they do not end until the deadline', async () => {
    const { connections, added } = served()
    const connection = added()
    const drained = connections.drain(5)
    connection.destroy = () => void connections.remove(connection)
    await drained
    assert.equal(connections.size, 0)
  })

  test('of too much memory the one goes that has owed something for longest, unless it holds little', () => {
    const { connections, added, refused } = served()
    const small = added({ heldBytes: 10, owesSinceMs: 1 })
    const late = added({ heldBytes: 60, owesSinceMs: 9 })
    const later = added({ heldBytes: 60, owesSinceMs: 10 })
    late.destroy = () => {
      late.done.push('cut')
      connections.adjustHeldBytes(-60)
    }
    connections.adjustHeldBytes(130)
    assert.deepEqual([small.done, late.done, later.done], [[], ['cut'], []])
    assert.deepEqual(refused, ['memory'])
    assert.equal(connections.heldBytes, 70)
  })

  test('that are silent are closed, those that are late with a request end', () => {
    const { clock, connections, added, refused } = served()
    const silent = added({ lastMs: 0 })
    const late = added({ lastMs: 11_000, begunMs: 10_500 })
    const busy = added({ lastMs: 11_000, begunMs: 11_800 })
    clock.nowMs = 12_000
    connections.closeIdle()
    assert.deepEqual([silent.done, late.done, busy.done], [['destroy'], ['finish'], []])
    assert.deepEqual(refused, ['slow-request'])
  })
})
