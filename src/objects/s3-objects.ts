/**
 * Objects of S3 and of stores that speak its API, through the AWS SDK. Credentials come from the settings or from the
 * SDK's usual places (variables, profiles, the machine's role).
 *
 * Reads ask for the content that was listed, by its ETag, and go on where a connection broke, a bounded number of times;
 * a read that gets fewer bytes than the object has fails. Writes are uploads of several parts that are ended or undone.
 */
import { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { type DirectOnly, NothingThereError, type ObjectStore, type StoredObject } from './object-store.js'
import { s3Location, s3Url } from './object-url.js'
import { changed, isMissing, isTransient, s3Error, stalled } from './s3-errors.js'

export interface S3Settings {
  /** Empty: AWS itself. */
  readonly endpoint: string
  readonly region: string
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly pathStyle: boolean
  /** Both or neither; empty: the SDK's usual places. */
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly connectTimeoutMs: number
  /** Without a byte for so long, an attempt has failed. */
  readonly stallTimeoutMs: number
  /** Of each request, and of reading on from one place. */
  readonly attempts: number
}

/** 10,000 parts are the most: objects of up to 160 GB. */
const PART_BYTES = 16 * 1024 * 1024
const PARTS_AT_A_TIME = 2
/** Pieces of a body are as the network cut them; larger ones are handed on in such parts. */
const MAX_PIECE_BYTES = 128 * 1024

export class S3Objects implements ObjectStore {
  readonly #settings: S3Settings
  readonly #client: S3Client

  constructor(settings: S3Settings) {
    this.#settings = settings
    this.#client = new S3Client(clientConfig(settings))
  }

  async list(url: string, only?: DirectOnly): Promise<readonly StoredObject[]> {
    const { bucket, key } = s3Location(url)
    if (key !== '' && !key.endsWith('/')) return [await this.stat(url)]
    const objects: StoredObject[] = []
    try {
      const wanted = only === undefined ? { Prefix: key } : { Prefix: key + only.namesBegin, Delimiter: '/' }
      const pages = paginateListObjectsV2({ client: this.#client }, { Bucket: bucket, ...wanted })
      for await (const { Contents: contents = [] } of pages) {
        for (const { Key: name, Size: size, ETag: tag } of contents) {
          if (name === undefined || size === undefined || tag === undefined) throw incomplete(url)
          objects.push({ url: s3Url({ bucket, key: name }), sizeBytes: size, tag })
        }
        if (objects.length > limits.maxListedObjects) throw tooMany(url)
      }
    } catch (error) {
      const failure = s3Error(url, error)
      throw isMissing(error) ? new NothingThereError(failure.code, failure.message) : failure
    }
    return objects.sort((one, other) => (one.url < other.url ? -1 : 1))
  }

  async stat(url: string): Promise<StoredObject> {
    const { bucket, key } = objectAt(url)
    try {
      const found = await this.#client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
      const { ContentLength: sizeBytes, ETag: tag } = found
      if (sizeBytes === undefined || tag === undefined) throw incomplete(url)
      return { url, sizeBytes, tag }
    } catch (error) {
      throw s3Error(url, error)
    }
  }

  async *read(object: StoredObject, offset = 0, length?: number): AsyncGenerator<Buffer> {
    const end = Math.min(object.sizeBytes, offset + (length ?? Number.POSITIVE_INFINITY))
    let position = offset
    // An object without bytes has no range to ask for, but it may have got some.
    if (object.sizeBytes === 0 && (await this.stat(object.url)).tag !== object.tag) throw changed(object.url)
    for (let attempt = 1; position < end; attempt++) {
      try {
        for await (const piece of this.#readOnce(object, position, end)) {
          position += piece.length
          attempt = 0
          yield piece
        }
        if (position < end)
          throw new KVError('UNAVAILABLE', `${object.url} ended at byte ${position} of ${end}`)
      } catch (error) {
        if (attempt >= this.#settings.attempts || !isTransient(error)) throw s3Error(object.url, error)
      }
    }
  }

  async write(url: string, content: AsyncIterable<Buffer>): Promise<StoredObject> {
    const { bucket, key } = objectAt(url)
    const body = Readable.from(content, { objectMode: false, highWaterMark: MAX_PIECE_BYTES })
    const upload = new Upload({
      client: this.#client,
      params: { Bucket: bucket, Key: key, Body: body },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_A_TIME,
      leavePartsOnError: false,
    })
    try {
      await upload.done()
    } catch (error) {
      throw s3Error(url, error)
    } finally {
      body.destroy()
    }
    return this.stat(url)
  }

  async remove(url: string): Promise<void> {
    const { bucket, key } = objectAt(url)
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))
    } catch (error) {
      if (!isMissing(error)) throw s3Error(url, error)
    }
  }

  /** One request; what it throws may be the SDK's. */
  async *#readOnce(object: StoredObject, from: number, end: number): AsyncGenerator<Buffer> {
    const { bucket, key } = objectAt(object.url)
    const { stallTimeoutMs } = this.#settings
    const abort = new AbortController()
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: key,
      IfMatch: object.tag,
      Range: `bytes=${from}-${end - 1}`,
    })
    const watch = new StallWatch(stallTimeoutMs, () => abort.abort())
    try {
      const { Body: body } = await this.#client.send(command, { abortSignal: abort.signal })
      if (!(body instanceof Readable)) throw incomplete(object.url)
      try {
        let left = end - from
        for await (const piece of body as AsyncIterable<Buffer>) {
          watch.pause()
          // More than was asked for: a server that does not know ranges.
          if (piece.length > left) throw incomplete(object.url)
          left -= piece.length
          for (let at = 0; at < piece.length; at += MAX_PIECE_BYTES)
            yield piece.subarray(at, at + MAX_PIECE_BYTES)
          watch.resume()
        }
      } finally {
        body.destroy()
      }
    } catch (error) {
      throw watch.hasStalled ? stalled(object.url, stallTimeoutMs) : error
    } finally {
      watch.pause()
    }
  }
}

/** Calls `onStall` once when nobody paused it for so long. */
class StallWatch {
  readonly #timeoutMs: number
  readonly #onStall: () => void
  #timer: NodeJS.Timeout | null = null
  hasStalled = false

  constructor(timeoutMs: number, onStall: () => void) {
    this.#timeoutMs = timeoutMs
    this.#onStall = onStall
    this.resume()
  }

  pause(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  resume(): void {
    this.#timer = setTimeout(() => {
      this.hasStalled = true
      this.#onStall()
    }, this.#timeoutMs)
  }
}

function clientConfig(settings: S3Settings): S3ClientConfig {
  const { endpoint, region, pathStyle, accessKeyId, secretAccessKey, attempts } = settings
  return {
    region,
    forcePathStyle: pathStyle,
    maxAttempts: attempts,
    // Checksums of their own make stores refuse that speak an older S3; TLS and ETags guard what is transferred.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: settings.connectTimeoutMs,
      // Without a byte in either direction. A time for whole requests would fail every upload over a slow line.
      socketTimeout: settings.stallTimeoutMs,
    },
    ...(endpoint !== '' && { endpoint }),
    ...(accessKeyId !== '' && { credentials: { accessKeyId, secretAccessKey } }),
  }
}

function objectAt(url: string): { readonly bucket: string; readonly key: string } {
  const location = s3Location(url)
  if (location.key === '' || location.key.endsWith('/')) {
    throw new KVError('INVALID_ARGUMENT', `${url} names a prefix, not an object`)
  }
  return location
}

function incomplete(url: string): KVError {
  return new KVError(
    'INVALID_ARGUMENT',
    `${url}: the store does not answer as S3 does; check objects.s3.endpoint`,
  )
}

function tooMany(url: string): KVError {
  return new KVError(
    'INVALID_ARGUMENT',
    `there are more than ${limits.maxListedObjects} objects below ${url}`,
  )
}
