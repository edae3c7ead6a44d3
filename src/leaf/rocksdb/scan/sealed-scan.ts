/**
 * A scan over the rows of a sealed shard: their heads in order, and of large rows just the chunks that are needed. Chunks
 * are read beside the cursor: sealed data does not change.
 */
import type { KeyOrder } from '../../../model/dataset.js'
import type { CellPosition, Row } from '../../../model/row.js'
import { NO_TOKEN, type RowBound, type RowPosition } from '../../../model/row-order.js'
import { sealedChunkKey, sealedHeadKey } from '../../row-codec.js'
import { checkCrc, SealedHead } from '../../sealed-row.js'
import { pickCells, type SealedPick } from '../../sealed-selection.js'
import type { Selection } from '../../selection.js'
import type { Cursor, Database } from '../store/binding.js'
import { Entries } from '../read/entries.js'
import { PAGE_BYTES_PER_CELL, tooLarge } from '../read/held-bytes.js'
import type { RowSource } from './scan-page.js'
import { type ScanTarget, ScanWish } from './scan-wish.js'

const FIRST_STEP = 32

/** Of one step; up to 16 KB each, and rarely more. */
const CHUNKS_PER_STEP = 32

/** All heads lie between these. */
const FIRST_HEAD = Buffer.from([0x01])
const BEHIND_HEADS = Buffer.from([0x02])

const TOKEN_SIZE = 8
const ZERO = Buffer.from([0x00])
const NO_CHUNKS: ReadonlyMap<number, Buffer> = new Map()

/** What is read of a row. */
interface CellWish {
  readonly selection: Selection
  readonly withTimestamps: boolean
  /** Page bytes. */
  readonly room: number
}

export class SealedScan implements RowSource {
  readonly steps: Generator<void, void>
  readonly #database: Database
  readonly #target: ScanTarget
  readonly #wish: ScanWish
  readonly #cursor: Cursor
  readonly #entries: Entries
  #chunkCount = 0
  #chunkBytes = 0

  constructor(database: Database, target: ScanTarget) {
    const { span, keyOrder, request } = target.scan
    const { isReversed } = request
    this.#database = database
    this.#target = target
    this.#wish = new ScanWish(target.scan)
    this.#cursor = database.openCursor({
      from: span.lower === null ? FIRST_HEAD : headBound(keyOrder, span.lower, true),
      to: span.upper === null ? BEHIND_HEADS : headBound(keyOrder, span.upper, false),
      isReversed,
      fillsCache: false,
    })
    this.#entries = new Entries(this.#cursor, {
      isReversed,
      firstStep: FIRST_STEP,
      expected: () => this.#leftHeads(),
    })
    this.steps = this.#run()
  }

  get readCount(): number {
    return this.#entries.readCount + this.#chunkCount
  }

  get readBytes(): number {
    return this.#entries.readBytes + this.#chunkBytes
  }

  close(): void {
    this.#cursor.close()
  }

  *#run(): Generator<void, void> {
    const { scan, page } = this.#target
    const { tested, selection, isImpossible } = this.#wish
    const entries = this.#entries
    if (isImpossible) return
    for (;;) {
      if (!entries.hasNext) {
        entries.letGo()
        yield
        if (!entries.fill()) return
      }
      if (!page.hasRoom()) return
      const position = rowOfHead(scan.keyOrder, entries.key)
      const head = new SealedHead(entries.value)
      const headBytes = entries.value.byteLength
      entries.advance()
      let row: Row | null = null
      let pageBytes = 0
      if (tested === null || (yield* this.#passes(head, position, tested))) {
        const wish = { selection, withTimestamps: scan.request.withTimestamps, room: page.leftBytes }
        const pick = this.#pick(head, wish)
        ;({ pageBytes } = pick)
        // One that the page would end before needs no chunks; what it holds is not held then either.
        const isHeld = page.rows.length === 0 || (pick.next === null && pageBytes <= page.leftBytes)
        if (isHeld) {
          page.held.charge(headBytes, pick.indexes.length)
          row = yield* this.#row(head, position, { wish, pick })
        } else row = NOT_HELD
      }
      if (!page.take(position, { row, pageBytes })) return
    }
  }

  /** One a row that is wanted, and a look behind the last; more where of those before only some were. */
  #leftHeads(): number {
    const { rows, leftRows } = this.#target.page
    if (this.#wish.tested !== null) return Number.POSITIVE_INFINITY
    const looked = this.#entries.readCount
    return rows.length === 0
      ? Math.max(leftRows + 1, looked)
      : Math.ceil((leftRows + 1) * Math.max(1, looked / rows.length))
  }

  *#passes(head: SealedHead, position: RowPosition, selection: Selection): Generator<void, boolean> {
    const wish = { selection, withTimestamps: true, room: Number.POSITIVE_INFINITY }
    return this.#wish.holds(yield* this.#row(head, position, { wish, pick: this.#pick(head, wish) }))
  }

  #pick(head: SealedHead, { selection, room }: CellWish): SealedPick {
    const { nowSeconds } = this.#target
    return pickCells(head, selection, { nowSeconds, room, bytesPerCell: PAGE_BYTES_PER_CELL })
  }

  *#row(
    head: SealedHead,
    position: RowPosition,
    { wish, pick }: { readonly wish: CellWish; readonly pick: SealedPick },
  ): Generator<void, Row | null> {
    const { indexes, next } = pick
    if (indexes.length === 0) return null
    const { keysOnly } = wish.selection
    const needed = keysOnly ? [] : head.chunksAt(indexes)
    const chunks = needed.length === 0 ? NO_CHUNKS : yield* this.#chunks(position, needed)
    const { nowSeconds, scan } = this.#target
    const { withTtl } = scan.request
    const cells = head.cellsAt(
      indexes,
      { withTimestamps: wish.withTimestamps, withTtl, nowSeconds, keysOnly },
      chunks,
    )
    return { cells, next }
  }

  *#chunks(
    { token, rowKey }: RowPosition,
    needed: readonly number[],
  ): Generator<void, ReadonlyMap<number, Buffer>> {
    const { scan, page } = this.#target
    const found = new Map<number, Buffer>()
    for (let first = 0; first < needed.length; first += CHUNKS_PER_STEP) {
      yield
      const part = needed.slice(first, first + CHUNKS_PER_STEP)
      const keys = part.map((chunk) => sealedChunkKey(scan.keyOrder, token, rowKey, chunk))
      for (const [i, stored] of this.#database.getMany(keys).entries()) {
        if (stored === null) throw tooLarge()
        if (stored === undefined) continue
        checkCrc(stored, 'chunk')
        page.held.charge(stored.byteLength)
        this.#chunkBytes += stored.byteLength
        found.set(part[i] ?? 0, stored)
      }
      this.#chunkCount += part.length
    }
    return found
  }
}

const START: CellPosition = { localKey: null, timestamp: null, columns: 0 }

/** Stands for a row that does not fit any more. */
const NOT_HELD: Row = { cells: [], next: START }

/** As boundKey: for lower bounds inclusive, for upper ones exclusive. */
function headBound(keyOrder: KeyOrder, { token, rowKey, isExclusive }: RowBound, isLower: boolean): Buffer {
  const key = sealedHeadKey(keyOrder, token, rowKey)
  return isLower === isExclusive ? Buffer.concat([key, ZERO]) : key
}

export function rowOfHead(keyOrder: KeyOrder, key: Buffer): RowPosition {
  if (keyOrder === 'ORDERED') return { token: NO_TOKEN, rowKey: key.subarray(1) }
  const token = { high: key.readInt32BE(1) ^ -0x80000000, low: key.readInt32BE(5) }
  return { token, rowKey: key.subarray(1 + TOKEN_SIZE) }
}
