import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { limits } from '../../../src/base/limits.js'
import type { FlightRecord } from '../../../src/model/difference.js'
import { type FlightDump, writeDump } from '../../../src/routing/flight-dumps.js'
import { kvError } from '../kvsm/fixtures.js'

const folder = mkdtempSync(join(tmpdir(), 'godwit-dumps-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const FLIGHT: FlightRecord = {
  ...{ atMs: 1, dataset: 'cities', api: 'kvstore', caller: null, keys: 1, key: 'aw==', isKeyCut: false },
  ...{ side: 'ORIGIN', why: 'STATE', bucket: null, hasFallenBack: false, isShadowed: false, durationMs: 1 },
  code: null,
}

suite('dumped decisions', () => {
  test('are files by their time; the newest are kept, and nothing else is touched', async () => {
    const directory = join(folder, 'dumps')
    const paths: string[] = []
    for (let atMs = 1; atMs <= limits.maxFlightDumps + 3; atMs += 1) {
      paths.push(await writeDump(directory, { atMs, reason: 'mismatches', flights: [FLIGHT] }))
      if (atMs === 1) writeFileSync(join(directory, 'notes.txt'), 'mine')
    }
    const names = readdirSync(directory).sort()
    assert.equal(names.pop(), 'notes.txt')
    assert.deepEqual(
      names.map((name) => join(directory, name)),
      paths.slice(-limits.maxFlightDumps),
    )
    const dump = JSON.parse(readFileSync(paths.at(-1) ?? '', 'utf8')) as FlightDump
    assert.deepEqual([dump.reason, dump.flights], ['mismatches', [FLIGHT]])
  })

  test('hold the newest of too many', async () => {
    const flights = Array.from({ length: limits.maxDumpedFlights + 2 }, (_, atMs) => ({ ...FLIGHT, atMs }))
    const path = await writeDump(join(folder, 'many'), { atMs: 1, reason: 'r', flights })
    const dump = JSON.parse(readFileSync(path, 'utf8')) as FlightDump
    assert.deepEqual([dump.flights.length, dump.flights[0]?.atMs], [limits.maxDumpedFlights, 2])
  })

  test('that the disk does not take are an error of ours, which names the path', async () => {
    const file = join(folder, 'a-file')
    writeFileSync(file, '')
    const dump = { atMs: 1, reason: 'r', flights: [] }
    await assert.rejects(
      writeDump(join(file, 'below'), dump),
      kvError('UNAVAILABLE', /a-file.below.flights-/),
    )
  })
})
