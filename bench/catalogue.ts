/**
 * A stopped gateway's data directory with many datasets of many versions, made in seconds: the records are committed in
 * large batches, and the shards are hard links to a few that were built (RocksDB never writes to a file again).
 */
import { linkSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../src/base/clock.js'
import { silentLogger } from '../src/base/logger.js'
import { draftToRecord } from '../src/kvsm/drafts.js'
import { encodeDataset } from '../src/kvsm/records.js'
import { openLmdbStore } from '../src/kvsm/store-lmdb.js'
import { DataDirectory } from '../src/leaf/data-directory.js'
import { acquireDirectoryLock } from '../src/leaf/rocksdb/store/directory-lock.js'
import { SealedShardWriter } from '../src/leaf/rocksdb/sealed/sealed-writer.js'
import type { VersionRecord } from '../src/model/dataset.js'

export interface CatalogueSize {
  readonly datasets: number
  /** 1 to 10. */
  readonly versions: number
}

/** Rows of every version: few, as in most datasets. */
export const CATALOGUE_KEYS = 20

const FIRST_VERSION = 1_700_000_000_000
const RECORDS_PER_COMMIT = 100

export function catalogueDataset(index: number): string {
  return `dataset-${index}`
}

/** Of the index-th version of every dataset, counted from the oldest; its rows hold the number as text. */
export function catalogueVersion(index: number): number {
  return FIRST_VERSION + index
}

/** All in `folder`/data; the newest version but one is current, so that there is one on both sides of it. */
export async function makeCatalogue(folder: string, size: CatalogueSize): Promise<void> {
  const directory = await DataDirectory.open(join(folder, 'data'), {
    lock: acquireDirectoryLock,
    clock: systemClock,
    logger: silentLogger,
  })
  const templates: string[] = []
  for (let index = 0; index < size.versions; index++) templates.push(await makeTemplate(folder, index))
  const store = await openLmdbStore(directory.metastorePath, { mayCreate: true })
  for (let first = 0; first < size.datasets; first += RECORDS_PER_COMMIT) {
    const count = Math.min(RECORDS_PER_COMMIT, size.datasets - first)
    const indexes = Array.from({ length: count }, (_, index) => first + index)
    await store.commit(indexes.map((index) => writeOf(index, size.versions)))
    for (const index of indexes) linkVersions(directory, index, templates)
  }
  await store.close()
  await directory.markMetastoreMade()
  await directory.close()
}

function datasetId(index: number): string {
  return `d${index + 1}-00000000`
}

function writeOf(index: number, versionCount: number) {
  const name = catalogueDataset(index)
  const owner = { name: 'bench', contact: 'bench@localhost' }
  const draft = { name, owner, mode: 'BATCH', retainedVersions: 10 } as const
  const record = draftToRecord(draft, { id: datasetId(index), createdAtMs: FIRST_VERSION })
  const versions = Array.from({ length: versionCount }, (_, version) => versionRecord(version, versionCount))
  const stored = {
    record: { ...record, versions: versions.reverse() },
    lastVersionId: catalogueVersion(versionCount),
  }
  return { table: 'dataset', key: name, value: encodeDataset(stored), expectedRevision: 0 } as const
}

function versionRecord(index: number, count: number): VersionRecord {
  const isCurrent = index === Math.max(0, count - 2)
  return {
    id: catalogueVersion(index),
    state: isCurrent ? 'CURRENT' : 'READY',
    rows: CATALOGUE_KEYS,
    bytes: 1_000,
    checksum: '00',
    source: 'bench',
    loadedBy: 'bench',
    createdAtMs: catalogueVersion(index),
    archive: null,
  }
}

async function makeTemplate(folder: string, index: number): Promise<string> {
  mkdirSync(join(folder, 'templates'), { recursive: true })
  const path = join(folder, 'templates', String(index))
  const writer = await SealedShardWriter.create(path, { keyOrder: 'HASHED', nowSeconds: 0 })
  for (let key = 0; key < CATALOGUE_KEYS; key++) {
    const value = Buffer.from(String(catalogueVersion(index)))
    writer.add(Buffer.from(`key-${key}`), [
      { localKey: Buffer.alloc(0), value, timestamp: null, ttlSeconds: null },
    ])
  }
  await writer.seal()
  return path
}

function linkVersions(directory: DataDirectory, index: number, templates: readonly string[]): void {
  for (const [version, template] of templates.entries()) {
    const shard = join(directory.versionPath(datasetId(index), catalogueVersion(version)), '0')
    mkdirSync(join(shard, 'db'), { recursive: true })
    for (const name of readdirSync(template))
      if (name !== 'db') linkSync(join(template, name), join(shard, name))
    for (const name of readdirSync(join(template, 'db'))) {
      if (name !== 'LOCK') linkSync(join(template, 'db', name), join(shard, 'db', name))
    }
  }
}
