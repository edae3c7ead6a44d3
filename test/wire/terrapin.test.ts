/** TerrapinService and TerrapinServerInternal against frames computed from the published IDL, and Finagle's upgrade. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, describe, test } from 'node:test'
import {
  createTerrapinInternalService,
  createTerrapinService,
  type TerrapinServiceOptions,
} from '../../shims/terrapin/listener.js'
import { KVError } from '../../src/base/errors.js'
import { untilClosed } from '../support/frames.js'
import { cell, closeAll, exchange, FakeStore, OPTIONS, serve } from '../support/terrapin-service.js'

const UPGRADE_CALL =
  '00000028800100010000001b5f5f63616e5f5f66696e61676c655f5f74726163655f5f76335f5f0000000000'
const UPGRADE_REPLY =
  '00000028800100020000001b5f5f63616e5f5f66696e61676c655f5f74726163655f5f76335f5f0000000000'
/** get(clusterList=[c1], fileSet=fs, key=k1), seqid 7. */
const GET =
  '000000348001000100000003676574000000070c00010f00010b000000010000000263310b00020000000266730b0003000000026b310000'
const GET_UPGRADED =
  '000000560a000100000000000000010a000200000000000000010a00070000000000000000008001000100000003676574000000070c00010f00010b000000010000000263310b00020000000266730b0003000000026b310000'
const REPLY_V1 = '0000001d8001000200000003676574000000070c00000b00010000000276310000'
const REPLY_V1_UPGRADED = '0000001e008001000200000003676574000000070c00000b00010000000276310000'
const REPLY_MISSING = '000000148001000200000003676574000000070c00000000'
const REPLY_EMPTY = '0000001b8001000200000003676574000000070c00000b0001000000000000'
const REPLY_NO_FILE_SET =
  '000000388001000200000003676574000000070c00010b00010000001646696c6520736574206673206e6f7420666f756e642e080002000000ca0000'
const MULTI_REPLY =
  '0000004080010002000000086d756c7469476574000000080c00000d00010b0c00000002000000026b310b000100000002763100000000026b3208000200000067000000'
const UNKNOWN_FOO = '0000000f8001000100000003666f6f0000000900'
const UNKNOWN_FOO_REPLY =
  '000000388001000300000003666f6f000000090b00010000001a496e76616c6964206d6574686f64206e616d653a2027666f6f270800020000000100'

const TOO_LARGE = /the answer of multiGet exceeds 500 bytes: ask for fewer keys at a time\x08\0\x02\0\0\0\x01/

afterEach(closeAll)

describe('get', () => {
  test('a value, an empty one, and none at all are three answers', async () => {
    for (const [row, reply] of [
      [cell('v1'), REPLY_V1],
      [cell(''), REPLY_EMPTY],
      [null, REPLY_MISSING],
    ] as const) {
      const socket = await serve(createTerrapinService(new FakeStore({ k1: row }), OPTIONS))
      assert.equal(await exchange(socket, GET), reply)
    }
  })

  test('a file set that is not there is an exception with its text', async () => {
    const store = new FakeStore({})
    store.read = (_request, done) => done(new KVError('DATASET_NOT_FOUND', 'no dataset'))
    const socket = await serve(createTerrapinService(store, OPTIONS))
    assert.equal(await exchange(socket, GET), REPLY_NO_FILE_SET)
  })

  test('a key that cannot be read is thrown, as "Read failed." with its code', async () => {
    const rows = { k1: new KVError('CORRUPT', 'damaged') }
    const socket = await serve(createTerrapinService(new FakeStore(rows), OPTIONS))
    const reply = await exchange(socket, GET)
    assert.ok(reply.includes(Buffer.from('Read failed.').toString('hex')), reply)
    assert.ok(reply.includes('080002000000670000'), 'READ_ERROR is 103')
  })

  test('only the first two clusters count', async () => {
    const socket = await serve(createTerrapinService(new FakeStore({ k1: cell('v1') }), OPTIONS))
    const withClusters = (names: readonly string[]): string => {
      const list = names.map((name) =>
        Buffer.from(`\0\0\0${String.fromCharCode(name.length)}${name}`, 'latin1'),
      )
      const head = Buffer.from(`8001000100000003676574000000070c00010f00010b0000000${names.length}`, 'hex')
      const tail = Buffer.from('0b00020000000266730b0003000000026b310000', 'hex')
      const body = Buffer.concat([head, ...list, tail])
      const size = Buffer.alloc(4)
      size.writeUInt32BE(body.length)
      return Buffer.concat([size, body]).toString('hex')
    }
    assert.equal(await exchange(socket, withClusters(['zz', 'c2'])), REPLY_V1)
    assert.equal(await exchange(socket, withClusters(['c1', 'zz', 'yy'])), REPLY_V1)
    const none = await exchange(socket, withClusters(['yy', 'zz', 'c1']))
    assert.ok(none.includes(Buffer.from('Clusters [yy, zz, c1] not found.').toString('hex')))
    const empty = await exchange(socket, withClusters([]))
    assert.ok(empty.includes(Buffer.from('Cluster list is empty').toString('hex')))
  })
})

describe('multiGet', () => {
  const multiGet = (keys: readonly string[]): string => {
    const list = keys.map((key) => {
      const size = Buffer.alloc(4)
      size.writeUInt32BE(Buffer.byteLength(key, 'latin1'))
      return Buffer.concat([size, Buffer.from(key, 'latin1')])
    })
    const count = Buffer.alloc(4)
    count.writeUInt32BE(keys.length)
    const body = Buffer.concat([
      Buffer.from(
        '80010001000000086d756c7469476574000000080c00010f00010b000000010000000263310b0002000000026673',
        'hex',
      ),
      Buffer.from('0f00030b', 'hex'),
      count,
      ...list,
      Buffer.from('0000', 'hex'),
    ])
    const size = Buffer.alloc(4)
    size.writeUInt32BE(body.length)
    return Buffer.concat([size, body]).toString('hex')
  }

  test('missing keys are left out, failed ones have a code, repeated ones stand once', async () => {
    const rows = { k1: cell('v1'), k2: new KVError('UNAVAILABLE', 'gone') }
    const store = new FakeStore(rows)
    const socket = await serve(createTerrapinService(store, OPTIONS))
    assert.equal(await exchange(socket, multiGet(['k1', 'k2', 'k3', 'k1'])), MULTI_REPLY)
    assert.equal(store.reads[0]?.rowKeys.length, 3)
  })

  test('a key longer than an HBase key fails alone', async () => {
    const socket = await serve(createTerrapinService(new FakeStore({ k1: cell('v1') }), OPTIONS))
    const reply = await exchange(socket, multiGet(['x'.repeat(32_768), 'k1']))
    assert.ok(reply.includes('080002000000670'), 'READ_ERROR for the long one')
    assert.ok(reply.endsWith('000000026b310b0001000000027631000000'), 'the value of the other')
  })

  test('more keys than one read takes are read from one version', async () => {
    const keys = Array.from({ length: 10_001 }, (_, index) => `k${index}`)
    const store = new FakeStore(Object.fromEntries(keys.map((key) => [key, cell('v')])))
    const socket = await serve(createTerrapinService(store, OPTIONS))
    const reply = await exchange(socket, multiGet(keys))
    assert.deepEqual(store.reads.map(({ rowKeys }) => rowKeys.length), [10_000, 1]) // prettier-ignore
    assert.deepEqual(store.reads.map(({ datasetVersion }) => datasetVersion), [1_700_000_000_000, 1_700_000_000_000]) // prettier-ignore
    assert.equal(Buffer.from(reply, 'hex').readUInt32BE(4 + 4 + 4 + 8 + 4 + 3 + 3 + 2), keys.length)
  })

  test('a part of many keys that cannot be read fails its own, and one that is gone the call', async () => {
    const keys = Array.from({ length: 20_001 }, (_, index) => `k${index}`)
    const rows = Object.fromEntries(keys.map((key) => [key, cell('v')]))
    for (const [code, entries] of [
      ['DEADLINE_EXCEEDED', 20_001],
      ['VERSION_NOT_FOUND', null],
    ] as const) {
      const store = new FakeStore(rows)
      const read = store.read.bind(store)
      // The second part of three.
      store.read = (request, done) => {
        if (store.reads.length === 1) {
          store.reads.push(request)
          done(new KVError(code, 'a part'))
        } else read(request, done)
      }
      const reply = await exchange(await serve(createTerrapinService(store, OPTIONS)), multiGet(keys))
      if (entries === null) {
        assert.ok(reply.includes('08000200' + '0000cd'), 'INVALID_FILE_SET_VIEW of the call')
        continue
      }
      const bytes = Buffer.from(reply, 'hex')
      assert.equal(bytes.readUInt32BE(4 + 4 + 4 + 8 + 4 + 3 + 3 + 2), entries)
      const failed = reply.split('0800020000006700').length - 1
      assert.equal(failed, 10_000, 'keys of READ_ERROR')
    }
  })

  test('a call has a million keys and clusters at most; one with more is a broken message', async () => {
    const keys = Array.from({ length: 1_000_000 }, () => 'k1')
    const socket = await serve(createTerrapinService(new FakeStore({ k1: cell('v1') }), OPTIONS))
    // One of them is the cluster's name.
    const reply = await exchange(socket, multiGet(keys.slice(1)))
    assert.ok(reply.endsWith('000000026b310b0001000000027631000000'), reply)
    socket.write(Buffer.from(multiGet(keys), 'hex'))
    socket.end()
    const refusal = (await untilClosed(socket)).toString('latin1')
    assert.match(refusal, /multiGet: a message may have 1000000 elements in all/)
  })

  test('a call that is too large ends its connection without an answer, and a too large answer is OTHER', async () => {
    const rows = { k1: cell('v'.repeat(400)), k2: cell('v'.repeat(400)) }
    const service = createTerrapinService(new FakeStore(rows), OPTIONS)
    const small = await serve(service, true, { maxFrameBytes: 500 })
    assert.match(
      Buffer.from(await exchange(small, multiGet(['k1', 'k2'])), 'hex').toString('latin1'),
      TOO_LARGE,
    )
    small.write(Buffer.from(multiGet(['x'.repeat(500)]), 'hex'))
    small.end()
    assert.equal((await untilClosed(small)).length, 0)
  })

  test('each call is counted once, however many reads it took, and refused ones too', async () => {
    const counted: unknown[] = []
    const onAnswered: TerrapinServiceOptions['onAnswered'] = (operation, fileSet, durationMs, code) => {
      assert.ok(durationMs >= 0)
      counted.push([operation, fileSet, code])
    }
    const rows = { k1: cell('v1'), k2: new KVError('UNAVAILABLE', 'gone') }
    const store = new FakeStore(rows)
    const socket = await serve(createTerrapinService(store, { ...OPTIONS, onAnswered }))
    await exchange(socket, multiGet(Array.from({ length: 25_000 }, (_, index) => `k${index}`)))
    assert.equal(store.reads.length, 3)
    await exchange(socket, GET)
    await exchange(socket, GET.replace('6b31', '6b32'))
    await exchange(socket, GET.replace('000000026331', '000000027831'))
    await exchange(socket, GET.replace('000000026673', '000000026e6f'))
    assert.deepEqual(counted, [
      ['multiGet', 'fs', null],
      ['get', 'fs', null],
      ['get', 'fs', 'UNAVAILABLE'],
      ['get', 'fs', 'INVALID_ARGUMENT'],
      ['get', 'no', 'DATASET_NOT_FOUND'],
    ])
    assert.ok(store.reads.every(({ context }) => context.isCountedByShim === true))
  })

  test('bytes of values are counted as Terrapin did: of a get what it found, of a multiGet all of it', async () => {
    const counted: unknown[] = []
    const onValues: TerrapinServiceOptions['onValues'] = (...sizes) => void counted.push(sizes)
    const rows = { k1: cell('v1'), k2: new KVError('UNAVAILABLE', 'gone'), k3: cell('longer') }
    const socket = await serve(createTerrapinService(new FakeStore(rows), { ...OPTIONS, onValues }))
    await exchange(socket, GET)
    await exchange(socket, GET.replace('6b31', '6b32'))
    await exchange(socket, GET.replace('6b31', '6b39'))
    await exchange(socket, multiGet(['k1', 'k2', 'k3', 'k9', 'k3']))
    await exchange(socket, multiGet(['k9']))
    assert.deepEqual(counted, [
      ['get', 'fs', 2],
      ['multiGet', 'fs', 8],
      ['multiGet', 'fs', 0],
    ])
  })

  test('no key at all is an empty map, of a file set that exists', async () => {
    const socket = await serve(createTerrapinService(new FakeStore({}), OPTIONS))
    const reply = await exchange(socket, multiGet([]))
    assert.ok(reply.endsWith('0d00010b0c000000000000'), reply)
  })
})

describe('a call', () => {
  const service = () => createTerrapinService(new FakeStore({ k1: cell('v1') }), OPTIONS)
  const framed = (body: string): string => (body.length / 2).toString(16).padStart(8, '0') + body

  test('gets its sequence number back as it is, negative ones too', async () => {
    const socket = await serve(service())
    for (const number of ['00000000', '7fffffff', '80000000', 'ffffffff']) {
      const call = GET.replace('67657400000007', `676574${number}`)
      assert.equal(await exchange(socket, call), REPLY_V1.replace('67657400000007', `676574${number}`))
    }
  })

  test('may come byte by byte, and several at once, before and after the upgrade', async () => {
    const socket = await serve(service())
    for (const byte of Buffer.from(GET, 'hex').subarray(0, -1)) {
      socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(await exchange(socket, GET.slice(-2)), REPLY_V1)
    socket.write(Buffer.from(GET + GET + UPGRADE_CALL + GET_UPGRADED + GET_UPGRADED, 'hex'))
    socket.end()
    const expected = REPLY_V1.repeat(2) + UPGRADE_REPLY + REPLY_V1_UPGRADED.repeat(2)
    assert.equal((await untilClosed(socket)).toString('hex'), expected)
  })

  test('may have the header of old Thrift, without a version; the answer has one', async () => {
    const socket = await serve(service())
    const old = `000000036765740100000007${GET.slice(8 + 8 + 8 + 6 + 8)}`
    assert.equal(await exchange(socket, framed(old)), REPLY_V1)
  })

  test('without a field that the interface requires is refused by its name, and the connection goes on', async () => {
    const counted: unknown[] = []
    const onAnswered: TerrapinServiceOptions['onAnswered'] = (...call) => void counted.push(call[3])
    const store = new FakeStore({ k1: cell('v1'), '': cell('of the empty key') })
    const socket = await serve(createTerrapinService(store, { ...OPTIONS, onAnswered }))
    const refused = 'INVALID_ARGUMENT'
    for (const [field, bytes] of [
      ['fileSet', '0b00020000000266' + '73'],
      ['key', '0b0003000000026b31'],
    ] as const) {
      const whole = GET.slice(8)
      // Of another type is as good as absent.
      for (const left of [
        whole.replace(bytes, ''),
        whole.replace(bytes, `0800${bytes.slice(4, 6)}00000001`),
      ]) {
        const reply = Buffer.from(await exchange(socket, framed(left)), 'hex').toString('latin1')
        assert.ok(reply.includes(`Required field '${field}' was not present!\x08\0\x02\0\0\0\xcc`), reply)
      }
    }
    assert.equal(store.reads.length, 0)
    assert.equal(await exchange(socket, GET), REPLY_V1)
    assert.deepEqual(counted, [refused, refused, refused, refused, null])
  })

  test('may have options and fields that nobody knows', async () => {
    const socket = await serve(service())
    const body = GET.slice(8, -4)
    for (const options of [
      '0c000400',
      '0c00040a0001ffffffffffffffff00',
      '0c00040a000100000000000000640800020000004d0d00630b0b000000010000000161000000016200',
      '0200630108006400000001',
    ])
      assert.equal(await exchange(socket, framed(`${body}${options}0000`)), REPLY_V1, options)
  })
})

describe('the upgrade of Finagle', () => {
  test('is answered, and then headers stand in front of requests and answers', async () => {
    const socket = await serve(createTerrapinService(new FakeStore({ k1: cell('v1') }), OPTIONS))
    assert.equal(await exchange(socket, GET), REPLY_V1)
    assert.equal(await exchange(socket, UPGRADE_CALL), UPGRADE_REPLY)
    assert.equal(await exchange(socket, GET_UPGRADED), REPLY_V1_UPGRADED)
  })

  test('options in it and unknown fields in headers are passed over; the client id is who calls', async () => {
    const store = new FakeStore({ k1: cell('v1') })
    const socket = await serve(createTerrapinService(store, OPTIONS))
    const call = `${UPGRADE_CALL.slice(8, -2)}0b0063000000026f6b00`
    const size = (call.length / 2).toString(16).padStart(8, '0')
    assert.equal(await exchange(socket, size + call), UPGRADE_REPLY)
    // Fields 1 and 6, then 99, which no version of Finagle has.
    const header = '0a000100000000000000010c00060b00010000000361707000' + '0f00630800000001' + '0000000700'
    const body = header + GET.slice(8)
    const framed = (body.length / 2).toString(16).padStart(8, '0') + body
    assert.equal(await exchange(socket, framed), REPLY_V1_UPGRADED)
    assert.equal(store.reads[0]?.context.caller, 'app')
  })

  test('of an overlong client id its beginning is who calls', async () => {
    const store = new FakeStore({ k1: cell('v1') })
    const socket = await serve(createTerrapinService(store, OPTIONS))
    assert.equal(await exchange(socket, UPGRADE_CALL), UPGRADE_REPLY)
    const name = Buffer.from('n'.repeat(200)).toString('hex')
    const body = `0c00060b0001000000c8${name}0000` + GET.slice(8)
    const framed = (body.length / 2).toString(16).padStart(8, '0') + body
    assert.equal(await exchange(socket, framed), REPLY_V1_UPGRADED)
    assert.equal(store.reads[0]?.context.caller, 'n'.repeat(128))
  })

  test('is an unknown method where nobody offers it, and the connection goes on', async () => {
    const socket = await serve(createTerrapinService(new FakeStore({ k1: cell('v1') }), OPTIONS), false)
    const declined = await exchange(socket, UPGRADE_CALL)
    assert.equal(declined.slice(8, 16), '80010003')
    assert.equal(await exchange(socket, GET), REPLY_V1)
  })

  test('unknown methods are told in the words of Thrift', async () => {
    const socket = await serve(createTerrapinService(new FakeStore({}), OPTIONS))
    assert.equal(await exchange(socket, UNKNOWN_FOO), UNKNOWN_FOO_REPLY)
  })

  test('a header that ends too early costs the connection and nothing else', async () => {
    const socket = await serve(createTerrapinService(new FakeStore({ k1: cell('v1') }), OPTIONS))
    await exchange(socket, UPGRADE_CALL)
    socket.write(Buffer.from('000000030a0001', 'hex'))
    await once(socket, 'close')
  })
})

describe('TerrapinServerInternal', () => {
  const internal = (keys: readonly (readonly [string, string, string])[]): string => {
    const text = (value: string) => {
      const size = Buffer.alloc(4)
      size.writeUInt32BE(value.length)
      return Buffer.concat([size, Buffer.from(value, 'latin1')])
    }
    const count = Buffer.alloc(4)
    count.writeUInt32BE(keys.length)
    const multiKeys = keys.map(([key, resource, partition]) =>
      Buffer.concat([
        Buffer.from('0f00010b00000001', 'hex'),
        text(key),
        Buffer.from('0b0002', 'hex'),
        text(resource),
        Buffer.from('0b0003', 'hex'),
        text(partition),
        Buffer.from('00', 'hex'),
      ]),
    )
    const body = Buffer.concat([
      Buffer.from('8001000100000003676574000000070c00010f00010c', 'hex'),
      count,
      ...multiKeys,
      Buffer.from('0000', 'hex'),
    ])
    const size = Buffer.alloc(4)
    size.writeUInt32BE(body.length)
    return Buffer.concat([size, body]).toString('hex')
  }
  const RESOURCE = '$terrapin$data$fs$1700000000000'

  test('serves the very version that the resource names', async () => {
    const store = new FakeStore({ k1: cell('v1') })
    const socket = await serve(createTerrapinInternalService(store, OPTIONS))
    const reply = await exchange(socket, internal([['k1', RESOURCE, '0']]))
    assert.ok(reply.endsWith('000000026b310b00010000000276310000' + '00'), reply)
    assert.equal(store.reads[0]?.datasetVersion, 1_700_000_000_000)
  })

  test('another version or file set is NOT_SERVING_RESOURCE, another partition NOT_SERVING_PARTITION', async () => {
    const socket = await serve(createTerrapinInternalService(new FakeStore({ k1: cell('v1') }), OPTIONS))
    for (const resource of ['$terrapin$data$fs$1700000000001', '$terrapin$data$zz$1700000000000', 'what']) {
      const reply = await exchange(socket, internal([['k1', resource, '0']]))
      assert.ok(reply.includes('08000200000065'), `${resource}: ${reply}`)
    }
    for (const partition of ['60', '-1', '00', '']) {
      const reply = await exchange(socket, internal([['k1', RESOURCE, partition]]))
      assert.ok(reply.includes('08000200000066'), `${partition}: ${reply}`)
    }
  })

  test('of a key that is asked of two partitions a value counts, and where there is none the failure', async () => {
    const socket = await serve(createTerrapinInternalService(new FakeStore({ k1: cell('v1') }), OPTIONS))
    const twice = (key: string) => internal([[key, RESOURCE, '60'], [key, RESOURCE, '59']]) // prettier-ignore
    // Of one entry each.
    const oneEntry = '0c00000d00010b0c00000001'
    assert.ok(
      (await exchange(socket, twice('k1'))).endsWith(`${oneEntry}000000026b310b0001000000027631000000`),
    )
    assert.ok((await exchange(socket, twice('k2'))).endsWith(`${oneEntry}000000026b3208000200000066000000`))
  })

  test('keys without a partition, a resource or themselves are refused by what is missing', async () => {
    const store = new FakeStore({ k1: cell('v1') })
    const socket = await serve(createTerrapinInternalService(store, OPTIONS))
    const whole = internal([['k1', RESOURCE, '0']]).slice(8)
    const resource = `0b00020000001f${Buffer.from(RESOURCE).toString('hex')}`
    for (const [field, bytes] of [
      ['key', '0f00010b00000001000000026b31'],
      ['resource', resource],
      ['partition', '0b00030000000130'],
      ['keyList', `0f00010c00000001${whole.slice(whole.indexOf('0f00010b'), -4)}`],
    ] as const) {
      const left = whole.replace(bytes, '')
      assert.ok(left.length < whole.length, field)
      const size = (left.length / 2).toString(16).padStart(8, '0')
      const reply = Buffer.from(await exchange(socket, size + left), 'hex').toString('latin1')
      assert.ok(reply.includes(`Required field '${field}' was not present!`), reply)
    }
    assert.equal(store.reads.length, 0)
  })

  test('two resources in one call are refused', async () => {
    const socket = await serve(createTerrapinInternalService(new FakeStore({}), OPTIONS))
    const reply = await exchange(socket, internal([['k1', RESOURCE, '0'], ['k2', 'other', '0']])) // prettier-ignore
    assert.ok(reply.includes(Buffer.from('Multiple resources within same get call.').toString('hex')))
  })
})
