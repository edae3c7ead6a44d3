/**
 * Well-formed requests that are as dear as a caller can make them, beside honest ones (GODWIT_HOSTILE_SECONDS, 3 by
 * default): rows of nothing but deleted columns, alone and hundreds in a request, answers that fill a frame, scans that find
 * nothing, conditions on rows that have to be searched, tokens of other requests. Every answer to an honest caller is right,
 * and no kind of its requests waits for a hostile one to end.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { T, field, frame, i32, message, rawSocket, struct, text } from '../support/frames.js'
import { Gateway } from '../support/gateway.js'
import { int64, isStockException, type StockClient } from '../support/stock-client.js'

const SECONDS = Number(process.env['GODWIT_HOSTILE_SECONDS'] ?? 3)
const MEBIBYTE = 1024 * 1024
const HONEST_CALLERS = 4
/** Rounds of each honest caller a second: a measure of latency, not of throughput. */
const HONEST_RATE = 8
/**
 * Beside twice the quiet time: all of them share the machine's cores, which a busy one has few of. Who waited for a hostile
 * request to end would wait several times as long.
 */
const SHARED_CORES_MS = 2_000
/** What one hostile request may take; honest ones must be answered long before. */
const HOSTILE_DEADLINE_MS = 20_000

const DATASETS = ['mutable', 'history'] as const
const EXISTS = { localKey: 'no such column', comparison: 1 }
const ROW_EXISTS = { comparison: 10 }
const CODES = { BAD_PAGE_TOKEN: 105, IDEMPOTENCY_MISMATCH: 108, OVERLOADED: 303, DEADLINE_EXCEEDED: 402 }

type Fields = Readonly<Record<string, unknown>>

let gateway: Gateway

before(async () => {
  gateway = await Gateway.start({ config: 'threads: { data: 1 }\n' })
  await gateway.createDataset('mutable')
  await gateway.createDataset('history', { maxCellVersions: 3 })
  await gateway.createDataset('small')
  const client = await gateway.connect()
  for (const dataset of DATASETS) {
    for (let i = 0; i < 6; i++) await removeColumns(client, dataset, 'long', i * 10_000, 10_000)
    await removeColumns(client, dataset, 'some', 0, 2_000)
  }
  await client.put({ dataset: 'mutable', key: 'large', value: Buffer.alloc(MEBIBYTE, 7) })
  for (let i = 0; i < 20; i++) {
    const rows = Array.from({ length: 1_000 }, (_, j) => ({
      key: `row ${i * 1_000 + j}`,
      mutations: [{ put: { value: 'v' } }],
    }))
    await client.call('multiMutate', { dataset: 'mutable', rows }, 'MultiMutateRequest')
  }
  for (let i = 0; i < 30; i++) await client.put({ dataset: 'small', key: `row ${i}`, value: 'v' })
  client.close()
})

after(() => gateway.dispose())

async function removeColumns(
  client: StockClient,
  dataset: string,
  key: string,
  from: number,
  count: number,
): Promise<void> {
  const localKeys = Array.from({ length: count }, (_, i) => `c${from + i}`)
  await client.remove({ dataset, key, cells: { localKeys } })
}

/** What each kind of honest request took, in ms. */
type Times = Map<string, number[]>

/** Fails with the first answer that is wrong. */
async function honest(caller: number, times: Times): Promise<void> {
  const client = await gateway.connect()
  const key = `caller ${caller}`
  const timed = async <R>(kind: string, call: Promise<R>): Promise<R> => {
    const askedAtMs = performance.now()
    const answer = await call
    const took = times.get(kind) ?? []
    times.set(kind, took)
    took.push(performance.now() - askedAtMs)
    return answer
  }
  const beganMs = performance.now()
  for (let round = 0; round < SECONDS * HONEST_RATE; round++) {
    await pause(Math.max(0, beganMs + (round * 1_000) / HONEST_RATE - performance.now()))
    for (const dataset of DATASETS) {
      const cells = ['a', 'b'].map((localKey) => ({ localKey, value: `${localKey} ${round}` }))
      await timed(`${dataset} put`, client.put({ dataset, key, cells }))
      const named = await timed(
        `${dataset} get of a column`,
        client.get({ dataset, key, cells: { localKeys: ['b'] } }),
      )
      assert.deepEqual(shown(named), [`b=b ${round}`])
      const whole = await timed(`${dataset} get of a row`, client.get({ dataset, key }))
      assert.deepEqual(shown(whole), [`a=a ${round}`, `b=b ${round}`])
      const keys = [key, 'absent', key]
      const { rows } = await timed(`${dataset} multiGet`, client.multiGet({ dataset, keys }))
      assert.deepEqual(rows.map(shown), [shown(whole), [], shown(whole)])
    }
    let rows = 0
    for (let pageToken: Buffer | null | undefined; pageToken !== null;) {
      // A page that took long comes back with what it has.
      const scan = { dataset: 'small', pageRows: 50, ...(pageToken === undefined ? {} : { pageToken }) }
      const page = (await timed('page of a scan', client.call('scan', scan, 'ScanRequest'))) as Page
      rows += page.rows.length
      pageToken = page.nextPageToken
    }
    assert.equal(rows, 30)
  }
  client.close()
}

interface Page {
  readonly rows: readonly unknown[]
  readonly nextPageToken: Buffer | null
}

interface Row {
  readonly cells: readonly { readonly localKey: Buffer | null; readonly value: Buffer }[] | null
}

function shown({ cells }: Row): string[] {
  return (cells ?? []).map(({ localKey, value }) => `${String(localKey)}=${value.toString()}`)
}

async function timesOfHonest(): Promise<Times> {
  const times: Times = new Map()
  await Promise.all(Array.from({ length: HONEST_CALLERS }, (_, caller) => honest(caller, times)))
  return times
}

function p99(took: readonly number[]): number {
  return took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.99)] ?? 0
}

/** One of hostile callers; answers the code of the refusal, 0 when there was none. */
type Attack = (client: StockClient, round: number) => Promise<number>

async function codeOf(asked: Promise<unknown>): Promise<number> {
  try {
    await asked
    return 0
  } catch (error) {
    if (isStockException(error)) return error.error.code
    throw error
  }
}

function asking(method: string, struct: string, request: (round: number) => Fields): Attack {
  const context = { deadlineMs: HOSTILE_DEADLINE_MS }
  return (client, round) => codeOf(client.call(method, { context, ...request(round) }, struct))
}

const long = (dataset: string) => asking('get', 'GetRequest', () => ({ dataset, key: 'long' }))
const many = (dataset: string) =>
  asking('multiGet', 'MultiGetRequest', () => ({
    dataset,
    keys: new Array<string>(1_000).fill('some'),
  }))
const searched = (dataset: string) =>
  asking('mutate', 'MutateRequest', () => ({
    dataset,
    key: 'long',
    conditions: [ROW_EXISTS],
    mutations: [{ put: { value: 'never' } }],
  }))
const scanned = asking('scan', 'ScanRequest', () => ({
  dataset: 'mutable',
  where: [EXISTS],
  pageRows: 10_000,
}))

/** A page's token with another page's request. */
const foreignPage: Attack = async (client) => {
  const first = await client.call('scan', { dataset: 'small', pageRows: 7 }, 'ScanRequest')
  const { nextPageToken: pageToken } = first as Page
  return await codeOf(client.call('scan', { dataset: 'mutable', pageToken }, 'ScanRequest'))
}

/** The token of one write with another one. */
const foreignToken: Attack = async (client, round) => {
  const generationTime = int64(BigInt(Date.now()) * 1_000n)
  const nonce = Buffer.from(`${process.pid} ${round}`.padEnd(16))
  const put = (value: string) => ({
    dataset: 'small',
    key: 'row 0',
    value,
    options: { idempotencyToken: { generationTime, nonce } },
  })
  await client.call('put', put('v'), 'PutRequest')
  return await codeOf(client.call('put', put('w'), 'PutRequest'))
}

const { BAD_PAGE_TOKEN, IDEMPOTENCY_MISMATCH, OVERLOADED, DEADLINE_EXCEEDED } = CODES

/** Who attacks, how many of them, and the codes that they may get. */
const ATTACKS: readonly (readonly [attack: Attack, callers: number, codes: readonly number[]])[] = [
  ...DATASETS.flatMap((dataset) => [
    [long(dataset), 4, [0, DEADLINE_EXCEEDED]] as const,
    [many(dataset), 2, [0, DEADLINE_EXCEEDED]] as const,
    [searched(dataset), 2, [0, OVERLOADED, DEADLINE_EXCEEDED]] as const,
  ]),
  [scanned, 3, [0, DEADLINE_EXCEEDED]],
  [foreignPage, 1, [BAD_PAGE_TOKEN]],
  [foreignToken, 1, [IDEMPOTENCY_MISMATCH]],
]

/** Asks as fast as it is answered; the codes of its answers, and how many. */
async function attack(
  one: Attack,
  isOver: () => boolean,
): Promise<{ readonly codes: Set<number>; readonly count: number }> {
  const client = await gateway.connect()
  const codes = new Set<number>()
  let count = 0
  for (; !isOver(); count++) {
    codes.add(await one(client, count))
    await pause(5)
  }
  client.close()
  return { codes, count }
}

/** Asks for a frame full of one large row, again and again; looks at nothing of it. */
async function fillFrames(isOver: () => boolean): Promise<void> {
  const keys = Buffer.concat([
    Buffer.of(T.STRING),
    i32(300),
    ...Array.from({ length: 300 }, () => text('large')),
  ])
  const request = struct(field(T.STRING, 1, text('mutable')), field(T.LIST, 2, keys))
  const bytes = frame(message('multiGet', struct(field(T.STRUCT, 1, request))))
  const socket = await rawSocket(gateway.port('kvstore'))
  while (!isOver()) {
    socket.write(bytes)
    let [left, size] = [4, Buffer.alloc(0)]
    while (left > 0) {
      // An event emitter's arguments are untyped; a socket without encoding gives buffers.
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      left -= chunk.length
      if (size.length < 4) {
        size = Buffer.concat([size, chunk.subarray(0, 4 - size.length)])
        if (size.length === 4) left += size.readInt32BE(0)
      }
    }
    await pause(100)
  }
  socket.destroy()
}

test('honest callers get right answers in time beside the dearest requests', async (t) => {
  const { pid } = gateway
  const quiet = await timesOfHonest()
  let isOver = false
  const asked = () => isOver
  const attacking = [
    fillFrames(asked),
    ...ATTACKS.flatMap(([one, callers, codes]) =>
      Array.from({ length: callers }, async () => {
        const got = await attack(one, asked)
        assert.deepEqual([...got.codes].filter((code) => !codes.includes(code)), []) // prettier-ignore
      }),
    ),
  ]
  // A crowd that comes at once is looked at once: 16 ms each.
  await pause(1_000)
  const [beside] = await Promise.all([timesOfHonest().finally(() => (isOver = true)), ...attacking])
  const figures = [...beside].map(([kind, took]) => ({
    kind,
    quietMs: p99(quiet.get(kind) ?? []),
    besideMs: p99(took),
  }))
  for (const { kind, quietMs, besideMs } of figures) {
    t.diagnostic(`${kind}: p99 ${quietMs.toFixed(1)} ms in quiet, ${besideMs.toFixed(1)} ms beside`)
  }
  for (const { kind, quietMs, besideMs } of figures) {
    assert.ok(besideMs <= 2 * quietMs + SHARED_CORES_MS, `${kind}: ${besideMs} ms against ${quietMs} ms`)
  }
  assert.equal(gateway.pid, pid, 'the process lived')
})
