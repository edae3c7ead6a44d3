import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { AnswerWindow } from '../../../src/thrift/answer-window.js'

const limits = { maxPipelinedRequests: 1_024, maxUnsentBytesPerConnection: 8_000_000, assumedAnswerBytes: 2_000_000 } // prettier-ignore

/** How many requests may be with the handlers while nothing waits for the peer. */
function widthOf(window: AnswerWindow): number {
  let inFlight = 0
  while (!window.isFull(inFlight, 0)) inFlight++
  return inFlight
}

describe('AnswerWindow', () => {
  test('a new connection begins with as many requests as large answers fit', () => {
    assert.equal(widthOf(new AnswerWindow(limits)), 4)
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
    assert.equal(window.isFull(0, 8_000_001), true)
    assert.equal(window.isFull(0, 8_000_000), false)
    assert.equal(window.hasRoomAgain(0, 4_000_001), false)
    assert.equal(window.hasRoomAgain(0, 4_000_000), true)
  })

  test('with nothing in flight and nothing unsent there is room, whatever the answers were', () => {
    const sizes = fc.array(fc.nat(64_000_000))
    fc.assert(
      fc.property(sizes, (answers) => {
        const window = new AnswerWindow(limits)
        for (const size of answers) window.note(size)
        assert.equal(window.isFull(0, 0), false)
        assert.equal(window.hasRoomAgain(0, 0), true)
      }),
    )
  })

  test('what has room again is not full', () => {
    fc.assert(
      fc.property(fc.nat(64_000_000), fc.nat(1_100), fc.nat(9_000_000), (size, inFlight, unsent) => {
        const window = new AnswerWindow(limits)
        window.note(size)
        assert.ok(!window.hasRoomAgain(inFlight, unsent) || !window.isFull(inFlight, unsent))
      }),
    )
  })
})
