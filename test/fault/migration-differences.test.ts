/**
 * A target in which every row is wrong: all that is compared differs, more than can be recorded. It is counted exactly all
 * the same, and memory and disk stay bounded. GODWIT_DIFFERENCES=1000000 is the long form.
 */
import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { limits } from '../../src/base/limits.js'
import type { ShadowFigures } from '../../src/model/difference.js'
import { FakeOrigin } from '../support/fake-origin.js'
import type { Gateway } from '../support/gateway.js'
import {
  Readers,
  differencesSince,
  dial,
  inParts,
  loadValues,
  metricsOf,
  migrate,
  setOriginVersion,
  settledShadows,
  startMigrating,
} from '../support/migration.js'

const COUNT = Number(process.env['GODWIT_DIFFERENCES'] ?? 20_000)
const KEYS = Array.from({ length: COUNT }, (_, index) => `pin-${index}`)
const PART = 20
/** So few at a time that all find room, which the comparison of those before them takes for a quarter of a second. */
const IN_FLIGHT = 4
const MAX_ROUNDS = 4
const MAX_MORE_BYTES = 256 * 1024 * 1024
const LOOK_MS = 500

suite('a target in which every row is wrong', () => {
  let origin: FakeOrigin
  let gateway: Gateway
  let readers: Readers

  before(async () => {
    origin = await FakeOrigin.start({ values: (key) => Buffer.from(`origin ${key}`) })
    gateway = await startMigrating(origin)
    readers = new Readers(gateway)
    await migrate(gateway, 'switch')
    await setOriginVersion(
      gateway,
      await loadValues(gateway, new Map(KEYS.map((key) => [key, `target ${key}`]))),
    )
    await migrate(gateway, 'switch')
    // Everything is warm, and nothing compared.
    await readers.each(inParts(KEYS.slice(0, 10_000), PART), undefined, IN_FLIGHT)
    await dial(gateway, { shadowShare: 10_000 })
  })
  after(async () => {
    await readers.close()
    await gateway.dispose()
    await origin.close()
  })

  test('is counted exactly, in bounded memory and on bounded disk', async (t) => {
    const bytesBefore = await residentBytes(gateway)
    const more: number[] = []
    const look = setInterval(() => {
      void residentBytes(gateway).then((bytes) => more.push(bytes - bytesBefore))
    }, LOOK_MS)
    try {
      assert.deepEqual(await comparedAll(), {
        sent: COUNT / PART,
        matched: 0,
        tied: 0,
        mismatched: COUNT / PART,
      })
    } finally {
      clearInterval(look)
    }
    assert.deepEqual(readers.errors, [])
    const { report, byKind } = await differencesSince(gateway, 0)
    const { mismatched } = await settledShadows(gateway)
    const files = filesIn(join(gateway.dataDirectory, 'differences'))
    const onDisk = files.reduce((sum, path) => sum + statSync(path).size, 0)
    const half = Math.max(0, ...more.slice(0, more.length / 2))
    const most = Math.max(half, ...more)
    const figures = `${report.total} on record in ${onDisk >> 10} kB, ${report.lost} lost, ${half >> 20} MB more by half of them, ${most >> 20} MB by the end`
    t.diagnostic(figures)
    assert.deepEqual([...byKind.keys()], ['VALUE'], figures)
    // Until the older half goes, each is on record or counted as lost.
    if (files.length === 1) assert.equal(report.total + report.lost, mismatched * PART, figures)
    assert.ok(onDisk > 0 && onDisk <= 1.1 * limits.maxDifferenceBytes, figures)
    assert.ok(most < MAX_MORE_BYTES, figures)
  })

  /** Reads all keys until none of the comparisons is lost, which it says: others may take the processors from it. */
  async function comparedAll(): Promise<Pick<ShadowFigures, 'sent' | 'matched' | 'tied' | 'mismatched'>> {
    let before = await settledShadows(gateway)
    for (let round = 1; ; round += 1) {
      await readers.each(inParts(KEYS, PART), undefined, IN_FLIGHT)
      const now = await settledShadows(gateway)
      const since = (name: keyof ShadowFigures): number => now[name] - before[name]
      const ended = since('matched') + since('mismatched') + since('tied')
      const lost = since('dropped') + since('expired') + since('failed')
      assert.equal(ended + lost, since('sent'))
      if (lost === 0) {
        const [sent, matched, tied] = [since('sent'), since('matched'), since('tied')]
        return { sent, matched, tied, mismatched: since('mismatched') }
      }
      assert.ok(round < MAX_ROUNDS, `${lost} comparisons were lost in round ${round}`)
      before = now
    }
  }
})

function filesIn(folder: string): string[] {
  return readdirSync(folder).map((name) => join(folder, name))
}

async function residentBytes(gateway: Gateway): Promise<number> {
  return (await metricsOf(gateway, 'process_resident_memory_bytes')).get('') ?? 0
}
