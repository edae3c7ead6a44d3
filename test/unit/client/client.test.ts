/** What the client sends and answers, with a stock npm thrift server at the other end. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { newIdempotencyToken } from '../../../src/client/client.js'
import { KVStoreError } from '../../../src/client/errors.js'
import { PAIRS, type Wire, bigintOf, failureOf, int64, refusal, withServer } from './stock-server.js'

const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n
const EDGES = [
  I64_MIN,
  I64_MIN + 1n,
  -(2n ** 53n) - 1n,
  -1n,
  0n,
  1n,
  127n,
  128n,
  2n ** 53n + 1n,
  I64_MAX - 1n,
  I64_MAX,
]
const NOT_UTF8 = Buffer.from('fffe00c328a0a1', 'hex')
const dataset = 'people'

describe('values', () => {
  for (const pair of PAIRS) {
    const name = `${pair.transport} ${pair.protocol}`

    test(`64-bit numbers are exact in both directions, to both ends, over ${name}`, async () => {
      const seen: bigint[] = []
      const handle = (_: string, request: Wire): object => {
        seen.push(bigintOf(request['timestamp']))
        return { timestamp: int64(seen.at(-1) ?? 0n) }
      }
      await withServer(handle, pair, async (client) => {
        for (const timestamp of EDGES) {
          const written = await client.put({ dataset, key: 'k', value: 'v', timestamp })
          assert.equal(written.timestamp, timestamp)
        }
        assert.deepEqual(seen, EDGES)
      })
    })

    test(`bytes that are no text, empty ones and large ones come back as they were over ${name}`, async () => {
      const handle = (_: string, { key }: Wire): object => ({
        value: key,
        cells: [{ localKey: key, value: key }],
      })
      await withServer(handle, pair, async (client) => {
        for (const key of [NOT_UTF8, Buffer.alloc(0), Buffer.alloc(1 << 18, NOT_UTF8)]) {
          const row = await client.get({ dataset, key })
          assert.ok(
            row.value?.equals(key) && row.cells[0]?.localKey.equals(key) && row.cells[0].value.equals(key),
          )
        }
      })
    })
  }
})

/** Every method once: what the caller gives, what the stock server reads of it, what it answers, what the caller gets. */
describe('methods', () => {
  test('multiGet answers by position, a failed row with its own error', async () => {
    const rows = [
      { value: Buffer.from('1') },
      {},
      { error: { code: 404, message: 'moving', retryAfterMs: 5 } },
    ]
    await withServer(
      () => ({ rows }),
      {},
      async (client) => {
        const answer = await client.multiGet({ dataset, keys: ['a', 'b', 'c'] })
        assert.deepEqual(answer.rows.slice(0, 2), [{ value: Buffer.from('1'), cells: [] }, { cells: [] }])
        const error = answer.rows[2]?.error
        assert.ok(error instanceof KVStoreError)
        assert.deepEqual(
          [error.code, error.kind, error.retryable, error.retryAfterMs, error.dataset, error.message],
          ['SHARD_NOT_SERVING', 'AVAILABILITY', true, 5, dataset, 'moving'],
        )
      },
    )
  })

  test('mutate sends conditions and mutations of every kind and answers the row as it has become', async () => {
    const seen: Wire[] = []
    const handle = (_: string, request: Wire): object => {
      seen.push(request)
      return {
        applied: true,
        write: { timestamp: int64(7n), repeated: true },
        row: { cells: [{ value: NOT_UTF8 }] },
      }
    }
    await withServer(handle, {}, async (client) => {
      const answer = await client.mutate({
        dataset,
        key: 'k',
        conditions: [{ localKey: 'v', comparison: 'VERSION_EQUAL', timestamp: I64_MAX, ifMissing: true }],
        mutations: [
          { put: { value: 'a', ttlSeconds: 5 } },
          { remove: { cells: { prefixes: [NOT_UTF8] }, scope: 'NEWEST_VERSION' } },
          { increment: { deltas: [{ localKey: 'n' }] } },
          { append: { cells: [{ localKey: 'l', value: 'x' }] } },
          { touch: { ttlSeconds: 0 } },
        ],
        returnAfter: { localKeys: ['v'] },
      })
      const row = { cells: [{ localKey: Buffer.alloc(0), value: NOT_UTF8 }] }
      assert.deepEqual(answer, { applied: true, write: { timestamp: 7n, repeated: true }, row })
    })
    const [request] = seen as [{ conditions: Wire[]; mutations: Record<string, Wire | null>[] }] // as stock code reads it
    assert.deepEqual([request.conditions[0]?.['comparison'], request.conditions[0]?.['ifMissing']], [9, true])
    assert.equal(bigintOf(request.conditions[0]?.['timestamp']), I64_MAX)
    const set = request.mutations.map((one) => Object.keys(one).filter((name) => one[name] !== null))
    assert.deepEqual(set, [['put'], ['remove'], ['increment'], ['append'], ['touch']])
    assert.equal(request.mutations[1]?.['remove']?.['scope'], 2)
    assert.equal(request.mutations[4]?.['touch']?.['ttlSeconds'], 0)
  })

  test('counters are bigint, and those never written read as 0 and missing', async () => {
    const handle = (method: string, request: Wire): object => {
      if (method === 'getCounters') return { rows: [{ counters: [{ value: int64(0n), missing: true }] }, {}] }
      const [delta] = request['deltas'] as { localKey: Buffer; delta: object }[] // as stock code reads it
      return { counters: [{ localKey: delta?.localKey, value: delta?.delta }] }
    }
    await withServer(handle, {}, async (client) => {
      const added = await client.increment({ dataset, key: 'k', deltas: [{ localKey: 'n', delta: I64_MIN }] })
      assert.deepEqual(added.counters, [{ localKey: Buffer.from('n'), value: I64_MIN, missing: false }])
      const read = await client.getCounters({ dataset, keys: ['k', 'l'], localKeys: [''] })
      const absent = { localKey: Buffer.alloc(0), value: 0n, missing: true }
      assert.deepEqual(read.rows, [{ counters: [absent] }, { counters: [] }])
    })
  })

  test('multiMutate answers by position, and a failed row always says what is known of it', async () => {
    const rows = [{ timestamp: int64(I64_MIN) }, { error: { code: 500, message: 'damaged' } }]
    await withServer(
      () => ({ rows }),
      {},
      async (client) => {
        const mutations = [{ put: { value: 'v' } }]
        const answer = await client.multiMutate({
          dataset,
          rows: ['a', 'b'].map((key) => ({ key, mutations })),
        })
        assert.equal(answer.rows[0]?.timestamp, I64_MIN)
        assert.deepEqual(
          [answer.rows[1]?.error?.code, answer.rows[1]?.error?.outcome],
          ['CORRUPT', 'UNKNOWN'],
        )
      },
    )
  })

  test('remove and the descriptions arrive under their names, enums as words', async () => {
    const seen: string[] = []
    const handle = (method: string): object => {
      seen.push(method)
      if (method === 'remove') return {}
      return method === 'describeServer'
        ? { apiVersion: 1, features: ['scan'] }
        : { name: dataset, mode: 2, keyOrder: 1, timestampUnit: 0, currentVersion: int64(I64_MAX) }
    }
    await withServer(handle, {}, async (client) => {
      assert.deepEqual(await client.remove({ dataset, key: 'k' }), {})
      assert.deepEqual(await client.describeDataset(dataset), {
        name: dataset,
        mode: 'READ_WRITE',
        keyOrder: 'HASHED',
        timestampUnit: 'MICROSECONDS',
        currentVersion: I64_MAX,
      })
      assert.deepEqual(await client.describeServer(), { apiVersion: 1, features: ['scan'] })
    })
    assert.deepEqual(seen, ['remove', 'describeDataset', 'describeServer'])
  })
})

describe('pages', () => {
  /** Three pages, the middle one empty; the token is the page's number. */
  function scanned(_: string, request: Wire): object {
    const page = Number((request['pageToken'] as Buffer | null)?.toString() ?? 0) // as stock code reads it
    const keys = [['a', 'b'], [], ['c']][page] ?? []
    const nextPageToken = page < 2 ? Buffer.from(String(page + 1)) : null
    return { rows: keys.map((key) => ({ key: Buffer.from(key) })), nextPageToken }
  }

  test('scan goes on behind an empty page until there is no token', async () => {
    await withServer(scanned, {}, async (client) => {
      const keys: string[] = []
      for await (const row of client.scan({ dataset })) keys.push(String(row.key))
      assert.deepEqual(keys, ['a', 'b', 'c'])
    })
  })

  test('a scan that is left early asks for no further page, and a token goes on where another left off', async () => {
    const tokens: unknown[] = []
    const handle = (method: string, request: Wire): object => {
      tokens.push(request['pageToken'])
      return scanned(method, request)
    }
    await withServer(handle, {}, async (client) => {
      for await (const row of client.scan({ dataset })) {
        assert.equal(String(row.key), 'a')
        break
      }
      assert.deepEqual(tokens, [null])
      const rest: string[] = []
      for await (const row of client.scan({ dataset, pageToken: '2' })) rest.push(String(row.key))
      assert.deepEqual(rest, ['c'])
    })
  })

  test('getPages reads a long row page by page', async () => {
    const handle = (_: string, request: Wire): object => {
      const isSecond = request['pageToken'] !== null
      const cells = [{ localKey: Buffer.from(isSecond ? 'b' : 'a'), value: NOT_UTF8 }]
      return { cells, nextPageToken: isSecond ? null : Buffer.from('next') }
    }
    await withServer(handle, {}, async (client) => {
      const columns: string[] = []
      for await (const page of client.getPages({ dataset, key: 'long' })) {
        columns.push(...page.cells.map(({ localKey }) => localKey.toString()))
      }
      assert.deepEqual(columns, ['a', 'b'])
    })
  })

  test('a server that answers the same token again ends the scan with an error, not never', async () => {
    await withServer(
      () => ({ rows: [], nextPageToken: Buffer.from('again') }),
      {},
      async (client) => {
        const error = await failureOf(client.scan({ dataset }).next())
        assert.equal(error.code, 'INTERNAL')
      },
    )
  })
})

describe('context and idempotency', () => {
  test('caller, features and what is left of the deadline travel with every request', async () => {
    const seen: Wire[] = []
    const handle = (_: string, request: Wire): object => {
      seen.push(request['context'] as Wire) // as stock code reads it
      return {}
    }
    const context = {
      caller: 'tests',
      priority: 'BATCH',
      mustUnderstand: ['x'],
      credential: NOT_UTF8,
    } as const
    await withServer(handle, { context }, async (client) => {
      await client.get({ dataset, key: 'k' }, { deadlineMs: 9_000, context: { traceId: 't' } })
    })
    const [sent] = seen
    assert.deepEqual(
      [sent?.['caller'], sent?.['priority'], sent?.['mustUnderstand'], sent?.['traceId']],
      ['tests', 2, ['x'], 't'],
    )
    assert.deepEqual(sent?.['credential'], NOT_UTF8)
    const deadlineMs = Number(sent['deadlineMs'])
    assert.ok(deadlineMs > 1_000 && deadlineMs <= 9_000, String(deadlineMs))
  })

  /** The tokens that arrive while every first attempt fails with an unknown outcome. */
  async function tokensOf(idempotency: 'auto' | 'none', own?: boolean): Promise<(string | null)[]> {
    const tokens: (string | null)[] = []
    const handle = (_: string, { options }: Wire): object => {
      const token = (options as { idempotencyToken: { nonce: Buffer } | null } | null)?.idempotencyToken
      tokens.push(token?.nonce.toString('hex') ?? null)
      if (tokens.length === 1) throw refusal({ code: 401, retryable: true, outcome: 2 })
      return {}
    }
    await withServer(handle, { idempotency }, async (client) => {
      const options = own === true ? { idempotencyToken: { ...newIdempotencyToken(), nonce: NOT_UTF8 } } : {}
      await client.put({ dataset, key: 'k', value: 'v', options }).catch(() => undefined)
    })
    return tokens
  }

  test('a write carries a token of its own, the same at every attempt', async () => {
    const [first, second, ...rest] = await tokensOf('auto')
    assert.match(String(first), /^[0-9a-f]{32}$/)
    assert.deepEqual([second, rest], [first, []])
    assert.notEqual((await tokensOf('auto'))[0], first)
  })

  test("the caller's own token is sent as it is and makes the write repeatable", async () => {
    const hex = NOT_UTF8.toString('hex')
    assert.deepEqual(await tokensOf('auto', true), [hex, hex])
    assert.deepEqual(await tokensOf('none', true), [hex, hex])
  })

  test('without a token a write that may have been applied is not sent again', async () => {
    assert.deepEqual(await tokensOf('none'), [null])
  })

  test('a new token is dated now, in microseconds', () => {
    const before = BigInt(Date.now()) * 1000n
    const { generationTime } = newIdempotencyToken()
    assert.ok(generationTime >= before && generationTime <= BigInt(Date.now()) * 1000n)
  })
})

describe('errors', () => {
  test('an exception keeps code, kind, retryability, outcome, dataset, request id and message', async () => {
    const handle = (): object => {
      throw refusal(
        { code: 301, kind: 3, retryable: false, retryAfterMs: 7, outcome: 1, message: 'slow down' },
        { dataset: 'other', requestId: 'r-1' },
      )
    }
    await withServer(handle, {}, async (client) => {
      const error = await failureOf(client.put({ dataset, key: 'k', value: 'v' }))
      assert.deepEqual(
        [error.code, error.codeNumber, error.kind, error.retryable, error.outcome, error.retryAfterMs],
        ['THROTTLED', 301, 'CAPACITY', false, 'NOT_APPLIED', 7],
      )
      assert.deepEqual([error.dataset, error.requestId, error.message], ['other', 'r-1', 'slow down'])
    })
  })

  test('a code that this client is too old to know keeps its number, and its kind follows from it', async () => {
    const handle = (): object => {
      throw refusal({ code: 399 })
    }
    await withServer(handle, {}, async (client) => {
      const error = await failureOf(client.get({ dataset, key: 'k' }))
      assert.deepEqual([error.code, error.codeNumber, error.kind], ['UNRECOGNIZED', 399, 'CAPACITY'])
    })
  })

  test('a failure of the server that is no KVStoreException is INTERNAL, and a write of it UNKNOWN', async () => {
    const handle = (): object => {
      throw new Error('broken')
    }
    await withServer(handle, {}, async (client) => {
      const error = await failureOf(client.put({ dataset, key: 'k', value: 'v' }))
      assert.deepEqual([error.code, error.outcome], ['INTERNAL', 'UNKNOWN'])
      assert.match(error.message, /broken/)
    })
  })

  test('what is refused before it is sent is INVALID_ARGUMENT, and nothing of a write applied', async () => {
    await withServer(
      () => ({}),
      {},
      async (client, server) => {
        // What a caller without types can do.
        const wrong = { dataset, key: 5 } as unknown as { dataset: string; key: string }
        const error = await failureOf(client.put(wrong))
        assert.deepEqual(
          [error.code, error.outcome, error.dataset],
          ['INVALID_ARGUMENT', 'NOT_APPLIED', undefined],
        )
        assert.equal((await failureOf(client.get(wrong))).outcome, undefined)
        assert.equal(
          (await failureOf(client.get({ dataset, key: 'k' }, { deadlineMs: 0 }))).code,
          'INVALID_ARGUMENT',
        )
        assert.equal(
          (await failureOf(client.get({ dataset, key: 'k' }, { maxAttempts: 11 }))).code,
          'INVALID_ARGUMENT',
        )
        const nothing = undefined as unknown as { dataset: string; key: string } // as above
        assert.equal((await failureOf(client.put(nothing))).code, 'INVALID_ARGUMENT')
        assert.equal((await failureOf(client.scan(nothing).next())).code, 'INVALID_ARGUMENT')
        assert.equal(
          (await failureOf(client.describeDataset(5 as unknown as string))).code,
          'INVALID_ARGUMENT',
        )
        const misplaced = { dataset, key: 'k', context: { caller: 'me' } }
        assert.equal((await failureOf(client.get(misplaced))).code, 'INVALID_ARGUMENT')
        assert.equal(server.accepted, 0)
      },
    )
  })
})
