/** TerrapinController against frames computed from the published IDL, not by our codecs. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { silentLogger } from '../../src/base/logger.js'
import { ThriftServer } from '../../src/thrift/server.js'
import { nextFrame, rawSocket } from '../support/frames.js'
import { ANSWER_MS, DIRECTORY, World } from '../unit/shims/terrapin-controller-world.js'

/** loadFileSet(fs, /terrapin/data/fs/1448390400000, 2 partitions, options={3, MODULUS}), seqid 11. */
const LOAD =
  '00000064800100010000000b6c6f616446696c655365740000000b0c00010b00010000000266730b00020000001f2f746572726170696e2f646174612f66732f31343438333930343030303030080003000000020c00040800010000000308000200000001000000'
/** The same without options. */
const LOAD_PLAIN =
  '00000052800100010000000b6c6f616446696c655365740000000b0c00010b00010000000266730b00020000001f2f746572726170696e2f646174612f66732f31343438333930343030303030080003000000020000'
const OK = '00000018800100020000000b6c6f616446696c655365740000000b00'
const INVALID_DATA_SET =
  '00000086800100020000000b6c6f616446696c655365740000000b0c00010b00010000005c506172746974696f6e20636f756e74206d69736d6174636820666f72206864667320646972202f746572726170696e2f646174612f66732f3134343833393034303030303020464f554e44203a2031204558504543544544203a2032080002000000040000'
const SHARD_LOAD_TIMEOUT =
  '00000071800100020000000b6c6f616446696c655365740000000b0c00010b00010000004754696d656f7574207768696c6520747279696e6720746f206f6e6c696e65207265736f757263652024746572726170696e24646174612466732431343438333930343030303030080002000000030000'
const HDFS_ERROR =
  '00000070800100020000000b6c6f616446696c655365740000000b0c00010b000100000046457863657074696f6e207768696c65206c697374696e672066696c657320696e202f746572726170696e2f646174612f66732f313434383339303430303030303a20676f6e65080002000000020000'
const HELIX_ERROR =
  '0000006d800100020000000b6c6f616446696c655365740000000b0c00010b0001000000435265736f75726365206372656174696f6e206661696c75726520666f722024746572726170696e246461746124667324313434383339303430303030303a206469736b080002000000060000'
const INVALID_REQUEST =
  '000000be800100020000000b6c6f616446696c655365740000000b0c00010b00010000009466696c6520736574206673206973206e6f7420746865726520616e64206973206e6f74206d6164652c206265636175736520657665727920646174617365742068617320616e206f776e657220616e64206e6f6e6520697320636f6e666967757265643a2073657420746572726170696e2e6f776e65722c206f7220637265617465207468652064617461736574206669727374080002000000050000'
const OTHER =
  '00000085800100020000000b6c6f616446696c655365740000000b0c00010b00010000005b2f746572726170696e2f646174612f66732f313434383339303430303030303a20706172742d3120626567696e73206c696b652061207061727420616e6420686173206e6f206e756d626572206f66206669766520646967697473080002000000010000'

let open: { server: ThriftServer; listener: Server; socket: Socket } | null = null

afterEach(async () => {
  open?.socket.destroy()
  await open?.server.close()
  open?.listener.close()
  open = null
})

async function connect({ service }: World): Promise<Socket> {
  const server = new ThriftServer({ name: 'controller', service, servesFinagle: true, logger: silentLogger })
  const listener = createServer({ allowHalfOpen: true }, (socket) => server.accept(socket))
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const socket = await rawSocket((listener.address() as AddressInfo).port)
  open = { server, listener, socket }
  return socket
}

/** Sends the call, lets `act` happen, and answers the next frame in hex. */
async function exchange(world: World, call: string, act: () => Promise<void>): Promise<string> {
  const socket = await connect(world)
  const answer = nextFrame(socket)
  socket.write(Buffer.from(call, 'hex'))
  // The call has arrived when it waits for its answer.
  while (world.timers.pendingCount === 0 && world.answered.length === 0) await world.settle()
  await act()
  const frame = await answer
  const size = Buffer.alloc(4)
  size.writeUInt32BE(frame.length)
  return Buffer.concat([size, frame]).toString('hex')
}

test('a load that succeeds is answered by a struct without fields, with and without options', async () => {
  for (const call of [LOAD, LOAD_PLAIN]) {
    const world = new World()
    const act = async () => {
      await world.settle()
      await world.end(null)
    }
    assert.equal(await exchange(world, call, act), OK)
    open?.socket.destroy()
    await open?.server.close()
    open?.listener.close()
  }
})

const failures: readonly { name: string; frame: string; arrange: (world: World) => void }[] = [
  {
    name: 'OTHER: a name that ends the count of partitions',
    frame: OTHER,
    arrange: ({ directories, sourceOf }) => directories.set(sourceOf(DIRECTORY), ['part-00000', 'part-1']),
  },
  {
    name: 'HDFS_ERROR: a directory that cannot be listed',
    frame: HDFS_ERROR,
    arrange: ({ directories }) => directories.clear(),
  },
  {
    name: 'INVALID_DATA_SET: another number of partitions than expected',
    frame: INVALID_DATA_SET,
    arrange: ({ directories, sourceOf }) => directories.set(sourceOf(DIRECTORY), ['part-00000']),
  },
  {
    name: 'HELIX_ERROR: a record that cannot be made',
    frame: HELIX_ERROR,
    arrange: (world) => (world.changeFailure = new KVError('UNAVAILABLE', 'disk')),
  },
]

for (const { name, frame, arrange } of failures) {
  test(`${name} has its frame`, async () => {
    const world = new World()
    arrange(world)
    assert.equal(await exchange(world, LOAD, () => world.settle()), frame)
  })
}

test('INVALID_REQUEST: no owner for what would be made has its frame', async () => {
  const world = new World({ hasOwner: false })
  assert.equal(await exchange(world, LOAD, () => world.settle()), INVALID_REQUEST)
})

test('SHARD_LOAD_TIMEOUT: a load that takes longer than clients wait has its frame', async () => {
  const world = new World()
  assert.equal(await exchange(world, LOAD, () => world.settle(ANSWER_MS)), SHARD_LOAD_TIMEOUT)
})
