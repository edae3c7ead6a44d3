/** CqlServer against real sockets: handshake, streams, statements, bounds, events. Peers that lie: cql-malformed.test.ts. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { afterEach, describe, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { CqlError } from '../../shims/rocksandra/cql/errors.js'
import type { Schema } from '../../shims/rocksandra/engine/schema.js'
import { COMPRESSIONS } from '../../shims/rocksandra/protocol/compression.js'
import { UNSET } from '../../shims/rocksandra/engine/contract.js'
import {
  COLUMNS,
  type Asked,
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
  stringMap,
} from './cql-peers.js'

const OP = { ERROR: 0, STARTUP: 1, READY: 2, AUTHENTICATE: 3, OPTIONS: 5, SUPPORTED: 6, QUERY: 7, RESULT: 8, PREPARE: 9, EXECUTE: 10, REGISTER: 11, EVENT: 12, BATCH: 13, AUTH_RESPONSE: 15, AUTH_SUCCESS: 16 } as const // prettier-ignore
const PROTOCOL_ERROR = 0x000a
const INVALID = 0x2200
const NOTHING = Buffer.alloc(0)
const STARTUP = stringMap({ CQL_VERSION: '3.0.0' })

let peer: CqlPeer

async function start(options?: CqlPeerOptions): Promise<void> {
  peer = await CqlPeer.start(options)
}

afterEach(() => peer.stop())

describe('handshake', () => {
  for (const version of [1, 2, 5, 6, 0x41, 0x42]) {
    test(`a client of version ${version} is told which ones are served, in words that drivers look for`, async () => {
      await start()
      const client = await peer.connect()
      const received: Buffer[] = []
      client.socket.on('data', (chunk: Buffer) => received.push(chunk))
      client.socket.write(frame({ version, flags: 0, stream: 3, opcode: OP.STARTUP, body: STARTUP }))
      await client.rest()
      const answer = Buffer.concat(received)
      const headerSize = version < 3 ? 8 : 9
      assert.equal(answer[0], version < 3 ? 0x80 | version : 0x84)
      // Whatever the stream of the request: gocql steps down only so.
      assert.equal(version < 3 ? answer[2] : answer.readInt16BE(2), 0)
      assert.equal(answer.readInt32BE(headerSize), PROTOCOL_ERROR)
      assert.match(
        answer.toString('utf8', headerSize + 6),
        /^Invalid or unsupported protocol version \(\d+\); the lowest supported version is 3 and the greatest is 4$/,
      )
    })
  }

  test('OPTIONS is answered before and after STARTUP', async () => {
    await start()
    const client = await peer.connect()
    const before = await client.ask(OP.OPTIONS, NOTHING, { stream: 3 })
    assert.equal(before.opcode, OP.SUPPORTED)
    assert.equal(before.stream, 3)
    assert.equal((await client.ask(OP.STARTUP, STARTUP)).opcode, OP.READY)
    const after = await client.ask(OP.OPTIONS, NOTHING)
    assert.deepEqual(after.body, before.body)
    assert.match(after.body.toString('latin1'), /CQL_VERSION.*3\.4\.0.*COMPRESSION.*snappy.*lz4/s)
  })

  test('anything else before STARTUP, and a second STARTUP, are refused and the connection goes on', async () => {
    await start()
    const client = await peer.connect()
    assert.deepEqual(errorOf(await client.ask(OP.QUERY, query('SELECT'))), {
      code: PROTOCOL_ERROR,
      message: 'Unexpected message QUERY, expecting STARTUP or OPTIONS',
    })
    assert.equal((await client.ask(OP.STARTUP, STARTUP)).opcode, OP.READY)
    assert.match(errorOf(await client.ask(OP.STARTUP, STARTUP)).message, /already initialized/)
    assert.equal((await client.ask(OP.QUERY, query('SELECT'))).opcode, OP.RESULT)
  })

  const startups = [
    [{}, /^Missing value CQL_VERSION in STARTUP message$/],
    [{ CQL_VERSION: '2.0.0' }, /^CQL version 2.0.0 is not supported by the binary protocol/],
    [{ CQL_VERSION: 'new' }, /^Invalid version value: new/],
    [{ CQL_VERSION: '3.0.0', COMPRESSION: 'zip' }, /^Unknown compression algorithm: zip$/],
  ] as const
  for (const [options, message] of startups) {
    test(`STARTUP of ${JSON.stringify(options)} is refused`, async () => {
      await start()
      const client = await peer.connect()
      const { code, message: got } = errorOf(await client.ask(OP.STARTUP, stringMap(options)))
      assert.equal(code, PROTOCOL_ERROR)
      assert.match(got, message)
    })
  }

  test('a frame of another version than the first is refused by its stream', async () => {
    await start()
    const client = await peer.ready(4)
    client.send(OP.OPTIONS, NOTHING, { version: 3, stream: 9 })
    const answer = await client.next()
    assert.equal(answer.version, 0x84)
    assert.equal(answer.stream, 9)
    assert.equal(
      errorOf(answer).message,
      'Invalid message version. Got 3 but previous messages on this connection had version 4',
    )
  })
})

describe('passwords', () => {
  const authenticator = {
    className: 'org.apache.cassandra.auth.PasswordAuthenticator',
    check: ({ user, password }: { user: string; password: string }) =>
      Promise.resolve(user === 'ada' && password === 'secret'),
  }

  test('a client says who it is before anything else, as often as it likes', async () => {
    await start({ authenticator })
    const client = await peer.connect()
    const asked = await client.ask(OP.STARTUP, STARTUP)
    assert.equal(asked.opcode, OP.AUTHENTICATE)
    assert.deepEqual(asked.body, string(authenticator.className))
    assert.match(errorOf(await client.ask(OP.QUERY, query('SELECT'))).message, /expecting SASL_RESPONSE/)
    const wrong = await client.ask(OP.AUTH_RESPONSE, bytes(Buffer.from('\0ada\0wrong')))
    assert.deepEqual(errorOf(wrong), { code: 0x0100, message: 'Username and/or password are incorrect' })
    const right = await client.ask(OP.AUTH_RESPONSE, bytes(Buffer.from('\0ada\0secret')))
    assert.equal(right.opcode, OP.AUTH_SUCCESS)
    assert.deepEqual(right.body, int(-1))
    let user: string | null = null
    peer.engine.answer = ({ session, done }) => {
      user = session.user
      done({ kind: 'void' })
    }
    await client.ask(OP.QUERY, query('SELECT'))
    assert.equal(user, 'ada')
  })
})

describe('guesses', () => {
  const authenticator = {
    className: 'org.apache.cassandra.auth.PasswordAuthenticator',
    check: () => Promise.resolve(false),
  }
  const guess = bytes(Buffer.from('\0ada\0guess'))

  test('a connection is closed behind the answer to its last one', async () => {
    await start({ authenticator })
    const client = await peer.connect()
    await client.ask(OP.STARTUP, STARTUP)
    for (let time = 1; time <= limits.maxCqlLoginAttempts; time++) {
      assert.equal(errorOf(await client.ask(OP.AUTH_RESPONSE, guess)).code, 0x0100, `time ${time}`)
    }
    assert.deepEqual(await client.rest(), [])
  })

  test('one that cannot be looked at now is no wrong one, and may come again', async () => {
    let isBusy = true
    const check = (): Promise<boolean> =>
      isBusy ? Promise.reject(new KVError('OVERLOADED', 'too many clients log in')) : Promise.resolve(true)
    await start({ authenticator: { ...authenticator, check } })
    const client = await peer.connect()
    await client.ask(OP.STARTUP, STARTUP)
    for (let time = 0; time <= limits.maxCqlLoginAttempts; time++) {
      assert.equal(errorOf(await client.ask(OP.AUTH_RESPONSE, guess)).code, 0x1001)
    }
    isBusy = false
    assert.equal((await client.ask(OP.AUTH_RESPONSE, guess)).opcode, OP.AUTH_SUCCESS)
  })

  for (const [what, body] of [
    ['no token', int(-1)],
    ['a token without a user', bytes(Buffer.from('secret'))],
    ['a token without a password', bytes(Buffer.from('\0ada'))],
  ] as const) {
    test(`${what} is refused as bad credentials, and the connection goes on`, async () => {
      await start({ authenticator })
      const client = await peer.connect()
      await client.ask(OP.STARTUP, STARTUP)
      assert.equal(errorOf(await client.ask(OP.AUTH_RESPONSE, body)).code, 0x0100)
      assert.equal(errorOf(await client.ask(OP.AUTH_RESPONSE, guess)).code, 0x0100)
    })
  }
})

describe('streams', () => {
  test('answers come in the order in which they are given, each under its stream', async () => {
    await start()
    const client = await peer.ready()
    const waiting: Asked[] = []
    const all = new Promise<void>((resolve) => {
      peer.engine.answer = (asked) => {
        waiting.push(asked)
        if (waiting.length === 2_000) resolve()
      }
    })
    for (let stream = 0; stream < 2_000; stream++) client.send(OP.QUERY, query(String(stream)), { stream })
    await all
    for (const { done } of waiting.reverse()) done({ kind: 'void' })
    for (let stream = 1_999; stream >= 0; stream--) assert.equal((await client.next()).stream, stream)
  })

  test('no more requests are taken than may be in flight, and all are answered', async () => {
    await start({ limits: { maxPipelinedRequests: 8 } })
    const client = await peer.ready()
    let inFlight = 0
    let most = 0
    peer.engine.answer = ({ done }) => {
      most = Math.max(most, ++inFlight)
      setTimeout(() => {
        inFlight--
        done({ kind: 'void' })
      }, 1)
    }
    for (let stream = 0; stream < 100; stream++) client.send(OP.QUERY, query('q'), { stream })
    const streams = new Set<number>()
    while (streams.size < 100) streams.add((await client.next()).stream)
    assert.equal(most, 8)
  })

  test('a keyspace that was chosen holds for what the connection asks next, and for no other connection', async () => {
    await start()
    const [client, other] = [await peer.ready(), await peer.ready()]
    const seen: (string | null)[] = []
    peer.engine.answer = ({ statement, session, done }) => {
      seen.push(session.keyspace)
      done(statement === 'USE ks' ? { kind: 'setKeyspace', keyspace: 'ks' } : { kind: 'void' })
    }
    const answer = await client.ask(OP.QUERY, query('USE ks'))
    assert.deepEqual(answer.body, Buffer.concat([int(3), string('ks')]))
    await client.ask(OP.QUERY, query('q'))
    await other.ask(OP.QUERY, query('q'))
    assert.deepEqual(seen, [null, 'ks', null])
  })
})

describe('statements', () => {
  test('parameters reach the engine in whatever combination', async () => {
    await start()
    const client = await peer.ready()
    let options: Asked['options'] | null = null
    peer.engine.answer = (asked) => {
      options = asked.options
      asked.done({ kind: 'void' })
    }
    const timestamp = Buffer.alloc(8)
    timestamp.writeBigInt64BE(-5n)
    const values = Buffer.concat([short(3), bytes(Buffer.from('x')), int(-1), int(-2)])
    const rest = Buffer.concat([Buffer.of(0x35), values, int(100), short(9), timestamp])
    await client.ask(OP.QUERY, query('q', rest))
    assert.ok(options)
    const { deadline, ...others } = options as Asked['options']
    assert.ok(deadline > performance.now())
    assert.deepEqual(others, {
      ...{ consistency: 1, serialConsistency: 9, timestamp: -5n, names: null, pageSize: 100, paging: null },
      ...{ values: [Buffer.from('x'), null, UNSET], skipsMetadata: false },
    })
  })

  test('an id is the MD5 of keyspace and text, and a statement is prepared once', async () => {
    await start()
    const client = await peer.ready()
    peer.engine.answer = ({ done }) => done({ kind: 'setKeyspace', keyspace: 'ks' })
    await client.ask(OP.QUERY, query('USE ks'))
    const id = createHash('md5').update('ksSELECT ?').digest()
    for (const time of [1, 2]) {
      const prepared = await client.ask(OP.PREPARE, longString('SELECT ?'))
      assert.deepEqual(prepared.body.subarray(0, 22), Buffer.concat([int(4), short(16), id]), `time ${time}`)
    }
    assert.deepEqual(peer.events, ['prepared SELECT ?'])
    peer.engine.answer = ({ statement, done }) => {
      assert.equal(statement, 'SELECT ?')
      done({ kind: 'void' })
    }
    const execute = Buffer.concat([short(16), id, short(1), Buffer.of(0)])
    assert.equal((await client.ask(OP.EXECUTE, execute)).opcode, OP.RESULT)
    peer.engine.isCurrent = false
    const refused = await client.ask(OP.EXECUTE, execute)
    assert.equal(errorOf(refused).code, 0x2500)
    assert.deepEqual(refused.body.subarray(-18), Buffer.concat([short(16), id]))
  })

  test('a prepared statement tells its variables, partition key and columns; version 3 knows no partition key', async () => {
    await start()
    const specs = Buffer.concat([string('ks'), string('t'), string('k'), short(9), string('v'), short(13)])
    const columns = Buffer.concat([int(1), int(2), specs])
    const four = await peer.ready(4)
    const body = (await four.ask(OP.PREPARE, longString('q'))).body.subarray(22)
    assert.deepEqual(body, Buffer.concat([int(1), int(2), int(1), short(0), specs, columns]))
    const three = await peer.ready(3)
    const older = (await three.ask(OP.PREPARE, longString('q'))).body.subarray(22)
    assert.deepEqual(older, Buffer.concat([int(1), int(2), specs, columns]))
  })

  test('rows come with or without their metadata, and pages with a state that only comes back whole', async () => {
    await start()
    const client = await peer.ready()
    let paging: Buffer | null = null
    peer.engine.answer = ({ options, done }) => {
      paging = options.paging
      const rows = [
        [int(1), Buffer.from('a')],
        [int(2), null],
      ]
      done({ kind: 'rows', columns: COLUMNS, rows, paging: Buffer.from('place'), isConditional: false })
    }
    const page = await client.ask(OP.QUERY, query('q', Buffer.concat([Buffer.of(0x06), int(2)])))
    assert.deepEqual(page.body.subarray(0, 12), Buffer.concat([int(2), int(7), int(2)]))
    const stateSize = page.body.readInt32BE(12)
    const state = page.body.subarray(16, 16 + stateSize)
    const cells = Buffer.concat([int(2), bytes(int(1)), bytes(Buffer.from('a')), bytes(int(2)), int(-1)])
    assert.deepEqual(page.body.subarray(16 + stateSize), cells)
    const next = (token: Buffer): Buffer => query('q', Buffer.concat([Buffer.of(0x0c), int(2), bytes(token)]))
    await client.ask(OP.QUERY, next(state))
    assert.deepEqual(paging, Buffer.from('place'))
    for (let at = 0; at < state.length; at++) {
      const damaged = Buffer.from(state)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      const refused = errorOf(await client.ask(OP.QUERY, next(damaged)))
      assert.deepEqual(refused, { code: PROTOCOL_ERROR, message: 'Invalid value for the paging state' })
    }
    const older = await peer.ready(3)
    assert.equal(errorOf(await older.ask(OP.QUERY, next(state))).code, PROTOCOL_ERROR)
  })

  test('a batch has texts and ids; a kind, type or id that is none is refused', async () => {
    await start()
    const client = await peer.ready()
    const id = (await client.ask(OP.PREPARE, longString('p'))).body.subarray(6, 22)
    const tail = Buffer.concat([short(1), Buffer.of(0)])
    const text = Buffer.concat([Buffer.of(0), longString('q'), short(0)])
    const prepared = Buffer.concat([Buffer.of(1), short(16), id, short(1), bytes(Buffer.from('v'))])
    const good = Buffer.concat([Buffer.of(1), short(2), text, prepared, tail])
    assert.equal((await client.ask(OP.BATCH, good)).opcode, OP.RESULT)
    const [batch] = peer.engine.batches
    assert.equal(batch?.type, 'UNLOGGED')
    assert.equal(batch.items[0]?.statement, 'q')
    assert.deepEqual(batch.items[1]?.values, [Buffer.from('v')])
    const type = Buffer.concat([Buffer.of(3), short(0), tail])
    assert.match(errorOf(await client.ask(OP.BATCH, type)).message, /^Invalid BATCH message type 3$/)
    const kind = Buffer.concat([Buffer.of(0), short(1), Buffer.of(2)])
    assert.match(errorOf(await client.ask(OP.BATCH, kind)).message, /Must be 0 or 1 but got 2$/)
    const unknown = Buffer.concat([Buffer.of(0), short(1), Buffer.of(1), short(2), short(7), short(0), tail])
    assert.equal(errorOf(await client.ask(OP.BATCH, unknown)).code, 0x2500)
  })

  const failures = [
    [new CqlError('ALREADY_EXISTS', 'there', { keyspace: 'k', table: 't' }), 0x2400, Buffer.concat([string('k'), string('t')])],
    [new KVError('UNAVAILABLE', 'down'), 0x1000, Buffer.concat([short(1), int(1), int(0)])],
    [new KVError('OVERLOADED', 'busy'), 0x1001, NOTHING],
    [new KVError('DEADLINE_EXCEEDED', 'late'), 0x1200, Buffer.concat([short(1), int(0), int(1), Buffer.of(0)])],
    [new KVError('DEADLINE_EXCEEDED', 'late', { outcome: 'UNKNOWN' }), 0x1100, Buffer.concat([short(1), int(0), int(1), string('SIMPLE')])],
    [new KVError('CORRUPT', 'rotten'), 0x1300, Buffer.concat([short(1), int(0), int(1), int(1), Buffer.of(0)])],
    [new KVError('DATASET_NOT_FOUND', 'gone'), INVALID, NOTHING],
  ] as const // prettier-ignore
  for (const [error, code, details] of failures) {
    test(`${error.code} of ${error.message} is ${code.toString(16)} with what belongs to it`, async () => {
      await start()
      const client = await peer.ready()
      peer.engine.answer = ({ done }) => done(error)
      const { body } = await client.ask(OP.QUERY, query('q'))
      assert.deepEqual(body, Buffer.concat([int(code), string(error.message), details]))
    })
  }

  test('version 3 is told of failures by codes that it knows', async () => {
    await start()
    const client = await peer.ready(3)
    peer.engine.answer = ({ done }) => done(new KVError('CORRUPT', 'rotten'))
    const { body } = await client.ask(OP.QUERY, query('q'))
    const details = Buffer.concat([short(1), int(0), int(1), Buffer.of(0)])
    assert.deepEqual(body, Buffer.concat([int(0x1200), string('rotten'), details]))
  })

  test('a fault of ours tells its caller no more than that', async () => {
    await start()
    const client = await peer.ready()
    peer.engine.answer = () => {
      throw new TypeError('secret')
    }
    const error = errorOf(await client.ask(OP.QUERY, query('q')))
    assert.deepEqual(error, { code: 0, message: 'internal error, see the server log' })
    assert.deepEqual(peer.events, ['fault'])
    peer.engine.answer = ({ done }) => done({ kind: 'void' })
    assert.equal((await client.ask(OP.QUERY, query('q'))).opcode, OP.RESULT)
  })

  test('warnings stand in front of an answer, for those who know them', async () => {
    await start()
    peer.engine.answer = ({ done }) => done({ kind: 'void', warnings: ['large'] })
    const four = await (await peer.ready(4)).ask(OP.QUERY, query('q'))
    assert.equal(four.flags, 0x08)
    assert.deepEqual(four.body, Buffer.concat([short(1), string('large'), int(1)]))
    const three = await (await peer.ready(3)).ask(OP.QUERY, query('q'))
    assert.equal(three.flags, 0)
    assert.deepEqual(three.body, int(1))
  })
})

describe('compression', () => {
  for (const name of ['lz4', 'snappy'] as const) {
    const compression = COMPRESSIONS[name]

    test(`${name}: bodies are unpacked, and answers packed where that makes them smaller`, async () => {
      await start()
      const client = await peer.ready(4, { COMPRESSION: name })
      const long = `SELECT '${'x'.repeat(5_000)}'`
      peer.engine.answer = ({ statement, done }) => {
        const rows = [[int(1), Buffer.from(statement)]]
        done({ kind: 'rows', columns: COLUMNS, rows, paging: null, isConditional: false })
      }
      const large = await client.ask(OP.QUERY, compression.compress(query(long)), { flags: 1 })
      assert.equal(large.flags, 1)
      assert.ok(large.body.length < 1_000)
      assert.ok(compression.decompress(large.body, 10_000).toString('latin1').endsWith(long))
      const small = await client.ask(OP.QUERY, query('q'))
      assert.equal(small.flags, 0)
      assert.ok(small.body.toString('latin1').endsWith('q'))
    })

    test(`${name}: an empty body may be packed`, async () => {
      await start()
      const client = await peer.ready(4, { COMPRESSION: name })
      const packed = compression.compress(NOTHING)
      assert.equal((await client.ask(OP.OPTIONS, packed, { flags: 1 })).opcode, OP.SUPPORTED)
    })

    test(`${name}: what is damaged, cut or would be too large is refused, and the connection goes on`, async () => {
      await start({ limits: { maxBodyBytes: 20_000 } })
      const client = await peer.ready(4, { COMPRESSION: name })
      const packed = compression.compress(query(`SELECT '${'xyz'.repeat(3_000)}'`))
      const bomb = compression.compress(Buffer.alloc(30_000))
      const damaged = [NOTHING, packed.subarray(0, 3), packed.subarray(0, -9), Buffer.alloc(40, 0xff), bomb]
      for (const body of damaged) {
        assert.equal(errorOf(await client.ask(OP.QUERY, body, { flags: 1 })).code, PROTOCOL_ERROR)
      }
      assert.equal((await client.ask(OP.QUERY, packed, { flags: 1 })).opcode, OP.RESULT)
    })
  }

  test('a packed frame without STARTUP having asked for it is refused', async () => {
    await start()
    const client = await peer.ready()
    assert.equal(errorOf(await client.ask(OP.QUERY, query('q'), { flags: 1 })).code, PROTOCOL_ERROR)
  })
})

describe('events', () => {
  const schemaWith = (...names: string[]): Schema => {
    const keyspaces = names.map((name) => ({
      ...{
        name,
        replication: {},
        durableWrites: true,
        types: new Map(),
        tables: new Map(),
        isVirtual: false,
      },
    }))
    return { keyspaces: new Map(keyspaces.map((one) => [one.name, one])), version: names.join() }
  }

  test('who registered hears of changes of the schema, once each, and nobody else', async () => {
    await start()
    const [listening, other] = [await peer.ready(), await peer.ready()]
    await listening.ask(
      OP.REGISTER,
      Buffer.concat([short(2), string('STATUS_CHANGE'), string('SCHEMA_CHANGE')]),
    )
    peer.engine.schemaNow = schemaWith('ks')
    peer.server.schemaMayHaveChanged()
    peer.server.schemaMayHaveChanged()
    peer.engine.schemaNow = schemaWith()
    peer.server.schemaMayHaveChanged()
    for (const change of ['CREATED', 'DROPPED']) {
      const event = await listening.next()
      assert.deepEqual([event.opcode, event.stream], [OP.EVENT, -1])
      assert.deepEqual(event.body, Buffer.concat(['SCHEMA_CHANGE', change, 'KEYSPACE', 'ks'].map(string)))
    }
    assert.equal((await listening.ask(OP.QUERY, query('q'))).opcode, OP.RESULT)
    assert.equal((await other.ask(OP.QUERY, query('q'))).opcode, OP.RESULT)
  })
})

describe('events of nodes', () => {
  test('who registered hears that a gateway beside this one went and came back', async () => {
    await start()
    const [listening, other] = [await peer.ready(), await peer.ready(3)]
    await listening.ask(OP.REGISTER, Buffer.concat([short(1), string('STATUS_CHANGE')]))
    await other.ask(OP.REGISTER, Buffer.concat([short(1), string('SCHEMA_CHANGE')]))
    const address = Buffer.of(127, 0, 0, 2)
    for (const isUp of [false, true]) peer.server.peerHasChanged({ address, port: 9042, isUp })
    for (const status of ['DOWN', 'UP']) {
      const event = await listening.next()
      assert.deepEqual([event.opcode, event.stream], [OP.EVENT, -1])
      const inet = Buffer.concat([Buffer.of(4), address, int(9042)])
      assert.deepEqual(event.body, Buffer.concat([string('STATUS_CHANGE'), string(status), inet]))
    }
    assert.equal((await other.ask(OP.QUERY, query('q'))).opcode, OP.RESULT)
  })
})
