import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { FileSetQueue } from '../../../src/zookeeper/file-set-queue.js'
import { FakeTimers } from '../../support/fake-timers.js'

const RETRY_MS = 5_000

let timers: FakeTimers
let taken: string[]
let failing: Set<string>
let failures: number
let prepared: number
let queue: FileSetQueue
/** Whatever is taken waits for it. */
let gate: Promise<void>

beforeEach(() => {
  timers = new FakeTimers()
  taken = []
  failing = new Set()
  failures = 0
  prepared = 0
  gate = Promise.resolve()
  queue = new FileSetQueue({
    lanes: 2,
    retryMs: RETRY_MS,
    startTimer: timers.start,
    onFailure: () => failures++,
    prepare: () => {
      prepared++
      return failing.has('prepare') ? Promise.reject(new Error('refused')) : Promise.resolve()
    },
    names: () => Promise.resolve(['a', 'b', 'c', 'd']),
    take: async (name) => {
      taken.push(name)
      await gate
      if (failing.has(name)) throw new Error(`${name} is refused`)
    },
  })
})

/** What is taken within so long. */
async function takenIn(ms: number): Promise<string> {
  taken = []
  timers.advance(ms)
  await queue.idle()
  return taken.join('')
}

async function start(): Promise<void> {
  queue.resume()
  await queue.idle()
}

test('those that fail are looked at again alone, and ever more rarely', async () => {
  // One that could never be published had all others compared with ZooKeeper every five seconds.
  failing = new Set(['a', 'c'])
  await start()
  assert.equal(taken.join(''), 'abcd')
  assert.equal(failures, 1)
  assert.equal(await takenIn(RETRY_MS), 'ac')
  assert.equal(await takenIn(RETRY_MS), '')
  assert.equal(await takenIn(RETRY_MS), 'ac')
  for (let doubled = 4; doubled <= 64; doubled *= 2) {
    assert.equal(await takenIn((doubled - 1) * RETRY_MS), '')
    assert.equal(await takenIn(RETRY_MS), 'ac')
  }
  assert.equal(await takenIn(64 * RETRY_MS), 'ac')
  assert.equal(prepared, 1)
})

test('one that succeeds at last is not looked at again, and the next failure is soon tried again', async () => {
  failing.add('b')
  await start()
  assert.equal(await takenIn(RETRY_MS), 'b')
  failing.clear()
  assert.equal(await takenIn(2 * RETRY_MS), 'b')
  assert.equal(await takenIn(1_000 * RETRY_MS), '')
  failing.add('d')
  queue.add('d')
  await queue.idle()
  assert.equal(await takenIn(RETRY_MS), 'd')
})

test('a change of one that waits for its next turn is looked at once', async () => {
  failing.add('b')
  await start()
  failing.clear()
  taken = []
  queue.add('b')
  await queue.idle()
  assert.equal(taken.join(''), 'b')
})

test('what has to be there before all is tried again with all', async () => {
  failing.add('prepare')
  await start()
  assert.deepEqual([taken.join(''), failures], ['', 1])
  failing = new Set(['c'])
  assert.equal(await takenIn(RETRY_MS), 'abcd')
  failing.clear()
  assert.equal(await takenIn(2 * RETRY_MS), 'c')
  assert.equal(timers.pendingCount, 0)
})

// The timer of the one that failed took the place of that of all, and three were published by the next sweep alone.
test('a change that fails, too, does not put off the look at all', async () => {
  failing.add('prepare')
  await start()
  failing = new Set(['b'])
  queue.add('b')
  await queue.idle()
  assert.deepEqual([taken.join(''), prepared], ['bacd', 2])
  failing.clear()
  assert.equal(await takenIn(RETRY_MS), 'b')
  assert.equal(timers.pendingCount, 0)
})

test('nothing is taken before what has to be there is, and changes meanwhile do not put the next try off', async () => {
  failing.add('prepare')
  await start()
  for (let change = 0; change < 10; change++) {
    queue.add('b')
    await queue.idle()
  }
  assert.deepEqual([taken.join(''), prepared, timers.pendingCount], ['', 11, 1])
  failing.clear()
  assert.equal((await takenIn(RETRY_MS)).split('').sort().join(''), 'abcd')
  assert.equal(timers.pendingCount, 0)
})

test('after the loss of the connection nothing is tried until it is back, and then everything', async () => {
  failing.add('a')
  await start()
  queue.pause()
  assert.equal(timers.pendingCount, 0)
  assert.equal(await takenIn(100 * RETRY_MS), '')
  taken = []
  await start()
  assert.equal(taken.join(''), 'abcd')
  assert.equal(await takenIn(RETRY_MS), 'a')
})

test('what fails because the connection is lost is not tried before it is back', async () => {
  failing = new Set(['a', 'b'])
  let open: () => void = () => undefined
  gate = new Promise((resolve) => (open = resolve))
  queue.resume()
  await setImmediate()
  assert.equal(taken.join(''), 'ab')
  queue.pause()
  open()
  await queue.idle()
  assert.deepEqual([timers.pendingCount, failures], [0, 1])
  failing.clear()
  taken = []
  await start()
  assert.equal(taken.join(''), 'abcd')
})
