/** The process as the operating system sees it; read when a scrape asks. Linux. */
import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import type { Reading } from './metrics.js'
import type { MetricName } from './metrics-table.js'

/** Null where the system does not say. */
function maxOpenFiles(): number | null {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}

/** Null where the system does not say. */
async function countOpenFiles(): Promise<number | null> {
  try {
    return (await readdir('/proc/self/fd')).length
  } catch {
    return null
  }
}

const MAX_OPEN_FILES = maxOpenFiles()
const STARTED_AT_SECONDS = Date.now() / 1000 - process.uptime()

/** @param build the program's version */
export async function processReadings(build: string): Promise<Reading[]> {
  const { user, system } = process.cpuUsage()
  const openFiles = await countOpenFiles()
  return [
    { name: 'godwit_build_info', labels: { version: build, node: process.version }, value: 1 },
    reading('process_resident_memory_bytes', process.memoryUsage.rss()),
    reading('process_cpu_seconds_total', (user + system) / 1e6),
    reading('process_start_time_seconds', STARTED_AT_SECONDS),
    ...(openFiles === null ? [] : [reading('process_open_fds', openFiles)]),
    ...(MAX_OPEN_FILES === null ? [] : [reading('process_max_fds', MAX_OPEN_FILES)]),
  ]
}

/** A value without labels. */
export function reading(name: MetricName, value: number): Reading {
  return { name, labels: {}, value }
}
