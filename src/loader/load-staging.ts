/**
 * A load's staging directory on the gateway's side: what is loaded, for whom, written down before anything is done, so
 * that the next start of the gateway can go on with it.
 *
 *     LOAD.json   {format, datasetId, dataset, version, request, actor, reason}; its presence says that a start resumes it
 *     input       the content of an upload
 *     owner, journal, runs/, trial/, version/   the load process's own (staging-owner.ts, load-state.ts, trial-shard.ts)
 */
import { open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { KVError } from '../base/errors.js'
import type { LoadRequest } from '../model/load.js'
import { toLoadDiskError } from './load-disk.js'

export const LOAD_RECORD_FILE = 'LOAD.json'
export const INPUT_FILE = 'input'

/** Of LOAD.json. Never renumber. */
const FORMAT = 1

export interface LoadRecordFile {
  readonly datasetId: string
  readonly dataset: string
  readonly version: number
  readonly request: LoadRequest
  readonly actor: string
  readonly reason: string
}

/** Durable when it resolves. @throws {KVError} UNAVAILABLE when the disk is full or fails */
export async function writeLoadRecord(staging: string, record: LoadRecordFile): Promise<void> {
  const path = join(staging, LOAD_RECORD_FILE)
  try {
    await writeSynced(`${path}.tmp`, `${JSON.stringify({ format: FORMAT, ...record }, null, 2)}\n`)
    await rename(`${path}.tmp`, path)
    await syncPath(staging)
    await syncPath(dirname(staging))
  } catch (error) {
    throw toLoadDiskError(error, `writing ${path}`)
  }
}

/** @throws {KVError} CORRUPT when it is not one, FAILED_PRECONDITION when a newer program wrote it, UNAVAILABLE */
export async function readLoadRecord(staging: string): Promise<LoadRecordFile> {
  const path = join(staging, LOAD_RECORD_FILE)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw toLoadDiskError(error, `reading ${path}`)
  }
  const found = parseOrNull(text)
  if (!isRecordFile(found)) throw new KVError('CORRUPT', `${path} is damaged: load again`)
  if (found.format !== FORMAT) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${path} is of format ${found.format}, this program reads ${FORMAT}`,
    )
  }
  return found
}

/** By what everything else hangs on; the rest was written by this program, whole or not at all. */
function isRecordFile(value: unknown): value is LoadRecordFile & { readonly format: number } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'format' in value &&
    typeof value.format === 'number' &&
    'dataset' in value &&
    typeof value.dataset === 'string' &&
    'datasetId' in value &&
    typeof value.datasetId === 'string' &&
    'version' in value &&
    Number.isSafeInteger(value.version) &&
    'request' in value &&
    typeof value.request === 'object'
  )
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncPath(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
