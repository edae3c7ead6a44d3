import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONTROLLER_CODES } from '../../../shims/terrapin/controller-errors.js'
import { countPartitions, resourceOf, toDirectory } from '../../../shims/terrapin/controller-directory.js'
import { ERROR_CODES, KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { ControllerErrorCode } from '../../../src/thrift/generated/terrapin.js'
import { datasetRecord } from '../../support/datasets.js'
import { ANSWER_MS, DIRECTORY, VERSION, version, World } from './terrapin-controller-world.js'

test('a directory is found by its path or URL, and 13 digits name its version', () => {
  for (const [asked, url, versionId] of [
    ['/terrapin/data/fs/1448390400000', 'hdfs:///terrapin/data/fs/1448390400000/', VERSION],
    ['/terrapin/data/fs/1448390400000//', 'hdfs:///terrapin/data/fs/1448390400000/', VERSION],
    ['hdfs://nn:8020/x/1448390400000', 'hdfs://nn:8020/x/1448390400000/', VERSION],
    ['file:///a b/1448390400000', 'file:///a%20b/1448390400000/', VERSION],
    ['s3://bucket/144839040000', 's3://bucket/144839040000/', null],
    ['/x/0448390400000', 'hdfs:///x/0448390400000/', null],
    ['/x/14483904000000', 'hdfs:///x/14483904000000/', null],
  ] as const) {
    assert.deepEqual(toDirectory(asked, 'hdfs://'), { asked, url, versionId }, asked)
  }
  assert.equal(toDirectory('/x/1', 'file:///mnt/hdfs/').url, 'file:///mnt/hdfs/x/1/')
  for (const asked of [
    '',
    'x',
    '/',
    '//',
    's3://bucket/',
    'file://',
    'ftp://h/x',
    '/a\nb',
    `/${'x'.repeat(900)}`,
  ])
    assert.throws(() => toDirectory(asked, 'hdfs://'), { code: 'INVALID_ARGUMENT' }, asked.slice(0, 10))
  assert.throws(() => toDirectory('/a\nb', 'hdfs://'), / printable characters is needed, not "\/a\?b"$/)
  // A path is no URL: nothing in it leads out of the root, and what looks like an escape is a name.
  assert.equal(
    toDirectory('/a b/%2e%2e/$1?2#3', 'file:///mnt').url,
    'file:///mnt/a%20b/%252e%252e/$1%3F2%233/',
  )
  for (const asked of ['/../etc', '/x/../../etc', '/x/.', '/..'])
    for (const root of ['hdfs://', 'file:///mnt/hdfs', 's3://bucket/data'])
      assert.throws(() => toDirectory(asked, root), /write it without \. and \.\./, `${asked} below ${root}`)
  assert.throws(() => toDirectory('/x/1', null), /objects\.webhdfs\.urls, or terrapin\.root/)
  assert.equal(resourceOf(toDirectory(DIRECTORY, 'hdfs://')), '$terrapin$data$fs$1448390400000')
})

test('partitions are counted as Terrapin does, and those that could not be served are told', () => {
  const parts = (count: number) =>
    Array.from({ length: count }, (_, at) => `part-${String(at).padStart(5, '0')}`)
  for (const [names, found, fault] of [
    [parts(3), 3, null],
    [[...parts(2), '_SUCCESS', 'part-r-00000', 'part-0000x', 'Part-00002'], 2, null],
    [[...parts(2), 'part-00001-ad2'], 2, null],
    [['part-00000', 'part-00001-ad2'], 2, /part-00001-ad2 could never come online.*part-00001$/],
    [['part-00000', 'part-00002'], 2, /^part-00001 is missing$/],
    [['part-00000', 'part-+0001'], 2, /part-\+0001 could never/],
    [['_SUCCESS'], 0, /no files/],
    [[], 0, /no files/],
  ] as const) {
    const counted = countPartitions(names)
    assert.equal(counted.found, found, names.join())
    if (fault === null) assert.equal(counted.fault, null, names.join())
    else assert.match(counted.fault ?? '', fault)
  }
  assert.throws(() => countPartitions(['part-0000']), /part-0000 begins like a part/)
})

test('every code of ours is one of the controller', () => {
  const known = new Set<number>(Object.values(ControllerErrorCode))
  for (const code of Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[])
    assert.ok(known.has(CONTROLLER_CODES[code]), code)
})

test('a new file set gets a dataset of the owner and cluster that are configured, and one load', async () => {
  const world = new World()
  const calls = [world.call(), world.call()]
  await world.settle()
  assert.deepEqual(
    calls.map(({ answer }) => answer),
    ['waiting', 'waiting'],
  )
  await world.end(null)
  assert.deepEqual(
    calls.map(({ answer }) => answer),
    ['ok', 'ok'],
  )
  assert.equal(world.loads.length, 1)
  const [draft] = world.drafts
  assert.ok(draft !== undefined)
  assert.deepEqual(draft.owner, { name: 'team', contact: 'team@example.org' })
  assert.equal(draft.cluster, 'west')
  assert.equal(draft.maxValueBytes, limits.maxValueBytes)
  const [load] = world.loads
  assert.ok(load !== undefined)
  const { request } = load
  assert.deepEqual(request.fileSet, { versionId: VERSION, partCount: 2, retainedVersions: 3 })
  assert.equal(request.from, world.sourceOf(DIRECTORY))
  assert.equal(request.publish, true)
  assert.equal(world.timers.pendingCount, 0)
})

test('a call is answered before its client gives up, the load goes on, and a repeated call joins it', async () => {
  const world = new World()
  const first = world.call()
  await world.settle()
  for (let ms = 0; ms < ANSWER_MS; ms += 1_000) await world.settle(1_000)
  assert.equal(
    first.answer,
    'SHARD_LOAD_TIMEOUT: Timeout while trying to online resource $terrapin$data$fs$1448390400000',
  )
  const second = world.call()
  await world.settle(20_000)
  await world.end(null)
  assert.equal(second.answer, 'ok')
  assert.equal(world.loads.length, 1)
  assert.deepEqual(world.answered, ['DEADLINE_EXCEEDED', null])
})

test('a failure that no call was there to hear of is told to the next one, once and not for long', async () => {
  const failure = { code: 'INVALID_ARGUMENT', message: 'part-00001 is damaged' } as const
  const world = new World()
  world.call()
  await world.settle(ANSWER_MS)
  await world.end(failure)
  const told = world.call()
  await world.settle()
  assert.equal(told.answer, 'INVALID_DATA_SET: part-00001 is damaged')
  assert.equal(world.loads.length, 1)
  const next = world.call()
  await world.settle(ANSWER_MS)
  assert.equal(world.loads.length, 2)
  assert.match(next.answer, /^SHARD_LOAD_TIMEOUT/)
  await world.end(failure)
  await world.settle(60_000)
  const late = world.call()
  await world.settle()
  assert.equal(late.answer, 'waiting')
  assert.equal(world.loads.length, 3)
})

test('a failure that no call was there to hear of is not told of files that were written anew', async () => {
  const world = new World()
  world.call()
  await world.settle(ANSWER_MS)
  await world.end({ code: 'INVALID_ARGUMENT', message: 'part-00001 is damaged' })
  world.tag = '2'
  const repaired = world.call()
  await world.settle()
  assert.equal(world.loads.length, 2)
  await world.end(null)
  assert.equal(repaired.answer, 'ok')
})

test('a load fails by what became of its files', async () => {
  for (const [code, isGone, answer] of [
    ['INVALID_ARGUMENT', false, /^INVALID_DATA_SET: it failed$/],
    ['CORRUPT', false, /^INVALID_DATA_SET/],
    ['TOO_LARGE', false, /^INVALID_DATA_SET/],
    ['INVALID_ARGUMENT', true, /^HDFS_ERROR: it failed$/],
    ['UNAVAILABLE', true, /^HDFS_ERROR/],
    ['UNAVAILABLE', false, /^OTHER/],
    ['CANCELLED', false, /^OTHER/],
  ] as const) {
    const world = new World()
    const call = world.call()
    await world.settle()
    if (isGone) world.directories.clear()
    await world.end({ code, message: 'it failed' })
    assert.match(call.answer, answer, code)
  }
})

test('a directory that is served, or kept, is not loaded again', async () => {
  const served = new World()
  served.setVersion('fs', version(VERSION, 'CURRENT', served.sourceOf(DIRECTORY)))
  served.directories.clear()
  const repeated = served.call({ expectedNumPartitions: 99 })
  await served.settle()
  assert.equal(repeated.answer, 'ok')
  const kept = new World()
  kept.setVersion('fs', version(VERSION, 'READY', kept.sourceOf(DIRECTORY)))
  const switched = kept.call()
  await kept.settle()
  assert.equal(switched.answer, 'ok')
  assert.deepEqual(kept.steps, ['update fs {"retainedVersions":3}', `publish fs ${VERSION}`])
  assert.equal(kept.loads.length, 0)
})

test('a load that a former process began is joined, published or not', async () => {
  const world = new World()
  const call = world.call()
  await world.settle()
  const [begun] = world.loads
  assert.ok(begun !== undefined)
  world.loads[0] = { ...begun, request: { ...begun.request, publish: false } }
  await world.end(null, 'READY')
  assert.equal(call.answer, 'ok')
  assert.equal(world.steps.at(-1), `publish fs ${VERSION}`)
})

test('a load that was forgotten before it was seen to end counts by what became of its version', async () => {
  const world = new World()
  const lucky = world.call()
  await world.settle()
  const forget = () => void world.loads.splice(0)
  world.setVersion('fs', version(VERSION, 'CURRENT', world.sourceOf(DIRECTORY)))
  forget()
  await world.settle(100)
  assert.equal(lucky.answer, 'ok')
  world.setVersion('fs', version(VERSION, 'DELETED', world.sourceOf(DIRECTORY)))
  const unlucky = world.call()
  await world.settle()
  world.setVersion('fs', version(VERSION, 'FAILED', world.sourceOf(DIRECTORY)))
  forget()
  await world.settle(100)
  assert.equal(unlucky.answer, 'waiting')
  assert.equal(world.loads.length, 1, 'it is loaded again')
  await world.end(null)
  assert.equal(unlucky.answer, 'ok')
})

test('another load of the file set, and a version that is being removed, are waited for', async () => {
  const world = new World()
  const other = '/terrapin/data/fs/1448390400001'
  world.directories.set(world.sourceOf(other), ['part-00000', 'part-00001'])
  const first = world.call()
  const second = world.call({ hdfsDirectory: other })
  await world.settle()
  assert.equal(world.loads.length, 1)
  await world.end(null)
  assert.equal(first.answer, 'ok')
  assert.equal(world.loads.length, 2)
  await world.end(null)
  assert.equal(second.answer, 'ok')
  world.records.set('fs', datasetRecord({ name: 'fs', mode: 'BATCH' }))
  world.startFailure = new KVError('FAILED_PRECONDITION', 'it is being removed')
  const third = world.call()
  await world.settle(500)
  assert.deepEqual([third.answer, world.ended], ['waiting', []])
  world.setVersion('fs', version(VERSION, 'DELETED', world.sourceOf(DIRECTORY)))
  await world.settle(500)
  assert.deepEqual([third.answer, world.ended], ['waiting', [`fs ${VERSION}`]])
  world.startFailure = null
  await world.settle(500)
  assert.equal(world.loads.length, 3)
  await world.end(null)
  assert.equal(third.answer, 'ok')
})

test('without an owner no dataset is made, and one that is there is loaded', async () => {
  const world = new World({ hasOwner: false })
  const refused = world.call()
  await world.settle()
  assert.match(refused.answer, /^INVALID_REQUEST: file set fs is not there .* set terrapin\.owner/)
  world.records.set('fs', datasetRecord({ name: 'fs', mode: 'BATCH' }))
  const taken = world.call()
  await world.settle()
  await world.end(null)
  assert.equal(taken.answer, 'ok')
  world.records.set('fs', datasetRecord({ name: 'fs' }))
  const wrong = world.call()
  await world.settle()
  assert.match(wrong.answer, /^INVALID_REQUEST: dataset fs is READ_WRITE/)
})

test('what the metastore cannot do is a failure of the resource, what it may not is one of the request', async () => {
  for (const [code, answer] of [
    ['UNAVAILABLE', /^HELIX_ERROR: Resource creation failure for \$terrapin\$data\$fs\$1448390400000: disk$/],
    ['INVALID_ARGUMENT', /^INVALID_REQUEST: disk$/],
    ['FAILED_PRECONDITION', /^INVALID_REQUEST: disk$/],
  ] as const) {
    const world = new World()
    world.changeFailure = new KVError(code, 'disk')
    const call = world.call()
    await world.settle()
    assert.match(call.answer, answer)
  }
})

test('versions to keep are 1 to 10, whatever is asked for', async () => {
  for (const [asked, kept] of [
    [-3, 1],
    [0, 1],
    [10, 10],
    [2_000_000_000, 10],
  ] as const) {
    const world = new World()
    world.call({ options: { numVersionsToKeep: asked, partitioner: 7 } })
    await world.settle()
    assert.equal(world.loads[0]?.request.fileSet?.retainedVersions, kept)
  }
  const world = new World()
  world.call({ options: null })
  await world.settle()
  assert.equal(world.loads[0]?.request.fileSet?.retainedVersions, 1)
})

test('calls beyond the bound are refused, and those before them go on', async () => {
  const world = new World()
  const calls = Array.from({ length: limits.maxFileSetLoads + 1 }, () => world.call())
  await world.settle()
  assert.match(calls.at(-1)?.answer ?? '', /^OTHER: 100 calls of loadFileSet wait already/)
  await world.end(null)
  assert.deepEqual(new Set(calls.slice(0, -1).map(({ answer }) => answer)), new Set(['ok']))
})

test('a call without a file set, a directory or a number of partitions is refused', async () => {
  const world = new World()
  const absent = [{ fileSet: null }, { hdfsDirectory: null }, { expectedNumPartitions: null }]
  const calls = absent.map((given) => world.call(given))
  await world.settle()
  for (const { answer } of calls) assert.match(answer, /^INVALID_REQUEST/)
})

test('the end of the gateway ends the calls that wait', async () => {
  const world = new World()
  const call = world.call()
  await world.settle()
  world.fileSets.close()
  await world.settle(100)
  assert.match(call.answer, /^OTHER: the gateway is shutting down/)
})
