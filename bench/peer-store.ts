/** The loaded rows, read without the gateway: what a team's own thrift server over the same files would do. */
import { murmur3Token } from '../src/base/hash.js'
import { OwnedDatabase } from '../src/leaf/rocksdb/store/binding.js'
import { SEALED_OPTIONS } from '../src/leaf/rocksdb/store/options.js'
import { sealedHeadKey } from '../src/leaf/row-codec.js'
import { SealedHead } from '../src/leaf/sealed-row.js'

export interface PeerStoreSettings {
  /** The DB of a sealed shard that no gateway has open. */
  readonly directory: string
}

const READ = { withTimestamps: false, withTtl: false, nowSeconds: 0 }

/** The key under which a sealed shard of a HASHED dataset holds the row. */
export function physicalKey(rowKey: Buffer): Buffer {
  return sealedHeadKey('HASHED', murmur3Token(rowKey), rowKey)
}

export class PeerStore {
  readonly #database: OwnedDatabase

  private constructor(database: OwnedDatabase) {
    this.#database = database
  }

  static async open(settings: PeerStoreSettings): Promise<PeerStore> {
    return new PeerStore(await OwnedDatabase.open(settings.directory, SEALED_OPTIONS))
  }

  /** The unnamed value of each row, in order; null: no such row. One synchronous call. */
  read(rowKeys: readonly Buffer[]): (Buffer | null)[] {
    return this.#database.getMany(rowKeys.map(physicalKey)).map((stored) => {
      if (stored === null) throw new Error('a row was not read')
      return stored === undefined ? null : (new SealedHead(stored).row(null, READ)?.cells[0]?.value ?? null)
    })
  }
}
