/** A handler slowed on purpose, for bench/self-check.ts; only servers of the bench have it. */

export const BUSY_WAIT_VARIABLE = 'BENCH_BUSY_WAIT_US'

const waitUs = Number(process.env[BUSY_WAIT_VARIABLE] ?? 0)

/**
 * Spends `requests` times the microseconds that the environment asks for; by default none. CPU time and not wall time,
 * because a wait that is preempted would cost less than it says.
 */
export function busyWait(requests: number): void {
  if (waitUs === 0) return
  const end = cpuUs() + waitUs * requests
  while (cpuUs() < end);
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
