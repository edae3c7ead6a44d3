/** Files of requests for the load generator. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pickRows, rowKey, rowValue, wideColumn } from './dataset.js'
import type { BenchContext } from './harness.js'
import { encodeCalls, types } from './stock-thrift.js'
import { WIDE, WIDE_ROWS } from './workspace.js'

/** The file's path; made on first use and kept while the bench runs. */
export function frameFile(context: BenchContext, name: string, make: () => Buffer): string {
  const path = join(context.folder, `${name}.frames`)
  if (!existsSync(path)) writeFileSync(path, make())
  return path
}

/** Gets of whole rows, one for each hot row. */
export function getFrames(context: BenchContext, dataset: string): string {
  return frameFile(context, `get-${dataset}`, () =>
    encodeCalls(
      'get',
      hotKeys(context).map((key) => new types.GetRequest({ dataset, key })),
    ),
  )
}

/** Gets of two columns that do not lie together, one for each wide row. */
export function projectionFrames(context: BenchContext): string {
  return frameFile(context, 'projection', () => {
    const localKeys = [wideColumn(7), wideColumn(22)].map((name) => Buffer.from(name))
    const cells = new types.CellSelector({ localKeys })
    return encodeCalls(
      'get',
      Array.from(
        { length: WIDE_ROWS },
        (_, row) => new types.GetRequest({ dataset: WIDE, key: rowKey(row), cells }),
      ),
    )
  })
}

/** The hot rows once over, `keysEach` a request. */
export function multiGetFrames(context: BenchContext, dataset: string, keysEach: number): string {
  return frameFile(context, `multi-get-${dataset}`, () => {
    return encodeCalls(
      'multiGet',
      hotBatches(context, keysEach).map((some) => new types.MultiGetRequest({ dataset, keys: some })),
    )
  })
}

/** The hot rows' keys, `keysEach` together. */
export function hotBatches(context: BenchContext, keysEach: number): Buffer[][] {
  const keys = hotKeys(context)
  return Array.from({ length: Math.floor(keys.length / keysEach) }, (_, index) =>
    keys.slice(index * keysEach, (index + 1) * keysEach),
  )
}

export function hotKeys({ hotRows, rows }: BenchContext): Buffer[] {
  return pickRows(hotRows, rows).map(rowKey)
}

/** Writes of the unnamed value of each hot row; the dataset's default durability holds. */
export function putFrames(context: BenchContext, dataset: string): string {
  return frameFile(context, `put-${dataset}`, () =>
    encodeCalls(
      'put',
      hotKeys(context).map((key, index) => new types.PutRequest({ dataset, key, value: rowValue(index) })),
    ),
  )
}
