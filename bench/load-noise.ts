/**
 * What others take from a load: how long the threads of its process were ready to run and did not, which Linux counts for
 * each (proc(5), schedstat). And what would be told by somebody who knows from the beginning how long the load takes on a
 * quiet machine, and takes it that the others go on as of late: nobody can tell better.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** Of all threads of a process together. */
export interface Scheduled {
  readonly ranMs: number
  readonly waitedMs: number
}

const NS_PER_MS = 1e6

/** Null: it is gone, or this kernel does not count. */
export function readScheduled(pid: number): Scheduled | null {
  try {
    let [ranMs, waitedMs] = [0, 0]
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [ran, waited] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')
        .split(' ')
        .map(Number)
      ranMs += (ran ?? 0) / NS_PER_MS
      waitedMs += (waited ?? 0) / NS_PER_MS
    }
    return { ranMs, waitedMs }
  } catch {
    return null
  }
}

/** The child of a process that runs the script; null: there is none. */
export function childRunning(parent: number, script: string): number | null {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const [, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(ppid) !== parent) continue
      if (readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(script)) return Number(name)
    } catch {
      // It ended meanwhile.
    }
  }
  return null
}

/** A moment of a load. */
export interface Moment {
  readonly atMs: number
  /** Null: not known, and nobody is taken to have disturbed it since the moment before. */
  readonly scheduled: Scheduled | null
}

/** As long as a load remembers how fast its work was (src/loader/work-rate.ts). */
const MEMORY_MS = 20_000

/**
 * For each moment: the time left as the knowing one tells it.
 * @param tookMs when the load was over
 */
export function knowingEstimates(moments: readonly Moment[], tookMs: number): readonly number[] {
  const quietMs = quietTimes(moments)
  const last = moments.length - 1
  const wholeMs = (quietMs[last] ?? 0) + (tookMs - (moments[last]?.atMs ?? 0))
  let from = 0
  return moments.map(({ atMs }, index) => {
    while ((moments[from]?.atMs ?? 0) < atMs - MEMORY_MS) from++
    const quiet = (quietMs[index] ?? 0) - (quietMs[from] ?? 0)
    const passed = atMs - (moments[from]?.atMs ?? 0)
    const slowness = quiet > 0 ? passed / quiet : 1
    return (wholeMs - (quietMs[index] ?? 0)) * slowness
  })
}

/** How long it would have taken to each moment if its threads had never waited for a core. */
function quietTimes(moments: readonly Moment[]): readonly number[] {
  let quietMs = 0
  return moments.map(({ atMs, scheduled }, index) => {
    const before = moments[index - 1]
    const passed = atMs - (before?.atMs ?? atMs)
    const ran = (scheduled?.ranMs ?? 0) - (before?.scheduled?.ranMs ?? 0)
    const waited = (scheduled?.waitedMs ?? 0) - (before?.scheduled?.waitedMs ?? 0)
    // A thread that ended takes its figures with it.
    const share = scheduled !== null && ran > 0 && waited >= 0 ? ran / (ran + waited) : 1
    return (quietMs += passed * share)
  })
}
