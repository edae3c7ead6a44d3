/** Text of messages. Names of methods and datasets come again and again, and are then made once. */

/** Strings below this many bytes are compared with the last one of the same shape before a new one is made. */
const SHORT_STRING_BYTES = 40
const SLOTS = 256

export class ShortStrings {
  /** The last short string of each shape. */
  readonly #strings: string[] = new Array<string>(SLOTS).fill('')

  /** The bytes as UTF-8; what is none becomes U+FFFD. */
  textOf(buffer: Buffer, start: number, size: number): string {
    if (size === 0) return ''
    const end = start + size
    if (size >= SHORT_STRING_BYTES) return buffer.toString('utf8', start, end)
    const middle = buffer[start + (size >> 1)] ?? 0
    const shape = (buffer[start] ?? 0) * 31 + middle * 7 + (buffer[end - 1] ?? 0) * 17 + size
    const slot = shape & (SLOTS - 1)
    const known = this.#strings[slot] ?? ''
    // Equal char codes below 256 mean equal bytes: strings that are not ASCII are never kept, see below.
    if (known.length === size) {
      let i = 0
      while (i < size && known.charCodeAt(i) === buffer[start + i]) i++
      if (i === size) return known
    }
    const text = buffer.toString('utf8', start, end)
    // As long as its bytes, it is ASCII or has U+FFFD, which is equal to no byte.
    if (text.length === size) this.#strings[slot] = text
    return text
  }
}
