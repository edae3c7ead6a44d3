/**
 * Paging states: what the engine needs to go on, in a form that clients carry from page to page, from any gateway of a
 * deployment to any other. Cassandra's clients never look inside, so that the bytes are ours:
 *
 *     u8 format = 1 | u8 protocol version | the engine's bytes | 16 B HMAC-SHA-256, cut
 *
 * Only what was made with the deployment's key comes through, and only for the protocol version that it was made for, as
 * in Cassandra, where the versions have layouts of their own.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { protocolError } from './body-reader.js'

const FORMAT = 1
const HEAD_BYTES = 2
const MAC_BYTES = 16

export class PagingStates {
  readonly #key: Buffer

  /** @param tokenKey as in Metastore; a key of its own is made of it, so that no page token passes for a paging state */
  constructor(tokenKey: Uint8Array) {
    this.#key = createHmac('sha256', tokenKey).update('cql paging').digest()
  }

  seal(place: Buffer, version: number): Buffer {
    const content = Buffer.concat([Buffer.from([FORMAT, version]), place])
    return Buffer.concat([content, this.#mac(content)])
  }

  /** @throws {CqlError} PROTOCOL_ERROR */
  open(state: Buffer, version: number): Buffer {
    const size = state.length - MAC_BYTES
    const content = state.subarray(0, Math.max(0, size))
    const isOurs =
      size >= HEAD_BYTES &&
      content[0] === FORMAT &&
      content[1] === version &&
      timingSafeEqual(state.subarray(size), this.#mac(content))
    if (!isOurs) throw protocolError('Invalid value for the paging state')
    return content.subarray(HEAD_BYTES)
  }

  #mac(content: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(content).digest().subarray(0, MAC_BYTES)
  }
}
