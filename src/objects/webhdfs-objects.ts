/**
 * Files of HDFS as objects, through WebHDFS: listed and read, never written. What is read is the file that was listed, by
 * its size, time of change and id, asked for before and after its bytes; a connection that breaks is read on from there.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { DirectOnly, ObjectStore, StoredObject } from './object-store.js'
import { hdfsLocation, hdfsUrl, shown, type HdfsLocation } from './object-url.js'
import { WebHdfsClient, type WebHdfsSettings } from './webhdfs-client.js'
import { changed, fieldOf, notWebHdfs } from './webhdfs-errors.js'

export type { WebHdfsSettings } from './webhdfs-client.js'

const MAX_DEPTH = 32
const PAUSE_MS = 200

interface FileStatus {
  readonly name: string
  readonly isDirectory: boolean
  readonly sizeBytes: number
  readonly tag: string
}

export class WebHdfsObjects implements ObjectStore {
  readonly #settings: WebHdfsSettings | null
  readonly #client: WebHdfsClient | null

  /** @param settings null, or without URLs: every call is refused */
  constructor(settings: WebHdfsSettings | null) {
    const isConfigured = settings !== null && settings.urls.length > 0
    this.#settings = isConfigured ? settings : null
    this.#client = isConfigured ? new WebHdfsClient(settings) : null
  }

  async list(url: string, only?: DirectOnly): Promise<readonly StoredObject[]> {
    const place = hdfsLocation(url)
    const found = await this.#statusOf(url, place)
    if (!found.isDirectory) {
      if (!place.path.endsWith('/')) return [toObject(place, found)]
      throw new KVError('INVALID_ARGUMENT', `${shown(url)} is a file, not a directory`)
    }
    const objects: StoredObject[] = []
    await this.#listBelow({ ...place, path: withoutSlash(place.path) }, objects, {
      depth: MAX_DEPTH,
      ...(only !== undefined && { only }),
    })
    return objects.sort((one, other) => (one.url < other.url ? -1 : 1))
  }

  async stat(url: string): Promise<StoredObject> {
    const place = hdfsLocation(url)
    const found = await this.#statusOf(url, place)
    if (!found.isDirectory) return toObject(place, found)
    throw new KVError('INVALID_ARGUMENT', `${shown(url)} is a directory; end the URL with /`)
  }

  async *read(object: StoredObject, offset = 0, length?: number): AsyncGenerator<Buffer> {
    const { url } = object
    const end = Math.min(object.sizeBytes, offset + (length ?? Number.POSITIVE_INFINITY))
    await this.#refuseChanged(object)
    let position = offset
    for (let attempt = 1; position < end; attempt++) {
      try {
        for await (const piece of this.#readOnce(url, position, end)) {
          position += piece.length
          attempt = 0
          yield piece
        }
        if (position < end) throw new KVError('UNAVAILABLE', `${url} ended at byte ${position} of ${end}`)
      } catch (error) {
        const isPassing = error instanceof KVError && error.code === 'UNAVAILABLE'
        if (!isPassing || attempt >= (this.#settings?.attempts ?? 1)) throw error
        await sleep(PAUSE_MS * attempt)
      }
    }
    await this.#refuseChanged(object)
  }

  write(url: string): Promise<StoredObject> {
    return Promise.reject(readOnly(url))
  }

  remove(url: string): Promise<void> {
    return Promise.reject(readOnly(url))
  }

  async *#readOnce(url: string, position: number, end: number): AsyncGenerator<Buffer> {
    let left = end - position
    const client = this.#clientFor(url)
    const { path } = hdfsLocation(url)
    const parameters = { offset: position, length: left }
    for await (const piece of await client.bytes({ url, path, operation: 'OPEN', parameters })) {
      if (piece.length > left) throw notWebHdfs(url, 'more bytes than were asked for')
      left -= piece.length
      yield piece
    }
  }

  async #listBelow(
    folder: HdfsLocation,
    objects: StoredObject[],
    { depth, only }: { readonly depth: number; readonly only?: DirectOnly },
  ): Promise<void> {
    const url = hdfsUrl(folder)
    const body = await this.#clientFor(url).json({ url, path: folder.path || '/', operation: 'LISTSTATUS' })
    const found = fieldOf(fieldOf(body, 'FileStatuses'), 'FileStatus')
    if (!Array.isArray(found)) throw notWebHdfs(url, 'no FileStatuses')
    for (const one of found) {
      const status = readStatus(url, one)
      if (/^(|\.|\.\.|.*\/.*)$/s.test(status.name)) throw notWebHdfs(url, 'a file without a name')
      if (only !== undefined && (status.isDirectory || !status.name.startsWith(only.namesBegin))) continue
      const place = { ...folder, path: `${folder.path}/${status.name}` }
      if (!status.isDirectory) objects.push(toObject(place, status))
      else if (depth > 0) await this.#listBelow(place, objects, { depth: depth - 1 })
      else
        throw new KVError(
          'INVALID_ARGUMENT',
          `there are more than ${MAX_DEPTH} levels of directories at ${url}`,
        )
      if (objects.length > limits.maxListedObjects) {
        throw new KVError(
          'INVALID_ARGUMENT',
          `there are more than ${limits.maxListedObjects} files below ${url}`,
        )
      }
    }
  }

  async #statusOf(url: string, { path }: HdfsLocation): Promise<FileStatus> {
    const question = { url, path: withoutSlash(path) || '/', operation: 'GETFILESTATUS' } as const
    return readStatus(url, fieldOf(await this.#clientFor(url).json(question), 'FileStatus'))
  }

  async #refuseChanged(object: StoredObject): Promise<void> {
    if ((await this.stat(object.url)).tag !== object.tag) throw changed(object.url)
  }

  /** @throws {KVError} INVALID_ARGUMENT when nothing serves this URL */
  #clientFor(url: string): WebHdfsClient {
    const { authority } = hdfsLocation(url)
    if (this.#client === null || this.#settings === null) {
      throw new KVError('INVALID_ARGUMENT', `${shown(url)}: HDFS is not configured; set objects.webhdfs.urls`)
    }
    const { urls, names } = this.#settings
    const [host = ''] = authority.split(':')
    const isOurs =
      authority === '' || names.includes(authority) || urls.some((one) => new URL(one).hostname === host)
    if (isOurs) return this.#client
    throw new KVError(
      'INVALID_ARGUMENT',
      `${shown(url)}: "${authority}" is not the file system that objects.webhdfs serves; add it to names if it is`,
    )
  }
}

function toObject(place: HdfsLocation, { sizeBytes, tag }: FileStatus): StoredObject {
  return { url: hdfsUrl(place), sizeBytes, tag }
}

/** Of Hadoop's FileStatus: `{"pathSuffix", "type", "length", "modificationTime", "fileId", ...}`; old ones have no id. */
function readStatus(url: string, value: unknown): FileStatus {
  const [name, type, length, time] = ['pathSuffix', 'type', 'length', 'modificationTime'].map((field) =>
    fieldOf(value, field),
  )
  const fileId = fieldOf(value, 'fileId')
  const isFile = type === 'FILE'
  if (typeof name !== 'string' || (!isFile && type !== 'DIRECTORY')) throw notWebHdfs(url, 'no FileStatus')
  if (!isSize(length) || !isSize(time)) throw notWebHdfs(url, 'a FileStatus without size and time')
  const id = isSize(fileId) ? fileId : 0
  return { name, isDirectory: !isFile, sizeBytes: length, tag: `${length}-${time}-${id}` }
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

function readOnly(url: string): KVError {
  return new KVError('UNSUPPORTED', `${shown(url)}: HDFS is read and never written; name a file: or s3: URL`)
}
