/**
 * What a write with an idempotency token answered, stored beside the row in the same batch as the write itself:
 *
 *     record  u8 format (1) | u32 atSeconds | i64 generationTimeUs | run fingerprint | result (program-wire.ts)
 *
 * Big-endian; a run is its size in 32 bits and its bytes. A change of this, or of a result, is a format break.
 */
import { KVError } from '../../../base/errors.js'
import { limits } from '../../../base/limits.js'
import type { IdempotencyToken, MutateResult } from '../../../model/request.js'
import { decodeResult, encodeResult } from './program-wire.js'
import { WireOutput } from './wire-bytes.js'

const FORMAT = 1
const AT_SECONDS = 1
const FINGERPRINT_SIZE_AT = 13
const HEAD_SIZE = 17

export function encodeWriteRecord(token: IdempotencyToken, result: MutateResult, nowSeconds: number): Buffer {
  const output = new WireOutput(128)
  output.u8(FORMAT)
  output.u32(nowSeconds)
  output.i64(token.generationTimeUs)
  output.run(token.fingerprint)
  encodeResult(output, result)
  const bytes = output.take()
  return Buffer.from(bytes.buffer, 0, bytes.byteLength)
}

/** Whether what a record says has been forgotten by now. A clock that was set back makes it last longer. */
export function isForgotten(record: Buffer, nowSeconds: number): boolean {
  return nowSeconds - writtenAtSeconds(record) >= limits.idempotencyWindowSeconds
}

/**
 * What the write answered then; null when it was forgotten.
 * @throws {KVError} IDEMPOTENCY_MISMATCH when the token was used for something else, CORRUPT
 */
export function repeatedResult(
  record: Buffer | undefined,
  token: IdempotencyToken,
  nowSeconds: number,
): MutateResult | null {
  if (record === undefined || isForgotten(record, nowSeconds)) return null
  const fingerprintEnd = HEAD_SIZE + record.readUInt32BE(FINGERPRINT_SIZE_AT)
  if (!record.subarray(HEAD_SIZE, fingerprintEnd).equals(token.fingerprint)) {
    throw new KVError(
      'IDEMPOTENCY_MISMATCH',
      'the idempotency token was used for another write: make a new one',
      { outcome: 'NOT_APPLIED' },
    )
  }
  try {
    return { ...decodeResult(record.subarray(fingerprintEnd)), isRepeated: true }
  } catch (error) {
    throw damaged(record, error)
  }
}

function writtenAtSeconds(record: Buffer): number {
  if (record.byteLength < HEAD_SIZE || record[0] !== FORMAT) throw damaged(record)
  return record.readUInt32BE(AT_SECONDS)
}

function damaged(record: Buffer, cause?: unknown): KVError {
  return new KVError('CORRUPT', `stored record of a write, of ${record.byteLength} bytes, is damaged`, {
    outcome: 'NOT_APPLIED',
    cause,
  })
}
