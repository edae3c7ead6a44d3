import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { limits } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/logger.js'
import type { Difference } from '../../../src/model/difference.js'
import { groupDifferences } from '../../../src/routing/difference-groups.js'
import { DifferenceLog, formatLine, parseLine } from '../../../src/routing/difference-log.js'

const folder = mkdtempSync(join(tmpdir(), 'godwit-differences-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function difference(atMs: number, changes: Partial<Difference> = {}): Difference {
  return {
    dataset: 'cities',
    atMs,
    kind: 'VALUE',
    key: Buffer.from(`key-${atMs}`).toString('base64'),
    column: '',
    originDigest: '0011',
    targetDigest: `${atMs}`,
    version: 2_000,
    caller: null,
    api: 'terrapin',
    answeredBy: 'ORIGIN',
    ...changes,
  }
}

let number = 0
function openLog(directory = join(folder, String((number += 1))), maxBytes?: number) {
  const log = new DifferenceLog({
    directory,
    logger: silentLogger,
    idOf: (dataset) => (dataset === 'gone' ? null : `id-of-${dataset}`),
    ...(maxBytes !== undefined && { maxBytes }),
  })
  return { log, directory, path: join(directory, 'id-of-cities.log') }
}

async function timesOf(log: DifferenceLog, fromMs = 0): Promise<number[]> {
  return (await log.read('cities', fromMs)).differences.map(({ atMs }) => atMs)
}

suite('difference log', () => {
  test('what was written is read again, also by the next process, from a moment on', async () => {
    const { log, directory } = openLog()
    log.add([difference(1), difference(2)], 0)
    log.add([difference(3), difference(4, { dataset: 'towns' })], 0)
    assert.deepEqual(await timesOf(log, 2), [2, 3])
    const next = openLog(directory).log
    assert.deepEqual(await timesOf(next), [1, 2, 3])
    assert.deepEqual(
      (await next.read('cities', 3)).differences.map((one) => formatLine(one)),
      [formatLine(difference(3))],
    )
  })

  test('values are never in it, nor the dataset by name', async () => {
    const { log, path } = openLog()
    log.add([difference(1)], 0)
    await log.close()
    assert.equal(readFileSync(path, 'utf8').includes('cities'), false)
  })

  test('damaged lines are skipped and counted: flipped, cut, foreign, of a newer format', async () => {
    const { log, path } = openLog()
    log.add([difference(1), difference(2)], 0)
    await log.close()
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, text.replace('key', 'kex').replace('"atMs":1', '"atMs":7'))
    appendFileSync(path, `not a line\n${formatLine(difference(3)).slice(0, 40)}`)
    log.add([difference(4)], 0)
    const { differences, damaged } = await log.read('cities', 0)
    assert.deepEqual([differences.map(({ atMs }) => atMs), damaged], [[2, 4], 3])
  })

  test('every flipped bit of a line is noticed', () => {
    const line = formatLine(difference(1))
    assert.notEqual(parseLine(line), null)
    for (let at = 0; at < line.length; at += 1) {
      const flipped = line.slice(0, at) + String.fromCharCode(line.charCodeAt(at) ^ 1) + line.slice(at + 1)
      assert.equal(parseLine(flipped), null, `character ${at}`)
    }
  })

  test('two files hold it within its bound, and about the newest half is always there', async () => {
    const { log, path } = openLog(undefined, 20_000)
    for (let at = 1; at <= 400; at += 1) {
      log.add([difference(at)], 0)
      await log.close()
      assert.ok(statSync(path).size <= 10_300)
    }
    const times = await timesOf(log)
    assert.ok(statSync(path).size + statSync(`${path}.1`).size <= 20_600)
    assert.equal(times.at(-1), 400)
    assert.ok(times.length >= 30, `${times.length} are left`)
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    )
  })

  // Only their number was bounded: a thousand rows of the longest keys and columns made a file of 170 MB.
  test('the longest keys and columns keep to the bounds of memory and disk as well', async () => {
    const long = 'k'.repeat(87_380)
    const { log, path } = openLog()
    let added = 0
    for (let round = 0; round < 20; round += 1) {
      log.add(
        Array.from({ length: 100 }, () => difference((added += 1), { key: long, column: long })),
        0,
      )
      await log.close()
    }
    const onDisk = statSync(path).size + statSync(`${path}.1`).size
    assert.ok(onDisk <= limits.maxDifferenceBytes, `${onDisk} bytes on disk`)
    const times = await timesOf(log)
    // Of each hundred as many as fit, the last hundred's among them.
    assert.ok(times.length >= 20 && times.some((atMs) => atMs > added - 100), `${times.length} are left`)
    assert.ok(log.lost >= 20 * 80, `${log.lost} lost`)
  })

  test('what is too much, of no dataset, or fails on disk is lost and counted', async () => {
    const { log } = openLog()
    log.add(
      Array.from({ length: 1_500 }, (_, at) => difference(at)),
      7,
    )
    log.add([difference(1, { dataset: 'gone' })], 0)
    await log.close()
    assert.ok(log.lost >= 507, `${log.lost} lost`)
    const file = join(folder, 'a-file')
    writeFileSync(file, '')
    const broken = openLog(join(file, 'below')).log
    broken.add([difference(1)], 0)
    await broken.close()
    assert.equal(broken.lost, 1)
  })

  // A reader waited for all that was being written: for ever, where differences came faster than the disk took them.
  test('who reads is answered while differences come in without end', async () => {
    const { log } = openLog()
    const stop = { isAsked: false }
    let added = 0
    const addMore = (): void => {
      if (stop.isAsked) return
      log.add([difference((added += 1))], 0)
      setImmediate(addMore)
    }
    addMore()
    for (let round = 0; round < 5; round += 1) {
      const { differences, damaged } = await log.read('cities', 0)
      assert.equal(damaged, 0)
      assert.ok(differences.length <= added)
    }
    stop.isAsked = true
    await log.close()
    assert.equal((await log.read('cities', 0)).differences.length + log.lost, added)
  })

  test('a removed dataset takes its differences along', async () => {
    const { log } = openLog()
    log.add([difference(1)], 0)
    await log.remove('id-of-cities')
    assert.deepEqual(await timesOf(log), [])
  })
})

suite('groups of differences', () => {
  const about = { dataset: 'cities', fromMs: 0, toMs: 100, lost: 0 }

  test('the largest first: what, since when, for whom, with a cause', () => {
    const values = [10, 20, 30, 40].map((atMs) => {
      return difference(atMs, {
        caller: atMs < 30 ? 'maps' : 'ads',
        answeredBy: atMs < 40 ? 'ORIGIN' : 'TARGET',
        targetDigest: 'same',
      })
    })
    const missing = difference(50, { kind: 'MISSING', targetDigest: null, version: null })
    const { total, groups } = groupDifferences([missing, ...values], about)
    assert.equal(total, 5)
    const [first, second] = groups
    assert.deepEqual(
      [first?.kind, first?.count, first?.keys, first?.firstAtMs, first?.lastAtMs, first?.answeredByTarget],
      ['VALUE', 4, 4, 10, 40, 1],
    )
    assert.deepEqual([first?.callers, first?.versions], [['ads', 'maps'], [2_000]])
    assert.match(first?.suggestedCause ?? '', /all in version 2000; the target has the same value everywhere/)
    assert.deepEqual([second?.kind, second?.versions, second?.callers], ['MISSING', [], []])
  })

  test('columns are told apart, keys are counted once', () => {
    const twice = [difference(1, { key: 'aw==' }), difference(2, { key: 'aw==' })]
    const { groups } = groupDifferences([...twice, difference(3, { column: 'YQ==' })], about)
    assert.deepEqual(
      groups.map(({ column, count, keys }) => [column, count, keys]),
      [
        ['', 2, 1],
        ['YQ==', 1, 1],
      ],
    )
  })

  // A wide row has a group a column: the report of one was as large as all records of it.
  test('of many columns the largest groups are shown, and how many others there are', () => {
    const each = Array.from({ length: limits.maxDifferenceGroups + 30 }, (_, at) => {
      return difference(at, { column: Buffer.from(`column ${at}`).toString('base64') })
    })
    const often = [difference(1, { column: 'YQ==' }), difference(2, { column: 'YQ==' })]
    const { total, groups, otherGroups } = groupDifferences([...each, ...often], about)
    assert.deepEqual([total, groups.length, otherGroups], [each.length + 2, limits.maxDifferenceGroups, 31])
    assert.deepEqual([groups[0]?.column, groups[0]?.count], ['YQ==', 2])
  })
})
