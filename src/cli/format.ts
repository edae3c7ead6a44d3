/** Tables that fit the terminal, figures and times for people. Pure. */
import { printable } from './bytes.js'
import { plain, type Palette, type Tone } from './palette.js'

const GAP = '  '
const MIN_COLUMN_WIDTH = 8

/** A column's title; figures stand at the right of their column, so that they compare. */
export type Heading =
  string | { readonly title: string; readonly isRight: boolean; readonly isWhole: boolean }

export type TableCell = string | { readonly text: string; readonly tone: Tone }

export interface TableOptions {
  /** Cuts the widest columns until they fit; null: as wide as it gets, for output that no terminal shows. */
  readonly width: number | null
  readonly palette?: Palette
}

export function right(title: string): Heading {
  return { title, isRight: true, isWhole: false }
}

/** Of a column that says nothing when it is cut: the others make room. */
export function whole(title: string): Heading {
  return { title, isRight: false, isWhole: true }
}

/** An aligned table with a line a row; where not even cut columns fit the width, a block of lines a row. */
export function formatTable(
  head: readonly Heading[],
  rows: readonly (readonly TableCell[])[],
  { width, palette = plain }: TableOptions,
): string {
  const titles = head.map((heading) => (typeof heading === 'string' ? heading : heading.title))
  const cells = rows.map((row) => row.map(toCell))
  const widths = titles.map((title, column) => {
    return Math.max(displayWidth(title), ...cells.map((row) => displayWidth(row[column]?.text ?? '')))
  })
  const isWhole = head.map((heading) => typeof heading !== 'string' && heading.isWhole)
  if (width !== null && !shrink(widths, isWhole, width)) return blocks({ titles, isWhole }, cells, width)
  const titleCells = titles.map((text): Cell => ({ text, tone: 'strong' }))
  const isRight = head.map((heading) => typeof heading !== 'string' && heading.isRight)
  return [titleCells, ...cells].map((row) => `${formatRow(row, { widths, isRight, palette })}\n`).join('')
}

interface Cell {
  readonly text: string
  readonly tone: Tone | null
}

function toCell(cell: TableCell): Cell {
  return typeof cell === 'string'
    ? { text: printable(cell), tone: null }
    : { text: printable(cell.text), tone: cell.tone }
}

/** `name  value` a line, names aligned; values that do not fit the width go on below themselves. */
export function formatPairs(
  pairs: readonly (readonly [string, string])[],
  width: number | null = null,
): string {
  const nameWidth = Math.max(0, ...pairs.map(([name]) => displayWidth(name)))
  const from = nameWidth + GAP.length
  return pairs
    .map(([name, value]) => `${padEnd(name, nameWidth)}${GAP}${wrapText(printable(value), width, from)}\n`)
    .join('')
}

/** Broken at blanks into lines that fit, each but the first with `indent` blanks; the first begins behind as many. */
export function wrapText(text: string, width: number | null, indent: number): string {
  if (width === null || indent + displayWidth(text) <= width) return text
  const room = Math.max(MIN_COLUMN_WIDTH, width - indent)
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && displayWidth(line) + 1 + displayWidth(word) <= room) {
      lines[lines.length - 1] = `${line} ${word}`
    } else lines.push(word)
  }
  return lines.join(`\n${' '.repeat(indent)}`)
}

interface RowLayout {
  readonly widths: readonly number[]
  readonly isRight: readonly boolean[]
  readonly palette: Palette
}

function formatRow(row: readonly Cell[], { widths, isRight, palette }: RowLayout): string {
  let line = ''
  let gap = ''
  for (const [column, { text: whole, tone }] of row.entries()) {
    const width = widths[column] ?? 0
    const text = cut(whole, width)
    const room = ' '.repeat(Math.max(0, width - displayWidth(text)))
    const shown = tone === null || text === '' ? text : palette(text, tone)
    // Blanks behind the last text of a line would wrap in a terminal that is resized.
    line += isRight[column] === true ? gap + room + shown : gap + shown
    gap = isRight[column] === true ? GAP : room + GAP
  }
  return line.trimEnd()
}

interface BlockHead {
  readonly titles: readonly string[]
  readonly isWhole: readonly boolean[]
}

/** What may not be cut goes on in the terminal's next line. */
function blocks({ titles, isWhole }: BlockHead, rows: readonly (readonly Cell[])[], width: number): string {
  const titleWidth = Math.max(...titles.map(displayWidth))
  const room = Math.max(MIN_COLUMN_WIDTH, width - titleWidth - GAP.length)
  const textOf = (row: readonly Cell[], column: number): string => {
    const text = row[column]?.text ?? ''
    return isWhole[column] === true ? text : cut(text, room)
  }
  const block = (row: readonly Cell[]): string =>
    titles.map((title, column) => `${padEnd(title, titleWidth)}${GAP}${textOf(row, column)}\n`).join('')
  return rows.map(block).join('\n')
}

/** Takes from the widest column that may be cut, one by one, until all fit; answers whether they do. */
function shrink(widths: number[], isWhole: readonly boolean[], width: number): boolean {
  let excess =
    widths.reduce((sum, columnWidth) => sum + columnWidth, 0) + GAP.length * (widths.length - 1) - width
  while (excess > 0) {
    const cuttable = widths.map((columnWidth, column) => (isWhole[column] === true ? 0 : columnWidth))
    const widest = Math.max(...cuttable)
    if (widest <= MIN_COLUMN_WIDTH) return false
    const index = cuttable.indexOf(widest)
    const others = Math.max(
      MIN_COLUMN_WIDTH,
      ...cuttable.filter((columnWidth, column) => column !== index && columnWidth !== widest),
    )
    const step = Math.min(excess, Math.max(1, widest - others))
    widths[index] = widest - step
    excess -= step
  }
  return true
}

function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)))
}

function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let keptWidth = 0
  for (const { segment } of graphemes.segment(text)) {
    const next = keptWidth + graphemeWidth(segment)
    if (next > width - 1) break
    kept += segment
    keptWidth = next
  }
  return `${kept}…`
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
const INVISIBLE = /^[\p{Mn}\p{Me}\p{Cf}]+$/u
/** East Asian characters, emoji, flags (two regional letters), and what the emoji selector makes one. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\ufe0f\u{1f1e6}-\u{1f1ff}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const PLAIN = /^[\u0020-\u007e]*$/

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment)
  return width
}

/** Of what is drawn as one: a letter with its marks, a family of emoji. */
function graphemeWidth(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0
  return WIDE.test(grapheme) ? 2 : 1
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
