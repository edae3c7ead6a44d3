/** Terrapin's data through the whole gateway: HFiles that HBase wrote are loaded, published and read by both services. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { T, field, frame, i32, message, nextFrame, rawSocket, struct, text } from '../support/frames.js'
import { Gateway } from '../support/gateway.js'
import { root } from '../support/tree.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
  '  terrapin: { port: 0, enabled: true }\n  terrapinInternal: { port: 0, enabled: true }\n'
const DEADLINE = Number.POSITIVE_INFINITY

let gateway: Gateway
let service: ThriftClient
let internal: ThriftClient
let version = 0

before(async () => {
  gateway = await Gateway.start({ ports: PORTS })
  const place = join(gateway.folder, '1448390400000')
  mkdirSync(place)
  copyFileSync(join(root, 'test', 'fixtures', 'hfile', 'snappy-1000.hfile'), join(place, 'part-00000'))
  await gateway.createDataset('pins', { mode: 'BATCH' })
  const started = await gateway.admin('POST', '/v1/datasets/pins/loads', {
    from: place,
    format: 'hfile',
    keyField: '',
    publish: true,
  })
  assert.equal(started.status, 202, started.text)
  const { load } = started.body as { load: { id: string; version: number } }
  version = load.version
  for (let state = ''; state !== 'DONE';) {
    await pause(20)
    const asked = await gateway.admin('GET', `/v1/loads/${load.id}`)
    ;({ state } = (asked.body as { load: { state: string } }).load)
    assert.notEqual(state, 'FAILED', asked.text)
  }
  const host = '127.0.0.1'
  service = new ThriftClient({ name: 'terrapin', host, port: gateway.port('terrapin') })
  internal = new ThriftClient({ name: 'internal', host, port: gateway.port('terrapinInternal') })
})

after(async () => {
  await service.close()
  await internal.close()
  await gateway.dispose()
})

function answerOf<R>(outcome: { value: R | null; exception: wire.TerrapinGetException | null } | KVError): R {
  if (outcome instanceof KVError) throw outcome
  if (outcome.exception !== null)
    throw new Error(`${outcome.exception.errorCode}: ${outcome.exception.message}`)
  assert.ok(outcome.value !== null)
  return outcome.value
}

function get(fileSet: string, key: string, clusterList = ['local']): Promise<wire.TerrapinSingleResponse> {
  const request = wire.makeTerrapinGetRequest({ clusterList, fileSet, key: Buffer.from(key) })
  return new Promise((resolve, reject) => {
    service.call(wire.TerrapinServiceMethods.get, { request }, DEADLINE, (outcome) => {
      try {
        resolve(answerOf(outcome))
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
  })
}

test('what HBase wrote is what get answers: a value, an empty one, a missing one', async () => {
  assert.equal((await get('pins', '000999')).value?.toString(), 'v1000')
  assert.equal((await get('pins', '000001')).value?.length, 0)
  assert.equal((await get('pins', 'nothing')).value, null)
})

test('an unknown file set and an unknown cluster are told apart', async () => {
  await assert.rejects(get('nothing', 'k'), /202: File set nothing not found\./)
  await assert.rejects(get('pins', '000001', ['elsewhere']), /203: Clusters \[elsewhere\] not found\./)
})

test('a new name of a cluster serves at once', async () => {
  const clusters = await gateway.admin('GET', '/v1/clusters/local')
  assert.equal(clusters.status, 200, clusters.text)
  const made = await gateway.admin('PUT', '/v1/clusters/west', { aliases: ['old-west'], leaves: [] })
  assert.equal(made.status < 300, true, made.text)
  assert.equal((await get('pins', '000002', ['old-west'])).value?.toString(), 'v3')
})

test('a fat client reads the version that it names', async () => {
  const read = (resource: string) =>
    new Promise<wire.TerrapinResponse>((resolve, reject) => {
      const keyList = [wire.makeMultiKey({ key: [Buffer.from('000005')], resource, partition: '0' })]
      const request = wire.makeTerrapinInternalGetRequest({ keyList })
      internal.call(wire.TerrapinServerInternalMethods.get, { request }, DEADLINE, (outcome) => {
        try {
          resolve(answerOf(outcome))
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      })
    })
  const { responseMap } = await read(`$terrapin$data$pins$${version}`)
  assert.equal(responseMap?.[0]?.[1].value?.toString(), 'v6')
  const other = await read(`$terrapin$data$pins$${version + 1}`)
  assert.equal(other.responseMap?.[0]?.[1].errorCode, wire.TerrapinGetErrorCode.NOT_SERVING_RESOURCE)
})

test("a Finagle client's name stands where operators see who calls", async () => {
  const socket = await rawSocket(gateway.port('terrapin'))
  socket.write(frame(message('__can__finagle__trace__v3__', struct())))
  await nextFrame(socket)
  const header = struct(field(T.STRUCT, 6, struct(field(T.STRING, 1, text('pinboard')))))
  const request = struct(
    field(T.LIST, 1, Buffer.concat([Buffer.of(T.STRING), i32(1), text('local')])),
    field(T.STRING, 2, text('pins')),
    field(T.STRING, 3, text('000999')),
  )
  socket.write(frame(Buffer.concat([header, message('get', struct(field(T.STRUCT, 1, request)))])))
  assert.ok((await nextFrame(socket)).includes('v1000'))
  socket.destroy()
  const { body } = await gateway.admin('GET', '/v1/usage?dataset=pins')
  const { rows } = body as { rows: { api: string; method: string; caller: string | null; count: number }[] }
  const row = rows.find(({ caller }) => caller === 'pinboard')
  assert.deepEqual([row?.api, row?.method, row?.count], ['terrapin', 'get', 1])
})
