/** What answers and failures hold: every field that the server fills, and every value that it can answer. */
import assert from 'node:assert/strict'
import { isStockException } from '../../support/stock-client.js'
import {
  AWAY,
  EMPTY,
  type Fields,
  HISTORY,
  type Harness,
  PEOPLE,
  SORTED,
  UPLOADS,
  bigintOf,
  covers,
  i64,
  shown,
  tokenOf,
} from './harness.js'

const WITH_ALL = { withTimestamps: true, withTtl: true, withInfo: true }

/** A row with an unnamed value and a column, both at 5 and with a TTL. */
async function fullRow(h: Harness): Promise<string> {
  const key = h.key()
  const cells = [{ localKey: 'a', value: '1' }]
  await h.ask('put', { dataset: PEOPLE, key, value: 'u', cells, timestamp: i64(5), ttlSeconds: 900 })
  return key
}

async function describe(h: Harness, dataset: string): Promise<Fields> {
  return await h.client.describeDataset(dataset)
}

const isCode =
  (code: number, method: 'get' | 'put' | 'scan' | 'getCounters', request: Fields) => (h: Harness) =>
    h.isRefused(code, method, request)

export const answers = [
  covers(
    [
      'GetResponse.value',
      'GetResponse.cells',
      'GetResponse.timestamp',
      'GetResponse.ttlSeconds',
      'GetResponse.info',
    ],
    'hold the unnamed value, the other cells, and what was asked for beside them',
    async (h) => {
      const row = await h.ask('get', { dataset: PEOPLE, key: await fullRow(h), options: WITH_ALL })
      assert.deepEqual([shown(row), bigintOf(row.timestamp)], [['=u', 'a=1'], 5n])
      assert.ok((row.ttlSeconds ?? 0) > 800 && row.info != null)
    },
  ),
  covers(['GetResponse.nextPageToken', 'RowResult.nextPageToken'], 'say that the row goes on', async (h) => {
    const key = await h.longRow()
    const options = { pageSizeBytes: 10 }
    assert.ok((await h.ask('get', { dataset: PEOPLE, key, options })).nextPageToken !== null)
    const { rows } = await h.ask('multiGet', { dataset: PEOPLE, keys: [key], options })
    assert.ok(rows[0]?.nextPageToken != null)
  }),
  covers(
    [
      'RowResult.value',
      'RowResult.cells',
      'RowResult.timestamp',
      'RowResult.ttlSeconds',
      'MultiGetResponse.rows',
      'MultiGetResponse.info',
    ],
    'are those of a get, for every key',
    async (h) => {
      const keys = [await fullRow(h), h.key()]
      const { rows, info } = await h.ask('multiGet', { dataset: PEOPLE, keys, options: WITH_ALL })
      assert.deepEqual(rows.map(shown), [['=u', 'a=1'], []])
      assert.equal(bigintOf(rows[0]?.timestamp), 5n)
      assert.ok((rows[0]?.ttlSeconds ?? 0) > 800 && info !== null)
    },
  ),
  covers(
    ['RowResult.key', 'ScanResponse.rows', 'ScanResponse.nextPageToken', 'ScanResponse.info'],
    'are the rows of a page with their keys, and where it goes on',
    async (h) => {
      const page = await h.ask('scan', { dataset: 'scanned', pageRows: 2, options: { withInfo: true } })
      assert.equal(page.rows.length, 2)
      for (const { key } of page.rows) assert.match(String(key), /^row \d\d$/)
      assert.ok(page.nextPageToken !== null && page.info?.stalenessMs === 0)
    },
  ),
  covers(
    ['ReadInfo.datasetVersion', 'ReadInfo.stalenessMs', 'ReadInfo.sessionToken', 'ReadInfo.cluster'],
    'tell version, lag and session; never where data lies',
    async (h) => {
      const { info } = await h.ask('get', { dataset: UPLOADS, key: 'k', options: { withInfo: true } })
      assert.ok((bigintOf(info?.datasetVersion) ?? 0n) > 1_600_000_000_000n)
      assert.deepEqual([info?.stalenessMs, info?.cluster], [0, null])
      const options = { consistency: 3, sessionToken: info?.sessionToken }
      assert.deepEqual(await h.read('k', { dataset: UPLOADS, options }), ['says=second'])
    },
  ),
  covers(
    [
      'CounterValue.localKey',
      'CounterValue.value',
      'CounterValue.missing',
      'CounterRow.counters',
      'CounterRow.error',
      'GetCountersResponse.rows',
    ],
    'tell counters apart from columns that are missing or are none',
    async (h) => {
      const key = await h.row({ text: 'text' })
      await h.ask('increment', { dataset: PEOPLE, key, deltas: [{ localKey: 'n', delta: i64(-3) }] })
      const count = async (localKeys: string[]) =>
        (await h.ask('getCounters', { dataset: PEOPLE, keys: [key], localKeys })).rows[0]
      const found = (await count(['n', 'none']))?.counters ?? []
      assert.deepEqual(
        found.map((one) => [String(one.localKey), bigintOf(one.value), one.missing]),
        [
          ['n', -3n, null],
          ['none', 0n, true],
        ],
      )
      assert.equal((await count(['text']))?.error?.code, 501)
    },
  ),
  covers(
    [
      'WriteResponse.timestamp',
      'WriteResponse.sessionToken',
      'WriteResponse.repeated',
      'MutateResponse.applied',
      'MutateResponse.write',
      'MutateResponse.row',
    ],
    'tell whether, when and as what it was applied',
    async (h) => {
      const key = h.key()
      const options = { withSessionToken: true, idempotencyToken: tokenOf(key) }
      const request = {
        dataset: PEOPLE,
        key,
        mutations: [{ put: { value: 'v', timestamp: i64(8) } }],
        returnAfter: {},
        options,
      }
      const [first, again] = [await h.ask('mutate', request), await h.ask('mutate', request)]
      assert.deepEqual(
        [first.applied, bigintOf(first.write?.timestamp), shown(first.row)],
        [true, 8n, ['=v']],
      )
      assert.deepEqual(
        [again.write?.repeated, bigintOf(again.write?.timestamp), shown(again.row)],
        [true, 8n, ['=v']],
      )
      assert.ok(first.write?.sessionToken != null)
    },
  ),
  covers(
    [
      'IncrementResponse.counters',
      'IncrementResponse.write',
      'RowWriteResult.error',
      'RowWriteResult.timestamp',
      'MultiMutateResponse.rows',
      'MultiMutateResponse.sessionToken',
    ],
    'answer for each counter and for each row',
    async (h) => {
      const key = h.key()
      const { counters, write } = await h.ask('increment', {
        dataset: PEOPLE,
        key,
        deltas: [{ delta: i64(4) }],
      })
      assert.deepEqual([bigintOf(counters?.[0]?.value), (bigintOf(write?.timestamp) ?? 0n) > 0n], [4n, true])
      const rows = [
        { key, mutations: [{ put: { value: 'v' } }] },
        { key: 'x'.repeat(65_536), mutations: [{ put: { value: 'v' } }] },
      ]
      const many = await h.ask('multiMutate', { dataset: PEOPLE, rows, options: { withSessionToken: true } })
      assert.ok((bigintOf(many.rows[0]?.timestamp) ?? 0n) > 0n && many.sessionToken !== null)
      assert.deepEqual([many.rows[1]?.error?.code, many.rows[1]?.error?.outcome], [300, 1])
    },
  ),
  covers(
    [
      'KVStore.describeDataset',
      'DatasetInfo.name',
      'DatasetInfo.owner',
      'DatasetInfo.description',
      'DatasetInfo.mode',
      'DatasetMode.READ_WRITE',
      'DatasetMode.BATCH',
      'DatasetInfo.maxValueBytes',
      'DatasetInfo.currentVersion',
    ],
    'describes a dataset',
    async (h) => {
      const [people, uploads] = [await describe(h, PEOPLE), await describe(h, UPLOADS)]
      assert.deepEqual(
        [people['name'], people['owner'], people['description'], people['mode']],
        [PEOPLE, 'tests', '', 2],
      )
      assert.equal(uploads['mode'], 1)
      // Stock code decodes 64-bit numbers as node-int64.
      const current = bigintOf(uploads['currentVersion'] as Parameters<typeof bigintOf>[0])
      assert.ok((current ?? 0n) > 1_600_000_000_000n)
      assert.equal((await describe(h, SORTED))['maxValueBytes'], 1_000)
    },
  ),
  covers(
    [
      'DatasetInfo.keyOrder',
      'KeyOrder.HASHED',
      'KeyOrder.ORDERED',
      'DatasetInfo.maxCellVersions',
      'DatasetInfo.defaultTtlSeconds',
      'DatasetInfo.idempotencyWindowSeconds',
    ],
    'tell the order of keys, the versions kept and for how long',
    async (h) => {
      const [people, sorted, history] = [
        await describe(h, PEOPLE),
        await describe(h, SORTED),
        await describe(h, HISTORY),
      ]
      assert.deepEqual([people['keyOrder'], sorted['keyOrder']], [1, 2])
      assert.deepEqual([people['maxCellVersions'], history['maxCellVersions']], [1, 5])
      assert.deepEqual([people['defaultTtlSeconds'], sorted['defaultTtlSeconds']], [null, 1_000])
      assert.equal(people['idempotencyWindowSeconds'], 420)
    },
  ),
  covers(
    [
      'DatasetInfo.timestampUnit',
      'TimestampUnit.MICROSECONDS',
      'TimestampUnit.MILLISECONDS',
      'TimestampUnit.OPAQUE',
      'DatasetInfo.conflictRule',
      'ConflictRule.LAST_WRITE_WINS',
      'DatasetInfo.defaultConsistency',
      'DatasetInfo.defaultDurability',
    ],
    'tell the unit of timestamps, who wins, and what is given by default',
    async (h) => {
      for (const [index, timestampUnit] of ['MICROSECONDS', 'MILLISECONDS', 'OPAQUE'].entries()) {
        const name = `unit-${index}`
        await h.gateway.createDataset(name, { timestampUnit })
        const info = await describe(h, name)
        assert.deepEqual(
          [info['timestampUnit'], info['conflictRule'], info['defaultConsistency']],
          [index, 0, 4],
        )
        assert.equal(info['defaultDurability'], 4)
      }
    },
  ),
  covers('DatasetMode.STREAMING', 'is UNSUPPORTED when a dataset of it is created', async (h) => {
    const owner = { name: 'tests', contact: 'tests@example.org' }
    const answer = await h.gateway.admin('POST', '/v1/datasets', {
      name: 'streamed',
      owner,
      mode: 'STREAMING',
    })
    assert.match(answer.text, /UNSUPPORTED/)
  }),
  covers(
    [
      'KVStore.describeServer',
      'ServerInfo.apiVersion',
      'ServerInfo.build',
      'ServerInfo.features',
      'ServerInfo.maxRequestBytes',
      'ServerInfo.maxBatchRows',
    ],
    'describes the server and touches no dataset',
    async (h) => {
      const info = await h.client.describeServer()
      assert.deepEqual(
        [info['apiVersion'], info['maxRequestBytes'], info['maxBatchRows']],
        [1, 64 << 20, 10_000],
      )
      assert.equal(typeof info['build'], 'string')
      assert.ok(Array.isArray(info['features']) && info['features'].includes('scan'))
    },
  ),
  covers(
    [
      'KVStoreException.message',
      'KVStoreException.error',
      'KVStoreException.dataset',
      'KVStoreException.requestId',
      'ErrorDetail.code',
      'ErrorDetail.message',
      'ErrorDetail.kind',
      'ErrorDetail.retryable',
      'ErrorDetail.outcome',
      'WriteOutcome.NOT_APPLIED',
      'ErrorKind.DATASET',
      'ErrorCode.READ_ONLY',
    ],
    'a failure tells what, where, of which kind, whether to try again and what became of it',
    async (h) => {
      const thrown: unknown = await h
        .ask('put', { dataset: UPLOADS, key: 'k', value: 'v' })
        .catch((error: unknown) => error)
      assert.ok(isStockException(thrown))
      const { code, message, kind, retryable, outcome } = thrown.error
      assert.deepEqual([code, kind, retryable, outcome], [200, 2, false, 1])
      assert.deepEqual([thrown.message, thrown.dataset], [message, UPLOADS])
      assert.ok('requestId' in thrown && typeof thrown.requestId === 'string')
    },
  ),
  covers(
    ['ErrorKind.AVAILABILITY', 'ErrorCode.UNAVAILABLE'],
    'an origin that cannot be reached, which may be tried again',
    async (h) => {
      const detail = await h.refused('get', { dataset: AWAY, key: 'k' })
      assert.deepEqual([detail.code, detail.kind, detail.retryable], [401, 4, true])
    },
  ),
  covers(['ErrorKind.CAPACITY', 'ErrorCode.TOO_LARGE'], 'a key beyond the limit', async (h) => {
    const { code, kind } = await h.refused('get', { dataset: PEOPLE, key: 'x'.repeat(65_536) })
    assert.deepEqual([code, kind], [300, 3])
  }),
  covers(['ErrorKind.CALLER', 'ErrorCode.INVALID_ARGUMENT'], 'an empty key', async (h) => {
    const { code, kind } = await h.refused('get', { dataset: PEOPLE, key: '' })
    assert.deepEqual([code, kind], [100, 1])
  }),
  covers(['ErrorKind.DATA', 'ErrorCode.NOT_A_COUNTER'], 'a counter over text', async (h) => {
    const request = { dataset: PEOPLE, key: await h.row({ '': 'text' }), deltas: [{}] }
    const { code, kind, outcome } = await h.refused('increment', request)
    assert.deepEqual([code, kind, outcome], [501, 5, 1])
  }),
  covers(
    'ErrorCode.DATASET_NOT_FOUND',
    'no such dataset',
    isCode(101, 'get', { dataset: 'nowhere', key: 'k' }),
  ),
  covers(
    'ErrorCode.UNSUPPORTED',
    'an order that hashed keys do not have',
    isCode(104, 'scan', { dataset: PEOPLE, order: 1 }),
  ),
  covers(
    'ErrorCode.BAD_PAGE_TOKEN',
    'a forged token',
    isCode(105, 'scan', { dataset: PEOPLE, pageToken: Buffer.of(1) }),
  ),
  covers(
    'ErrorCode.VERSION_NOT_FOUND',
    'a version that never was',
    isCode(106, 'scan', { dataset: UPLOADS, options: { datasetVersion: i64(1) } }),
  ),
  covers(
    'ErrorCode.BAD_SESSION_TOKEN',
    'a forged token',
    isCode(107, 'get', {
      dataset: PEOPLE,
      key: 'k',
      options: { consistency: 3, sessionToken: Buffer.of(1) },
    }),
  ),
  covers('ErrorCode.IDEMPOTENCY_MISMATCH', 'a token used for another write', async (h) => {
    const request = { dataset: PEOPLE, key: h.key(), options: { idempotencyToken: tokenOf('mismatch') } }
    await h.ask('put', { ...request, value: 'one' })
    await h.isRefused(108, 'put', { ...request, value: 'two' })
  }),
  covers(
    'ErrorCode.NO_VERSION_ONLINE',
    'a batch dataset before its first load',
    isCode(201, 'get', { dataset: EMPTY, key: 'k' }),
  ),
  covers(
    'ErrorCode.DEADLINE_EXCEEDED',
    'no time left',
    isCode(402, 'get', { dataset: PEOPLE, key: 'k', context: { deadlineMs: 0 } }),
  ),
]

/** Shown by tests of other suites, which need another world: `file: beginning of its title`. */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  'RowResult.error': 'test/unit/kvstore/answers.test.ts: rows of a multiGet keep their places',
  'ErrorDetail.retryAfterMs': 'test/unit/kvstore/kvstore.test.ts: a job is shed',
  'ErrorCode.OVERLOADED': 'test/unit/kvstore/kvstore.test.ts: a job is shed',
  'WriteOutcome.UNKNOWN': 'test/unit/kvstore/answers.test.ts: a failed write always says what became of it',
  'ErrorCode.SHARD_NOT_SERVING': 'test/unit/leaf/tier.test.ts: keys of a shard that is not open fail',
  'ErrorCode.CORRUPT': 'test/unit/leaf/tier.test.ts: a shard that fails as a whole fails its own keys only',
  'ErrorCode.INTERNAL': 'test/unit/kvstore/kvstore.test.ts: a fault on the way',
  'ErrorCode.FAILED_PRECONDITION':
    'test/unit/kvsm/ledger.test.ts: a record of a newer format stops the start by name, also beside damaged ones',
  'ErrorCode.ALREADY_EXISTS': 'test/unit/kvsm/metastore.test.ts: a dataset has a name once',
  'ErrorCode.CONFLICT': 'test/unit/kvsm/metastore.test.ts: ${action} at another revision is a conflict',
}

/** What this server never answers, and why. */
export const NEVER: Readonly<Record<string, string>> = {
  'ConflictRule.ARRIVAL_ORDER': 'every dataset keeps the rule of the highest timestamp',
  'ErrorCode.PERMISSION_DENIED': 'it authenticates nobody, and refuses credentials as UNSUPPORTED',
  'ErrorCode.UNAUTHENTICATED': 'as PERMISSION_DENIED',
  'ErrorCode.THROTTLED': 'callers have no quotas yet; too much at once is OVERLOADED',
  'ErrorCode.QUOTA_EXCEEDED': 'as THROTTLED',
  'ErrorCode.NOT_ENOUGH_REPLICAS': 'a row has one leaf; levels that need more are UNSUPPORTED',
  'ErrorCode.CANCELLED': 'a request whose connection is gone has nobody to answer',
}
