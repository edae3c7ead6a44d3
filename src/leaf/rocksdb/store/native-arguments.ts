/**
 * What the native functions do not check of their arguments, and what would end the process: empty or oversized keys, counts
 * out of range. Every key, boundary and count that goes to binding.ts's native calls passes here.
 */
import { KVError } from '../../../base/errors.js'
import { limits } from '../../../base/limits.js'

export function checkKeys(keys: readonly Buffer[]): void {
  if (keys.length === 0 || keys.length > limits.maxKeysPerMultiGet) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `MultiGet of ${keys.length} keys: 1 to ${limits.maxKeysPerMultiGet}`,
    )
  }
  for (const key of keys) checkKey(key)
}

export function checkKey(key: Uint8Array): void {
  if (!(key instanceof Uint8Array) || key.length === 0 || key.length > limits.maxPhysicalKeyBytes) {
    throw new KVError('INVALID_ARGUMENT', `physical key is not 1 to ${limits.maxPhysicalKeyBytes} bytes`)
  }
}

/** A boundary may be one byte longer than a key: the lowest key behind the longest one. */
export function checkBound(bound: Uint8Array): void {
  if (!(bound instanceof Uint8Array) || bound.length === 0 || bound.length > limits.maxPhysicalKeyBytes + 1) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `boundary of keys is not 1 to ${limits.maxPhysicalKeyBytes + 1} bytes`,
    )
  }
}

export function checkCount(count: number, max: number, what: string): void {
  if (!Number.isInteger(count) || count < 1 || count > max) {
    throw new KVError('INVALID_ARGUMENT', `${what}: ${count} is not 1 to ${max}`)
  }
}
