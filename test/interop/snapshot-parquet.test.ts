/** Parquet snapshots as DuckDB and pyarrow read them, from PyPI, in a virtual environment that is kept. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { CellFileWriter } from '../../src/snapshot/parquet.js'
import type { RowPiece } from '../../src/snapshot/pieces.js'
import { root } from '../support/tree.js'

const run = promisify(execFile)
const PACKAGES = ['duckdb==1.4.2', 'pyarrow==22.0.0']
const FOLDER = join(
  root,
  'node_modules',
  '.cache',
  'godwit-parquet',
  PACKAGES.join('-').replaceAll(/[^a-z0-9.]/g, '-'),
)
/** Downloads among it. */
const INSTALL_TIMEOUT_MS = 500_000
const PROGRAM_TIMEOUT_MS = 120_000

const folder = mkdtempSync(join(tmpdir(), 'godwit-parquet-'))
const file = join(folder, 'shard-0000.parquet')
/** Why it cannot run here; empty when it can. */
let lack = ''

/** 30,000 rows of two cells, so that there are several row groups; the value tells what the others must be. */
const ROWS: readonly RowPiece[] = Array.from({ length: 30_000 }, (_, i) => ({
  rowKey: Buffer.from([0xff, 0x00, i >> 16, (i >> 8) & 0xff, i & 0xff]),
  cells: [
    {
      localKey: Buffer.from('a'),
      value: Buffer.from(`value ${i}`),
      timestamp: 2n ** 62n + BigInt(i),
      expiresAt: null,
    },
    { localKey: Buffer.alloc(0), value: Buffer.alloc(0), timestamp: -BigInt(i), expiresAt: 4_000_000_000 },
  ],
}))

before(async () => {
  const writer = new CellFileWriter()
  const parts: Buffer[] = []
  for (const row of ROWS) {
    writer.add(row)
    parts.push(await writer.take())
  }
  writeFileSync(file, Buffer.concat([...parts, await writer.finish()]))
  try {
    await install()
  } catch (error) {
    lack = `no DuckDB and pyarrow: ${error instanceof Error ? error.message.slice(0, 300) : String(error)}`
    const required = process.env['GODWIT_REQUIRE_INTEROP'] ?? ''
    if (required === '1' || required.split(',').includes('python')) throw new Error(lack, { cause: error })
  }
})

after(() => rmSync(folder, { recursive: true }))

async function install(): Promise<void> {
  const stamp = join(FOLDER, '.complete')
  if (existsSync(stamp)) return
  await rm(FOLDER, { recursive: true, force: true })
  await mkdir(FOLDER, { recursive: true })
  await run('python3', ['-m', 'venv', FOLDER], { timeout: INSTALL_TIMEOUT_MS })
  await run(join(FOLDER, 'bin', 'pip'), ['install', '--quiet', ...PACKAGES], { timeout: INSTALL_TIMEOUT_MS })
  await writeFile(stamp, '')
}

/** What every reader has to print. */
const EXPECTED = {
  columns: ['row_key', 'local_key', 'value', 'timestamp', 'expires_at'],
  types: ['bytes', 'bytes', 'bytes', 'int64', 'int64'],
  count: 60_000,
  keys: 30_000,
  nulls: 30_000,
  timestamps: String(
    ROWS.reduce((sum, { cells }) => sum + cells.reduce((own, { timestamp }) => own + timestamp, 0n), 0n),
  ),
  one: { key: 'ff00000007', value: 'value 7', timestamp: String(2n ** 62n + 7n), expires: null },
}

const DUCKDB = `
import duckdb, json, sys
t = duckdb.connect()
q = lambda sql: t.execute(sql.replace('FILE', "'" + sys.argv[1] + "'")).fetchall()
described = q('describe select * from FILE')
names = {'BLOB': 'bytes', 'BIGINT': 'int64'}
count, keys, nulls, stamps = q('''select count(*), count(distinct row_key), count(*) - count(expires_at),
  sum(timestamp::hugeint)::varchar from FILE''')[0]
key, value, stamp, expires = q('''select row_key, value, timestamp, expires_at from FILE
  where local_key = 'a'::blob and value = 'value 7'::blob''')[0]
`

const PYARROW = `
import json, sys
import pyarrow.parquet as pq
t = pq.read_table(sys.argv[1])
described = [(f.name, str(f.type)) for f in t.schema]
names = {'binary': 'bytes', 'int64': 'int64'}
count, keys, nulls = t.num_rows, len(set(t['row_key'].to_pylist())), t['expires_at'].null_count
stamps = str(sum(t['timestamp'].to_pylist()))
row = [r for r in t.to_pylist() if r['value'] == b'value 7'][0]
key, value, stamp, expires = row['row_key'], row['value'], row['timestamp'], row['expires_at']
`

const PRINT = `
print(json.dumps({'columns': [d[0] for d in described], 'types': [names.get(d[1], d[1]) for d in described],
  'count': count, 'keys': keys, 'nulls': nulls, 'timestamps': stamps,
  'one': {'key': key.hex(), 'value': value.decode(), 'timestamp': str(stamp), 'expires': expires}}))
`

for (const [reader, program] of Object.entries({ DuckDB: DUCKDB, pyarrow: PYARROW })) {
  test(`${reader} reads every cell of a snapshot, with types, nulls and 64 bits`, async (t) => {
    if (lack !== '') {
      t.skip(lack)
      return
    }
    const options = { timeout: PROGRAM_TIMEOUT_MS }
    const { stdout } = await run(join(FOLDER, 'bin', 'python'), ['-c', program + PRINT, file], options)
    assert.deepEqual(JSON.parse(stdout), EXPECTED)
  })
}
