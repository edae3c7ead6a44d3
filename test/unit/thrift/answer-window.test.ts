import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { AnswerWindow } from '../../../src/thrift/answer-window.js'

const limits = { maxPipelinedRequests: 1_024, maxUnsentBytesPerConnection: 8_000_000, assumedAnswerBytes: 2_000_000 } // prettier-ignore

/** How many requests may be with the handlers while nothing waits for the peer. */
function widthOf(window: AnswerWindow): number {
  let inFlight = 0
  while (!window.isFull(inFlight, 0, 0)) inFlight++
  return inFlight
}

describe('AnswerWindow', () => {
  test('a new connection begins with as many requests as large answers fit', () => {
    assert.equal(widthOf(new AnswerWindow(limits)), 4)
  })

  test('requests that are known to have small answers are held back by the number of requests only', () => {
    const window = new AnswerWindow(limits)
    assert.equal(window.isFull(1_023, 0, 0, 1_023), false)
    assert.equal(window.isFull(1_024, 0, 0, 1_024), true)
    assert.equal(window.isFull(1_003, 0, 0, 1_000), false)
    assert.equal(window.isFull(1_004, 0, 0, 1_000), true)
    assert.equal(window.hasRoomAgain(512, 0, 0, 512), true)
    assert.equal(window.hasRoomAgain(514, 0, 0, 512), false)
  })

  test('a thousand small answers open it to the limit of requests, ten do not', () => {
    const window = new AnswerWindow(limits)
    for (let i = 0; i < 10; i++) window.note(200)
    assert.equal(widthOf(window), 4)
    for (let i = 0; i < 990; i++) window.note(200)
    assert.equal(widthOf(window), limits.maxPipelinedRequests)
  })

  test('one large answer closes it to one request at once', () => {
    const window = new AnswerWindow(limits)
    for (let i = 0; i < 1_000; i++) window.note(200)
    window.note(16_000_000)
    assert.equal(widthOf(window), 1)
  })

  test('nothing is handed over while more bytes wait for the peer than may', () => {
    const window = new AnswerWindow(limits)
    assert.equal(window.isFull(0, 8_000_001, 0), true)
    assert.equal(window.isFull(0, 8_000_000, 0), false)
    assert.equal(window.hasRoomAgain(0, 4_000_001, 0), false)
    assert.equal(window.hasRoomAgain(0, 4_000_000, 0), true)
  })

  test('nothing is handed over while the requests themselves keep more bytes than may wait', () => {
    const window = new AnswerWindow(limits)
    for (let i = 0; i < 1_000; i++) window.note(200)
    assert.equal(window.isFull(1, 0, 8_000_000), false)
    assert.equal(window.isFull(1, 0, 8_000_001), true)
    assert.equal(window.hasRoomAgain(1, 0, 4_000_000), true)
    assert.equal(window.hasRoomAgain(1, 0, 4_000_001), false)
  })

  test('with nothing in flight and nothing unsent there is room, whatever the answers were', () => {
    const sizes = fc.array(fc.nat(64_000_000))
    fc.assert(
      fc.property(sizes, (answers) => {
        const window = new AnswerWindow(limits)
        for (const size of answers) window.note(size)
        assert.equal(window.isFull(0, 0, 0), false)
        assert.equal(window.hasRoomAgain(0, 0, 0), true)
      }),
    )
  })

  test('what has room again is not full', () => {
    const bytes = fc.oneof(fc.nat(64_000_000), fc.nat(9_000_000))
    fc.assert(
      fc.property(bytes, fc.nat(1_100), bytes, bytes, (size, inFlight, unsent, asked) => {
        const window = new AnswerWindow(limits)
        window.note(size)
        assert.ok(!window.hasRoomAgain(inFlight, unsent, asked) || !window.isFull(inFlight, unsent, asked))
      }),
    )
  })
})
