/**
 * URLs of objects: `file:///path`, `s3://bucket/key` and `hdfs://name/path`. Keys of S3 and paths of HDFS stand in them as
 * they are, without escapes, as the tools of both write them.
 */
import { isAbsolute } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { KVError } from '../base/errors.js'

export interface S3Location {
  readonly bucket: string
  /** Empty: the whole bucket. */
  readonly key: string
}

export interface HdfsLocation {
  /** `host:port`, or a name that clients are configured with; empty: the only one that there is. */
  readonly authority: string
  /** Begins with a slash, and ends with one only where a directory is meant. */
  readonly path: string
}

const S3_URL = /^s3:\/\/([^/]*)(?:\/(.*))?$/s
// The names that S3 allows, and those of older buckets and other stores.
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/
const MAX_KEY_BYTES = 1_024
const HDFS_URL = /^hdfs:\/\/([^/\s@?#]*)(\/.*)?$/s
const MAX_PATH_BYTES = 4_096

/**
 * An absolute path becomes a `file:` URL, a URL stays as it is.
 * @throws {KVError} INVALID_ARGUMENT for anything else
 */
export function toObjectUrl(place: string): string {
  if (/^(file|s3|hdfs):/i.test(place)) return place
  if (isAbsolute(place)) return pathToFileURL(place).href
  throw new KVError(
    'INVALID_ARGUMENT',
    `"${shown(place)}" is neither an absolute path nor a file:, s3: or hdfs: URL; write /path/name or s3://bucket/key`,
  )
}

/**
 * The URL of a place that objects are put below, ending in `/`: written as `list` answers it, so that both can be compared.
 * @throws {KVError} INVALID_ARGUMENT when it is no URL of a place
 */
export function toPlaceUrl(place: string): string {
  if (!/^(file|s3):\/\//.test(place)) {
    throw new KVError('INVALID_ARGUMENT', `"${shown(place)}" is no file:// or s3:// URL of a place`)
  }
  const normal = place.startsWith('s3:') ? s3Url(s3Location(place)) : urlOfPath(pathOfUrl(place))
  return normal.endsWith('/') ? normal : `${normal}/`
}

/** @throws {KVError} INVALID_ARGUMENT when it names no path of this machine */
export function pathOfUrl(url: string): string {
  const fault = (why: string) =>
    new KVError('INVALID_ARGUMENT', `${shown(url)} names no file of this machine: ${why}`)
  try {
    const { search, hash } = new URL(url)
    if (search !== '' || hash !== '') throw new TypeError('write ? as %3F and # as %23')
    const path = fileURLToPath(url)
    if (!path.includes('\0')) return path
  } catch (error) {
    throw fault(error instanceof Error ? error.message : String(error))
  }
  throw fault('no path holds a zero byte')
}

export function urlOfPath(path: string): string {
  return pathToFileURL(path).href
}

/** @throws {KVError} INVALID_ARGUMENT when it is no URL of S3 */
export function s3Location(url: string): S3Location {
  const [, bucket = '', key = ''] = S3_URL.exec(url) ?? []
  if (!BUCKET.test(bucket)) {
    throw new KVError('INVALID_ARGUMENT', `${shown(url)} names no bucket; write s3://bucket/key`)
  }
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new KVError('INVALID_ARGUMENT', `the key in ${shown(url)} has more than ${MAX_KEY_BYTES} bytes`)
  }
  return { bucket, key }
}

export function s3Url({ bucket, key }: S3Location): string {
  return `s3://${bucket}/${key}`
}

/** @throws {KVError} INVALID_ARGUMENT when it is no URL of HDFS */
export function hdfsLocation(url: string): HdfsLocation {
  const [, authority = '', path = ''] = HDFS_URL.exec(url) ?? []
  const parts = path.split('/').slice(1)
  // A name that is empty, or that clients would resolve, is one thing in a URL and another in HDFS.
  const isOdd = (name: string, at: number) =>
    name === '.' || name === '..' || (name === '' && at < parts.length - 1)
  if (path === '' || path.includes('\0') || Buffer.byteLength(path) > MAX_PATH_BYTES || parts.some(isOdd)) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `${shown(url)} names nothing in HDFS; write hdfs://host:port/path, without . and .. and empty names`,
    )
  }
  return { authority, path }
}

export function hdfsUrl({ authority, path }: HdfsLocation): string {
  return `hdfs://${authority}${path}`
}

/** A URL in a message: all of it, unless somebody sent a book. */
export function shown(url: string): string {
  return url.length > 300 ? `${url.slice(0, 297)}...` : url
}
