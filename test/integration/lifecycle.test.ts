/** Starting, stopping and refusing to start, seen from outside the process. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import {
  T,
  field,
  frame,
  getFrame,
  i32,
  message,
  nextFrame,
  rawSocket,
  struct,
  text,
} from '../support/frames.js'
import { Gateway } from '../support/gateway.js'
import { isStockException } from '../support/stock-client.js'

const SECOND_START_MS = 2_000
const DRAIN_MS = 2_000
const UNAVAILABLE = 401
/** No code: the connection was. */
const CUT = -1
const dataset = 'kept'

describe('a gateway that runs', () => {
  let gateway: Gateway

  before(async () => {
    gateway = await Gateway.start()
    await gateway.createDataset(dataset)
  })

  after(() => gateway.dispose())

  test('is alive and ready, and says so with 200', async () => {
    assert.equal((await gateway.admin('GET', '/healthz')).status, 200)
    assert.deepEqual((await gateway.admin('GET', '/readyz')).body, { status: 'ready', reasons: [] })
  })

  test('counts requests by dataset, operation and code over all its threads', async () => {
    const client = await gateway.connect()
    await client.put({ dataset, key: 'counted', value: 'v' })
    for (let read = 0; read < 3; read++) await client.get({ dataset, key: 'counted' })
    await assert.rejects(client.get({ dataset, key: Buffer.alloc(65_536) }))
    client.close()
    const { text, headers } = await gateway.admin('GET', '/metrics')
    assert.match(headers.get('content-type') ?? '', /^text\/plain/)
    const count = (operation: string, code: string): number => {
      const lines = text.split('\n').filter((line) => line.startsWith('godwit_requests_total{'))
      const wanted = [`operation="${operation}"`, `dataset="${dataset}"`, `code="${code}"`]
      const line = lines.find((one) => wanted.every((label) => one.includes(label)))
      return Number(line?.split(' ').at(-1) ?? 0)
    }
    assert.equal(count('get', ''), 3)
    assert.equal(count('get', 'TOO_LARGE'), 1)
    assert.equal(count('put', ''), 1)
  })

  test('answers one row over the admin API as the KVStore API wrote it', async () => {
    const client = await gateway.connect()
    await client.put({ dataset, key: 'both', cells: [{ localKey: 'name', value: 'Godwit' }] })
    client.close()
    const { status, body } = await gateway.admin('GET', `/v1/datasets/${dataset}/rows/both?column=name`)
    assert.equal(status, 200)
    // Our own admin API's answer; what it holds is asserted below.
    const { key, row } = body as { key: unknown; row: { cells: { column: unknown; value: unknown }[] } }
    assert.deepEqual(key, { utf8: 'both' })
    assert.deepEqual(
      row.cells.map(({ column, value }) => [column, value]),
      [[{ utf8: 'name' }, { utf8: 'Godwit' }]],
    )
  })

  test('refuses a second gateway on its data directory, and goes on itself', async () => {
    const second = new Gateway({ dataDirectory: gateway.dataDirectory })
    const { code, output } = await second.launch()
    assert.notEqual(code, 0)
    assert.match(output, /in use|locked|another (process|gateway)/i)
    await second.dispose()
    assert.equal((await gateway.admin('GET', '/readyz')).status, 200)
  })

  test('keeps everything over a restart and is ready again within two seconds', async () => {
    const writer = await gateway.connect()
    await writer.put({ dataset, key: 'before', value: 'the restart' })
    writer.close()
    const starts: number[] = []
    // The best of three, because the machine that runs tests does other things too.
    while (starts.length < 3) {
      await gateway.stop()
      const started = performance.now()
      await gateway.start()
      starts.push(performance.now() - started)
      const reader = await gateway.connect()
      assert.equal((await reader.get({ dataset, key: 'before' })).value?.toString(), 'the restart')
      reader.close()
    }
    // A machine that does more than it has cores for gives each process its share only.
    const share = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism())
    assert.ok(
      Math.min(...starts) < SECOND_START_MS * share,
      `the starts took ${starts.map((ms) => ms.toFixed(0)).join(', ')} ms`,
    )
  })

  test('drains on SIGTERM: what is in flight is answered, and it ends with 0', async () => {
    const client = await gateway.connect()
    await client.put({ dataset, key: 'k', value: 'v' })
    const inFlight = Array.from({ length: 200 }, (_, index) => {
      return client.put({ dataset, key: `drained ${index}`, value: 'v' })
    })
    // The first answer shows that the gateway has begun on them; the rest are somewhere between socket and disk.
    await Promise.race(inFlight)
    const ended = gateway.stop()
    const results = await Promise.allSettled(inFlight)
    const { code, output } = await ended
    assert.equal(code, 0, output)
    await gateway.start()
    const reader = await gateway.connect()
    for (const [index, { status }] of results.entries()) {
      const { value } = await reader.get({ dataset, key: `drained ${index}` })
      if (status === 'fulfilled')
        assert.equal(value?.toString(), 'v', `an acknowledged write is missing: ${index}`)
    }
    reader.close()
    assert.ok(
      results.filter(({ status }) => status === 'fulfilled').length >= 150,
      'most were cut off, not drained',
    )
  })
})

describe('reads that take minutes', () => {
  const context = { deadlineMs: 250_000 }
  /** Of removed columns: one read of it takes a tenth of a second. */
  const key = 'long'
  let gateway: Gateway

  beforeEach(async () => {
    gateway = await Gateway.start({
      config: `threads: { data: 1 }\nlimits: { drainTimeoutMs: ${DRAIN_MS} }\n`,
    })
    await gateway.createDataset(dataset)
    const client = await gateway.connect()
    for (let part = 0; part < 6; part++) {
      const localKeys = Array.from({ length: 10_000 }, (_, i) => `c${part * 10_000 + i}`)
      await client.remove({ dataset, key, cells: { localKeys } })
    }
    client.close()
  })

  afterEach(() => gateway.dispose())

  async function codeOf(asked: Promise<unknown>): Promise<number | null> {
    try {
      await asked
      return null
    } catch (error) {
      return isStockException(error) ? error.error.code : CUT
    }
  }

  /** Well after the drain, and long before those reads would be through. */
  async function expectEnd(): Promise<void> {
    const begunAt = performance.now()
    const { code, output } = await gateway.stop()
    const tookMs = performance.now() - begunAt
    assert.equal(code, 0, output)
    assert.doesNotMatch(output, /still in use/)
    assert.ok(tookMs < DRAIN_MS + 5_000, `it ended after ${tookMs.toFixed(0)} ms`)
  }

  test('are answered when the drain is over, and every DB is closed', async () => {
    const clients = await Promise.all(Array.from({ length: 40 }, () => gateway.connect()))
    const asked = clients.map((client, i) =>
      i < 2
        ? client.multiGet({ dataset, keys: new Array<string>(2_000).fill(key), context })
        : client.call('scan', { dataset, context }, 'ScanRequest'),
    )
    const codes = Promise.all(asked.map(codeOf))
    await pause(300)
    await expectEnd()
    // A busy machine may take longer to tell them all than a tenth of the drain: then some are cut.
    const scans = (await codes).slice(2)
    assert.ok(scans.every((code) => code === null || code === CUT || code === UNAVAILABLE), scans.join()) // prettier-ignore
    assert.ok(scans.includes(UNAVAILABLE), scans.join())
    for (const outcome of await Promise.allSettled(asked.slice(0, 2))) {
      if (outcome.status === 'rejected') continue
      const { rows } = outcome.value as { rows: { error: { code: number } | null }[] }
      assert.equal(rows.length, 2_000)
      assert.equal(rows.at(-1)?.error?.code, UNAVAILABLE)
    }
    for (const client of clients) client.close()
  })

  test('hold no DB at the end when their callers have gone', async () => {
    const keys = Buffer.concat([Buffer.of(T.STRING), i32(2_000), ...new Array<Buffer>(2_000).fill(text(key))])
    const patience = struct(field(T.I32, 1, i32(context.deadlineMs)))
    const asked = [field(T.STRING, 1, text(dataset)), field(T.LIST, 2, keys), field(T.STRUCT, 15, patience)]
    const socket = await rawSocket(gateway.port('kvstore'))
    socket.write(frame(message('multiGet', struct(field(T.STRUCT, 1, struct(...asked))))))
    await pause(300)
    // Which is no reset: one that waits for its answers looks the same.
    socket.destroy()
    await expectEnd()
  })

  test('are given up when their connections are reset', async () => {
    const ask = async () => {
      const sockets = await Promise.all(Array.from({ length: 40 }, () => rawSocket(gateway.port('kvstore'))))
      for (const socket of sockets) socket.write(getFrame(dataset, key))
      return sockets
    }
    const inFlight = async (): Promise<number> => {
      const { text: page } = await gateway.admin('GET', '/metrics')
      return Number(/^godwit_requests_in_flight\S* (\d+)$/m.exec(page)?.[1])
    }
    let begunAt = performance.now()
    const sockets = await ask()
    await Promise.all(sockets.map((socket) => nextFrame(socket, 60_000)))
    const allMs = performance.now() - begunAt
    for (const socket of sockets) socket.destroy()
    begunAt = performance.now()
    const gone = await ask()
    await pause(allMs / 10)
    for (const socket of gone) socket.resetAndDestroy()
    while ((await inFlight()) !== 0) await pause(20)
    const goneMs = performance.now() - begunAt
    assert.ok(goneMs < allMs / 2, `${goneMs.toFixed(0)} ms for what takes ${allMs.toFixed(0)} ms`)
  })
})

describe('a start that must fail', () => {
  const folders: string[] = []

  function folder(): string {
    const made = mkdtempSync(join(tmpdir(), 'godwit-lifecycle-'))
    folders.push(made)
    return made
  }

  afterEach(() => {
    for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true })
  })

  /** Ends by itself, not with 0, saying what is wrong. */
  async function expectRefusal(gateway: Gateway, said: RegExp, exitCode = 1): Promise<string> {
    const { code, signal, output } = await gateway.launch()
    await gateway.dispose()
    assert.equal(signal, null, output)
    assert.equal(code, exitCode, output)
    assert.match(output, said)
    return output
  }

  test('unknown settings stop it, and every one of them is named', async () => {
    const output = await expectRefusal(
      new Gateway({ config: 'colour: green\nlog: { levle: info }\n' }),
      /colour/,
      2,
    )
    assert.match(output, /levle/)
  })

  test('a flag that is no value of its setting stops it as wrong usage', async () => {
    await expectRefusal(new Gateway({ flags: ['--port-offset', 'abc'] }), /portOffset.*--port-offset/, 2)
  })

  test('a listener beyond this machine needs --insecure', async () => {
    const gateway = new Gateway({ ports: 'listeners:\n  kvstore: { host: 0.0.0.0, port: 0 }\n' })
    await expectRefusal(gateway, /insecure/, 2)
  })

  test('a directory that holds something else is left as it is', async () => {
    const dataDirectory = folder()
    writeFileSync(join(dataDirectory, 'thesis.txt'), 'the only copy')
    await expectRefusal(new Gateway({ dataDirectory }), /thesis\.txt|not.*godwit|foreign/i)
    assert.deepEqual(readdirSync(dataDirectory), ['thesis.txt'])
    assert.equal(readFileSync(join(dataDirectory, 'thesis.txt'), 'utf8'), 'the only copy')
  })

  // It started as a new gateway without any dataset, and was ready.
  test('a metastore that was there and is gone stops it, also where its mount point is left', async () => {
    const gateway = await Gateway.start()
    await gateway.stop()
    const kvsm = join(gateway.dataDirectory, 'kvsm')
    rmSync(kvsm, { recursive: true })
    mkdirSync(kvsm)
    await expectRefusal(gateway, /kvsm.*mount its volume/)
  })

  test('a data directory that is a file is refused by name', async () => {
    const dataDirectory = join(folder(), 'data')
    writeFileSync(dataDirectory, '')
    await expectRefusal(new Gateway({ dataDirectory }), /data/)
  })

  test('a data directory below a file is refused by name', async () => {
    const file = join(folder(), 'file')
    writeFileSync(file, '')
    await expectRefusal(new Gateway({ dataDirectory: join(file, 'below') }), /below/)
  })
})

describe('a shard that is damaged or of a newer format', () => {
  let gateway: Gateway
  let hurtId = ''

  before(async () => {
    gateway = await Gateway.start()
    await gateway.createDataset('whole')
    await gateway.createDataset('hurt')
    // Our own admin API's answer; an id that is none finds no shard below.
    const { dataset: record } = (await gateway.admin('GET', '/v1/datasets/hurt')).body as {
      dataset: { id: string }
    }
    hurtId = record.id
    const client = await gateway.connect()
    for (const name of ['whole', 'hurt']) await client.put({ dataset: name, key: 'k', value: name })
    client.close()
    await gateway.stop()
  })

  after(() => gateway.dispose())

  /** The directories of the dataset's shards: they hold FORMAT.json. */
  function hurtShards(): string[] {
    const found = readdirSync(gateway.dataDirectory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.name === 'FORMAT.json' && entry.parentPath.includes(hurtId))
      .map((entry) => entry.parentPath)
    assert.ok(found.length > 0, `no shard of ${hurtId} was found`)
    return found
  }

  async function expectOnlyHurt(): Promise<void> {
    await gateway.start()
    const client = await gateway.connect()
    assert.equal((await client.get({ dataset: 'whole', key: 'k' })).value?.toString(), 'whole')
    await assert.rejects(client.get({ dataset: 'hurt', key: 'k' }), /hurt/)
    client.close()
    const { body } = await gateway.admin('GET', '/v1/status')
    assert.match(JSON.stringify(body), /hurt/)
    await gateway.stop()
  }

  test('one of a newer format keeps its own dataset away and no other', async () => {
    for (const directory of hurtShards()) {
      const file = join(directory, 'FORMAT.json')
      const text = readFileSync(file, 'utf8')
      writeFileSync(file, text.replace(/("number": ?)\d+/, '$1999'))
      assert.notEqual(readFileSync(file, 'utf8'), text)
      await expectOnlyHurt()
      writeFileSync(file, text)
    }
  })

  test('one that is damaged keeps its own dataset away and no other', async () => {
    for (const directory of hurtShards()) {
      const file = readdirSync(directory, { recursive: true, withFileTypes: true }).find(
        ({ name }) => name === 'CURRENT',
      )
      assert.ok(file)
      const path = join(file.parentPath, file.name)
      const text = readFileSync(path, 'utf8')
      writeFileSync(path, 'garbage')
      await expectOnlyHurt()
      writeFileSync(path, text)
    }
  })
})
