/** Links of shards that are written to meanwhile: each is one point in time, over all shards together. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import { AttachedDatabase } from '../../../src/leaf/rocksdb/store/binding.js'
import { optionsOf } from '../../../src/leaf/rocksdb/store/shard-files.js'
import { finishLinks, linkShard } from '../../../src/leaf/rocksdb/store/shard-links.js'
import { RocksStore } from '../../../src/leaf/rocksdb/store/store.js'
import { WriteClient } from '../../../src/leaf/rocksdb/write/write-client.js'
import { GroupWriter } from '../../../src/leaf/rocksdb/write/writer.js'
import type { Incarnation } from '../../../src/model/cluster-map.js'
import { NO_TOKEN } from '../../../src/model/row-order.js'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import { cellOf, sealVersion } from '../../support/sealed-versions.js'
import { RULES } from '../../support/writer-shard.js'

const root = mkdtempSync(join(tmpdir(), 'godwit-links-'))
after(() => rmSync(root, { recursive: true }))

const SHARDS = 3

/** Some shards with a writer, as the writer thread has them. */
class WrittenShards {
  readonly store = new RocksStore()
  readonly writer = new GroupWriter({
    clock: systemClock,
    onShardFailed: () => undefined,
    onWatermarkFailed: () => undefined,
  })
  readonly incarnations: Incarnation[] = []
  readonly #client: WriteClient

  private constructor() {
    let take: (batch: Uint8Array) => void = () => undefined
    const onAck = (listener: (acks: Uint8Array) => void) => (take = this.writer.channel(listener))
    this.#client = new WriteClient({ send: (batch) => take(batch), onAck }, systemClock)
  }

  static async open(directory: string): Promise<WrittenShards> {
    const shards = new WrittenShards()
    mkdirSync(directory)
    for (let shard = 0; shard < SHARDS; shard++) {
      const path = join(directory, String(shard))
      await shards.store.createWritable(path, 'mutable')
      const location = {
        datasetId: 'd',
        shard,
        format: 'mutable',
        maxCellVersions: 1,
        directory: path,
      } as const
      const incarnation = await shards.store.open(location)
      shards.incarnations.push(incarnation)
      shards.writer.attach(incarnation, 'MICROSECONDS', RULES)
    }
    return shards
  }

  put(shard: number, key: string, value: string): Promise<unknown> {
    const incarnation = this.incarnations[shard]
    assert.ok(incarnation)
    const rowKey = Buffer.from(key)
    const mutation = { kind: 'PUT', cells: [cellOf('n', value)], timestamp: null, replaceRow: false } as const
    const request = {
      ...{ dataset: 'd', rowKey, mutations: [mutation], conditions: [], otherwise: [] },
      ...{ returnOnConflict: undefined, returnAfter: undefined, idempotency: null, durability: null },
      context: { api: 'test', caller: null, deadline: NO_DEADLINE },
    }
    const mutate = { incarnation, keyOrder: 'ORDERED', rowKey, token: NO_TOKEN, request } as const
    const answered = new Promise((resolve) =>
      this.#client.add({ ...mutate, durability: 'LOG', deadline: NO_DEADLINE }, resolve),
    )
    this.#client.flush()
    return answered
  }

  freeze(directory: string): string[] {
    mkdirSync(directory)
    const targets = this.incarnations.map(({ id }, shard) => {
      return { incarnationId: id, directory: join(directory, String(shard)) }
    })
    this.writer.freeze(targets)
    return targets.map((target) => target.directory)
  }

  async close(): Promise<void> {
    await this.writer.stop()
    await this.store.closeAll()
  }
}

/** Payloads by the text of their keys. */
async function contentOf(directory: string): Promise<Map<string, string>> {
  await finishLinks(directory)
  const store = new RocksStore()
  const location = { datasetId: 'd', shard: 0, format: 'mutable', maxCellVersions: 1, directory } as const
  const { handle } = await store.open(location)
  const database = new AttachedDatabase(handle, directory, optionsOf('mutable'))
  const found = new Map<string, string>()
  for (const rows of database.scan()) {
    for (let i = 0; i + 1 < rows.length; i += 2) {
      const key = rows[i]?.toString('latin1').split('\0')[0] ?? ''
      if (key !== '') found.set(key, rows[i + 1]?.subarray(9).toString() ?? '')
    }
  }
  database.detach()
  await store.closeAll()
  return found
}

async function untilWritten(state: { readonly written: number }, count: number): Promise<void> {
  while (state.written < count) await new Promise((resolve) => setImmediate(resolve))
}

test('links taken under writing are one point in time over all shards', async () => {
  const shards = await WrittenShards.open(join(root, 'written'))
  const state = { isDone: false, written: 0 }
  // Each number goes to one shard after the other, each acknowledged before the next is sent.
  const writing = (async () => {
    for (let n = 1; !state.isDone; n++) {
      for (let shard = 0; shard < SHARDS; shard++) {
        await shards.put(shard, 'counter', String(n))
        await shards.put(shard, `row ${n % 400}`, `${n} ${'x'.repeat(5_000)}`)
      }
      state.written = n
    }
  })()
  let links = 0
  let linkMs = 0
  try {
    for (let round = 0; round < 8; round++) {
      await untilWritten(state, state.written + 20)
      const acknowledged = state.written
      const startMs = performance.now()
      const directories = shards.freeze(join(root, `links ${round}`))
      linkMs = Math.max(linkMs, performance.now() - startMs)
      // The log that is linked grows on.
      await untilWritten(state, acknowledged + 10)
      const contents = await Promise.all(directories.map(contentOf))
      const counters = contents.map((content) => Number(content.get('counter') ?? 0))
      const [first = 0] = counters
      const last = counters.at(-1) ?? 0
      // In the order of writing: nowhere behind what came before it, and at most one step apart.
      assert.ok(
        counters.every((count, i) => i === 0 || count <= (counters[i - 1] ?? 0)),
        counters.join(),
      )
      assert.ok(first - last <= 1, counters.join())
      assert.ok(last >= acknowledged, `${last} of ${acknowledged} that were acknowledged`)
      // What is written afterwards, into the log that is linked, must not show.
      assert.ok(first <= acknowledged + 1, `${first}, when ${acknowledged} were acknowledged`)
      for (const content of contents) {
        for (const [key, value] of content) {
          if (key.startsWith('row '))
            assert.ok(Number(value.split(' ')[0]) <= first, `${key} is of the future`)
        }
      }
      links += directories.length
    }
  } finally {
    state.isDone = true
    await writing
    await shards.close()
  }
  assert.equal(links, 8 * SHARDS)
  assert.ok(state.written > 100, `only ${state.written} rounds were written`)
  assert.ok(linkMs < 1_000, `linking held the writer for ${linkMs} ms`)
})

test('links of a sealed shard open while it is open itself, and hold when it is removed', async () => {
  const directory = join(root, 'sealed')
  await sealVersion(directory, new Map([['k', [cellOf('a', 'v')]]]), 1)
  const source = join(directory, '0')
  const store = new RocksStore()
  const location = { datasetId: 'd', shard: 0, format: 'sealed', maxCellVersions: 1 } as const
  await store.open({ ...location, directory: source })
  const target = join(root, 'sealed links')
  linkShard(source, target, null)
  await store.closeAll()
  rmSync(directory, { recursive: true })
  await finishLinks(target)
  await new RocksStore().open({ ...location, directory: target })
  assert.ok(!readdirSync(join(target, 'db')).some((name) => name.includes('linked')))
})

test('a shard that is gone cannot be linked: try again', () => {
  assert.throws(
    () => linkShard(join(root, 'nowhere'), join(root, 'links of nothing'), null),
    (error) => error instanceof KVError && error.code === 'UNAVAILABLE',
  )
})

test('links without the end of the log do not open', async () => {
  const shards = await WrittenShards.open(join(root, 'cut'))
  for (let n = 0; n < 50; n++) await shards.put(0, `row ${n}`, 'value')
  const [directory = ''] = shards.freeze(join(root, 'cut links'))
  await shards.close()
  await finishLinks(directory)
  const database = join(directory, 'db')
  for (const name of readdirSync(database)) {
    if (!name.endsWith('.log')) continue
    assert.ok(statSync(join(database, name)).size > 0)
    rmSync(join(database, name))
  }
  const location = { datasetId: 'd', shard: 0, format: 'mutable', maxCellVersions: 1, directory } as const
  await assert.rejects(
    new RocksStore().open(location),
    (error) => error instanceof KVError && error.code === 'CORRUPT',
  )
})
