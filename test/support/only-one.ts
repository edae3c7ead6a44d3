/** Test files run side by side, and several may need one download or build: one makes it, and the others wait for it. */
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

const LOCK_POLL_MS = 200

/** Runs when no other process runs anything under this lock, which is a file in a folder that is there. */
export async function onlyOne(lock: string, run: () => Promise<void>): Promise<void> {
  for (;;) {
    const holder = await takenBy(lock)
    if (holder === null) break
    // Whoever was killed leaves its lock behind.
    if (holder !== '' && !existsSync(`/proc/${holder}`)) await rm(lock, { force: true })
    else await pause(LOCK_POLL_MS)
  }
  try {
    await run()
  } finally {
    await rm(lock, { force: true })
  }
}

/** Takes it and answers null, or answers the number of the process that has it; empty where that is not written yet. */
async function takenBy(lock: string): Promise<string | null> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx' })
    return null
  } catch (error) {
    // As node's errors of files have it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return await readFile(lock, 'utf8').catch(() => '')
  }
}
