/** The store that every URL is looked up in: files of this machine, and S3. */
import type { ObjectStore, StoredObject } from './object-store.js'
import { FileObjects } from './file-objects.js'
import { toObjectUrl } from './object-url.js'
import type { S3Settings } from './s3-objects.js'

/** As the configuration has them; plain data, to be sent to load processes. */
export interface ObjectSettings {
  readonly roots: readonly string[]
  readonly s3: S3Settings
}

/** Takes absolute paths for URLs of files, too. Asking for nothing of S3 costs nothing of the SDK's 100 ms and 30 MB. */
export function createObjectStore(settings: ObjectSettings): ObjectStore {
  return new Objects(settings)
}

class Objects implements ObjectStore {
  readonly #files: FileObjects
  readonly #settings: ObjectSettings
  #s3: Promise<ObjectStore> | null = null

  constructor(settings: ObjectSettings) {
    this.#settings = settings
    this.#files = new FileObjects(settings)
  }

  async list(url: string): Promise<readonly StoredObject[]> {
    const place = toObjectUrl(url)
    return (await this.#storeOf(place)).list(place)
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
    if (!/^s3:/i.test(url)) return this.#files
    this.#s3 ??= import('./s3-objects.js').then(({ S3Objects }) => new S3Objects(this.#settings.s3))
    return this.#s3
  }
}
