/** What data threads told of a dataset goes with it: differences on disk, figures, and what comes late. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import type { Logger } from '../../../src/base/logger.js'
import { GatewayObservations } from '../../../src/gateway/observations.js'
import type { Difference } from '../../../src/model/difference.js'
import { MigrationWatch } from '../../../src/routing/migration-watch.js'
import { SharedBreakers } from '../../../src/routing/shared-breakers.js'
import { CHANGE, batchDraft } from '../kvsm/fixtures.js'
import { type World, inState, migrationWorld, settled } from './world.js'

const folder = mkdtempSync(join(tmpdir(), 'godwit-observations-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Observed {
  readonly world: World
  readonly observations: GatewayObservations
  readonly warnings: string[]
  /** Names of the files of differences. */
  readonly files: () => string[]
  readonly restart: () => GatewayObservations
}

let number = 0
async function observed(): Promise<Observed> {
  const world = await migrationWorld()
  await inState(world, 'RAMP')
  const directory = join(folder, String((number += 1)))
  const warnings: string[] = []
  const skip = (): void => undefined
  const warn = (_fields: object, message: string): void => void warnings.push(message)
  const logger: Logger = { debug: skip, info: skip, warn, error: skip, child: () => logger }
  const make = (): GatewayObservations =>
    new GatewayObservations({
      metastore: world.metastore,
      directory,
      breakers: SharedBreakers.create(['west']),
      isLeafBreakerOpen: () => false,
      clock: world.clock,
      logger,
      flights: () => Promise.resolve([]),
    })
  const files = (): string[] => {
    const path = join(directory, 'differences')
    return existsSync(path) ? readdirSync(path).sort() : []
  }
  return { world, observations: make(), warnings, files, restart: make }
}

function difference(dataset: string, atMs: number): Difference {
  return {
    ...{ dataset, atMs, kind: 'VALUE', key: 'a2V5', column: '', originDigest: '00', targetDigest: '11' },
    ...{ version: 1, caller: null, api: 'terrapin', answeredBy: 'ORIGIN' },
  }
}

const made = (world: World): Promise<unknown> =>
  world.metastore.createDataset(
    batchDraft('cities', { migrationState: 'ORIGIN_ONLY', origin: 'west' }),
    CHANGE,
  )

suite('a dataset that is removed while it migrates', () => {
  test('takes its differences with it, and leaves those of others', async () => {
    const { world, observations, files, warnings } = await observed()
    await world.metastore.createDataset(batchDraft('towns'), CHANGE)
    const { id } = world.record()
    observations.receiveDifferences([difference('cities', 1), difference('towns', 2)], 0)
    assert.equal((await observations.differences('cities', 1e15)).total, 1)
    assert.deepEqual(files(), [`${id}.log`, `${world.metastore.get('towns')?.id ?? ''}.log`].sort())
    await world.metastore.removeDataset('cities', CHANGE)
    assert.deepEqual(files(), [`${world.metastore.get('towns')?.id ?? ''}.log`])
    assert.equal((await observations.differences('towns', 1e15)).total, 1)
    assert.deepEqual(warnings, [])
  })

  test('leaves nothing to another one of its name, nor does what threads tell late', async () => {
    const { world, observations, files } = await observed()
    const { id } = world.record()
    observations.receiveDifferences([difference('cities', 1)], 0)
    const watch = new MigrationWatch()
    watch.of({ name: 'cities', id }).shadow.mismatched = 9
    observations.receiveFigures('data-0', watch.snapshot(0))
    assert.equal(observations.migrationFigures('cities').shadow.mismatched, 9)
    await world.metastore.removeDataset('cities', CHANGE)
    observations.receiveDifferences([difference('cities', 2)], 0)
    observations.receiveFigures('data-0', watch.snapshot(0))
    await made(world)
    assert.equal((await observations.differences('cities', 1e15)).total, 0)
    assert.equal(observations.migrationFigures('cities').shadow.mismatched, 0)
    assert.equal(observations.readings().filter(({ labels }) => labels['dataset'] === 'cities').length, 0)
    assert.deepEqual(files(), [])
  })

  test('and whose differences the process did not come to remove: the next start does', async () => {
    const { world, observations, files, restart } = await observed()
    observations.receiveDifferences([difference('cities', 1)], 0)
    await observations.close()
    const directory = join(folder, String(number), 'differences')
    for (const name of ['gone.log', 'gone.log.1', 'notes.txt']) writeFileSync(join(directory, name), '')
    await restart().close()
    assert.deepEqual(files(), [`${world.record().id}.log`, 'notes.txt'].sort())
  })

  test('whose differences cannot be removed is removed all the same, and the log says so', async () => {
    const { world, warnings } = await observed()
    const path = join(folder, String(number), 'differences', `${world.record().id}.log`)
    mkdirSync(join(path, 'in the way'), { recursive: true })
    await world.metastore.removeDataset('cities', CHANGE)
    await settled()
    assert.equal(world.metastore.get('cities'), null)
    // The look that a start takes at such files may come upon it, too, and says so in other words.
    const text = 'the differences of a dataset that is gone could not be removed'
    assert.equal(warnings.filter((line) => line === text).length, 1, warnings.join())
  })
})
