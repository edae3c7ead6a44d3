/**
 * The tokens that callers carry for us: where a page ended, and what a session has seen. They hold everything, so that no
 * server keeps state for them, and an HMAC, so that only what this deployment made is believed.
 *
 * Format 1, integers big-endian; FORMATS.md has it too. All but the body is of fixed size:
 *
 *     u8 format = 1 | u8 kind | u64 dataset | u64 side | i64 version | 16 B request | body | 16 B HMAC-SHA-256, cut
 *
 * kind      1 row page, 2 scan page, 3 session (without side, request and body)
 * dataset   keyed digest of the dataset's id: a dataset made anew under the same name is another one
 * side      keyed digest of who answered, the leaf tier or an origin by name: a sequence never changes it
 * version   BATCH: the version that answered; READ_WRITE: the generation of the live data
 * request   digest of what is asked for (digest.ts)
 *
 * Guarantees: a token that was not made with this key, was cut, or belongs to something else is refused before a byte of
 * its body is looked at; comparisons take the same time wherever they differ; a token names nothing of where data lies.
 * Positions hold the caller's own keys. The key is one for all servers of a deployment.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { EMPTY_BYTES } from '../base/bytes.js'
import { KVError } from '../base/errors.js'
import type { CellPosition } from '../model/row.js'
import type { RowPosition } from '../model/row-order.js'
import { DIGEST_BYTES } from './digest.js'

const FORMAT = 1
const KINDS = { ROW: 1, SCAN: 2, SESSION: 3 } as const
const MAC_BYTES = 16
const NAME_BYTES = 8
const KEY_BYTES = 32
/** Up to the body. */
const PAGE_HEAD_BYTES = 2 + NAME_BYTES + NAME_BYTES + 8 + DIGEST_BYTES
const SESSION_BYTES = 2 + NAME_BYTES + 8

/** Bits of a body's flags. Never renumber. */
const HAS_LOCAL_KEY = 1
const HAS_TIMESTAMP = 2
const IS_BEFORE = 4
const HAS_ORIGIN_TOKEN = 8

/** Who answers a sequence of pages. */
export interface PageHome {
  readonly datasetId: string
  /** Name of the origin; empty: the leaf tier. */
  readonly side: string
}

/** What a page token is about, beside its position. */
export interface PageIdentity extends PageHome {
  /** BATCH: the version; READ_WRITE: the generation. */
  readonly version: number
  /** As digest.ts makes it. */
  readonly request: Buffer
}

export interface ScanPageBody {
  readonly position: RowPosition
  /** What is left of the caller's limit of rows; null: no limit. */
  readonly rowsLeft: number | null
}

export class Tokens {
  readonly #key: Buffer

  /** @param key 32 secret bytes */
  constructor(key: Uint8Array) {
    if (key.byteLength !== KEY_BYTES) {
      throw new KVError('INTERNAL', `a token key of ${key.byteLength} bytes, not ${KEY_BYTES}`)
    }
    this.#key = Buffer.from(key)
  }

  sealRowPage(identity: PageIdentity, position: CellPosition): Buffer {
    return this.#sealPage(KINDS.ROW, identity, encodeCellPosition(position))
  }

  /** @throws {KVError} BAD_PAGE_TOKEN, VERSION_NOT_FOUND when the side that began the sequence does not answer any more */
  openRowPage(
    token: Buffer,
    home: PageHome,
    request: Buffer,
  ): { readonly version: number; readonly position: CellPosition } {
    const { version, body } = this.#openPage(KINDS.ROW, token, { ...home, request })
    return { version, position: decodeCellPosition(body) }
  }

  sealScanPage(identity: PageIdentity, body: ScanPageBody): Buffer {
    return this.#sealPage(KINDS.SCAN, identity, encodeScanPage(body))
  }

  /** @throws {KVError} as openRowPage */
  openScanPage(token: Buffer, home: PageHome, request: Buffer): { readonly version: number } & ScanPageBody {
    const { version, body } = this.#openPage(KINDS.SCAN, token, { ...home, request })
    return { version, ...decodeScanPage(body) }
  }

  sealSession(datasetId: string, generation: number): Buffer {
    const content = Buffer.alloc(SESSION_BYTES)
    content[0] = FORMAT
    content[1] = KINDS.SESSION
    this.#name('dataset', datasetId).copy(content, 2)
    content.writeBigInt64BE(BigInt(generation), 2 + NAME_BYTES)
    return Buffer.concat([content, this.#mac(content)])
  }

  /**
   * Answers the generation of the dataset that the session has seen.
   * @throws {KVError} BAD_SESSION_TOKEN
   */
  openSession(token: Buffer, datasetId: string): number {
    const content = this.#authentic(token, KINDS.SESSION)
    if (content === null || content.length !== SESSION_BYTES) {
      throw new KVError('BAD_SESSION_TOKEN', 'the session token was not made by this service or is damaged')
    }
    if (!timingSafeEqual(content.subarray(2, 2 + NAME_BYTES), this.#name('dataset', datasetId))) {
      throw new KVError('BAD_SESSION_TOKEN', 'the session token is of another dataset')
    }
    return Number(content.readBigInt64BE(2 + NAME_BYTES))
  }

  #sealPage(kind: number, { datasetId, side, version, request }: PageIdentity, body: Buffer): Buffer {
    const head = Buffer.alloc(PAGE_HEAD_BYTES)
    head[0] = FORMAT
    head[1] = kind
    let at = 2 + this.#name('dataset', datasetId).copy(head, 2)
    at += this.#name('side', side).copy(head, at)
    at = head.writeBigInt64BE(BigInt(version), at)
    request.copy(head, at)
    const content = Buffer.concat([head, body])
    return Buffer.concat([content, this.#mac(content)])
  }

  #openPage(
    kind: number,
    token: Buffer,
    { datasetId, side, request }: Omit<PageIdentity, 'version'>,
  ): { readonly version: number; readonly body: Buffer } {
    const content = this.#authentic(token, kind)
    if (content === null || content.length < PAGE_HEAD_BYTES) {
      throw badPage('was not made by this service for this method, or is damaged')
    }
    const sideAt = 2 + NAME_BYTES
    const versionAt = sideAt + NAME_BYTES
    const requestAt = versionAt + 8
    if (!timingSafeEqual(content.subarray(2, sideAt), this.#name('dataset', datasetId))) {
      throw badPage('is of another dataset')
    }
    if (!timingSafeEqual(content.subarray(requestAt, requestAt + DIGEST_BYTES), request)) {
      throw badPage('is of another request: repeat everything but page sizes and context')
    }
    if (!timingSafeEqual(content.subarray(sideAt, versionAt), this.#name('side', side))) {
      throw new KVError(
        'VERSION_NOT_FOUND',
        'what answered the pages before does not answer any more: read again from the start',
      )
    }
    return {
      version: Number(content.readBigInt64BE(versionAt)),
      body: content.subarray(requestAt + DIGEST_BYTES),
    }
  }

  /** What the HMAC covers; null unless it fits and the token is of this kind. */
  #authentic(token: Buffer, kind: number): Buffer | null {
    const size = token.length - MAC_BYTES
    if (size < 2) return null
    const content = token.subarray(0, size)
    if (!timingSafeEqual(token.subarray(size), this.#mac(content))) return null
    return content[0] === FORMAT && content[1] === kind ? content : null
  }

  #mac(content: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(content).digest().subarray(0, MAC_BYTES)
  }

  /** Tells two names apart without telling the name. `role` keeps datasets and sides, and tokens from both, apart. */
  #name(role: 'dataset' | 'side', name: string): Buffer {
    // A token's content begins with its format, a small number: no name can be mistaken for one.
    const digest = createHmac('sha256', this.#key).update(`${role} ${name}`).digest()
    return digest.subarray(0, NAME_BYTES)
  }
}

function badPage(what: string): KVError {
  return new KVError('BAD_PAGE_TOKEN', `the page token ${what}`)
}

/** `u8 flags | u32 columns | i64 timestamp | u16 size, local key | the rest: the origin's token`. */
function encodeCellPosition({ localKey, timestamp, columns, originToken }: CellPosition): Buffer {
  const head = Buffer.alloc(15)
  head[0] =
    (localKey === null ? 0 : HAS_LOCAL_KEY) |
    (timestamp === null ? 0 : HAS_TIMESTAMP) |
    (originToken === undefined ? 0 : HAS_ORIGIN_TOKEN)
  head.writeUInt32BE(columns, 1)
  head.writeBigInt64BE(timestamp ?? 0n, 5)
  head.writeUInt16BE(localKey === null ? 0 : localKey.length, 13)
  return Buffer.concat([head, localKey ?? EMPTY_BYTES, originToken ?? EMPTY_BYTES])
}

/** The body is authentic: it is as it was written. */
function decodeCellPosition(body: Buffer): CellPosition {
  const flags = body.readUInt8(0)
  const keyEnd = 15 + body.readUInt16BE(13)
  const position: CellPosition = {
    localKey: (flags & HAS_LOCAL_KEY) === 0 ? null : body.subarray(15, keyEnd),
    timestamp: (flags & HAS_TIMESTAMP) === 0 ? null : body.readBigInt64BE(5),
    columns: body.readUInt32BE(1),
  }
  return (flags & HAS_ORIGIN_TOKEN) === 0 ? position : { ...position, originToken: body.subarray(keyEnd) }
}

/** `u8 flags | i64 rows left, -1 for no limit | i32, i32 token | u16 size, row key | the rest: the origin's token`. */
function encodeScanPage({ position, rowsLeft }: ScanPageBody): Buffer {
  const { token, rowKey, isBefore, originToken } = position
  const head = Buffer.alloc(19)
  head[0] = (isBefore === true ? IS_BEFORE : 0) | (originToken === undefined ? 0 : HAS_ORIGIN_TOKEN)
  head.writeBigInt64BE(rowsLeft === null ? -1n : BigInt(rowsLeft), 1)
  head.writeInt32BE(token.high, 9)
  head.writeInt32BE(token.low | 0, 13)
  head.writeUInt16BE(rowKey.length, 17)
  return Buffer.concat([head, rowKey, originToken ?? EMPTY_BYTES])
}

function decodeScanPage(body: Buffer): ScanPageBody {
  const flags = body.readUInt8(0)
  const rowsLeft = body.readBigInt64BE(1)
  const keyEnd = 19 + body.readUInt16BE(17)
  const position: RowPosition = {
    token: { high: body.readInt32BE(9), low: body.readInt32BE(13) },
    rowKey: body.subarray(19, keyEnd),
    ...((flags & IS_BEFORE) === 0 ? {} : { isBefore: true }),
    ...((flags & HAS_ORIGIN_TOKEN) === 0 ? {} : { originToken: body.subarray(keyEnd) }),
  }
  return { position, rowsLeft: rowsLeft < 0n ? null : Number(rowsLeft) }
}
