/** Small steps on streams of bytes. */

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** The stream's first bytes, at least `size` of them unless it has fewer, and all of the stream. */
export async function peek(
  content: AsyncIterable<Buffer>,
  size: number,
): Promise<{ readonly head: Buffer; readonly whole: AsyncIterable<Buffer> }> {
  const pieces = content[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  let isAtEnd = false
  while (head.length < size && !isAtEnd) {
    const next = await pieces.next()
    if (next.done === true) isAtEnd = true
    else head = head.length === 0 ? next.value : Buffer.concat([head, next.value])
  }
  return { head, whole: rejoin(head, isAtEnd ? null : pieces) }
}

async function* rejoin(head: Buffer, rest: AsyncIterator<Buffer> | null): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head
    while (rest !== null) {
      const next = await rest.next()
      if (next.done === true) return
      yield next.value
    }
  } finally {
    await rest?.return?.()
  }
}

export async function* withoutByteOrderMark(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { head, whole } = await peek(content, BYTE_ORDER_MARK.length)
  let skipped = head.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0
  for await (const piece of whole) {
    yield skipped === 0 ? piece : piece.subarray(skipped)
    skipped = 0
  }
}
