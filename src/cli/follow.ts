/** How every command follows what it started: it asks until that has ended. */
import type { CliIo } from './io.js'

const POLL_INTERVAL_MS = 250

/** Answers how it ended; `show` gets every answer on the way, and the last one. */
export async function follow<Status extends { readonly endedAtMs: number | null }>(
  started: Status,
  ask: () => Promise<Status>,
  { io, show }: { readonly io: Pick<CliIo, 'sleep'>; readonly show: (status: Status) => void },
): Promise<Status> {
  let status = started
  show(status)
  while (status.endedAtMs === null) {
    await io.sleep(POLL_INTERVAL_MS)
    status = await ask()
    show(status)
  }
  return status
}

/** One line of a terminal that is written over; empty when it has ended. */
export function overwrittenLine<Status extends { readonly endedAtMs: number | null }>(
  { stdout }: Pick<CliIo, 'stdout'>,
  lineOf: (status: Status) => string,
): (status: Status) => void {
  return (status) => {
    const text = status.endedAtMs === null ? lineOf(status).slice(0, stdout.width - 1) : ''
    // Back to the line's start, and clear it.
    stdout.write(`\r\x1b[2K${text}`)
  }
}
