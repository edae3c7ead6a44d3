/**
 * Values of the class CompositeType, as texts: parts with colons between them, each in the words of its type. In bytes every
 * part is [u16 size][bytes][00]; the last byte is 01 where `!` ends the text, and ff where `_` does
 * (AbstractCompositeType.fromString of Cassandra 3.0).
 */
import { invalid } from '../errors.js'

const MAX_PART_BYTES = 0xffff
/** What stands for a part and ends the value. */
const ENDS: ReadonlyMap<string, number> = new Map([
  ['!', 1],
  ['_', 0xff],
])

/** @throws {CqlError} INVALID, and what `parts` throw */
export function compositeFromText(text: string, parts: readonly ((text: string) => Buffer)[]): Buffer {
  const packed: Buffer[] = []
  let end = 0
  for (const part of text === '' ? [] : text.split(/(?<!\\):/)) {
    const mark = ENDS.get(part)
    if (mark !== undefined) {
      end = mark
      break
    }
    const fromText = parts[packed.length]
    if (fromText === undefined) throw invalid(`A composite of ${parts.length} parts is given more of them`)
    packed.push(packPart(fromText(unescaped(part))))
  }
  const bytes = Buffer.concat(packed)
  if (bytes.length > 0) bytes[bytes.length - 1] = end
  return bytes
}

function packPart(value: Buffer): Buffer {
  if (value.length > MAX_PART_BYTES) {
    throw invalid(`A part of a composite has ${value.length} bytes, more than ${MAX_PART_BYTES}`)
  }
  const packed = Buffer.alloc(2 + value.length + 1)
  packed.writeUInt16BE(value.length, 0)
  value.copy(packed, 2)
  return packed
}

/** A colon within a part has a backslash before it; what would end like one has an exclamation mark behind it. */
function unescaped(part: string): string {
  const text = part.replaceAll('\\:', ':')
  return text.endsWith('!') ? text.slice(0, -1) : text
}
