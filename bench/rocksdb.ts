/**
 * RocksDB through the binding's native functions, for the limits that Godwit is held against: nothing of
 * src/leaf/rocksdb/store/binding.ts stands between the bench and the call. Its files and options are the same.
 */
import type { NativeBatch, NativeDatabase } from '@nxtedition/rocksdb/binding.js'
import native from '@nxtedition/rocksdb/binding.js'
import { nativeOptions, SEALED_OPTIONS } from '../src/leaf/rocksdb/store/options.js'

const READ_OPTIONS = {
  valueEncoding: 'buffer',
  fillCache: true,
  highWaterMarkBytes: 64 * 1024 * 1024,
} as const

export class RawDatabase {
  readonly #native: NativeDatabase
  readonly #batch: NativeBatch = native.batch_init()

  private constructor(database: NativeDatabase) {
    this.#native = database
  }

  /** Opens, or makes, a DB with the options of sealed shards. */
  static async open(directory: string, isNew: boolean): Promise<RawDatabase> {
    const database = native.db_init(directory)
    await new Promise<void>((resolve, reject) => {
      native.db_open(database, nativeOptions(SEALED_OPTIONS, isNew), (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    })
    return new RawDatabase(database)
  }

  /** One synchronous MultiGet of keys that are all there. */
  getMany(keys: readonly Buffer[]): readonly Buffer[] {
    const values = native.db_get_many_sync(this.#native, keys, READ_OPTIONS)
    for (const value of values) if (value == null) throw new Error('a row is missing')
    // Checked just now.
    return values as readonly Buffer[]
  }

  put(key: Buffer, value: Buffer): void {
    native.batch_put(this.#batch, key, value, {})
  }

  /** Writes what was put since the last call. */
  write(sync: boolean): void {
    native.batch_write(this.#native, this.#batch, { sync })
    native.batch_clear(this.#batch)
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      native.db_close(this.#native, (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  }
}
