/** Bytes as the admin API's JSON carries them, as text for people, and back. */
import { CliError, EXIT } from './io.js'

export type BytesJson = { readonly utf8: string } | { readonly base64: string }

/** How people write bytes, and read them. */
export const BYTE_FORMATS = ['text', 'hex', 'base64'] as const
export type ByteFormat = (typeof BYTE_FORMATS)[number]

/** As text where the bytes are UTF-8 and that is asked for, else with a prefix that says what follows. */
export function bytesToText(bytes: BytesJson, format: ByteFormat = 'text'): string {
  if (format === 'text') return 'utf8' in bytes ? bytes.utf8 : `base64:${bytes.base64}`
  const buffer = 'utf8' in bytes ? Buffer.from(bytes.utf8) : Buffer.from(bytes.base64, 'base64')
  return buffer.toString(format)
}

/** @throws {CliError} when the text is not of that format */
export function textToBuffer(text: string, format: ByteFormat): Buffer {
  if (format === 'text') return Buffer.from(checkedText(text))
  const bytes = Buffer.from(text, format)
  if (!isExact(text, bytes, format)) throw new CliError(EXIT.USAGE, `"${text}" is not ${format}`)
  return bytes
}

/** @throws {CliError} when the text is not of that format */
export function textToBytes(text: string, format: ByteFormat): BytesJson {
  if (format === 'text') return { utf8: checkedText(text) }
  return { base64: textToBuffer(text, format).toString('base64') }
}

/** Arguments that are not UTF-8 reach a program with U+FFFD in the place of what they said. */
function checkedText(text: string): string {
  if (!text.includes('\uFFFD')) return text
  throw new CliError(
    EXIT.USAGE,
    `"${text}" was no UTF-8`,
    'give such bytes as hex or base64: --key-format, --value-format',
  )
}

// Buffer.from drops what it does not understand; only text that comes back unchanged is of the format.
function isExact(text: string, bytes: Buffer, format: 'hex' | 'base64'): boolean {
  if (format === 'hex') return bytes.toString('hex') === text.toLowerCase()
  // Both alphabets, with or without padding.
  return (
    bytes.toString('base64url') ===
    text
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replace(/={1,2}$/, '')
  )
}

/** What steers a terminal, begins a line, or turns the order of what follows around. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

/** On one line and harmless to a terminal: control characters become escapes. */
export function printable(text: string): string {
  return text.replaceAll(CONTROL, (character) => {
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character]
    if (short !== undefined) return short
    const digits = character.charCodeAt(0).toString(16)
    return digits.length > 2 ? `\\u${digits}` : `\\x${digits.padStart(2, '0')}`
  })
}
