/**
 * A scan over the rows of a shard that can be written. Each row is walked as a single one is (row-walk.ts), with the same
 * cursor; where conditions look at columns they are read first, and what is wanted then. Keys that are no row's cells
 * (the shard's own, records of writes) and columns that are not wanted are passed over by seeks.
 */
import { KVError } from '../../../base/errors.js'
import type { WritableFormat } from '../../../model/cluster-map.js'
import { boundKey, FIRST_ROW_KEY, rowOfKey, splitRowKey, wholeRowEnd } from '../../row-codec.js'
import { type Selection, turned } from '../../selection.js'
import type { Cursor, Database } from '../store/binding.js'
import { Entries } from '../read/entries.js'
import { HeldBytes } from '../read/held-bytes.js'
import { isOfRow } from '../store/key-bytes.js'
import type { RowCollector } from '../read/row-collector.js'
import { collectorOf } from '../read/row-read.js'
import { RowWalk } from '../read/row-walk.js'
import type { RowSource } from './scan-page.js'
import { type ScanTarget, ScanWish } from './scan-wish.js'

/** Entries of the first step; more follow at once if there are more rows. */
const FIRST_STEP = 32

/** Walks the same columns of row after row. */
interface RowReader {
  readonly walk: RowWalk
  readonly collector: RowCollector
}

export class RowScan implements RowSource {
  readonly steps: Generator<void, void>
  readonly #target: ScanTarget
  readonly #wish: ScanWish
  readonly #cursor: Cursor
  readonly #entries: Entries
  readonly #answered: RowReader
  readonly #tested: RowReader | null

  constructor(database: Database, format: WritableFormat, target: ScanTarget) {
    const { scan } = target
    const { span, keyOrder, request } = scan
    const { isReversed } = request
    this.#target = target
    this.#wish = new ScanWish(scan)
    this.#cursor = database.openCursor({
      from: span.lower === null ? FIRST_ROW_KEY : boundKey(keyOrder, span.lower, true),
      to: span.upper === null ? null : boundKey(keyOrder, span.upper, false),
      isReversed,
      fillsCache: false,
    })
    this.#entries = new Entries(this.#cursor, {
      isReversed,
      firstStep: FIRST_STEP,
      expected: () => this.#leftEntries(),
    })
    const { tested, selection } = this.#wish
    this.#answered = this.#reader(format, selection, request.withTimestamps)
    this.#tested = tested === null ? null : this.#reader(format, tested, true)
    this.steps = this.#run()
  }

  get readCount(): number {
    return this.#entries.readCount
  }

  get readBytes(): number {
    return this.#entries.readBytes
  }

  close(): void {
    this.#cursor.close()
  }

  #reader(format: WritableFormat, wanted: Selection, withTimestamps: boolean): RowReader {
    const { scan, page, nowSeconds } = this.#target
    const { maxCellVersions } = scan.incarnation
    const { withTtl, isReversed } = scan.request
    const isTurned = wanted.isReversed !== isReversed
    const selection = isTurned ? turned(wanted) : wanted
    const { superseded } = this.#target
    const wish = { selection, maxCellVersions, withTimestamps, withTtl, nowSeconds, isTurned, superseded }
    const collector = collectorOf(format, wish, { held: page.held, room: page.leftBytes })
    return { collector, walk: new RowWalk(this.#entries, collector, { format, selection }) }
  }

  *#run(): Generator<void, void> {
    const { scan, page } = this.#target
    const { keyOrder } = scan
    const entries = this.#entries
    if (this.#wish.isImpossible) return
    for (;;) {
      if (!entries.hasNext) {
        yield
        if (!entries.fill()) return
      }
      if (!page.hasRoom()) return
      const { key } = entries
      const part = splitRowKey(keyOrder, key)
      if (part === null) throw new KVError('CORRUPT', `stored key of ${key.byteLength} bytes is no row's`)
      const metaKey = metaKeyOf(key, part.metaSize)
      const { collector, walk } = this.#answered
      collector.begin({ held: page.held, room: page.leftBytes })
      const isWanted = this.#tested === null || (yield* this.#passes(this.#tested, metaKey))
      if (isWanted) yield* walk.run(metaKey)
      const position = rowOfKey(keyOrder, metaKey, metaKey.byteLength)
      if (!page.take(position, collector.found)) return
      this.#leave(metaKey)
    }
  }

  /** What the rest of the page and a look behind it take if its rows are as those before. */
  #leftEntries(): number {
    const { rows, leftRows } = this.#target.page
    if (this.#tested !== null || rows.length === 0) return Number.POSITIVE_INFINITY
    return Math.ceil(((leftRows + 1) * this.#entries.readCount) / rows.length)
  }

  *#passes({ collector, walk }: RowReader, metaKey: Buffer): Generator<void, boolean> {
    const entries = this.#entries
    collector.begin({ held: new HeldBytes(), room: Number.POSITIVE_INFINITY })
    yield* walk.run(metaKey)
    if (!this.#wish.holds(collector.found.row)) return false
    // A reversed walk seeks its row's deletions by itself.
    if (!this.#isReversed) entries.seek(metaKey)
    return true
  }

  /** Behind everything of a row, records of writes included. */
  #leave(metaKey: Buffer): void {
    const entries = this.#entries
    if (this.#isReversed) entries.seek(metaKey)
    else if (!entries.hasNext || isOfRow(entries.key, metaKey)) entries.seek(wholeRowEnd(metaKey))
  }

  get #isReversed(): boolean {
    return this.#target.scan.request.isReversed
  }
}

/** The meta key of the row that a key is a part of. */
function metaKeyOf(key: Buffer, metaSize: number): Buffer {
  const metaKey = Buffer.from(key.subarray(0, metaSize))
  metaKey[metaSize - 1] = 0x00
  return metaKey
}
