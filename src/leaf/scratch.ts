/**
 * Memory for bytes that are copied by whoever gets them: one buffer, and its views by size, each made once. Making a
 * Buffer costs as much as filling it with a row of 200 bytes; a load of millions of rows makes none this way.
 */

/** What is larger is allocated. */
const SIZE = 8 * 1024

export class Scratch {
  readonly #bytes = Buffer.allocUnsafeSlow(SIZE)
  readonly #views = new Array<Buffer | undefined>(SIZE + 1).fill(undefined)

  /** A buffer of this size with any content; valid until the next call. All views of one Scratch start at its start. */
  readonly view = (size: number): Buffer => {
    if (size > SIZE) return Buffer.allocUnsafe(size)
    return (this.#views[size] ??= this.#bytes.subarray(0, size))
  }

  /** The first `size` bytes of a buffer that `view` gave. */
  start(view: Buffer, size: number): Buffer {
    return view.byteLength > SIZE ? view.subarray(0, size) : this.view(size)
  }
}
