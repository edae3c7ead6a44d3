/**
 * A batch as the log of batches keeps it (batch-log.ts): one value of JSON, bytes in base64, times as text. FORMATS.md has
 * it in words.
 *
 *     {"format":1,"madeAtMs":n,"writes":[{"id":dataset's id,"dataset":name,"rowKey":b64,"mutations":[..]}]}
 *     mutation    {"put":[[local key, value, time, ttl]..]}
 *                 {"delete":null, "time":t}                                the row
 *                 {"delete":{"keys":[b64..],"ranges":[[from, to]..]},"time":t}
 */
import { KVError } from '../../../src/base/errors.js'
import type { DeleteMutation, Mutation } from '../../../src/model/mutation.js'
import { type Cell, type CellTimestamp, WHOLE_ROW } from '../../../src/model/row.js'

/** What is written to one partition. */
export interface LoggedWrite {
  readonly datasetId: string
  readonly dataset: string
  readonly rowKey: Buffer
  readonly mutations: readonly Mutation[]
}

export interface LoggedBatch {
  /** When its times to live began. */
  readonly madeAtMs: number
  readonly writes: readonly LoggedWrite[]
}

const FORMAT = 1

type StoredTime = string | null
type StoredCell = readonly [localKey: string, value: string, time: StoredTime, ttlSeconds: number | null]
type StoredRange = readonly [from: string, to: string | null]

interface StoredPut {
  readonly put: readonly StoredCell[]
}

interface StoredDelete {
  readonly delete: { readonly keys: readonly string[]; readonly ranges: readonly StoredRange[] } | null
  readonly time: StoredTime
}

interface StoredBatch {
  readonly format: number
  readonly madeAtMs: number
  readonly writes: readonly {
    readonly id: string
    readonly dataset: string
    readonly rowKey: string
    readonly mutations: readonly (StoredPut | StoredDelete)[]
  }[]
}

export function encodeBatch({ madeAtMs, writes }: LoggedBatch): Buffer {
  const stored: StoredBatch = {
    format: FORMAT,
    madeAtMs,
    writes: writes.map(({ datasetId, dataset, rowKey, mutations }) => ({
      ...{ id: datasetId, dataset, rowKey: textOf(rowKey) },
      mutations: mutations.map(storedMutation),
    })),
  }
  return Buffer.from(JSON.stringify(stored), 'utf8')
}

/** @throws {KVError} CORRUPT for what this program cannot have written */
export function decodeBatch(bytes: Buffer): LoggedBatch {
  try {
    // What stands there is checked by its use, and by the checksum of its cell before.
    const { format, madeAtMs, writes } = JSON.parse(bytes.toString('utf8')) as StoredBatch
    if (format !== FORMAT) throw new Error(`format ${format}`)
    return {
      madeAtMs,
      writes: writes.map(({ id, dataset, rowKey, mutations }) => ({
        ...{ datasetId: id, dataset, rowKey: bytesOf(rowKey) },
        mutations: mutations.map(mutationOf),
      })),
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new KVError('CORRUPT', `a batch in the log of batches cannot be read: ${why}`, { cause: error })
  }
}

function storedMutation(mutation: Mutation): StoredPut | StoredDelete {
  if (mutation.kind === 'PUT') return { put: mutation.cells.map(storedCell) }
  if (mutation.kind !== 'DELETE') {
    throw new KVError('INTERNAL', `a ${mutation.kind} in a logged batch, which can be done once only`)
  }
  const { selector, timestamp } = mutation
  if (selector === null) return { delete: null, time: storedTime(timestamp) }
  const ranges = selector.ranges.map(({ from, to }): StoredRange => [
    textOf(from),
    to === null ? null : textOf(to),
  ])
  return { delete: { keys: selector.localKeys.map(textOf), ranges }, time: storedTime(timestamp) }
}

function mutationOf(stored: StoredPut | StoredDelete): Mutation {
  if ('put' in stored) {
    return { kind: 'PUT', cells: stored.put.map(cellOf), timestamp: null, replaceRow: false }
  }
  const { delete: what } = stored
  const deletion: Omit<DeleteMutation, 'selector'> = {
    kind: 'DELETE',
    timestamp: timeOf(stored.time),
    scope: 'UP_TO_TIMESTAMP',
  }
  if (what === null) return { ...deletion, selector: null }
  const ranges = what.ranges.map(([from, to]) => ({
    from: bytesOf(from),
    to: to === null ? null : bytesOf(to),
  }))
  return { ...deletion, selector: { ...WHOLE_ROW, localKeys: what.keys.map(bytesOf), ranges } }
}

function storedCell({ localKey, value, timestamp, ttlSeconds }: Cell): StoredCell {
  return [textOf(localKey), textOf(value), storedTime(timestamp), ttlSeconds]
}

function cellOf([localKey, value, time, ttlSeconds]: StoredCell): Cell {
  return { localKey: bytesOf(localKey), value: bytesOf(value), timestamp: timeOf(time), ttlSeconds }
}

function storedTime(time: CellTimestamp | null): StoredTime {
  return time === null ? null : String(time)
}

function timeOf(time: StoredTime): CellTimestamp | null {
  return time === null ? null : BigInt(time)
}

function textOf(bytes: Buffer): string {
  return bytes.toString('base64')
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'base64')
}
