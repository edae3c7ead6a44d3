/** Which process this is, in a form that outlives it: a number alone is given to other processes later. */
import { readFileSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /**
   * Clock ticks between the machine's start and the process's; with the boot id and the pid never used twice.
   */
  readonly startTicks: string
  readonly bootId: string
}

/** Linux only. The calling process, or another one by its number; null when there is none that still runs. */
export function identityOf(pid: number): ProcessIdentity | null {
  try {
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in parentheses and may hold spaces; proc(5): state is field 3,
    // starttime 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const isDead = fields[0] === 'Z' || fields[0] === 'X'
    const startTicks = fields[19]
    return isDead || startTicks === undefined ? null : { pid, startTicks, bootId }
  } catch {
    return null
  }
}

/** Whether that very process still runs, as seen from this machine (and this container's process numbers). */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identityOf(identity.pid)
  return now !== null && now.startTicks === identity.startTicks && now.bootId === identity.bootId
}
