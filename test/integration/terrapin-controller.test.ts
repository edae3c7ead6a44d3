/** loadFileSet through the whole gateway: directories of HFiles that HBase wrote go live, are kept and are refused. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { Uploader, writeParts } from '../support/file-sets.js'
import { Gateway } from '../support/gateway.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
  '  terrapin: { port: 0, enabled: true }\n  terrapinController: { port: 0, enabled: true }\n'
const OWNER = '  owner: { name: pins-team, contact: pins@example.org }\n'
const TWO_PARTS = { 'part-00000': 'snappy-1000.hfile', 'part-00001': 'gz-bytes.hfile' }

let gateway: Gateway
let uploader: Uploader
/** Stands for HDFS. */
let hdfs = ''

before(async () => {
  hdfs = mkdtempSync(join(tmpdir(), 'godwit-hdfs-'))
  const terrapin = `terrapin:\n${OWNER}  root: "${pathToFileURL(hdfs).href}"\n`
  gateway = await Gateway.start({ ports: PORTS, config: terrapin })
  uploader = new Uploader(gateway.port('terrapinController'))
})

after(async () => {
  await uploader.close()
  await gateway.dispose()
  rmSync(hdfs, { recursive: true, force: true })
})

/** Writes a directory as an uploader does; answers its path in HDFS. */
function written(
  fileSet: string,
  version: string,
  files: Readonly<Record<string, string>> = TWO_PARTS,
): string {
  const directory = `/terrapin/data/${fileSet}/${version}`
  writeParts(join(hdfs, directory), files)
  return directory
}

function load(fileSet: string, hdfsDirectory: string, numVersionsToKeep = 1, expectedNumPartitions = 2) {
  return uploader.load({ fileSet, hdfsDirectory, expectedNumPartitions, numVersionsToKeep })
}

interface Described {
  readonly owner: { readonly name: string }
  readonly retainedVersions: number
  readonly versions: readonly { readonly id: number; readonly state: string; readonly rows: number }[]
}

async function described(dataset: string): Promise<Described> {
  const answer = await gateway.admin('GET', `/v1/datasets/${dataset}`)
  assert.equal(answer.status, 200, answer.text)
  return (answer.body as { dataset: Described }).dataset
}

/** Through TerrapinService; null: it is missing. */
async function valueOf(fileSet: string, key: string): Promise<string | null> {
  const client = new ThriftClient({ name: 'thin', host: '127.0.0.1', port: gateway.port('terrapin') })
  const request = wire.makeTerrapinGetRequest({ clusterList: ['local'], fileSet, key: Buffer.from(key) })
  try {
    return await new Promise((resolve, reject) => {
      client.call(wire.TerrapinServiceMethods.get, { request }, Number.POSITIVE_INFINITY, (outcome) => {
        if (outcome instanceof KVError) reject(outcome)
        else if (outcome.value === null) reject(new Error(JSON.stringify(outcome.exception)))
        else resolve(outcome.value.value?.toString() ?? null)
      })
    })
  } finally {
    await client.close()
  }
}

async function statesOf(dataset: string): Promise<Record<number, string>> {
  const { versions } = await described(dataset)
  return Object.fromEntries(
    versions.filter(({ state }) => state !== 'DELETED').map(({ id, state }) => [id, state]),
  )
}

test('a new file set gets a dataset of the configured owner, and its directory names the version', async () => {
  assert.equal(await load('pins', written('pins', '1448390400000'), 2), 'ok')
  const { owner, retainedVersions, versions } = await described('pins')
  assert.equal(owner.name, 'pins-team')
  assert.equal(retainedVersions, 2)
  assert.deepEqual(
    versions.map(({ id, state, rows }) => ({ id, state, rows })),
    [{ id: 1448390400000, state: 'CURRENT', rows: 1258 }],
  )
})

test('a directory that is served is not looked into again, even when it is gone', async () => {
  const directory = '/terrapin/data/pins/1448390400000'
  rmSync(join(hdfs, directory), { recursive: true })
  assert.equal(await load('pins', directory, 1, 77), 'ok')
  assert.equal((await described('pins')).retainedVersions, 2)
  written('pins', '1448390400000')
})

test('as many versions are kept as the newest call says, and a kept directory is switched back to', async () => {
  assert.equal(await load('pins', written('pins', '1448390400002'), 3), 'ok')
  assert.equal(await load('pins', written('pins', '1448390400003'), 3), 'ok')
  assert.deepEqual(await statesOf('pins'), {
    1448390400000: 'READY',
    1448390400002: 'READY',
    1448390400003: 'CURRENT',
  })
  assert.equal(await load('pins', '/terrapin/data/pins/1448390400000', 2), 'ok')
  assert.deepEqual(await statesOf('pins'), { 1448390400000: 'CURRENT', 1448390400003: 'READY' })
})

test('a directory with a lower number than the served one goes live, too', async () => {
  assert.equal(await load('pins', written('pins', '1448390399999'), 1), 'ok')
  assert.deepEqual(await statesOf('pins'), { 1448390399999: 'CURRENT' })
})

test('a version that was forgotten is loaded again from its directory', async () => {
  assert.equal(await load('pins', '/terrapin/data/pins/1448390400003', 1), 'ok')
  assert.deepEqual(await statesOf('pins'), { 1448390400003: 'CURRENT' })
})

test('no options are the defaults of the interface, and no more than ten versions are kept', async () => {
  const hdfsDirectory = written('boards', '1448390400000')
  assert.equal(await uploader.load({ fileSet: 'boards', hdfsDirectory, expectedNumPartitions: 2 }), 'ok')
  assert.equal((await described('boards')).retainedVersions, 1)
  assert.equal(await load('boards', written('boards', '1448390400001'), 50), 'ok')
  assert.equal((await described('boards')).retainedVersions, 10)
})

test('a directory of another name gets its id from the clock, and only files of partitions are read', async () => {
  const files = {
    ...TWO_PARTS,
    _SUCCESS: 'none-0.hfile',
    'part-r-00000': 'none-300.hfile',
    notes: 'none-0.hfile',
  }
  const before = Date.now()
  const directory = written('odd', 'newest', files)
  mkdirSync(join(hdfs, directory, 'part-00002'))
  assert.equal(await load('odd', directory), 'ok')
  const [version] = (await described('odd')).versions
  assert.ok(version !== undefined && version.id >= before)
  assert.equal(version.rows, 1258)
  assert.equal(await load('odd', `${directory}/`), 'ok')
  assert.equal((await described('odd')).versions.length, 1)
})

test('what stands beside the parts, and below, is not looked at', async () => {
  const directory = written('littered', '1448390400000')
  mkdirSync(join(hdfs, directory, '_logs', 'history'), { recursive: true })
  symlinkSync('/gone', join(hdfs, directory, '_logs', 'history', 'job'))
  symlinkSync('/gone', join(hdfs, directory, '_temporary'))
  assert.equal(await load('littered', directory), 'ok')
})

test('a directory of empty parts goes live, and all its keys are missing', async () => {
  const directory = written('empty', '1448390400000', {
    'part-00000': 'none-0.hfile',
    'part-00001': 'none-0.hfile',
  })
  assert.equal(await load('empty', directory, 2), 'ok')
  const { versions } = await described('empty')
  assert.deepEqual(versions, [{ ...versions[0], id: 1448390400000, state: 'CURRENT', rows: 0 }])
  assert.equal(await valueOf('empty', '000999'), null)
  // Also in place of one that has rows, and back.
  assert.equal(await load('empty', written('empty', '1448390400001'), 2), 'ok')
  assert.equal(await valueOf('empty', '000999'), 'v1000')
  assert.equal(await load('empty', directory, 2), 'ok')
  assert.equal(await valueOf('empty', '000999'), null)
})

test('callers of one directory at the same time get one version', async () => {
  const directory = written('popular', '1448390400000')
  const answers = await Promise.all(Array.from({ length: 8 }, () => load('popular', directory)))
  assert.deepEqual(new Set(answers), new Set(['ok']))
  assert.deepEqual(await statesOf('popular'), { 1448390400000: 'CURRENT' })
})

test('two directories of one file set at the same time go live one after the other', async () => {
  const directories = [written('busy', '1448390400000'), written('busy', '1448390400001')]
  const answers = await Promise.all(directories.map((directory) => load('busy', directory, 2)))
  assert.deepEqual(answers, ['ok', 'ok'])
  const states = Object.values(await statesOf('busy'))
  assert.deepEqual(states.sort(), ['CURRENT', 'READY'])
})

const DIRECTORY = '/terrapin/data/pins/1448390400'
const refusals: readonly {
  readonly name: string
  readonly number: string
  readonly files: Readonly<Record<string, string>> | null
  readonly answer: RegExp
}[] = [
  {
    name: 'another number of partitions than expected',
    number: '100',
    files: { 'part-00000': 'none-300.hfile' },
    answer: new RegExp(
      `^INVALID_DATA_SET: Partition count mismatch for hdfs dir ${DIRECTORY}100 FOUND : 1 EXPECTED : 2$`,
    ),
  },
  {
    name: 'a directory that is not there',
    number: '101',
    files: null,
    answer: new RegExp(`^HDFS_ERROR: Exception while listing files in ${DIRECTORY}101: .*no such file`),
  },
  {
    name: 'a partition that only a longer name has',
    number: '102',
    files: { 'part-00000': 'none-300.hfile', 'part-00001-ad2': 'none-300.hfile' },
    answer:
      /^INVALID_DATA_SET: .*part-00001-ad2 could never come online: it would have to be named part-00001$/,
  },
  {
    name: 'a gap between the partitions',
    number: '103',
    files: { 'part-00000': 'none-300.hfile', 'part-00002': 'none-300.hfile' },
    answer: /^INVALID_DATA_SET: .*part-00001 is missing$/,
  },
  {
    name: 'a part without a number',
    number: '104',
    files: { 'part-00000': 'none-300.hfile', 'part-1': 'none-300.hfile' },
    answer: /^OTHER: .*part-1 begins like a part/,
  },
]

for (const { name, number, files, answer } of refusals) {
  test(`${name} is refused, and what was served is served on`, async () => {
    const directory = files === null ? `${DIRECTORY}${number}` : written('pins', `1448390400${number}`, files)
    assert.match(await load('pins', directory), answer)
    assert.deepEqual(await statesOf('pins'), { 1448390400003: 'CURRENT' })
  })
}

test('a damaged file fails the load by its name; repaired, the same directory goes live under the same id', async () => {
  const directory = written('pins', '1448390400200')
  const file = join(hdfs, directory, 'part-00001')
  truncateSync(file, 3_000)
  assert.match(await load('pins', directory), /^INVALID_DATA_SET: .*1448390400200\/part-00001/)
  assert.deepEqual(await statesOf('pins'), { 1448390400003: 'CURRENT', 1448390400200: 'FAILED' })
  rmSync(file)
  written('pins', '1448390400200')
  assert.equal(await load('pins', directory), 'ok')
  assert.deepEqual(await statesOf('pins'), { 1448390400200: 'CURRENT' })
})

test('an id of another place, a dataset of another mode and a place that nothing serves are refused', async () => {
  const elsewhere = join(hdfs, 'elsewhere', '1448390400200')
  writeParts(elsewhere, TWO_PARTS)
  assert.match(
    await load('pins', pathToFileURL(elsewhere).href),
    /^INVALID_REQUEST: version 1448390400200 of dataset pins exists already \(CURRENT, from file:.*\)/,
  )
  await gateway.createDataset('written')
  assert.match(await load('written', DIRECTORY + '200'), /^INVALID_REQUEST: dataset written is READ_WRITE/)
  assert.match(await load('a b', written('a b', '1448390400000')), /^INVALID_REQUEST: .*name/)
  assert.match(await load('pins', 'ftp://there/1448390400000'), /^INVALID_REQUEST: "ftp:/)
  assert.match(
    await load('pins', 'hdfs://nn:8020/pins'),
    /^HDFS_ERROR: .*HDFS is not configured; set objects/,
  )
})

test('a gateway that is killed goes on with the load, and a repeated call finds it', async () => {
  const directory = written('killed', '1448390400000')
  const lost = load('killed', directory, 2).catch(() => 'cut')
  const isLoading = async () => {
    const answer = await gateway.admin('GET', '/v1/datasets/killed')
    return answer.status === 200 && answer.text.includes('"LOADING"')
  }
  while (!(await isLoading())) await pause(5)
  await gateway.kill9()
  assert.equal(await lost, 'cut')
  await uploader.close()
  await gateway.start()
  uploader = new Uploader(gateway.port('terrapinController'))
  assert.equal(await load('killed', directory, 2), 'ok')
  assert.deepEqual(await statesOf('killed'), { 1448390400000: 'CURRENT' })
  assert.equal((await described('killed')).retainedVersions, 2)
})
