/** How far a load is, in one line. */
import type { LoadStatus } from '../model/load.js'
import { formatBytes, formatCount, formatDuration } from './format.js'

export function progressLine(load: LoadStatus): string {
  const { state, phase, rows, readBytes, totalBytes, rowsPerSecond, bytesPerSecond, leftMs } = load
  if (state === 'UPLOADING') {
    const of = totalBytes > 0 ? ` of ${formatBytes(totalBytes)}` : ''
    return `uploading, ${formatBytes(readBytes)}${of}`
  }
  const parts = [phase === null ? state.toLowerCase() : phase.toLowerCase()]
  if (phase !== 'WRITING' && totalBytes > 0) {
    parts.push(`${Math.floor((readBytes / totalBytes) * 100)} % of ${formatBytes(totalBytes)}`)
  }
  parts.push(`${formatCount(rows)} rows`)
  if (phase === 'READING' && rowsPerSecond > 0) {
    parts.push(`${formatCount(rowsPerSecond)} rows/s`, `${formatBytes(bytesPerSecond)}/s`)
  }
  if (leftMs !== null) parts.push(`${formatDuration(leftMs)} left`)
  else if (phase !== null) parts.push('estimating the time left')
  return parts.join(', ')
}
