/** The parent's side of raw-rocksdb.ts. */
import type { Sample } from './harness.js'
import type { RawRequest, RawSettings } from './raw-rocksdb.js'
import type { Core } from './processes.js'
import { nextMessage, startChild, stopChild } from './processes.js'

const SCRIPT = 'raw-rocksdb.js'

export interface RawPeer {
  measure(request: RawRequest): Promise<Sample>
  stop(): Promise<void>
}

export async function startRawPeer(settings: RawSettings, core: Core): Promise<RawPeer> {
  const child = startChild(SCRIPT, core)
  child.send(settings)
  await nextMessage(child, SCRIPT)
  return {
    async measure(request) {
      child.send(request)
      // What raw-rocksdb.ts answers to a request.
      return (await nextMessage(child, SCRIPT)) as Sample
    },
    stop: () => stopChild(child),
  }
}
