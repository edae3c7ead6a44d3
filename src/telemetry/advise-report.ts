/**
 * Samples of requests and some stored rows -> what reading less would save. Pure.
 *
 * Sizes come from the stored rows, not from answers: whoever reads only some columns shows nothing of the others. What is
 * saved is estimated row by row, so that its interval knows how rows differ. Bytes are those of names and values; what a
 * protocol adds is not counted.
 */
import type { Row } from '../model/row.js'
import type { AdviceReport, ColumnAdvice, Estimate, ReaderAdvice, SampledReader } from '../base/usage.js'

/** Half the interval that holds the mean in 95 of 100 samples, in standard errors. */
const Z = 1.96
/** No case in n: with a certainty of 95 % the share is below 3 / n. */
const RULE_OF_THREE = 3

export interface AdviceInput {
  readonly dataset: string
  readonly sinceMs: number
  readonly readers: readonly SampledReader[]
  readonly rows: readonly Row[]
  readonly areRowsRandom: boolean
}

/** Sizes of a stored row's cells by column in base64. */
type RowSizes = ReadonlyMap<string, number>

export function adviceOf({ dataset, sinceMs, readers, rows, areRowsRandom }: AdviceInput): AdviceReport {
  const sizes = rows.map(sizesOf)
  const asked = new Set(readers.flatMap(({ columns }) => Object.keys(columns)))
  const sampledRequests = readers.reduce((sum, { requests }) => sum + requests, 0)
  const names = new Set([...asked, ...sizes.flatMap((row) => [...row.keys()])])
  const columns = [...names].map((name) => columnAdvice(name, { sizes, readers, sampledRequests }))
  return {
    dataset,
    sinceMs,
    sampledRequests,
    rows: rows.length,
    areRowsRandom,
    columns: columns.sort((one, other) => other.requests - one.requests || other.bytes.mean - one.bytes.mean),
    readers: readers
      .map((reader) => readerAdvice(reader, sizes, asked))
      .sort((one, other) => other.requests - one.requests),
  }
}

function columnAdvice(
  name: string,
  {
    sizes,
    readers,
    sampledRequests,
  }: {
    readonly sizes: readonly RowSizes[]
    readonly readers: readonly SampledReader[]
    readonly sampledRequests: number
  },
): ColumnAdvice {
  // Who reads the unnamed value alone asks for that column, although the sampler counts them apart.
  const countOf = ({ columns, unnamed }: SampledReader) => (columns[name] ?? 0) + (name === '' ? unnamed : 0)
  const naming = readers.filter((reader) => countOf(reader) > 0)
  const requests = naming.reduce((sum, reader) => sum + countOf(reader), 0)
  return {
    column: textOf(name),
    presence: sizes.length === 0 ? 0 : sizes.filter((row) => row.has(name)).length / sizes.length,
    bytes: estimate(sizes.map((row) => row.get(name) ?? 0)),
    requests,
    shareAtMost: shareAtMost(requests, sampledRequests),
    readers: naming.map(({ api, caller }) => `${api} ${caller ?? '(unnamed)'}`),
  }
}

function readerAdvice(
  { columns, ...reader }: SampledReader,
  sizes: readonly RowSizes[],
  asked: ReadonlySet<string>,
): ReaderAdvice {
  const named = Object.keys(columns).map(textOf).sort()
  const { whole, unnamed } = reader
  if (whole + unnamed === 0 || sizes.length === 0) {
    return { ...reader, columns: named, bytesNow: null, bytesProjected: null, saved: null }
  }
  // Of those that name no columns, in the shares in which they ask for the row and for the unnamed value.
  const share = whole / (whole + unnamed)
  const now = sizes.map((row) => share * sumOf(row, null) + (1 - share) * (row.get('') ?? 0))
  const projected = sizes.map((row) => sumOf(row, asked))
  const isKnown = asked.size > 0
  return {
    ...reader,
    columns: named,
    bytesNow: estimate(now),
    bytesProjected: isKnown ? estimate(projected) : null,
    saved: isKnown ? estimate(now.map((bytes, index) => bytes - (projected[index] ?? 0))) : null,
  }
}

function sizesOf({ cells }: Row): RowSizes {
  const sizes = new Map<string, number>()
  for (const { localKey, value } of cells) {
    const name = localKey.toString('base64')
    sizes.set(name, (sizes.get(name) ?? 0) + localKey.length + value.length)
  }
  return sizes
}

/** @param names null: all columns */
function sumOf(row: RowSizes, names: ReadonlySet<string> | null): number {
  let sum = 0
  for (const [name, size] of row) if (names === null || names.has(name)) sum += size
  return sum
}

function estimate(values: readonly number[]): Estimate {
  const count = values.length
  if (count === 0) return { mean: 0, low: 0, high: 0 }
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const half = count < 2 ? 0 : (Z * Math.sqrt(squares / (count - 1))) / Math.sqrt(count)
  return { mean, low: mean - half, high: mean + half }
}

/** Upper end of the interval of a share; the normal one where there are cases, the rule of three where there are none. */
function shareAtMost(cases: number, of: number): number {
  if (of === 0) return 1
  const share = cases / of
  const half = cases === 0 ? RULE_OF_THREE / of : Z * Math.sqrt((share * (1 - share)) / of)
  return Math.min(1, share + half)
}

/** Names that are no text stand as `base64:...`, as the command shows bytes. */
function textOf(base64: string): string {
  const bytes = Buffer.from(base64, 'base64')
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : `base64:${base64}`
}
