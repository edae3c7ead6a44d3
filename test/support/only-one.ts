/** Test files run side by side, and several may need one download or build: one makes it, and the others wait for it. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type Server, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 200

/** Runs when no other process of this machine runs anything under this name. */
export async function onlyOne(name: string, run: () => Promise<void>): Promise<void> {
  // An abstract socket: the kernel gives the name to one process, and frees it however that ends.
  const path = `\0godwit-${createHash('sha256').update(name).digest('hex')}`
  const lock = createServer()
  while (!(await taken(lock, path))) await pause(POLL_MS)
  try {
    await run()
  } finally {
    lock.close()
  }
}

async function taken(lock: Server, path: string): Promise<boolean> {
  lock.listen(path)
  try {
    await once(lock, 'listening')
    return true
  } catch (error) {
    // As node's errors of sockets have it.
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
}
