/**
 * Reads of one row of a shard that can be written, in one snapshot however many steps they take, with room for others
 * between the steps. The answer is what row-collector.ts makes of the entries.
 */
import type { WritableFormat } from '../../../model/cluster-map.js'
import type { Cell, Row } from '../../../model/row.js'
import { mutableRowEnd } from '../../row-codec.js'
import type { Cursor, Database } from '../store/binding.js'
import { Entries } from './entries.js'
import { historyCollector } from './history-row.js'
import { MutableCollector } from './mutable-row.js'
import type { RowBounds, RowCollector, RowWish } from './row-collector.js'
import { firstStepOf, rangeStepOf, RowWalk, walkEnd } from './row-walk.js'
import type { SupersededKeys } from './superseded.js'

/** Selecting more columns than this walks the row: a MultiGet may not outgrow its bound. */
export const MAX_POINT_COLUMNS = 1_000

export interface RowReadOptions {
  readonly format: WritableFormat
  readonly metaKey: Buffer
  readonly wish: RowWish
  readonly bounds: RowBounds
}

/** One row that is read step by step. Holds a cursor until it is closed, which the caller must do. */
export class RowRead {
  readonly #cursor: Cursor
  readonly #entries: Entries
  readonly #collector: RowCollector
  readonly #steps: Generator<void, void>
  readonly #superseded: SupersededKeys | undefined

  constructor(database: Database, { format, metaKey, wish, bounds }: RowReadOptions) {
    const { selection } = wish
    const { isReversed } = selection
    this.#collector = collectorOf(format, wish, bounds)
    this.#superseded = wish.superseded
    this.#cursor = database.openCursor({
      from: metaKey,
      to: isReversed ? mutableRowEnd(metaKey) : walkEnd(metaKey, format, selection),
      isReversed,
      fillsCache: true,
    })
    this.#entries = new Entries(this.#cursor, { isReversed, firstStep: firstStepOf(selection) })
    const rangeStep = rangeStepOf(selection)
    const walk = new RowWalk(this.#entries, this.#collector, {
      format,
      selection,
      rangeStep,
      endsWithCursor: true,
    })
    this.#steps = walk.run(metaKey)
    this.#steps.next()
  }

  /** Bytes read so far, of what is answered and of what is not. */
  get readBytes(): number {
    return this.#entries.readBytes
  }

  /** The first cell that it has found so far; null: none yet. */
  get firstCell(): Cell | null {
    return this.#collector.found.row?.cells[0] ?? null
  }

  /**
   * Reads the next step, of at most 256 entries and 1 MiB or one entry: the row, null when there is none; undefined while
   * there is more to read.
   * @throws {KVError} TOO_LARGE, CORRUPT, SHARD_NOT_SERVING
   */
  next(): Row | null | undefined {
    if (this.#steps.next().done !== true) return undefined
    this.#superseded?.finish()
    return this.#collector.found.row
  }

  close(): void {
    this.#cursor.close()
  }
}

export function collectorOf(format: WritableFormat, wish: RowWish, bounds: RowBounds): RowCollector {
  return format === 'history' ? historyCollector(wish, bounds) : new MutableCollector(wish, bounds)
}
