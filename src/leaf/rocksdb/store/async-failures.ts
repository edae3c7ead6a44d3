/**
 * Failed asynchronous reads. The binding raises the error of an asynchronous MultiGet (a damaged block, a bad disk)
 * as an uncaught exception and never calls back. Node gives such an exception the failed call's own callback as its
 * asynchronous resource, by which it is recognised here and turned into that call's answer. All other exceptions
 * go the way they would have gone.
 */
import { executionAsyncResource } from 'node:async_hooks'

/** Asynchronous reads under way in this thread, by the callback that is their asynchronous resource. */
export const asyncReads = new Map<unknown, (error: unknown) => void>()

let isCapturing = false

/**
 * Makes failures of asynchronous reads come back to their callers (see above). Answers false when
 * something else captures uncaught exceptions: then there is no asynchronous reading in this thread.
 */
export function captureAsyncFailures(): boolean {
  if (isCapturing) return true
  if (process.hasUncaughtExceptionCaptureCallback()) return false
  isCapturing = true
  process.setUncaughtExceptionCaptureCallback((error) => {
    const fail = asyncReads.get(executionAsyncResource())
    if (fail !== undefined) {
      setImmediate(() => fail(error))
      return
    }
    if (!process.emit('uncaughtException', error)) throw error
  })
  return true
}
