/** Columns of a file set's values outlive its uploads: what a load or the dataset says of them holds for loadFileSet. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { Uploader } from '../support/file-sets.js'
import { Gateway, MAIN } from '../support/gateway.js'
import { hfileOf } from '../support/hfile-writer.js'
import { encodeStruct, idlOf, type Shape } from '../support/stock-structs.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n  terrapinController: { port: 0, enabled: true }\n'
const PIN: Shape = {
  name: 'Pin',
  fields: [
    { id: 1, name: 'title', type: { kind: 'string' }, isRequired: true },
    { id: 2, name: 'board', type: { kind: 'string' }, isRequired: false },
  ],
}

let gateway: Gateway
let uploader: Uploader
let hdfs = ''

before(async () => {
  hdfs = mkdtempSync(join(tmpdir(), 'godwit-hdfs-'))
  const owner = '  owner: { name: pins-team, contact: pins@example.org }\n'
  gateway = await Gateway.start({
    ports: PORTS,
    config: `terrapin:\n${owner}  root: "${pathToFileURL(hdfs).href}"\n`,
  })
  uploader = new Uploader(gateway.port('terrapinController'))
  writeFileSync(join(gateway.folder, 'pin.thrift'), idlOf(PIN))
})

after(async () => {
  await uploader.close()
  await gateway.dispose()
  rmSync(hdfs, { recursive: true, force: true })
})

/** One file with one key, `k`. Answers the directory in HDFS. */
function written(fileSet: string, version: string, value: Buffer): string {
  const directory = `/terrapin/data/${fileSet}/${version}`
  mkdirSync(join(hdfs, directory), { recursive: true })
  writeFileSync(join(hdfs, directory, 'part-00000'), hfileOf([[Buffer.from('k'), value]]))
  return directory
}

function pin(title: string): Buffer {
  const values = new Map([
    ['title', title],
    ['board', `board of ${title}`],
  ])
  return encodeStruct(PIN, values, 'binary')
}

function loadFileSet(fileSet: string, hdfsDirectory: string): Promise<string> {
  return uploader.load({ fileSet, hdfsDirectory, expectedNumPartitions: 1, numVersionsToKeep: 2 })
}

async function godwit(...args: string[]): Promise<string> {
  const server = `http://127.0.0.1:${gateway.port('admin')}`
  const run = promisify(execFile)(process.execPath, [MAIN, ...args], {
    cwd: gateway.folder,
    env: { ...process.env, GODWIT_SERVER: server },
  })
  return (await run).stdout
}

/** Columns of the row `k` but for the value itself. */
async function columnsOf(dataset: string): Promise<Record<string, string>> {
  const client = await gateway.connect()
  const { cells } = await client.get({ dataset, key: 'k' })
  client.close()
  const named = (cells ?? []).filter(({ localKey }) => String(localKey) !== '')
  return Object.fromEntries(named.map(({ localKey, value }) => [String(localKey), String(value)]))
}

test('after a load with columns loadFileSet makes them, too, and so does a load that says nothing', async () => {
  assert.equal(await loadFileSet('pins', written('pins', '1448390400000', pin('one'))), 'ok')
  assert.deepEqual(await columnsOf('pins'), {})
  const first = join(hdfs, written('pins', '1448390400001', pin('two')))
  const explode = ['--explode', 'thrift', '--idl', 'pin.thrift', '--struct', 'Pin', '--columns', 'title']
  await godwit('load', 'pins', '--from', first, '--format', 'hfile', ...explode, '--publish')
  assert.deepEqual(await columnsOf('pins'), { title: 'two' })
  assert.match(await godwit('dataset', 'show', 'pins'), /exploded +Pin in thrift's binary protocol, title/)
  assert.equal(await loadFileSet('pins', written('pins', '1448390400002', pin('three'))), 'ok')
  assert.deepEqual(await columnsOf('pins'), { title: 'three' })
  const last = join(hdfs, written('pins', '1448390400003', pin('four')))
  await godwit('load', 'pins', '--from', last, '--format', 'hfile', '--publish')
  assert.deepEqual(await columnsOf('pins'), { title: 'four' })
})

test('a file set whose values are something else is refused by name and place, and what was served is served on', async () => {
  const foreign = written('pins', '1448390400004', Buffer.from('no struct'))
  assert.match(
    await loadFileSet('pins', foreign),
    /^INVALID_DATA_SET: .*1448390400004\/part-00000:1: the value is no Pin in thrift's binary protocol/,
  )
  assert.deepEqual(await columnsOf('pins'), { title: 'four' })
})

test('an operator says what values are before any load of them, and takes it back', async () => {
  assert.equal(await loadFileSet('boards', written('boards', '1448390400000', pin('one'))), 'ok')
  const explode = ['--explode', 'thrift', '--idl', 'pin.thrift', '--struct', 'Pin']
  await godwit('dataset', 'update', 'boards', ...explode, '--reason', 'columns for new callers')
  assert.equal(await loadFileSet('boards', written('boards', '1448390400001', pin('two'))), 'ok')
  assert.deepEqual(await columnsOf('boards'), { title: 'two', board: 'board of two' })
  await godwit('dataset', 'update', 'boards', '--explode', 'none', '--reason', 'nobody reads them')
  assert.equal(await loadFileSet('boards', written('boards', '1448390400002', pin('three'))), 'ok')
  assert.deepEqual(await columnsOf('boards'), {})
  await assert.rejects(
    godwit('dataset', 'update', 'boards', ...explode, '--columns', 'titel', '--reason', 'r'),
    /Pin has no field "titel" that is a column/,
  )
})

test('a load that says none makes no columns, and ends it for those that follow', async () => {
  const directory = join(hdfs, written('pins', '1448390400005', pin('five')))
  await godwit('load', 'pins', '--from', directory, '--format', 'hfile', '--explode', 'none', '--publish')
  assert.deepEqual(await columnsOf('pins'), {})
  assert.equal(await loadFileSet('pins', written('pins', '1448390400006', pin('six'))), 'ok')
  assert.deepEqual(await columnsOf('pins'), {})
})
