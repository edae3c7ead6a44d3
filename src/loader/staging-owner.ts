/**
 * Which process works in a load's staging directory. One whose gateway died may live on for a moment, and would go on
 * writing what the next one has taken over; so the next one ends it first.
 *
 *     owner   {pid, startedAt}, the latter as Linux counts it, so that a number that was given again is not mistaken
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { KVError } from '../base/errors.js'
import { onLoadDisk } from './load-disk.js'

const OWNER = 'owner'
const POLL_MS = 10
const MAX_WAIT_MS = 10_000
/** Of the fields behind the name in /proc/PID/stat. */
const STATE_FIELD = 0
const START_FIELD = 19

/** This process's from now on. @throws {KVError} UNAVAILABLE when the one before does not end */
export async function claimStaging(staging: string): Promise<void> {
  const path = join(staging, OWNER)
  const last = readOwner(path)
  if (last !== null && last.pid !== process.pid) await endProcess(last)
  const owner = { pid: process.pid, startedAt: startOf(process.pid) }
  onLoadDisk('writing', path, () => writeFileSync(path, JSON.stringify(owner), { mode: 0o600 }))
}

interface Owner {
  readonly pid: number
  readonly startedAt: string
}

async function endProcess({ pid, startedAt }: Owner): Promise<void> {
  for (let waitedMs = 0; startOf(pid) === startedAt; waitedMs += POLL_MS) {
    if (waitedMs >= MAX_WAIT_MS)
      throw new KVError('UNAVAILABLE', `process ${pid} of an earlier load does not end; end it`)
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended, or it is not ours: then the wait says so.
    }
    await pause(POLL_MS)
  }
}

/** Null: there is none, or it was being written when its process died, which had not begun then. */
function readOwner(path: string): Owner | null {
  try {
    const found: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof found !== 'object' || found === null || !('pid' in found && 'startedAt' in found)) return null
    const { pid, startedAt } = found
    return typeof pid === 'number' && typeof startedAt === 'string' ? { pid, startedAt } : null
  } catch {
    return null
  }
}

/** Null: no such process, or one that only waits for its parent. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name stands in brackets and may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields[STATE_FIELD] === 'Z' ? null : (fields[START_FIELD] ?? null)
  } catch {
    return null
  }
}
