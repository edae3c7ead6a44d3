/**
 * How many requests of one connection may be with the handlers, by the memory that they and their answers may take.
 *
 * An answer's size is known only when it is there, and by then every request that was handed over will be answered. So
 * a connection has a guess, made of its own answers: a large one raises it at once, smaller ones lower it slowly, since
 * a client that asked for large values is likely to do so again. Requests with the handlers count with the guess. The
 * Answers that are small whatever is asked (of a put) count with nothing: a burst of writes is not held back by it. The
 * bytes of the requests themselves, which their handlers may keep, have the same limit, beside it.
 */

/** What stays of the guess after a smaller answer: some hundred of them lower it from the first guess to themselves. */
const DECAY = 127 / 128

export interface AnswerWindowLimits {
  readonly maxPipelinedRequests: number
  readonly maxUnsentBytesPerConnection: number
  readonly assumedAnswerBytes: number
}

export class AnswerWindow {
  readonly #maxInFlight: number
  readonly #maxBytes: number
  #answerBytes: number

  constructor(limits: AnswerWindowLimits) {
    this.#maxInFlight = limits.maxPipelinedRequests
    this.#maxBytes = limits.maxUnsentBytesPerConnection
    this.#answerBytes = limits.assumedAnswerBytes
  }

  /** An answer of so many bytes is there. */
  note(bytes: number): void {
    this.#answerBytes = Math.max(bytes, this.#answerBytes * DECAY)
  }

  /**
   * No further request may be handed over. One at a time always may, however large the answers.
   * @param smallAnswers how many of those in flight will have small answers
   */
  isFull(inFlight: number, unsentBytes: number, requestBytes: number, smallAnswers = 0): boolean {
    if (inFlight >= this.#maxInFlight || unsentBytes > this.#maxBytes) return true
    if (requestBytes > this.#maxBytes) return true
    return inFlight > 0 && this.#withOneMore(inFlight - smallAnswers, unsentBytes) > this.#maxBytes
  }

  /** Half the limits lie between stopping and going on, so that the socket is not toggled with every answer. */
  hasRoomAgain(inFlight: number, unsentBytes: number, requestBytes: number, smallAnswers = 0): boolean {
    if (inFlight > this.#maxInFlight / 2 || unsentBytes > this.#maxBytes / 2) return false
    if (requestBytes > this.#maxBytes / 2) return false
    return inFlight === 0 || this.#withOneMore(inFlight - smallAnswers, unsentBytes) <= this.#maxBytes / 2
  }

  #withOneMore(inFlight: number, unsentBytes: number): number {
    return unsentBytes + (inFlight + 1) * this.#answerBytes
  }
}
