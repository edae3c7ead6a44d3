/** What the tables of a sealed shard are like, whatever its size: not packed, because nobody keeps unpacked blocks. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { murmur3Token } from '../../../src/base/hash.js'
import { SealedShardWriter } from '../../../src/leaf/rocksdb/sealed/sealed-writer.js'
import { SEALED_OPTIONS, sealedInOrderOptions } from '../../../src/leaf/rocksdb/store/options.js'
import { databaseDirectory } from '../../../src/leaf/rocksdb/store/shard-files.js'

const ROWS = 16_000
const VALUE_SIZE = 1_000
/** Four times the least memtable budget, so that several memtables become tables and compaction has something to do. */
const TOTAL_BYTES = ROWS * (VALUE_SIZE + 60)

const rows = Array.from({ length: ROWS }, (_, index) => {
  const rowKey = Buffer.from(`row-${index}`)
  return { rowKey, token: murmur3Token(rowKey) }
}).sort((a, b) => a.token.high - b.token.high || (a.token.low >>> 0) - (b.token.low >>> 0))

const COMPRESSIONS = ['ZSTD', 'Snappy', 'LZ4', 'Zlib', 'BZip2', 'NoCompression']

/** RocksDB writes the name of a table's compression into its properties, at its end. */
function compressions(directory: string): string[] {
  const folder = databaseDirectory(directory)
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sst'))
    .map((name) => {
      const end = readFileSync(join(folder, name)).subarray(-4_096).toString('latin1')
      return COMPRESSIONS.find((compression) => end.includes(compression)) ?? 'none is named'
    })
}

suite('tables of a sealed shard', () => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-sealed-tables-'))
  after(() => rmSync(folder, { recursive: true }))

  // A budget below the size of the shard has `level` compaction pack what no longer fits into the first level.
  for (const [name, expectedBytes] of [
    ['whose size is known', TOTAL_BYTES],
    ['whose size is not known', undefined],
  ] as const) {
    test(`${name} are not packed`, async () => {
      const directory = join(folder, name)
      const writer = await SealedShardWriter.create(directory, {
        keyOrder: 'HASHED',
        nowSeconds: 0,
        ...(expectedBytes !== undefined && { expectedBytes }),
      })
      const value = Buffer.alloc(VALUE_SIZE, 'x')
      for (const { rowKey, token } of rows) {
        writer.add(rowKey, [{ localKey: Buffer.alloc(0), value, timestamp: null, ttlSeconds: null }], token)
      }
      assert.equal((await writer.seal()).rows, ROWS)
      assert.deepEqual(new Set(compressions(directory)), new Set(['NoCompression']))
    })
  }

  test('have a budget of at least their size, and a small one where they are small', () => {
    const budgetOf = (bytes: number) => sealedInOrderOptions(bytes).default.memtableMemoryBudget ?? 0
    assert.deepEqual([budgetOf(0), budgetOf(1_000)], [4 * 1024 * 1024, 4 * 1024 * 1024])
    assert.ok(budgetOf(100_000_000) >= 100_000_000)
    assert.equal(SEALED_OPTIONS.default.compression, false)
  })
})
