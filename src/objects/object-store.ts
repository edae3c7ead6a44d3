/**
 * Files and objects by URL: `file:///path/name`, `s3://bucket/key` and, to be read only, `hdfs://name/path`. The one way in
 * which loads, archives and snapshots reach data outside the data directory. Errors are KVErrors that name the URL:
 * INVALID_ARGUMENT (no such object, no permission, a URL that nothing serves), UNAVAILABLE (the store fails or stalls).
 */
import { KVError } from '../base/errors.js'

/** INVALID_ARGUMENT of a list: there is no such directory or bucket, so nothing stands below it. */
export class NothingThereError extends KVError {}

export interface StoredObject {
  readonly url: string
  readonly sizeBytes: number
  /** Changes when the content does; for files, also of HDFS, size and time of change, for S3 the ETag. */
  readonly tag: string
}

/** Of a directory: what stands directly in it under names that begin so. Nothing else is looked at. */
export interface DirectOnly {
  readonly namesBegin: string
}

export interface ObjectStore {
  /** What stands below a prefix that ends in `/`, or the one object of that URL; in the order of their URLs. */
  list(url: string, only?: DirectOnly): Promise<readonly StoredObject[]>
  stat(url: string): Promise<StoredObject>
  /** Bytes from `offset` on. Fails with FAILED_PRECONDITION when the object is no longer the one that `object` describes. */
  read(object: StoredObject, offset?: number, length?: number): AsyncIterable<Buffer>
  /** Whole or not at all: a write that fails or is never ended leaves nothing under the URL. */
  write(url: string, content: AsyncIterable<Buffer>): Promise<StoredObject>
  /** Fine when it is not there. */
  remove(url: string): Promise<void>
}
