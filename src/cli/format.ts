/** Tables that fit the terminal, figures and times for people. Pure. */
import { printable } from './bytes.js'

const GAP = '  '
const MIN_COLUMN_WIDTH = 8

/**
 * An aligned table with a line a row. `width` cuts the widest columns until it fits; null: as wide as it gets, for
 * output that no terminal shows.
 */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  width: number | null,
): string {
  const lines = [head, ...rows].map((row) => row.map(printable))
  const widths = head.map((_, column) => Math.max(...lines.map((row) => displayWidth(row[column] ?? ''))))
  if (width !== null) shrink(widths, width)
  return lines.map((row) => `${formatRow(row, widths)}\n`).join('')
}

/** `name  value` a line, names aligned. */
export function formatPairs(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...pairs.map(([name]) => displayWidth(name)))
  return pairs.map(([name, value]) => `${pad(name, width)}${GAP}${printable(value)}\n`).join('')
}

function formatRow(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((text, column) => {
    const width = widths[column] ?? 0
    return pad(cut(text, width), width)
  })
  return cells.join(GAP).trimEnd()
}

/** Takes from the widest column, one by one, until all fit or none can give. */
function shrink(widths: number[], width: number): void {
  let excess =
    widths.reduce((sum, columnWidth) => sum + columnWidth, 0) + GAP.length * (widths.length - 1) - width
  while (excess > 0) {
    const widest = Math.max(...widths)
    if (widest <= MIN_COLUMN_WIDTH) return
    const index = widths.indexOf(widest)
    const others = Math.max(
      MIN_COLUMN_WIDTH,
      ...widths.filter((_, column) => column !== index && widths[column] !== widest),
    )
    const step = Math.min(excess, Math.max(1, widest - others))
    widths[index] = widest - step
    excess -= step
  }
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)))
}

function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let keptWidth = 0
  for (const character of text) {
    const next = keptWidth + displayWidth(character)
    if (next > width - 1) break
    kept += character
    keptWidth = next
  }
  return `${kept}…`
}

const COMBINING = /^[\p{Mn}\p{Me}\p{Cf}]$/u
const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u

/** Columns that a text takes on a terminal: East Asian characters two, combining marks none. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) width += COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return width
}

/** `1,234,567`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** `17.6 MB`; powers of 1,000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? String(value) : value.toFixed(1)} ${units[unit] ?? ''}`
}

/** `2024-05-01 12:30:00Z`. */
export function formatTime(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')}Z`
}

/** `3 d 4 h`, `12 min 5 s`, `1.2 s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 10) return `${(ms / 1000).toFixed(1)} s`
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`
}
