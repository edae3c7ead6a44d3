/**
 * Ends the process without any clean-up, from any thread: for moments in which clean-up is what would do harm (a
 * broken lease, a lost thread). Acknowledged writes are in the log; the next start replays them.
 */
export function killProcess(): never {
  process.kill(process.pid, 'SIGKILL')
  // The signal is delivered before the call above returns; this is for the type.
  throw new Error('the process is being killed')
}
