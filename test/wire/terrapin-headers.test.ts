/** What stands in front of requests on a Finagle connection, as nobody of good will would write it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { silentLogger } from '../../src/base/logger.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { ThriftServer } from '../../src/thrift/server.js'
import {
  T,
  field,
  frame,
  i32,
  message,
  nextFrame,
  rawSocket,
  struct,
  text,
  untilClosed,
} from '../support/frames.js'
import { random } from '../support/random.js'

const UPGRADE = frame(message('__can__finagle__trace__v3__', struct()))
const GET = message(
  'get',
  struct(
    field(
      T.STRUCT,
      1,
      struct(
        field(T.LIST, 1, Buffer.concat([Buffer.of(T.STRING), i32(1), text('c1')])),
        field(T.STRING, 2, text('fs')),
        field(T.STRING, 3, text('k1')),
      ),
    ),
  ),
)
const ANSWER = message('get', struct(field(T.STRUCT, 0, struct(field(T.STRING, 1, text('v1'))))), 2)
/** A ResponseHeader without a field. */
const HEADED_ANSWER = Buffer.concat([struct(), ANSWER])
const TRACE = field(T.I64, 1, Buffer.alloc(8, 1))

let server: ThriftServer
let listener: Server
/** Who called, as each request said. */
const callers: (string | null)[] = []
let faults = 0

before(async () => {
  const service = wire.bindTerrapinService({
    get: (_args, call) => {
      callers.push(call.connection.clientName)
      call.reply({ value: Buffer.from('v1'), errorCode: null })
    },
    multiGet: (_args, call) => call.reply({ responseMap: [] }),
  })
  server = new ThriftServer({
    name: 'terrapin',
    service,
    servesFinagle: true,
    logger: silentLogger,
    events: { onFault: () => void (faults += 1) },
  })
  listener = createServer({ allowHalfOpen: true }, (socket) => server.accept(socket))
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
})

after(async () => {
  await server.close()
  listener.close()
})

async function upgraded(): Promise<Socket> {
  const socket = await rawSocket((listener.address() as AddressInfo).port) // a TCP server has one
  socket.write(UPGRADE)
  await nextFrame(socket)
  return socket
}

/** Of a request with this header. */
async function answerTo(socket: Socket, header: Buffer): Promise<Buffer> {
  socket.write(frame(Buffer.concat([header, GET])))
  return await nextFrame(socket)
}

function listOf(type: number, count: number, ...elements: Buffer[]): Buffer {
  return Buffer.concat([Buffer.of(type), i32(count), ...elements])
}

function nested(depth: number): Buffer {
  return depth === 0 ? struct() : struct(field(T.STRUCT, 1, nested(depth - 1)))
}

describe('a header is passed over, and the request behind it answered', () => {
  const name = field(T.STRING, 1, text('app'))
  const newer = [
    field(T.LIST, 8, listOf(T.STRUCT, 1, struct(field(T.STRING, 1, text('com.twitter.finagle.Deadline')), field(T.STRING, 2, Buffer.concat([i32(16), Buffer.alloc(16, 255)]))))), // prettier-ignore
    field(T.STRING, 9, text('/s/terrapin')),
    field(T.LIST, 10, listOf(T.STRUCT, 1, struct(field(T.STRING, 1, text('/s')), field(T.STRING, 2, text('/t'))))), // prettier-ignore
    field(T.I64, 11, Buffer.alloc(8, 7)),
  ]
  for (const [what, header, caller] of [
    ['without any field', struct(), null],
    ['with the fields of newer versions', struct(TRACE, field(T.STRUCT, 6, struct(name)), ...newer), 'app'],
    ['with a client id that is no struct', struct(field(T.I64, 6, Buffer.alloc(8)), TRACE), null],
    [
      'with a client id whose name is no text',
      struct(field(T.STRUCT, 6, struct(field(T.I32, 1, i32(7))))),
      null,
    ],
    ['with two client ids', struct(field(T.STRUCT, 6, struct(name)), field(T.STRUCT, 6, struct())), null],
    ['with a name that is no UTF-8', struct(field(T.STRUCT, 6, struct(field(T.STRING, 1, text(Buffer.of(255, 97)))))), '\ufffda'], // prettier-ignore
    ['with negative field ids', struct(field(T.I32, -5, i32(1)), field(T.STRUCT, 6, struct(name))), 'app'],
  ] as const) {
    test(what, async () => {
      const socket = await upgraded()
      assert.deepEqual(await answerTo(socket, header), HEADED_ANSWER)
      assert.equal(callers.at(-1), caller)
      socket.destroy()
    })
  }

  test('and who calls is said by each request anew', async () => {
    const socket = await upgraded()
    await answerTo(socket, struct(field(T.STRUCT, 6, struct(name))))
    await answerTo(socket, struct())
    assert.deepEqual(callers.slice(-2), ['app', null])
    // Finagle asks once; who asks again is answered again, and headers go on.
    socket.write(frame(Buffer.concat([struct(), UPGRADE.subarray(4)])))
    assert.equal((await nextFrame(socket))[0], 0)
    assert.deepEqual(await answerTo(socket, struct()), HEADED_ANSWER)
    socket.destroy()
  })
})

describe('a header that is none costs its connection alone', () => {
  for (const [what, header] of [
    ['a list of two thousand million', field(T.LIST, 8, listOf(T.STRUCT, 0x7fff_ffff))],
    ['a list of a negative number', field(T.LIST, 8, listOf(T.STRUCT, -1))],
    ['a map of two thousand million', field(T.MAP, 8, Buffer.concat([Buffer.of(T.STRING, T.STRING), i32(0x7fff_ffff)]))], // prettier-ignore
    ['a name of two gigabytes', field(T.STRUCT, 6, field(T.STRING, 1, i32(0x7fff_ffff)))],
    ['structs within structs', nested(5_000)],
    ['a type that there is not', Buffer.of(99, 0, 1)],
    ['no end', TRACE],
    ['none at all', Buffer.alloc(0)],
  ] as const) {
    test(what, async () => {
      const other = await upgraded()
      const socket = await upgraded()
      const before = callers.length
      socket.write(frame(what === 'no end' ? header : Buffer.concat([header, GET])))
      socket.end()
      await untilClosed(socket)
      assert.equal(callers.length, before)
      assert.deepEqual(await answerTo(other, struct()), HEADED_ANSWER)
      other.destroy()
    })
  }

  test('whatever its bytes are', async () => {
    const next = random(11)
    const other = await upgraded()
    const whole = Buffer.concat([
      struct(TRACE, field(T.STRUCT, 6, struct(field(T.STRING, 1, text('app'))))),
      GET,
    ])
    for (let run = 0; run < 300; run++) {
      const bytes = Buffer.from(whole)
      for (let flips = 0; flips < 1 + (run % 3); flips++) {
        const at = Math.floor(next() * bytes.length)
        bytes[at] = Math.floor(next() * 256)
      }
      const socket = await upgraded()
      socket.write(frame(bytes))
      socket.end()
      await untilClosed(socket)
    }
    assert.deepEqual(await answerTo(other, struct()), HEADED_ANSWER)
    other.destroy()
    assert.equal(faults, 0)
  })
})
