/**
 * The limit of what a server on this event loop can do: the same socket handling and framing as src/thrift/server.ts,
 * one write per data event, and an answer that was made beforehand instead of a request that is understood.
 *
 * BENCH_BUSY_WAIT_US spends so much CPU time on each request: bench/self-check.ts shows that it shows.
 */
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { busyWait } from './busy-wait.js'
import { answerParent, receiveSettings } from './processes.js'

export interface EchoSettings {
  /** A framed answer, length included, in base64. */
  readonly answer: string
}

/** Answers written by one call at most. */
const MAX_ANSWERS_PER_WRITE = 4096

/** Counts frames over chunks without keeping their bytes. */
class FrameCounter {
  #header = 0
  #headerHas = 0
  #bodyLeft = 0

  /** How many frames end in this chunk. */
  count(chunk: Buffer): number {
    let at = 0
    let frames = 0
    while (at < chunk.length) {
      if (this.#bodyLeft === 0 && this.#headerHas === 0 && chunk.length - at >= 4) {
        this.#bodyLeft = chunk.readUInt32BE(at)
        at += 4
      } else if (this.#bodyLeft === 0) {
        this.#header = (this.#header << 8) | (chunk[at++] ?? 0)
        if (++this.#headerHas < 4) continue
        this.#bodyLeft = this.#header >>> 0
        this.#header = this.#headerHas = 0
      }
      const taken = Math.min(this.#bodyLeft, chunk.length - at)
      this.#bodyLeft -= taken
      at += taken
      if (this.#bodyLeft === 0) frames++
    }
    return frames
  }
}

function serve(socket: Socket, answers: Buffer, answerSize: number): void {
  const counter = new FrameCounter()
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    let frames = counter.count(chunk)
    busyWait(frames)
    for (; frames > 0; frames -= MAX_ANSWERS_PER_WRITE) {
      socket.write(answers.subarray(0, Math.min(frames, MAX_ANSWERS_PER_WRITE) * answerSize))
    }
  })
}

// The type is what processes.ts sends for this script.
const settings = (await receiveSettings()) as EchoSettings
const answer = Buffer.from(settings.answer, 'base64')
const answers = Buffer.concat(Array.from({ length: MAX_ANSWERS_PER_WRITE }, () => answer))
const server = createServer((socket) => serve(socket, answers, answer.length))
server.listen(0, '127.0.0.1', () => {
  // A TCP server's address is an object.
  answerParent({ port: (server.address() as AddressInfo).port })
})
