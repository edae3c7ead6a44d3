/**
 * What tokens need of a dataset and a request: who answers, which version, which question. Made only for requests that
 * bring a token or may be answered with one, from the ClusterMap of the tick in which the request is admitted.
 */
import { KVError } from '../base/errors.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import { type Side, hasTwoSides } from '../model/migration.js'
import type { ReadRequest, ReadResult } from '../model/request.js'
import type { CellPosition } from '../model/row.js'
import type { ScanRequest, ScanResult } from '../model/scan.js'
import type * as wire from '../thrift/generated/kvstore.js'
import { type RowQuestion, digestOfRow, digestOfScan } from './digest.js'
import type { PageHome, PageIdentity, Tokens } from './tokens.js'

/** For answers without a version, which an origin may give. */
const NO_VERSION = -1

/** Who answered, from which version. */
type Answerer = Pick<ReadResult, 'datasetVersion' | 'side'>

export class AnswerTokens {
  readonly #tokens: Tokens
  readonly #entry: DatasetEntry

  constructor(tokens: Tokens, entry: DatasetEntry) {
    this.#tokens = tokens
    this.#entry = entry
  }

  /** The read that goes on where the token says. @throws {KVError} BAD_PAGE_TOKEN, VERSION_NOT_FOUND */
  continueRead(read: ReadRequest, token: Buffer): ReadRequest {
    const question = { ...read, rowKey: read.rowKeys[0] ?? Buffer.alloc(0) }
    const digest = digestOfRow(question)
    const { side, opened } = this.#open((home) => this.#tokens.openRowPage(token, home, digest))
    const datasetVersion = this.#pinned(read.datasetVersion, opened.version)
    return { ...read, datasetVersion, position: opened.position, ...side }
  }

  /** Where row `index` of the read goes on: for get() with the same key, selector and options. */
  rowToken(read: ReadRequest, index: number, next: CellPosition, answerer: Answerer): Buffer {
    const selector = read.selectorsByKey === null ? read.selector : (read.selectorsByKey[index] ?? null)
    const rowKey = read.rowKeys[index] ?? Buffer.alloc(0)
    return this.#sealRow({ ...read, rowKey, selector }, next, answerer)
  }

  /** Where a row that a scan cut goes on: for get(), as above. */
  scannedRowToken(scan: ScanRequest, rowKey: Buffer, next: CellPosition, answerer: Answerer): Buffer {
    return this.#sealRow({ ...scan, rowKey, selector: scan.selector }, next, answerer)
  }

  /** The scan that goes on where the token says. @throws {KVError} BAD_PAGE_TOKEN, VERSION_NOT_FOUND */
  continueScan(scan: ScanRequest, token: Buffer, order: number | null): ScanRequest {
    const digest = digestOfScan(scan, scan.limit, order)
    const { side, opened } = this.#open((home) => this.#tokens.openScanPage(token, home, digest))
    const datasetVersion = this.#pinned(scan.datasetVersion, opened.version)
    return { ...scan, datasetVersion, position: opened.position, limit: opened.rowsLeft, ...side }
  }

  /** Where the scan goes on; null: that was all. `request` is what the caller sent with this page. */
  scanToken(
    scan: ScanRequest,
    result: ScanResult,
    request: Pick<wire.ScanRequest, 'limit' | 'order'>,
  ): Buffer | null {
    if (result.next === null) return null
    const rowsLeft = scan.limit === null ? null : scan.limit - result.rows.length
    if (rowsLeft !== null && rowsLeft <= 0) return null
    const identity = this.#identity(digestOfScan(scan, request.limit, request.order), result)
    return this.#tokens.sealScanPage(identity, { position: result.next, rowsLeft })
  }

  /** What a session that reads or writes now has seen. */
  sessionToken(): Buffer {
    const { id, generation } = this.#entry.record
    return this.#tokens.sealSession(id, generation)
  }

  /** @throws {KVError} BAD_SESSION_TOKEN, UNAVAILABLE when this server has not seen yet what the session has */
  checkSession(token: Buffer): void {
    const { id, name, generation } = this.#entry.record
    if (this.#tokens.openSession(token, id) <= generation) return
    throw new KVError('UNAVAILABLE', `dataset ${name}: this server is behind the session: try again`, {
      dataset: name,
      outcome: 'NOT_APPLIED',
    })
  }

  info({ datasetVersion, side }: Answerer): wire.ReadInfo {
    return {
      datasetVersion: datasetVersion === null ? null : BigInt(datasetVersion),
      // A row has one leaf, which answers behind every write that it acknowledged. What an origin does, it keeps to itself.
      stalenessMs: this.#isOrigin(side) ? null : 0,
      sessionToken: this.sessionToken(),
      cluster: null,
    }
  }

  #sealRow(question: RowQuestion, next: CellPosition, answerer: Answerer): Buffer {
    return this.#tokens.sealRowPage(this.#identity(digestOfRow(question), answerer), next)
  }

  /** Opens a token of whichever side the dataset has; `side` is to be added to the request where there are two. */
  #open<T>(open: (home: PageHome) => T): { readonly opened: T; readonly side: { readonly side?: Side } } {
    if (!hasTwoSides(this.#entry.record.migrationState)) return { opened: open(this.#home()), side: {} }
    try {
      return { opened: open(this.#home('TARGET')), side: { side: 'TARGET' } }
    } catch (error) {
      // All but the side is right.
      if (!(error instanceof KVError) || error.code !== 'VERSION_NOT_FOUND') throw error
      return { opened: open(this.#home('ORIGIN')), side: { side: 'ORIGIN' } }
    }
  }

  /** @param side absent: the dataset has one only */
  #home(side?: Side): PageHome {
    const { id, origin } = this.#entry.record
    return { datasetId: id, side: this.#isOrigin(side) ? (origin ?? '') : '' }
  }

  #isOrigin(side: Side | undefined): boolean {
    return side === undefined ? this.#entry.record.migrationState === 'ORIGIN_ONLY' : side === 'ORIGIN'
  }

  #identity(request: Buffer, { datasetVersion, side }: Answerer): PageIdentity {
    const { mode, generation } = this.#entry.record
    const version = mode === 'BATCH' ? (datasetVersion ?? NO_VERSION) : generation
    return { ...this.#home(side), version, request }
  }

  /**
   * A sequence stays on the version that it began with. Another generation of live data holds the same rows under the
   * same keys, so that a position in it means the same: the sequence goes on.
   */
  #pinned(asked: number | null, begun: number): number | null {
    if (this.#entry.record.mode !== 'BATCH' || begun === NO_VERSION) return asked
    if (asked === null || asked === begun) return begun
    throw new KVError('BAD_PAGE_TOKEN', `the page token is of version ${begun}, not of the pinned one`)
  }
}
