/** What a function of hops 2 and 3 refuses with. */
import assert from 'node:assert/strict'
import { KVError } from '../../../src/base/errors.js'

/** The error's code; 'none' when nothing is thrown. */
export function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof KVError) return error.code
    throw error
  }
  return 'none'
}

export function refusal(action: () => unknown): KVError {
  try {
    action()
  } catch (error) {
    assert.ok(error instanceof KVError, String(error))
    return error
  }
  assert.fail('was not refused')
}
