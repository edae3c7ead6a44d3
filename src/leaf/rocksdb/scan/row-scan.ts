/**
 * A scan over the rows of a shard that can be written. Each row is walked as a single one is (row-walk.ts), with the same
 * cursor; where conditions look at columns they are read first, and what is wanted then. Keys that are no row's cells
 * (the shard's own, records of writes) and columns that are not wanted are passed over by seeks.
 */
import { KVError } from '../../../base/errors.js'
import type { WritableFormat } from '../../../model/cluster-map.js'
import { boundKey, FIRST_ROW_KEY, rowOfKey, type RowPart, splitRowKey, wholeRowEnd } from '../../row-codec.js'
import { isEveryColumn, type Selection, turned } from '../../selection.js'
import type { Cursor, Database } from '../store/binding.js'
import { Entries } from '../read/entries.js'
import { HeldBytes } from '../read/held-bytes.js'
import { isOfRow } from '../store/key-bytes.js'
import type { RowCollector } from '../read/row-collector.js'
import { collectorOf } from '../read/row-read.js'
import { behindColumn, CELL_PART, META_PART, RowWalk } from '../read/row-walk.js'
import type { RowSource } from './scan-page.js'
import { type ScanTarget, ScanWish } from './scan-wish.js'

/** Entries of the first step; more follow at once if there are more rows. */
const FIRST_STEP = 32

/** The row that the walk is in. */
interface WalkedRow {
  /** Its first stored key, and how much of it is the row's. */
  readonly key: Buffer
  readonly metaSize: number
  /** The last cell that was looked at. */
  lastCell: Buffer | null
}

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
    const isPlain = tested === null && !isReversed && isEveryColumn(selection)
    this.steps = isPlain ? this.#runWhole() : this.#run()
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

  /** Whole rows from the first to the last: one walk over all entries, where making one for each row costs a tenth more. */
  *#runWhole(): Generator<void, void> {
    const { page } = this.#target
    const entries = this.#entries
    const { collector } = this.#answered
    if (this.#wish.isImpossible) return
    let row: WalkedRow | null = null
    for (;;) {
      if (!entries.hasNext) {
        // As in a walk of one row: older versions of a column that is through are left out rather than read.
        if (row?.lastCell != null && collector.isColumnThrough) entries.seek(behindColumn(row.lastCell))
        entries.letGo()
        yield
        if (!entries.fill()) break
      }
      const { key } = entries
      if (row === null || !isOfRow(key, row.key, row.metaSize)) {
        if (row !== null && !this.#takeRow(row)) return
        if (!page.hasRoom()) return
        row = { key, metaSize: this.#partOf(key).metaSize, lastCell: null }
        collector.begin({ held: page.held, room: page.leftBytes })
      }
      const { metaSize } = row
      const part = key[metaSize - 1]
      if (part === CELL_PART && collector.take(metaSize, key, entries.value) === 'MORE') row.lastCell = key
      else if (part === META_PART && key.length === metaSize) collector.takeRowTombstone(entries.value)
      else if (part === META_PART) collector.takeRangeTombstones(entries.value)
      else {
        // A record of a write, or more than is wanted of the row: it is through.
        if (!this.#takeRow(row)) return
        row = null
        entries.seek(wholeRowEnd(metaKeyOf(key, metaSize)))
        continue
      }
      entries.advance()
    }
    if (row !== null) this.#takeRow(row)
  }

  /** Answers whether there may be another. */
  #takeRow({ key, metaSize }: WalkedRow): boolean {
    const { scan, page } = this.#target
    return page.take(rowOfKey(scan.keyOrder, key, metaSize), this.#answered.collector.found)
  }

  /** @throws {KVError} CORRUPT */
  #partOf(key: Buffer): RowPart {
    const part = splitRowKey(this.#target.scan.keyOrder, key)
    if (part === null) throw new KVError('CORRUPT', `stored key of ${key.length} bytes is no row's`)
    return part
  }

  *#run(): Generator<void, void> {
    const { scan, page } = this.#target
    const { keyOrder } = scan
    const entries = this.#entries
    if (this.#wish.isImpossible) return
    for (;;) {
      if (!entries.hasNext) {
        entries.letGo()
        yield
        if (!entries.fill()) return
      }
      if (!page.hasRoom()) return
      const { key } = entries
      const metaKey = metaKeyOf(key, this.#partOf(key).metaSize)
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
    const { page } = this.#target
    page.tested = new HeldBytes()
    collector.begin({ held: page.tested, room: Number.POSITIVE_INFINITY })
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
