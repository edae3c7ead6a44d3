import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import { KVError } from '../../../src/base/errors.js'
import type { PostHandler } from '../../../src/base/http.js'
import { ByteWriter } from '../../../src/leaf/http/bytes.js'
import { HttpEngine } from '../../../src/leaf/http/engine.js'
import { type LeafBreaker, LeafLink } from '../../../src/leaf/http/leaf-link.js'
import {
  decodeBatch,
  encodeFailure,
  encodeHead,
  encodeRows,
  encodeTarget,
  type ShardTarget,
  type WireRequest,
} from '../../../src/leaf/http/wire.js'
import type { Incarnation } from '../../../src/model/cluster-map.js'
import type { ShardRead } from '../../../src/model/plan.js'
import type { RowOutcome } from '../../../src/model/row.js'

/** What a leaf does with a batch; null: it never answers. */
type Behaviour = (
  requests: readonly WireRequest[],
  targets: readonly ShardTarget[],
) => Buffer | KVError | null

/** Answers every row with the name of the leaf. */
const answers =
  (name: string): Behaviour =>
  (requests, targets) =>
    answerOf(targets, (output) => {
      for (const { id, read } of requests) encodeRows(output, id, read?.rowKeys.map(() => rowOf(name)) ?? [])
    })

function answerOf(targets: readonly ShardTarget[], write: (output: ByteWriter) => void): Buffer {
  const names = new ByteWriter()
  for (const target of targets) encodeTarget(names, target)
  const output = new ByteWriter()
  encodeHead(output, targets.length, names.written)
  write(output)
  return output.take()
}

function rowOf(text: string): RowOutcome {
  const cell = { localKey: Buffer.alloc(0), value: Buffer.from(text), timestamp: null, ttlSeconds: null }
  return { cells: [cell], next: null }
}

const textOf = (row: RowOutcome | undefined) =>
  row instanceof KVError ? row.code : (row?.cells[0]?.value.toString() ?? 'nothing')

class World {
  readonly batches: string[] = []
  readonly canceled: string[] = []
  readonly closed: string[] = []
  readonly broken = new Set<string>()
  wrongAnswers = 0
  retries = 0
  /** What the gateway's own copy says; null: there is none. */
  own: KVError | string | null = null
  readHere = 0
  readonly behaviours: Record<string, Behaviour>
  readonly engine: HttpEngine
  nowMs = 0

  constructor(behaviours: Record<string, Behaviour>, attemptTimeoutMs = 1_000) {
    this.behaviours = behaviours
    const clock = { nowUs: () => 0n, nowMs: () => 0, monotonicMs: () => this.nowMs }
    this.engine = new HttpEngine({
      clock,
      attemptTimeoutMs,
      onRetry: () => (this.retries += 1),
      ownCopies: {
        read: ({ rowKeys }, _expiresAtMs, done) => {
          this.readHere += 1
          const { own } = this
          done(own instanceof KVError ? own : rowKeys.map(() => rowOf(own ?? 'nobody asks')))
        },
        scan: () => undefined,
      },
      connect: ({ name }) => {
        return new LeafLink({
          name,
          clock,
          connections: {
            post: (_path, body, handler) => this.#post(name, body, handler),
            close: () => {
              this.closed.push(name)
              return Promise.resolve()
            },
          },
          breaker: this.#breaker(name),
          onWrongAnswer: () => (this.wrongAnswers += 1),
          onBatch: () => this.batches.push(name),
          onClose: () => undefined,
        })
      },
    })
  }

  read(leaves: readonly string[], keys = ['k'], more: Partial<ShardRead> = {}): Promise<string[] | KVError> {
    const rowKeys = keys.map((key) => Buffer.from(key))
    const read: ShardRead = {
      incarnation: incarnationOn(leaves, this.own !== null),
      keyOrder: 'HASHED',
      rowKeys,
      tokens: rowKeys.map(() => ({ high: 1, low: 2 })),
      selector: null,
      selectorsByKey: null,
      withTimestamps: false,
      withTtl: false,
      pageBytes: null,
      position: null,
      deadline: NO_DEADLINE,
      positions: null,
      ...more,
    }
    return new Promise((resolve) => {
      this.engine.read(read, (outcome) => resolve(outcome instanceof KVError ? outcome : outcome.map(textOf)))
    })
  }

  #breaker(name: string): LeafBreaker {
    const broken = this.broken
    return {
      get isOpen() {
        return broken.has(name)
      },
      run: (call) => call(),
      close: () => undefined,
    }
  }

  #post(name: string, body: Buffer, handler: PostHandler): () => void {
    const { requests, targets } = decodeBatch(body)
    const answer = this.behaviours[name]?.(requests, targets) ?? null
    if (answer !== null) {
      setImmediate(() => {
        if (answer instanceof KVError) {
          handler.onFailure(answer)
          return
        }
        // In parts, as the network has it.
        for (let at = 0; at < answer.length; at += 11) handler.onData(answer.subarray(at, at + 11))
        handler.onEnd()
      })
    }
    return () => this.canceled.push(name)
  }
}

let lastId = 0
const incarnations = new Map<string, Incarnation>()

function incarnationOn(leaves: readonly string[], hasOwnCopy = false): Incarnation {
  const key = `${leaves.join()} ${hasOwnCopy}`
  const known = incarnations.get(key)
  if (known !== undefined) return known
  const made: Incarnation = {
    id: ++lastId,
    datasetId: 'd1-00',
    shard: 3,
    format: 'sealed',
    maxCellVersions: 1,
    engine: 'http',
    handle: 0n,
    hasRangeTombstones: new SharedArrayBuffer(4),
    directory: 'test',
    remote: {
      dataset: 'towns',
      versionId: 17,
      leaves: leaves.map((name) => ({ name, url: `http://${name}` })),
      hasOwnCopy,
    },
  }
  incarnations.set(key, made)
  return made
}

const dead: Behaviour = () => new KVError('UNAVAILABLE', 'connection refused')

test('all reads of a loop turn go to one leaf in one batch', async () => {
  const world = new World({ a: answers('a'), b: answers('b') })
  const rows = await Promise.all(Array.from({ length: 50 }, () => world.read(['a', 'b'])))
  assert.equal(new Set(rows.flat()).size, 1)
  assert.equal(world.batches.length, 1)
})

test('leaves take turns', async () => {
  const world = new World({ a: answers('a'), b: answers('b') })
  for (let turn = 0; turn < 6; turn++) {
    await world.read(['a', 'b'])
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(new Set(world.batches), new Set(['a', 'b']))
})

test('a read goes to another leaf when one fails, is busy, or lost the shard', async () => {
  const failing: Record<string, Behaviour> = {
    dead,
    busy: (requests, targets) =>
      answerOf(targets, (output) => {
        for (const { id } of requests) encodeFailure(output, id, new KVError('OVERLOADED', 'busy'))
      }),
    lost: (requests, targets) =>
      answerOf(targets, (output) => {
        for (const { id } of requests) encodeFailure(output, id, new KVError('SHARD_NOT_SERVING', 'gone'))
      }),
    short: (_requests, targets) => answerOf(targets, () => undefined),
    noise: () => Buffer.from('HTTP/1.0 what is this'),
  }
  for (const [name, behaviour] of Object.entries(failing)) {
    const world = new World({ [name]: behaviour, well: answers('well') })
    for (let turn = 0; turn < 4; turn++) {
      assert.deepEqual(await world.read([name, 'well']), ['well'], name)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(world.retries > 0, name)
  }
})

test('what only the caller can change is not asked for again', async () => {
  const world = new World({
    a: (requests, targets) =>
      answerOf(targets, (output) => {
        for (const { id } of requests) encodeFailure(output, id, new KVError('TOO_LARGE', 'too much'))
      }),
  })
  world.behaviours['b'] = world.behaviours['a'] ?? dead
  const outcome = await world.read(['a', 'b'])
  assert.ok(outcome instanceof KVError && outcome.code === 'TOO_LARGE')
  assert.equal(world.batches.length, 1)
})

const lost: Behaviour = (requests, targets) =>
  answerOf(targets, (output) => {
    for (const { id } of requests) encodeFailure(output, id, new KVError('SHARD_NOT_SERVING', 'not here'))
  })

test('with no leaf left and no own copy the answer says what was asked of whom', async () => {
  for (const behaviour of [dead, lost]) {
    const outcome = await new World({ a: behaviour, b: behaviour }).read(['a', 'b'])
    assert.ok(outcome instanceof KVError && outcome.code === 'UNAVAILABLE' && outcome.dataset === 'towns')
    assert.match(outcome.message, /^shard 3 of version 17 of dataset towns .*leaves \(a, b\)/)
  }
})

// Leaves that say in their inventory what they do not serve, or hang, kept reads from the copy that the gateway has.
test('a read that no leaf answers is answered from the own copy, once all were asked', async () => {
  for (const behaviour of [dead, lost]) {
    const world = new World({ a: behaviour, b: behaviour })
    world.own = 'own'
    assert.deepEqual(await world.read(['a', 'b']), ['own'])
    assert.deepEqual(world.batches.toSorted(), ['a', 'b'])
    assert.equal(world.readHere, 1)
  }
  const well = new World({ a: lost, b: answers('b') })
  well.own = 'own'
  assert.deepEqual(await well.read(['a', 'b']), ['b'])
  assert.equal(well.readHere, 0)
})

test('a leaf that hangs is waited for only so long when there is an own copy', async () => {
  const world = new World({ hung: () => null }, 100)
  world.own = 'own'
  const timer = setInterval(() => (world.nowMs += 10), 1)
  const startedAtMs = world.nowMs
  assert.deepEqual(await world.read(['hung'], ['k'], { deadline: startedAtMs + 10_000 }), ['own'])
  clearInterval(timer)
  assert.ok(world.nowMs - startedAtMs < 1_000, `${world.nowMs - startedAtMs} ms`)
})

test('when the own copy fails as well, that is the reason that is given', async () => {
  const world = new World({ a: dead })
  world.own = new KVError('CORRUPT', 'damaged here, too')
  const outcome = await world.read(['a'])
  assert.ok(outcome instanceof KVError && outcome.code === 'CORRUPT')
  assert.match(outcome.message, /dataset towns .*damaged here, too/)
})

test('an answer for another version is refused and counted, and another leaf asked', async () => {
  const wrong: Behaviour = (requests, targets) => {
    const others = targets.map((target) => ({ ...target, versionId: target.versionId + 1 }))
    return answers('wrong')(requests, others)
  }
  const world = new World({ wrong, well: answers('well') })
  for (let turn = 0; turn < 4; turn++) {
    assert.deepEqual(await world.read(['wrong', 'well']), ['well'])
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(world.wrongAnswers > 0)
  const outcome = await world.read(['wrong'])
  assert.ok(outcome instanceof KVError && outcome.code === 'UNAVAILABLE')
})

test('a damaged row comes from another leaf, the others stay as they are', async () => {
  const damaged = (name: string, index: number): Behaviour => {
    return (requests, targets) =>
      answerOf(targets, (output) => {
        for (const { id, read } of requests) {
          const rows = read?.rowKeys.map((_, i) =>
            i === index ? new KVError('CORRUPT', 'damaged') : rowOf(name),
          )
          encodeRows(output, id, rows ?? [])
        }
      })
  }
  const world = new World({ a: damaged('a', 0), b: damaged('b', 2) })
  const rows = await world.read(['a', 'b'], ['x', 'y', 'z'])
  assert.ok(!(rows instanceof KVError))
  assert.ok(
    rows.every((row) => row !== 'CORRUPT'),
    rows.join(),
  )
  const both = new World({ a: damaged('a', 1), b: damaged('b', 1) })
  const left = await both.read(['a', 'b'], ['x', 'y', 'z'])
  assert.ok(!(left instanceof KVError))
  assert.equal(left[1], 'CORRUPT')
})

test('a leaf that hangs is waited for so long, then another is asked, within the deadline', async () => {
  const world = new World({ hung: () => null, well: answers('well') }, 100)
  const timer = setInterval(() => (world.nowMs += 60), 5)
  for (let turn = 0; turn < 3; turn++) {
    assert.deepEqual(await world.read(['hung', 'well'], ['k'], { deadline: world.nowMs + 10_000 }), ['well'])
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(world.canceled.includes('hung'))
  const outcome = await world.read(['hung'], ['k'], { deadline: world.nowMs + 500 })
  assert.ok(outcome instanceof KVError && outcome.code === 'UNAVAILABLE')
  clearInterval(timer)
})

test('a leaf whose breaker is open is asked last', async () => {
  const world = new World({ a: answers('a'), b: answers('b') })
  world.broken.add('a')
  for (let turn = 0; turn < 4; turn++) {
    assert.deepEqual(await world.read(['a', 'b']), ['b'])
    await new Promise((resolve) => setImmediate(resolve))
  }
  world.broken.add('b')
  assert.ok(Array.isArray(await world.read(['a', 'b'])))
})

test('the way to a leaf is closed when no shard names the leaf any more', async () => {
  const world = new World({ a: answers('a'), b: answers('b') })
  await Promise.all([world.read(['a']), world.read(['a', 'b'])])
  world.engine.detach(incarnationOn(['a']).id)
  assert.deepEqual(world.closed, [])
  world.engine.detach(incarnationOn(['a', 'b']).id)
  assert.deepEqual(world.closed.sort(), ['a', 'b'])
})
