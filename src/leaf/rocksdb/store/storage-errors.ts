/** What RocksDB reports, in our words. The native message is kept as the cause; it may name files, never keys or values. */
import { type ErrorCode, KVError } from '../../../base/errors.js'

/** Wraps anything that a native call threw; `what` says which DB and which call. */
export function toStorageError(thrown: unknown, what: string): KVError {
  if (thrown instanceof KVError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const nativeCode = nativeCodeOf(thrown)
  const [code, advice] = classify(nativeCode, message)
  return new KVError(code, `${what}: ${advice}`, { cause: thrown })
}

function nativeCodeOf(thrown: unknown): string {
  if (!(thrown instanceof Error) || !('code' in thrown)) return ''
  return typeof thrown.code === 'string' ? thrown.code : ''
}

function classify(nativeCode: string, message: string): [ErrorCode, string] {
  switch (nativeCode) {
    case 'LEVEL_CORRUPTION':
      return ['CORRUPT', 'stored data is damaged; restore it or load it again']
    case 'LEVEL_LOCKED':
      return ['UNAVAILABLE', 'it is in use by another process; stop that one first']
    case 'LEVEL_IO_ERROR':
      if (message.includes('No such file or directory'))
        return ['CORRUPT', 'a file is missing; restore it or load it again']
      return ['UNAVAILABLE', 'the disk failed or is full; check it, then reopen']
    case 'LEVEL_TRYAGAIN':
      return ['UNAVAILABLE', 'the store is busy; try again']
    default:
      break
  }
  if (/does not exist|Column famil|comparator|merge_operator/i.test(message)) {
    return ['FAILED_PRECONDITION', 'not a database of this format; check the directory']
  }
  return ['UNAVAILABLE', 'the store failed']
}
