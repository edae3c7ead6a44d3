/** What Linux tells about a process in /proc. */
import { readFileSync } from 'node:fs'

/** USER_HZ: fixed at 100 for every Linux user space, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100

/** User and system time of all threads, in seconds, from the text of /proc/PID/stat. */
export function parseCpuSeconds(stat: string): number {
  // The name in brackets may itself hold brackets and spaces; fields are counted from its last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  if (!Number.isInteger(ticks)) throw new Error('this text is not that of a /proc/PID/stat')
  return ticks / TICKS_PER_SECOND
}

/** The same with the time of its ended and awaited children. */
export function parseCpuSecondsWithChildren(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[13]) + Number(fields[14])
  if (!Number.isInteger(ticks)) throw new Error('this text is not that of a /proc/PID/stat')
  return parseCpuSeconds(stat) + ticks / TICKS_PER_SECOND
}

export function readStat(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
}
