/** Checks for programmer errors only; bad input is a KVError. */

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** @throws {AssertionError} when the condition does not hold: a fault in Godwit, never in a request. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** For the arm of a switch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`)
}
