/**
 * Where a leaf gets its copy of a shard from: the gateway's own, or that of another leaf. Damaged files look like any others
 * to who copies them, and their checksums would travel with them; so what is known of the version speaks first.
 *
 * - Where there are both they are held against each other. What a leaf has was checked when it came, so that of tables that
 *   differ the gateway's are damaged, and must not take the place of good ones.
 * - Where there is only the gateway's, its seals are held against the checksum that the metastore recorded when the version
 *   was loaded; that the rows are what the seals say is found out by the leaf (http/receiving.ts).
 */
import { KVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { DatasetRecord, LeafRecord, VersionRecord } from '../model/dataset.js'
import type { DamagedCopies } from './damaged-copies.js'
import { type CopySource, localSource } from './http/leaf-agent.js'
import { targetPath } from './http/leaf-directory.js'
import { doTablesDiffer, type ShardFiles } from './http/shard-copy.js'
import type { ShardTarget } from './http/wire.js'

export interface PlacementSourcesOptions {
  /** The directory of the gateway's own copy of a shard; null when there is none. */
  readonly localShard: (target: ShardTarget) => string | null
  /** Checksum over the seals of all shards of the gateway's own copy. @throws {KVError} CORRUPT when one cannot be read */
  readonly localChecksum: (record: DatasetRecord, versionId: number) => string
  /** Another leaf that has it. */
  readonly other: (target: ShardTarget, notFrom: LeafRecord) => CopySource | null
  readonly damaged: DamagedCopies
  /** The gateway's own copy is not what was loaded, and a leaf has what was. */
  readonly onDamaged: (target: ShardTarget) => void
  readonly logger: Logger
}

export interface FoundSource {
  readonly source: CopySource
  readonly list: ShardFiles
  readonly isLocal: boolean
}

export class PlacementSources {
  readonly #options: PlacementSourcesOptions
  /** Versions whose own copy was sealed as the metastore says. */
  readonly #sealed = new WeakSet<VersionRecord>()

  constructor(options: PlacementSourcesOptions) {
    this.#options = options
  }

  /**
   * @param record null: the dataset went meanwhile
   * @throws {KVError} UNAVAILABLE when there is no source, CORRUPT when the only one is not what was loaded
   */
  async of(target: ShardTarget, record: DatasetRecord | null, leaf: LeafRecord): Promise<FoundSource> {
    const directory = this.#options.localShard(target)
    const other = this.#options.other(target, leaf)
    if (directory === null) {
      if (other !== null) return { source: other, list: await other.describe(), isLocal: false }
      throw new KVError('UNAVAILABLE', `no copy of ${targetPath(target)} is left to copy from`)
    }
    if (other === null) this.#checkSeals(target, record)
    const source = localSource(directory)
    const list = await source.describe()
    const known = other === null ? null : await this.#describeOther(target, other)
    if (other === null || known === null || !doTablesDiffer(known, list))
      return { source, list, isLocal: true }
    if (this.#options.damaged.note(target, 'its tables are not those that a leaf was sent', true)) {
      this.#options.logger.error(
        { copy: targetPath(target), directory },
        "the gateway's own copy is damaged: that of a leaf is copied in its place",
      )
    }
    this.#options.onDamaged(target)
    return { source: other, list: known, isLocal: false }
  }

  /** It is read as before, and its rows say themselves whether they are whole; but no leaf gets it. */
  noteDamage(target: ShardTarget, { message, dataset }: KVError, isCertain = false): void {
    if (!this.#options.damaged.note(target, message, isCertain)) return
    this.#options.logger.error(
      { dataset, copy: targetPath(target), reason: message },
      "the gateway's own copy of a version is damaged and is not copied: restore it from its archive, or load it again",
    )
  }

  /** Null: it does not say. */
  async #describeOther(target: ShardTarget, other: CopySource): Promise<ShardFiles | null> {
    try {
      return await other.describe()
    } catch (error) {
      this.#options.logger.warn(
        { copy: targetPath(target), err: error },
        'a leaf does not say what its copy consists of',
      )
      return null
    }
  }

  /** Once for each change of the record: seals do not change. @throws {KVError} CORRUPT */
  #checkSeals(target: ShardTarget, record: DatasetRecord | null): void {
    const { versionId } = target
    const version = record?.versions.find(({ id }) => id === versionId)
    if (record === null || version === undefined || this.#sealed.has(version)) return
    const checksum = this.#options.localChecksum(record, versionId)
    if (checksum === version.checksum) {
      this.#sealed.add(version)
      return
    }
    const error = new KVError(
      'CORRUPT',
      `the files of version ${versionId} of dataset ${record.name} have checksum ${checksum}, loaded was ${version.checksum}`,
      { dataset: record.name },
    )
    this.noteDamage(target, error, true)
    throw error
  }
}
