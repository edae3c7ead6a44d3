/** `npm run demo:dataset`: the life of a BATCH dataset, by the command line, by HTTP and under reads; it checks itself. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const DIST = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const SCRIPT = join(DIST, '..', 'scripts', 'demo-dataset.mjs')

test('a BATCH dataset goes through its whole life under reads, of which none fails or mixes two versions', async () => {
  const env = { ...process.env, GODWIT_DEMO_DIST: DIST, GODWIT_DEMO_ROWS: '5000' }
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT], { env, timeout: 240_000 })
  const [, reads = '0', faults] = /(\d+) reads of 20 rows meanwhile, (\d+) failed or mixed/.exec(stdout) ?? []
  assert.equal(faults, '0', stdout)
  assert.ok(Number(reads) > 100, stdout)
  for (const step of [
    'load',
    'diff',
    'canary',
    'publish',
    'rollback',
    'archive',
    'restore',
    'move',
    'delete',
  ])
    assert.match(stdout, new RegExp(`(\\$ godwit|>).*${step}`), step)
})
