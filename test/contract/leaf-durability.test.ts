/** What the RocksDB engine promises of acknowledged writes: on stable storage when they say so, and never stamped back. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { AttachedDatabase } from '../../src/leaf/rocksdb/store/binding.js'
import { bytes, cell, RocksHarness } from '../support/leaf-engines.js'

const SUPPORT = JSON.stringify(new URL('../support/leaf-engines.js', import.meta.url).href)

async function mutableShard(t: TestContext): Promise<RocksHarness> {
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  await shard.createMutable()
  return shard
}

test('a group is synced when one of its writes asks for it, and not otherwise', async (t) => {
  const shard = await mutableShard(t)
  const syncs: boolean[] = []
  const { prototype } = AttachedDatabase
  const { write } = prototype // eslint-disable-line @typescript-eslint/unbound-method -- put back
  prototype.write = function (batch, isSynced) {
    syncs.push(isSynced)
    write.call(this, batch, isSynced)
  }
  t.after(() => (prototype.write = write))
  const put = (key: string, durability: 'LOG' | 'LOG_SYNCED') =>
    shard.put(bytes(key), [cell('', 'v')], {}, { durability })
  await put('a', 'LOG')
  await put('a', 'LOG_SYNCED')
  await Promise.all([put('a', 'LOG'), put('b', 'LOG')])
  await Promise.all([put('a', 'LOG'), put('b', 'LOG_SYNCED'), put('c', 'LOG')])
  assert.deepEqual(syncs.splice(0), [false, true, false, true])
  await shard.writer.writeWatermarks()
  assert.deepEqual(syncs.splice(0), [])
  await put('a', 'LOG')
  await shard.writer.writeWatermarks()
  assert.deepEqual(syncs.splice(0), [false, true])
})

/** Whether system calls can be watched here. */
const hasStrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0

/**
 * Runs `code` with a mutable shard in `shard` and says in which order its system calls came: S the log was synced, W the
 * watermark was put in place, A `say()` was called.
 */
function systemCalls(t: TestContext, code: string): string {
  const parent = mkdtempSync(join(tmpdir(), 'godwit-durability-'))
  t.after(() => rmSync(parent, { recursive: true }))
  const script = `
    const { writeSync } = await import('node:fs')
    const { RocksHarness, bytes, cell } = await import(${SUPPORT})
    const shard = await RocksHarness.create('HASHED')
    await shard.createMutable()
    const say = () => writeSync(1, 'said')
    const put = (key, durability) => shard.put(bytes(key), [cell('', 'v')], {}, { durability })
    say()
    ${code}
    say()
    await shard.dispose()`
  const trace = join(parent, 'trace')
  const what = 'trace=write,fdatasync,fsync,rename'
  const node = [process.execPath, '--input-type=module', '-e', script]
  const run = spawnSync('strace', ['-f', '-y', '-o', trace, '-e', what, ...node])
  assert.equal(run.status, 0, run.stderr.toString())
  const steps = readFileSync(trace, 'utf8').split('\n').map((call) => {
    if (/ (fdatasync|fsync)\(\d+<[^>]*\/db\/\d+\.log>/.test(call)) return 'S'
    if (/ rename\(.*WATERMARK\.json"/.test(call)) return 'W'
    return call.includes('"said"') ? 'A' : ''
  }) // prettier-ignore
  const order = steps.join('')
  return order.slice(order.indexOf('A') + 1, order.lastIndexOf('A'))
}

const needsStrace = { skip: hasStrace ? false : 'strace is not installed or not allowed' }

test('a LOG_SYNCED write is acknowledged after its log is on stable storage', needsStrace, (t) => {
  const code = `for (let i = 0; i < 10; i++) { await put('k' + i, 'LOG_SYNCED'); say() }`
  assert.match(systemCalls(t, code), /^(S+A){10}$/)
})

test('LOG writes are not synced one by one, but before the next watermark names them', needsStrace, (t) => {
  const code = `for (let i = 0; i < 10; i++) { await put('k' + i, 'LOG'); say() }
    await shard.writer.writeWatermarks()`
  assert.match(systemCalls(t, code), /^A{10}S+W$/)
})

test('stamps of a row rise over the death of the process though the clock was set back', async (t) => {
  const code = `
    const { RocksHarness, bytes, cell } = await import(${SUPPORT})
    const shard = await RocksHarness.create('HASHED')
    await shard.createMutable()
    const { timestamp } = await shard.put(bytes('k'), [cell('', 'old')], {}, { durability: 'LOG' })
    process.stdout.write(JSON.stringify([shard.root, String(timestamp)]), () => process.kill(process.pid, 'SIGKILL'))`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', code])
  assert.equal(child.signal, 'SIGKILL', child.stderr.toString())
  const [root, stamp] = JSON.parse(child.stdout.toString()) as [string, string] // written by the code above
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  t.after(() => rmSync(root, { recursive: true }))
  Object.defineProperty(shard, 'directory', { value: join(root, 'shard') })
  shard.clock.ms -= 3_600_000
  await shard.open('mutable')
  const next = await shard.put(bytes('k'), [cell('', 'new')])
  assert.ok(!(next instanceof KVError) && (next.timestamp ?? 0n) > BigInt(stamp))
})
