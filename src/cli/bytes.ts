/** Bytes as the admin API's JSON carries them, as text for people, and back. */
import { CliError, EXIT } from './io.js'

export type BytesJson = { readonly utf8: string } | { readonly base64: string }

export const VALUE_ENCODINGS = ['utf8', 'hex', 'base64'] as const
export type ValueEncoding = (typeof VALUE_ENCODINGS)[number]

export function bytesToText(bytes: BytesJson): string {
  return 'utf8' in bytes ? bytes.utf8 : `base64:${bytes.base64}`
}

/** @throws {CliError} when the text is not of that encoding */
export function textToBytes(text: string, encoding: ValueEncoding | 'base64url'): BytesJson {
  if (encoding === 'utf8') return { utf8: text }
  const bytes = Buffer.from(text, encoding)
  if (bytes.toString(encoding) !== (encoding === 'hex' ? text.toLowerCase() : text)) {
    throw new CliError(EXIT.USAGE, `"${text}" is not ${encoding}`)
  }
  return { base64: bytes.toString('base64') }
}

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** On one line and harmless to a terminal: control characters become escapes. */
export function printable(text: string): string {
  return text.replaceAll(CONTROL, (character) => {
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character]
    return short ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}
