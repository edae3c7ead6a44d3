/** The store that every URL is looked up in: files of this machine, S3, and HDFS. */
import type { DirectOnly, ObjectStore, StoredObject } from './object-store.js'
import { FileObjects } from './file-objects.js'
import { toObjectUrl } from './object-url.js'
import type { S3Settings } from './s3-objects.js'
import type { WebHdfsSettings } from './webhdfs-client.js'

/** As the configuration has them; plain data, to be sent to load processes. */
export interface ObjectSettings {
  readonly roots: readonly string[]
  readonly s3: S3Settings
  /** Absent, or without URLs: HDFS is not read. */
  readonly webhdfs?: WebHdfsSettings
}

/**
 * Takes absolute paths for URLs of files, too. Asking for nothing of S3 costs nothing of the SDK's 100 ms and 30 MB, asking
 * for nothing of HDFS nothing of the HTTP client's 100 ms, which each load process and reading thread would pay.
 */
export function createObjectStore(settings: ObjectSettings): ObjectStore {
  return new Objects(settings)
}

class Objects implements ObjectStore {
  readonly #files: FileObjects
  readonly #settings: ObjectSettings
  #s3: Promise<ObjectStore> | null = null
  #hdfs: Promise<ObjectStore> | null = null

  constructor(settings: ObjectSettings) {
    this.#settings = settings
    this.#files = new FileObjects(settings)
  }

  async list(url: string, only?: DirectOnly): Promise<readonly StoredObject[]> {
    const place = toObjectUrl(url)
    return (await this.#storeOf(place)).list(place, only)
  }

  async stat(url: string): Promise<StoredObject> {
    const place = toObjectUrl(url)
    return (await this.#storeOf(place)).stat(place)
  }

  async *read(object: StoredObject, offset?: number, length?: number): AsyncGenerator<Buffer> {
    yield* (await this.#storeOf(object.url)).read(object, offset, length)
  }

  async write(url: string, content: AsyncIterable<Buffer>): Promise<StoredObject> {
    const place = toObjectUrl(url)
    return (await this.#storeOf(place)).write(place, content)
  }

  async remove(url: string): Promise<void> {
    const place = toObjectUrl(url)
    await (await this.#storeOf(place)).remove(place)
  }

  #storeOf(url: string): ObjectStore | Promise<ObjectStore> {
    const { s3, webhdfs = null } = this.#settings
    if (/^hdfs:/i.test(url)) {
      this.#hdfs ??= import('./webhdfs-objects.js').then(({ WebHdfsObjects }) => new WebHdfsObjects(webhdfs))
      return this.#hdfs
    }
    if (!/^s3:/i.test(url)) return this.#files
    this.#s3 ??= import('./s3-objects.js').then(({ S3Objects }) => new S3Objects(s3))
    return this.#s3
  }
}
