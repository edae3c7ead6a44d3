/**
 * What is still to be removed of versions' copies, written down before the records that name them go: a removal that ends
 * half-way (a kill, a store that does not answer) is gone on with by the next start. One file a removal:
 *
 *     {format, dataset, datasetId, version, urls, actor}     version: null for all of the dataset's
 */
import { KVError } from '../base/errors.js'

/** Number of the notes' form. Never renumber. */
const FORMAT = 1

export interface PurgeNote {
  readonly dataset: string
  readonly datasetId: string
  /** Null: the whole dataset goes. */
  readonly version: number | null
  readonly urls: readonly string[]
  readonly actor: string
}

export function encodePurgeNote(note: PurgeNote): string {
  return `${JSON.stringify({ format: FORMAT, ...note })}\n`
}

/** @throws {KVError} CORRUPT, FAILED_PRECONDITION when a newer program wrote it */
export function decodePurgeNote(text: string, name: string): PurgeNote {
  const found = parsed(text)
  if (found === null || typeof found['format'] !== 'number') throw damaged(name)
  if (found['format'] !== FORMAT) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${name} is of format ${found['format']}, this program reads ${FORMAT}`,
    )
  }
  const { dataset, datasetId, version, urls, actor } = found
  const isVersion = version === null || Number.isSafeInteger(version)
  if (typeof dataset !== 'string' || typeof datasetId !== 'string' || !isVersion) throw damaged(name)
  if (typeof actor !== 'string' || !Array.isArray(urls)) throw damaged(name)
  const known = urls.filter((url) => typeof url === 'string')
  if (known.length !== urls.length) throw damaged(name)
  return { dataset, datasetId, version: version === null ? null : Number(version), urls: known, actor }
}

function parsed(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    // Looked at field by field above.
    return typeof value === 'object' ? (value as Readonly<Record<string, unknown>> | null) : null
  } catch {
    return null
  }
}

function damaged(name: string): KVError {
  return new KVError(
    'CORRUPT',
    `${name} is damaged: remove the copies that are not needed by hand, and then this file`,
  )
}
