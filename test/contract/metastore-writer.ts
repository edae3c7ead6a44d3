/**
 * A process that changes a metastore until it is killed: begin, complete, publish, roll back, delete, forget,
 * and datasets that come and go. Prints one line a change after it was acknowledged: its audit line as JSON,
 * or `! CODE OUTCOME` for a refusal.
 *
 *     node metastore-writer.js DIRECTORY COUNT
 */
import { writeSync } from 'node:fs'
import { systemClock } from '../../src/base/clock.js'
import { KVError } from '../../src/base/errors.js'
import { silentLogger } from '../../src/base/logger.js'
import { openMetastore } from '../../src/kvsm/metastore.js'
import { openLmdbStore } from '../../src/kvsm/store-lmdb.js'
import type { Metastore } from '../../src/model/metastore.js'
import { CHANGE, FIGURES, batchDraft } from '../unit/kvsm/fixtures.js'

const [directory = '', count = '1000000'] = process.argv.slice(2)
const metastore = await openMetastore(await openLmdbStore(directory), systemClock, silentLogger)
writeSync(1, 'opened\n')
for (let i = 0; i < Number(count); i++) {
  try {
    await makeChange(metastore, i)
    writeSync(1, `${JSON.stringify(metastore.audit(1)[0])}\n`)
  } catch (error) {
    if (!(error instanceof KVError)) throw error
    writeSync(1, `! ${error.code} ${error.outcome ?? ''}\n`)
  }
}
await metastore.close()

async function makeChange(target: Metastore, i: number): Promise<void> {
  const cities = target.get('cities')
  if (cities === null) await target.createDataset(batchDraft('cities'), CHANGE)
  else if (i % 7 === 6) await createOrRemove(target, `set-${i % 3}`)
  else if (i % 11 === 10 && cities.versions.some((version) => version.state === 'READY'))
    await target.rollback('cities', CHANGE)
  else await advance(target)
}

async function createOrRemove(target: Metastore, name: string): Promise<void> {
  if (target.get(name) === null) await target.createDataset(batchDraft(name), CHANGE)
  else await target.removeDataset(name, CHANGE)
}

/** The next step in the life of the newest version. */
async function advance(target: Metastore): Promise<void> {
  const { versions } = target.get('cities')!
  const deleted = versions.filter((version) => version.state === 'DELETED').map((version) => version.id)
  if (deleted.length > 2) await target.forgetVersions('cities', deleted)
  const newest = versions[0]
  if (newest?.state === 'LOADING') await target.completeVersion('cities', newest.id, FIGURES, CHANGE)
  else if (newest?.state === 'READY') await target.publish('cities', newest.id, CHANGE)
  else await target.beginVersion('cities', 'x.ndjson', CHANGE)
}
