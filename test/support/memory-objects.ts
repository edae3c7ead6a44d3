/** Objects in memory, read in pieces of a chosen size, and verbs that change them. */
import { KVError } from '../../src/base/errors.js'
import type { ObjectStore, StoredObject } from '../../src/objects/object-store.js'

export class MemoryObjects implements ObjectStore {
  readonly #contents = new Map<string, Buffer>()
  readonly #pieceBytes: number
  /** Ranges that were read, as `from-to`. */
  readonly reads: string[] = []
  #changes = 0

  constructor(pieceBytes = 128 * 1024) {
    this.#pieceBytes = pieceBytes
  }

  put(url: string, content: string | Buffer): this {
    this.#changes++
    this.#contents.set(url, Buffer.from(content))
    return this
  }

  async list(url: string): Promise<readonly StoredObject[]> {
    const urls = [...this.#contents.keys()].filter((one) => one === url || one.startsWith(url))
    return Promise.all(urls.sort().map((one) => this.stat(one)))
  }

  stat(url: string): Promise<StoredObject> {
    const { length } = this.#content(url)
    return Promise.resolve({ url, sizeBytes: length, tag: `${length}-${this.#changes}` })
  }

  async *read({ url, tag }: StoredObject, offset = 0, length = Infinity): AsyncGenerator<Buffer> {
    const { tag: now, sizeBytes } = await this.stat(url)
    if (now !== tag) throw new KVError('FAILED_PRECONDITION', `${url} changed`)
    const end = Math.min(sizeBytes, offset + length)
    this.reads.push(`${offset}-${end}`)
    for (let at = offset; at < end; at += this.#pieceBytes) {
      yield Buffer.from(this.#content(url).subarray(at, Math.min(end, at + this.#pieceBytes)))
    }
  }

  async write(url: string, content: AsyncIterable<Buffer>): Promise<StoredObject> {
    const pieces: Buffer[] = []
    for await (const piece of content) pieces.push(piece)
    this.put(url, Buffer.concat(pieces))
    return this.stat(url)
  }

  remove(url: string): Promise<void> {
    this.#contents.delete(url)
    return Promise.resolve()
  }

  #content(url: string): Buffer {
    const content = this.#contents.get(url)
    if (content === undefined) throw new KVError('INVALID_ARGUMENT', `${url}: there is no such object`)
    return content
  }
}
