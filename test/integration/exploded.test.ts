/**
 * The way of a Terrapin team: its HFiles of Thrift structs are loaded with their IDL by the command. Terrapin's own callers
 * go on reading the whole value, byte for byte; new ones read two fields; operators see who asks for what.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isDeepStrictEqual, promisify } from 'node:util'
import type { AdviceReport, UsageReport } from '../../src/base/usage.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { Gateway, MAIN } from '../support/gateway.js'
import { hfileOf } from '../support/hfile-writer.js'
import { random } from '../support/random.js'
import { encodeStruct, idlOf, type Shape, type ShapeValue } from '../support/stock-structs.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n  terrapin: { port: 0, enabled: true }\n'
const ROWS = 500
const FIELDS = 30
const READS_A_ROUND = 40
const SAMPLED_WITHIN_MS = 30_000

const AUTHOR: Shape = {
  name: 'Author',
  fields: [{ id: 1, name: 'name', type: { kind: 'string' }, isRequired: false }],
}
const PIN: Shape = {
  name: 'Pin',
  fields: [
    { id: 1, name: 'id', type: { kind: 'i64' }, isRequired: true },
    { id: 2, name: 'author', type: { kind: 'struct', struct: AUTHOR }, isRequired: false },
    ...Array.from({ length: FIELDS - 2 }, (_, index) => ({
      id: 10 + index,
      name: `f${index}`,
      type: { kind: 'string' } as const,
      isRequired: false,
    })),
  ],
}

const seed = Date.now()
const next = random(seed)
/** Written in an order of their own, with some fields missing: as other programs write them. */
const pins = Array.from({ length: ROWS }, (_, index) => {
  const fields: (readonly [string, ShapeValue])[] = [
    ['id', BigInt(index)],
    ['author', new Map<string, ShapeValue>([['name', `author ${index}`]])],
    ...PIN.fields.slice(2).flatMap(({ name }): [string, ShapeValue][] => {
      return next() < 0.2 ? [] : [[name, `${name} of ${index} `.repeat(1 + Math.floor(next() * 8))]]
    }),
  ]
  return new Map(
    fields
      .map((field) => ({ field, order: next() }))
      .sort((a, b) => a.order - b.order)
      .map(({ field }) => field),
  )
})
const blobs = pins.map((pin) => encodeStruct(PIN, pin, 'binary'))
const keyOf = (index: number) => String(index).padStart(6, '0')

let gateway: Gateway
let terrapin: ThriftClient
let searches = 0

before(async () => {
  gateway = await Gateway.start({ ports: PORTS })
  const place = join(gateway.folder, 'files')
  mkdirSync(place)
  for (const part of [0, 1]) {
    const rows = blobs.flatMap((blob, index): [Buffer, Buffer][] =>
      index % 2 === part ? [[Buffer.from(keyOf(index)), blob]] : [],
    )
    writeFileSync(join(place, `part-0000${part}`), hfileOf(rows))
  }
  mkdirSync(join(gateway.folder, 'idl'))
  const [author = '', pin = ''] = idlOf(PIN).split('\n\n')
  writeFileSync(join(gateway.folder, 'idl', 'author.thrift'), author)
  const text = `include "author.thrift"\n${pin.replace(' Author author', ' author.Author author')}`
  writeFileSync(join(gateway.folder, 'idl', 'pin.thrift'), text)
  await gateway.createDataset('pins', { mode: 'BATCH' })
  terrapin = new ThriftClient({ name: 'terrapin', host: '127.0.0.1', port: gateway.port('terrapin') })
})

after(async () => {
  await terrapin.close()
  await gateway.dispose()
})

async function godwit(...args: string[]): Promise<string> {
  const server = `http://127.0.0.1:${gateway.port('admin')}`
  const run = promisify(execFile)(process.execPath, [MAIN, ...args], {
    cwd: gateway.folder,
    env: { ...process.env, GODWIT_SERVER: server },
  })
  return (await run).stdout
}

function whole(key: string): Promise<Buffer | null> {
  const request = wire.makeTerrapinGetRequest({
    clusterList: ['local'],
    fileSet: 'pins',
    key: Buffer.from(key),
  })
  return new Promise((resolve, reject) => {
    terrapin.call(wire.TerrapinServiceMethods.get, { request }, Number.POSITIVE_INFINITY, (outcome) => {
      if ('value' in outcome && outcome.value !== null) resolve(outcome.value.value)
      else reject(new Error(JSON.stringify(outcome)))
    })
  })
}

test(`HFiles are loaded as columns by the command; terrapin reads equal bytes, seed ${seed}`, async () => {
  await godwit(
    ...'load pins --from files --format hfile --explode thrift --idl idl/pin.thrift --struct Pin --publish'.split(
      ' ',
    ),
  )
  for (const [index, blob] of blobs.entries())
    assert.ok((await whole(keyOf(index)))?.equals(blob), keyOf(index))
  assert.equal(await whole('nothing'), null)
})

test('a caller of KVStore reads two fields of thirty, and what is not set is not there', async () => {
  const client = await gateway.connect()
  for (const index of [0, 17, ROWS - 1]) {
    const { cells } = await client.get({
      dataset: 'pins',
      key: keyOf(index),
      cells: { localKeys: ['author.name', 'f5'] },
    })
    const f5 = pins[index]?.get('f5')
    const expected = [['author.name', `author ${index}`], ...(f5 === undefined ? [] : [['f5', f5]])]
    assert.deepEqual(
      cells?.map(({ localKey, value }) => [String(localKey), String(value)]),
      expected,
    )
  }
  client.close()
})

test('an IDL that lacks a field that values have fails the load, with file and reason, and the data stays', async () => {
  writeFileSync(join(gateway.folder, 'idl', 'short.thrift'), 'struct Pin { 1: required i64 id }')
  await assert.rejects(
    godwit(
      ...'load pins --from files --format hfile --explode thrift --idl idl/short.thrift --struct Pin --publish'.split(
        ' ',
      ),
    ),
    /part-0000[01]:\d+: the value is no Pin in thrift's binary protocol: field \d+ is not in the IDL/,
  )
  assert.ok((await whole(keyOf(3)))?.equals(blobs[3] ?? Buffer.alloc(0)))
})

test('an include that is missing, and a struct that is, are refused before anything is loaded', async () => {
  writeFileSync(
    join(gateway.folder, 'idl', 'broken.thrift'),
    'include "gone.thrift"\nstruct Pin { 1: gone.X x }',
  )
  const load = (idl: string, struct: string) =>
    godwit(
      ...`load pins --from files --format hfile --explode thrift --idl idl/${idl} --struct ${struct}`.split(
        ' ',
      ),
    )
  await assert.rejects(load('broken.thrift', 'Pin'), /the IDL cannot be read: .*gone.thrift/)
  await assert.rejects(load('pin.thrift', 'Board'), /has no struct "Board"; it has Pin/)
})

/** Reads by both callers until some of each were looked at: of many within a second only a few are, drawn at random. */
async function readUntilAdvised(): Promise<AdviceReport> {
  const client = await gateway.connect()
  try {
    const until = performance.now() + SAMPLED_WITHIN_MS
    for (;;) {
      for (let index = 0; index < READS_A_ROUND; index++) {
        await client.get({
          dataset: 'pins',
          key: keyOf(index),
          cells: { localKeys: ['author.name', 'f5'] },
          context: { caller: 'search' },
        })
        searches += 1
        await whole(keyOf(index))
      }
      const advice = JSON.parse(await godwit('advise', 'pins', '--json')) as AdviceReport
      const sampled = advice.readers.map(({ api, caller }) => `${api} ${caller ?? ''}`)
      if (sampled.includes('kvstore search') && sampled.includes('terrapin ')) return advice
      assert.ok(performance.now() < until, `sampled only ${sampled.join(', ')}`)
    }
  } finally {
    client.close()
  }
}

test('operators see who calls what, and what naming columns would save those who read the whole', async () => {
  const advice = await readUntilAdvised()
  const usage = JSON.parse(await godwit('usage', 'pins', '--json')) as UsageReport
  const rows = usage.rows.map(({ api, method, caller, address }) => [api, method, caller, address])
  assert.ok(
    rows.some((row) => isDeepStrictEqual(row, ['kvstore', 'get', 'search', '127.0.0.1'])),
    JSON.stringify(rows),
  )
  assert.ok(rows.some((row) => isDeepStrictEqual(row, ['terrapin', 'get', null, '127.0.0.1'])))
  const ofSearch = usage.rows.find(({ caller }) => caller === 'search')
  assert.equal(ofSearch?.count, searches)
  assert.ok(Math.abs(ofSearch.lastSeenAtMs - Date.now()) < 60_000)

  assert.ok(advice.rows >= 100)
  const terrapinReader = advice.readers.find(({ api }) => api === 'terrapin')
  const meanBlob = blobs.reduce((sum, { length }) => sum + length, 0) / blobs.length
  assert.ok(terrapinReader?.bytesNow && terrapinReader.saved)
  assert.ok(
    Math.abs(terrapinReader.bytesNow.mean / meanBlob - 1) < 0.1,
    `${terrapinReader.bytesNow.mean} of ${meanBlob}`,
  )
  assert.ok(terrapinReader.saved.mean > 0.8 * meanBlob)
  const asked = advice.columns.filter(({ requests }) => requests > 0).map(({ column }) => column)
  // The whole blob is read as the unnamed column's.
  assert.deepEqual(asked.sort(), ['', 'author.name', 'f5'])
  assert.match(
    await godwit('advise', 'pins'),
    /terrapin \(unnamed\) reads whole rows or values; the 2 columns/,
  )
})

test('counts of who called are still there after a restart', async () => {
  await gateway.stop()
  await gateway.start()
  const usage = JSON.parse(await godwit('usage', 'pins', '--json')) as UsageReport
  assert.equal(usage.rows.find(({ caller }) => caller === 'search')?.count, searches)
})
