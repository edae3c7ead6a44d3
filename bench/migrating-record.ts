/** Puts a loaded dataset into a state of a migration, in the data of a gateway that does not run. */
import { join } from 'node:path'
import { decodeDataset, encodeDataset } from '../src/kvsm/records.js'
import { openLmdbStore } from '../src/kvsm/store-lmdb.js'
import { type MigrationState, NO_DIALS, NO_MIGRATION } from '../src/model/migration.js'
import { NARROW } from './workspace.js'

/** What the moves of a migration do, without waiting for their guards. The origin is called `west`. */
export async function putIntoMigration(
  folder: string,
  migrationState: MigrationState,
  shadowShare: number,
): Promise<void> {
  const store = await openLmdbStore(join(folder, 'data', 'kvsm'), { mayCreate: false })
  const stored = await store.get('dataset', NARROW)
  if (stored === null) throw new Error(`no dataset ${NARROW} in ${folder}`)
  const { record, lastVersionId } = decodeDataset(stored)
  const current = record.versions.find(({ state }) => state === 'CURRENT')
  if (current === undefined) throw new Error(`${NARROW} has no version`)
  const migration = {
    ...NO_MIGRATION,
    dials: { ...NO_DIALS, shadowShare },
    originVersion: { versionId: current.id, takenAtMs: current.id },
  }
  const moved = { ...record, migrationState, origin: 'west', migration }
  await store.commit([
    {
      table: 'dataset',
      key: NARROW,
      value: encodeDataset({ record: moved, lastVersionId }),
      expectedRevision: stored.revision,
    },
  ])
  await store.close()
}
