/** Peers of CqlServer that lie: what each of their bytes costs them, and that it costs nobody else anything. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import {
  COLUMNS,
  CqlPeer,
  type CqlPeerOptions,
  bytes,
  errorOf,
  frame,
  int,
  longString,
  query,
  short,
  string,
} from './cql-peers.js'

const OP = { QUERY: 7, RESULT: 8, EXECUTE: 10, REGISTER: 11, BATCH: 13, AUTH_RESPONSE: 15 } as const
const PROTOCOL_ERROR = 0x000a
const INVALID = 0x2200
const NOTHING = Buffer.alloc(0)

let peer: CqlPeer

async function start(options?: CqlPeerOptions): Promise<void> {
  peer = await CqlPeer.start(options)
}

afterEach(() => peer.stop())

describe('bytes that are wrong', () => {
  const bodies: readonly (readonly [string, number, Buffer])[] = [
    ['a statement longer than its frame', OP.QUERY, Buffer.concat([int(100), Buffer.from('SELECT')])],
    ['a statement of a negative size', OP.QUERY, int(-7)],
    ['a statement that is no UTF-8', OP.QUERY, Buffer.concat([int(1), Buffer.of(0xff), short(1), Buffer.of(0)])],
    ['no consistency level', OP.QUERY, longString('q')],
    ['a consistency level that there is not', OP.QUERY, Buffer.concat([longString('q'), short(77), Buffer.of(0)])],
    ['more values than there are', OP.QUERY, query('q', Buffer.concat([Buffer.of(1), short(65_535)]))],
    ['a value of an impossible size', OP.QUERY, query('q', Buffer.concat([Buffer.of(1), short(1), int(-3)]))],
    ['a page of no rows', OP.QUERY, query('q', Buffer.concat([Buffer.of(4), int(0)]))],
    ['the timestamp that there is not', OP.QUERY, query('q', Buffer.concat([Buffer.of(0x20), Buffer.of(0x80, 0, 0, 0, 0, 0, 0, 0)]))],
    ['a paging state of nothing', OP.QUERY, query('q', Buffer.concat([Buffer.of(8), int(0)]))],
    ['an event that there is not', OP.REGISTER, Buffer.concat([short(1), string('WEATHER')])],
    ['an id that is cut off', OP.EXECUTE, Buffer.concat([short(16), Buffer.alloc(3)])],
    ['a paging state that is cut off', OP.QUERY, query('q', Buffer.concat([Buffer.of(8), int(100), Buffer.alloc(5)]))],
    ['a serial consistency that there is not', OP.QUERY, query('q', Buffer.concat([Buffer.of(0x10), short(99)]))],
    ['names that are cut off', OP.QUERY, query('q', Buffer.concat([Buffer.of(0x41), short(1), short(9)]))],
    ['an empty body', OP.QUERY, NOTHING],
    ['a list of events that is cut off', OP.REGISTER, Buffer.concat([short(60_000), string('STATUS_CHANGE')])],
    ['a batch of more parts than there are', OP.BATCH, Buffer.concat([Buffer.of(0), short(3), Buffer.of(0)])],
    ['AUTH_RESPONSE that nobody asked for', OP.AUTH_RESPONSE, bytes(Buffer.from('\0ada\0secret'))],
    ['a batch with named values', OP.BATCH, Buffer.concat([Buffer.of(0), short(0), short(1), Buffer.of(0x40)])],
  ] // prettier-ignore
  for (const [what, opcode, body] of bodies) {
    test(`${what}: PROTOCOL_ERROR under its stream, and the connection goes on`, async () => {
      await start()
      const client = await peer.ready()
      const answer = await client.ask(opcode, body, { stream: 5 })
      assert.equal(errorOf(answer).code, PROTOCOL_ERROR)
      assert.equal(answer.stream, 5)
      assert.equal((await client.ask(OP.QUERY, query('q'))).opcode, OP.RESULT)
    })
  }

  test('a frame that is too large is passed over, byte by byte as well, and the connection goes on', async () => {
    await start({ limits: { maxBodyBytes: 1_000 } })
    const client = await peer.ready()
    const large = frame({ version: 4, flags: 0, stream: 8, opcode: OP.QUERY, body: Buffer.alloc(5_000) })
    client.socket.write(large)
    const answer = await client.next()
    assert.equal(answer.stream, 8)
    assert.deepEqual(errorOf(answer), {
      code: INVALID,
      message: 'Request is too big: length 5000 exceeds maximum allowed length 1000.',
    })
    for (const byte of large.subarray(0, 40)) client.socket.write(Buffer.of(byte))
    client.socket.write(large.subarray(40))
    assert.equal(errorOf(await client.next()).code, INVALID)
    assert.equal((await client.ask(OP.QUERY, query('q'))).opcode, OP.RESULT)
    assert.deepEqual(peer.events, ['malformed frame-too-large', 'malformed frame-too-large'])
  })

  for (const [opcode, text] of [
    [0x04, 'Unknown opcode 4'],
    [0xff, 'Unknown opcode 255'],
    [0x08, 'Wrong protocol direction (expected RESPONSE, got REQUEST) for opcode 8 (RESULT)'],
  ] as const) {
    test(`opcode ${opcode} is refused and ends the connection, behind the answers of what came before`, async () => {
      await start()
      const client = await peer.ready()
      client.send(OP.QUERY, query('q'), { stream: 1 })
      client.send(opcode, NOTHING, { stream: 2 })
      const [first, second] = await client.rest()
      assert.equal(first?.opcode, OP.RESULT)
      assert.ok(second)
      assert.deepEqual(errorOf(second), { code: PROTOCOL_ERROR, message: text })
      assert.deepEqual(peer.events, ['malformed bad-message'])
    })
  }

  test('unknown flags are passed over, tracing is tolerated, a custom payload is skipped', async () => {
    await start()
    const client = await peer.ready()
    assert.equal((await client.ask(OP.QUERY, query('q'), { flags: 0xf2 })).opcode, OP.RESULT)
    const payload = Buffer.concat([short(1), string('k'), bytes(Buffer.from('v'))])
    const withPayload = Buffer.concat([payload, query('q')])
    assert.equal((await client.ask(OP.QUERY, withPayload, { flags: 0x04 })).opcode, OP.RESULT)
    const older = await peer.ready(3)
    assert.match(
      errorOf(await older.ask(OP.QUERY, withPayload, { flags: 0x04 })).message,
      /protocol version < 4/,
    )
  })

  test('an id that nobody prepared is told back, and the connection goes on', async () => {
    await start()
    const client = await peer.ready()
    const id = Buffer.alloc(16, 7)
    const answer = await client.ask(OP.EXECUTE, Buffer.concat([short(16), id, short(1), Buffer.of(0)]))
    assert.equal(errorOf(answer).code, 0x2500)
    assert.deepEqual(answer.body.subarray(-18), Buffer.concat([short(16), id]))
    assert.equal((await client.ask(OP.QUERY, query('q'))).opcode, OP.RESULT)
  })

  test('a length that lies swallows what follows as its body, which is answered as what it is', async () => {
    await start()
    const client = await peer.ready()
    const first = frame({ version: 4, flags: 0, stream: 1, opcode: OP.QUERY, body: query('first') })
    const second = frame({ version: 4, flags: 0, stream: 2, opcode: OP.QUERY, body: query('second') })
    // As long as both: the second is not seen, and nothing waits for more.
    first.writeUInt32BE(first.length - 9 + second.length, 5)
    client.socket.write(Buffer.concat([first, second]))
    const answer = await client.next()
    assert.deepEqual([answer.stream, answer.opcode], [1, OP.RESULT])
    assert.equal((await client.ask(OP.QUERY, query('q'), { stream: 3 })).stream, 3)
    // Shorter than its body: what is left is no frame, and nobody can tell where the next begins.
    const short9 = frame({ version: 4, flags: 0, stream: 4, opcode: OP.QUERY, body: query('x'.repeat(40)) })
    short9.writeUInt32BE(20, 5)
    client.socket.write(short9)
    const [lied, lost] = await client.rest()
    assert.ok(lied !== undefined && lost !== undefined)
    assert.deepEqual([lied.stream, errorOf(lied).code], [4, PROTOCOL_ERROR])
    assert.match(errorOf(lost).message, /^Invalid or unsupported protocol version \(120\)/)
  })

  test('a connection that ends inside a frame is counted', async () => {
    await start()
    const client = await peer.ready()
    client.socket.end(
      frame({ version: 4, flags: 0, stream: 1, opcode: OP.QUERY, body: query('q') }).subarray(0, 12),
    )
    await client.rest()
    assert.deepEqual(peer.events, ['malformed truncated'])
  })

  test('an answer that outgrows its frame is an error of its stream', async () => {
    await start({ limits: { maxBodyBytes: 10_000 } })
    const client = await peer.ready()
    peer.engine.answer = ({ done }) => {
      const rows = [[int(1), Buffer.alloc(20_000)]]
      done({ kind: 'rows', columns: COLUMNS, rows, paging: null, isConditional: false })
    }
    const { code, message } = errorOf(await client.ask(OP.QUERY, query('q')))
    assert.equal(code, INVALID)
    assert.match(message, /exceeds 10000: ask for fewer rows, or by pages$/)
  })
})
