/** Failures of the disk that a load writes to, as KVErrors that say what to do. */
import { KVError } from '../base/errors.js'

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full, make room and load again',
  EDQUOT: 'the quota is used up, make room and load again',
  EMFILE: 'too many open files, raise the limit of descriptors',
  EACCES: 'this user may not do that, check owner and mode',
  ENOENT: 'it is not there, or was removed meanwhile',
}

/** Runs it; what the file system throws becomes a KVError with the path. */
export function onLoadDisk<T>(verb: string, path: string, run: (path: string) => T): T {
  try {
    return run(path)
  } catch (error) {
    throw toLoadDiskError(error, `${verb} ${path}`)
  }
}

/** UNAVAILABLE for what the file system answers; everything else as it is. */
export function toLoadDiskError(thrown: unknown, what: string): unknown {
  if (thrown instanceof KVError || !(thrown instanceof Error) || !('code' in thrown)) return thrown
  const code = String(thrown.code)
  return new KVError('UNAVAILABLE', `${what} failed with ${code}: ${ADVICE[code] ?? 'check the disk'}`, {
    cause: thrown,
  })
}
