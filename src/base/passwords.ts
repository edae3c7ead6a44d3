/**
 * Passwords as configurations keep them: salted hashes by scrypt, as text `scrypt:N:salt:key` with the latter two in
 * hexadecimal digits. Making and checking one takes some ten milliseconds, on purpose, in a thread of libuv's pool.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { KVError } from './errors.js'

export interface PasswordHash {
  /** scrypt's cost, a power of two. */
  readonly cost: number
  readonly salt: Buffer
  readonly key: Buffer
}

/** 2^10 to 2^17: the largest takes 128 MB for a moment. */
export const PASSWORD_HASH_PATTERN =
  /^scrypt:(1024|2048|4096|8192|16384|32768|65536|131072):([0-9a-f]{16,128}):([0-9a-f]{64})$/

const DEFAULT_COST = 16_384
const BLOCK_SIZE = 8
const SALT_BYTES = 16
const KEY_BYTES = 32

/** Of PASSWORD_HASH_PATTERN. @throws {KVError} INVALID_ARGUMENT */
export function parsePasswordHash(text: string): PasswordHash {
  const [, cost, salt, key] = PASSWORD_HASH_PATTERN.exec(text) ?? []
  if (cost === undefined || salt === undefined || key === undefined) {
    throw new KVError('INVALID_ARGUMENT', 'no hash of a password: make one with "godwit password"')
  }
  return { cost: Number(cost), salt: Buffer.from(salt, 'hex'), key: Buffer.from(key, 'hex') }
}

/** The text of a new hash. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const key = await derive(password, { cost: DEFAULT_COST, salt })
  return `scrypt:${DEFAULT_COST}:${salt.toString('hex')}:${key.toString('hex')}`
}

export async function isPassword(password: string, hash: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, hash), hash.key)
}

/** No password has it; checking one takes as long as with any other. */
export function hashOfNothing(): PasswordHash {
  return { cost: DEFAULT_COST, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) }
}

function derive(password: string, { cost, salt }: Omit<PasswordHash, 'key'>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // Twice what it needs: the library's own bound is 32 MB.
    const options = { N: cost, r: BLOCK_SIZE, maxmem: 256 * BLOCK_SIZE * cost }
    scrypt(password, salt, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key)
      else reject(new KVError('INTERNAL', `scrypt failed: ${error.message}`, { cause: error }))
    })
  })
}
