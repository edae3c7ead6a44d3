/** Faults are planted in a target of 100,000 keys: shadow reads find all and none besides, also while versions swap. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { limits } from '../../src/base/limits.js'
import type { ShadowFigures } from '../../src/model/difference.js'
import { FakeOrigin } from '../support/fake-origin.js'
import type { Gateway } from '../support/gateway.js'
import {
  PINS,
  Readers,
  differencesSince,
  dial,
  inParts,
  loadValues,
  migrate,
  setOriginVersion,
  settledShadows,
  startMigrating,
} from '../support/migration.js'

const KEYS = Array.from({ length: 100_000 }, (_, index) => `pin-${index}`)
const FAULTS = 100
const PART = 20
const MAX_ROUNDS = 4
/** One side is ahead for so long: what differs is looked at again within that. */
const SWAP_MS = 4 * limits.shadowConfirmMs

/** Every 250th key has a fault, each of four kinds in turn; the origin has no row for the last two. */
const KINDS = ['VALUE', 'MISSING', 'EXTRA', 'EMPTY_FOR_MISSING'] as const

function faultOf(index: number): (typeof KINDS)[number] | undefined {
  return index % 250 === 0 ? KINDS[(index / 250) % KINDS.length] : undefined
}

function originValues(version: number): Map<string, Buffer> {
  const values = new Map<string, Buffer>()
  for (const [index, key] of KEYS.entries()) {
    const fault = faultOf(index)
    if (fault === undefined || fault === 'VALUE' || fault === 'MISSING') {
      values.set(key, Buffer.from(`${key} of ${version}`))
    }
  }
  return values
}

function targetValues(version: number): Map<string, string> {
  const values = new Map<string, string>()
  for (const [index, key] of KEYS.entries()) {
    const fault = faultOf(index)
    if (fault === 'MISSING') continue
    if (fault === 'EMPTY_FOR_MISSING') values.set(key, '')
    else values.set(key, fault === undefined ? `${key} of ${version}` : `${fault} of ${version}`)
  }
  return values
}

/** Keys that differences were recorded of, by kind, from the files on disk: the report names a few only. */
function recordedKeys(gateway: Gateway, sinceMs: number): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  const { id } = JSON.parse(datasetText) as { id: string }
  for (const name of [`${id}.log.1`, `${id}.log`]) {
    let text = ''
    try {
      text = readFileSync(join(gateway.dataDirectory, 'differences', name), 'utf8')
    } catch {
      continue
    }
    for (const line of text.split('\n').filter((one) => one !== '')) {
      const one = JSON.parse(line.slice(9)) as { kind: string; key: string; atMs: number }
      if (one.atMs < sinceMs) continue
      const keys = found.get(one.kind) ?? new Set<string>()
      found.set(one.kind, keys.add(Buffer.from(one.key, 'base64').toString()))
    }
  }
  return found
}

let datasetText = ''

function expectAllFaults(gateway: Gateway, sinceMs: number, isWhole: boolean): void {
  const recorded = recordedKeys(gateway, sinceMs)
  for (const kind of KINDS) {
    const planted = KEYS.filter((_, index) => faultOf(index) === kind)
    assert.equal(planted.length, FAULTS)
    const found = [...(recorded.get(kind) ?? [])]
    const strangers = found.filter((key) => !planted.includes(key))
    assert.deepEqual(strangers, [], `${kind} was found where it was not planted`)
    if (isWhole) assert.equal(found.length, FAULTS, `${kind} was planted in ${FAULTS} keys`)
    recorded.delete(kind)
  }
  assert.deepEqual([...recorded.keys()], [], 'kinds that nobody planted')
}

suite('planted faults', () => {
  let origin: FakeOrigin
  let gateway: Gateway
  let readers: Readers

  before(async () => {
    origin = await FakeOrigin.start({ values: originValues(1) })
    gateway = await startMigrating(origin)
    readers = new Readers(gateway)
    await migrate(gateway, 'switch')
    // With one before it: a moment after a swap, what equals the version before is nobody's fault.
    await loadValues(gateway, targetValues(0))
    await setOriginVersion(gateway, await loadValues(gateway, targetValues(1)))
    await migrate(gateway, 'switch')
    await dial(gateway, { shadowShare: 10_000 })
    const { body } = await gateway.admin('GET', `/v1/datasets/${PINS}`)
    datasetText = JSON.stringify((body as { dataset: object }).dataset) // our own admin API
  })
  after(async () => {
    await readers.close()
    await gateway.dispose()
    await origin.close()
  })

  test('100 wrong, 100 missing, 100 extra, 100 empty instead of missing: found exactly, none besides', async () => {
    assert.deepEqual(await comparedAll(), { sent: 5_000, matched: 4_600, mismatched: 400 })
    const { byKind } = await differencesSince(gateway, 0)
    assert.deepEqual(byKind, new Map(KINDS.map((kind) => [kind, FAULTS])))
    expectAllFaults(gateway, 0, true)
  })

  test('while the versions of both sides swap, twice, nothing else is found; then all is again', async () => {
    const sinceMs = Date.now()
    const earlier = await settledShadows(gateway)
    const stop = { isAsked: false }
    const seen = new Set<string>()
    const note = (values: readonly (string | null)[]): void => {
      for (const value of values) if (value !== null) seen.add(value.slice(value.lastIndexOf(' ')))
    }
    const reading = readers.each(overAndOver(stop), note, 8)
    try {
      for (const number of [2, 3]) {
        const version = await loadValues(gateway, targetValues(number))
        await pause(SWAP_MS)
        origin.replace(originValues(number))
        await setOriginVersion(gateway, version)
      }
      await readers.each(inParts(KEYS.slice(0, 1_000), PART), note)
    } finally {
      stop.isAsked = true
    }
    await reading
    const { matched, tied } = await settledShadows(gateway)
    assert.deepEqual(readers.errors, [])
    expectAllFaults(gateway, sinceMs, false)
    // Comparisons went on all the while, and met both sides with versions of their own.
    assert.deepEqual(seen, new Set([' 1', ' 2', ' 3']))
    assert.ok(matched > earlier.matched && tied > earlier.tied, `${matched} matched, ${tied} tied`)

    const settledMs = Date.now()
    await comparedAll()
    expectAllFaults(gateway, settledMs, true)
  })

  /** Reads all keys until none of the comparisons is lost, which it says: others may take the processors from it. */
  async function comparedAll(): Promise<Pick<ShadowFigures, 'sent' | 'matched' | 'mismatched'>> {
    let before = await settledShadows(gateway)
    for (let round = 1; ; round += 1) {
      await readers.each(inParts(KEYS, PART))
      assert.deepEqual(readers.errors, [])
      const now = await settledShadows(gateway)
      const since = (name: keyof ShadowFigures): number => now[name] - before[name]
      const lost = since('dropped') + since('expired') + since('failed')
      if (lost === 0) {
        return { sent: since('sent'), matched: since('matched'), mismatched: since('mismatched') }
      }
      assert.ok(round < MAX_ROUNDS, `${lost} comparisons were lost in round ${round}`)
      before = now
    }
  }
})

/** Keys in parts, from the last one on again from the first, until it is stopped. */
function* overAndOver(stop: { readonly isAsked: boolean }): Generator<readonly string[]> {
  for (let at = 0; !stop.isAsked; at = (at + PART) % KEYS.length) yield KEYS.slice(at, at + PART)
}
