/**
 * How long writing and sealing shards takes, tried out on the first rows of a load: a load that sorts begins to write when
 * it is half done, and would have nothing to say before of how long that takes on this machine.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.js'
import type { KeyOrder } from '../model/dataset.js'
import type { BuildJob } from './messages.js'
import { type EntryCursor, entryKey, entryRow, entrySize, tokenOfRow } from './run-entry.js'
import { DistinctRows } from './run-merge.js'
import type { RunSorter } from './run-sorter.js'
import type { Trial } from './time-left.js'
import type { CreateShardWriter, ShardPlan, ShardWriter } from './version-writer.js'

/** Of a load's staging directory. */
const TRIAL_FOLDER = 'trial'

/** A trial is such a share of the load, at most so large; a load whose trial were smaller is over soon. */
const SHARE_OF_LOAD = 1 / 32
const MAX_TRIAL_BYTES = 16 * 1024 * 1024
const MIN_TRIAL_BYTES = 2 * 1024 * 1024
/** What a shard takes whatever is in it, is seen at one of so few bytes. */
const NEXT_TO_NOTHING = 1_024
/**
 * What a seal takes depends on the share of the shard that is not in tables yet. In small a trial is what the shards will
 * be; of larger ones, and of those whose size nobody knows because their rows come in order, that share is smaller.
 */
const LARGE_SHARD_BYTES = 192 * 1024 * 1024

export interface TrialOptions {
  readonly staging: string
  readonly keyOrder: KeyOrder
  readonly clock: Clock
  readonly createShardWriter: CreateShardWriter
}

/** Packed bytes that are tried, and what the shard that is sealed is told of its size. */
export interface TrialSize {
  readonly bytes: number
  readonly expectedBytes: number
}

/** Taken by the one thread of a load that tries: the first that has enough rows. */
export type TrialTurn = Int32Array

/** @param isTaken nobody is to try any more */
export function newTrialTurn(isTaken: boolean): TrialTurn {
  const turn = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  turn[0] = isTaken ? 1 : 0
  return turn
}

/** Whether the caller is the one. */
export function takeTrialTurn(turn: TrialTurn): boolean {
  return Atomics.exchange(turn, 0, 1) === 0
}

/** The trial of a load of so many packed bytes; null: it is too small for one. */
export function trialSizeOf(
  loadBytes: number,
  {
    sortBytes,
    shardCount,
    isInOrder,
  }: Pick<BuildJob, 'sortBytes' | 'shardCount'> & { readonly isInOrder: boolean },
): TrialSize | null {
  const wanted = Math.min(MAX_TRIAL_BYTES, loadBytes * SHARE_OF_LOAD)
  if (wanted < MIN_TRIAL_BYTES) return null
  const bytes = Math.min(wanted, sortBytes / 2)
  const hasSmallMemtables = isInOrder || loadBytes / shardCount > LARGE_SHARD_BYTES
  return { bytes, expectedBytes: hasSmallMemtables ? bytes / 2 : bytes }
}

/**
 * Writes about so many bytes of the rows to shards that it then removes. Null: it could not be done; what failed fails
 * again where it counts.
 *
 * What writing takes is seen at a shard that is not sealed and whose tables are as large as those of any large one: the
 * small tables of a trial cost a third more a byte than shards of any size turned out to take (docs/EVIDENCE.md).
 */
export async function tryWriting(
  rows: Pick<RunSorter, 'sorted'>,
  size: TrialSize,
  options: TrialOptions,
): Promise<Trial | null> {
  const nothing = { ...size, bytes: NEXT_TO_NOTHING }
  try {
    // The first one also loads code.
    await timedShard(rows.sorted(), nothing, options)
    const { bytes, sealMs } = await timedShard(rows.sorted(), size, options)
    const { writeMs } = await timedShard(rows.sorted(), { ...size, expectedBytes: null }, options)
    const { sealMs: emptySealMs } = await timedShard(rows.sorted(), nothing, options)
    return { bytes, writeMs, sealMs, emptySealMs }
  } catch {
    return null
  }
}

/** Without a size it is not sealed. */
async function timedShard(
  rows: EntryCursor,
  { bytes: maxBytes, expectedBytes }: Pick<ShardPlan, 'expectedBytes'> & { readonly bytes: number },
  { staging, keyOrder, clock, createShardWriter }: TrialOptions,
): Promise<Omit<Trial, 'emptySealMs'>> {
  const directory = join(staging, TRIAL_FOLDER)
  // A process that was killed may have left one.
  await rm(directory, { recursive: true, force: true })
  try {
    const beganMs = clock.monotonicMs()
    const writer = await createShardWriter({ directory, keyOrder, expectedBytes })
    const makingMs = clock.monotonicMs() - beganMs
    try {
      const written = writeRows(writer, rows, { maxBytes, keyOrder, clock })
      const writtenAtMs = clock.monotonicMs()
      await (expectedBytes === null ? writer.abandon() : writer.seal())
      return { ...written, sealMs: makingMs + clock.monotonicMs() - writtenAtMs }
    } catch (error) {
      // A disk that was full stays full for as long as what was removed is open.
      await writer.abandon().catch(() => undefined)
      throw error
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** All that it takes is as long as if all of it had been the second half: in the first one memory is new and code slow. */
function writeRows(
  writer: ShardWriter,
  rows: EntryCursor,
  { maxBytes, keyOrder, clock }: Pick<TrialOptions, 'keyOrder' | 'clock'> & { readonly maxBytes: number },
): Pick<Trial, 'bytes' | 'writeMs'> {
  const distinct = new DistinctRows(rows, 'first', () => '')
  let bytes = 0
  let half = { bytes: 0, atMs: clock.monotonicMs() }
  while (bytes < maxBytes && distinct.next()) {
    const { bytes: from, at } = distinct
    writer.addPacked(entryKey(from, at), tokenOfRow(keyOrder, distinct), entryRow(from, at))
    bytes += entrySize(from, at)
    if (half.bytes === 0 && bytes > maxBytes / 2) half = { bytes, atMs: clock.monotonicMs() }
  }
  const halfMs = clock.monotonicMs() - half.atMs
  return { bytes, writeMs: bytes > half.bytes ? (halfMs * bytes) / (bytes - half.bytes) : halfMs }
}
