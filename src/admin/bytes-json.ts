/** Keys and values in URLs and JSON: text where the bytes are UTF-8, an encoding that says so where they are not. */
import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { KVError } from '../base/errors.js'

export const KEY_ENCODINGS = ['utf8', 'hex', 'base64url'] as const
export type KeyEncoding = (typeof KEY_ENCODINGS)[number]

export type BytesJson = { readonly utf8: string } | { readonly base64: string }

/** `{utf8}` when the bytes are valid UTF-8, `{base64}` otherwise. */
export function bytesToJson(bytes: Buffer): BytesJson {
  return isUtf8(bytes) ? { utf8: bytes.toString('utf8') } : { base64: bytes.toString('base64') }
}

/** Bytes in a body: text, or an object that names its encoding. */
export const bytesSchema = z.union(
  [
    z.string().transform((text) => Buffer.from(text, 'utf8')),
    z.strictObject({ utf8: z.string() }).transform(({ utf8 }) => Buffer.from(utf8, 'utf8')),
    z
      .strictObject({ base64: z.string().refine((text) => isExact(text, 'base64')) })
      .transform(({ base64 }) => Buffer.from(base64, 'base64')),
  ],
  { error: 'expected text, {"utf8": text} or {"base64": text}' },
)

/** @throws {KVError} INVALID_ARGUMENT for an encoding that is none */
export function keyEncodingOf(query: URLSearchParams): KeyEncoding {
  const text = query.get('keyEncoding') ?? 'utf8'
  const encoding = KEY_ENCODINGS.find((known) => known === text)
  if (encoding === undefined) {
    throw new KVError('INVALID_ARGUMENT', `keyEncoding is not one of ${KEY_ENCODINGS.join(', ')}`)
  }
  return encoding
}

/** @throws {KVError} INVALID_ARGUMENT when the text is not of that encoding */
export function textToBytes(text: string, encoding: KeyEncoding, what: string): Buffer {
  if (encoding !== 'utf8' && !isExact(text, encoding)) {
    throw new KVError('INVALID_ARGUMENT', `${what} is not ${encoding}`)
  }
  return Buffer.from(text, encoding)
}

// Buffer.from drops what it does not understand; only text that comes back unchanged is of the encoding.
function isExact(text: string, encoding: 'hex' | 'base64' | 'base64url'): boolean {
  const back = Buffer.from(text, encoding).toString(encoding)
  return back === (encoding === 'hex' ? text.toLowerCase() : text)
}
