import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { differenceReport, someFlight } from '../admin/fake-differences.js'
import { type CliOutcome, godwit, listeningAdmin } from './run-cli.js'

let admin: Awaited<ReturnType<typeof listeningAdmin>>
before(async () => {
  admin = await listeningAdmin()
})
after(() => admin.close())

function onFakeAdmin(args: readonly string[]): Promise<CliOutcome> {
  return godwit(args, { admin: admin.url })
}

suite('godwit diff', () => {
  test('says what is wrong, since when, for whom, and why perhaps', async () => {
    const { stdout, exitCode } = await onFakeAdmin(['diff', 'cities'])
    assert.equal(exitCode, 0)
    for (const part of [
      'VALUE',
      'name',
      '2020-09-13',
      'maps',
      '2643743',
      '0x01',
      'the values differ',
      '(row)',
    ]) {
      assert.ok(stdout.includes(part), `${part} is missing in:\n${stdout}`)
    }
    assert.match(stdout, /and 4 smaller groups/)
    assert.match(stdout, /2 more were found/)
    for (const line of stdout.split('\n').slice(0, 3)) assert.ok(line.length <= 80, line)
  })

  test('is JSON for programs, and takes a time', async () => {
    const { stdout } = await onFakeAdmin(['diff', 'cities', '--last', '1h', '--json'])
    assert.deepEqual(JSON.parse(stdout), differenceReport)
  })

  test('a time that is none and a dataset that is none are told', async () => {
    const wrong = await onFakeAdmin(['diff', 'cities', '--last', '1x'])
    assert.deepEqual([wrong.exitCode, wrong.stderr.includes('--last 1x is no time')], [2, true])
    const unknown = await onFakeAdmin(['diff', 'nowhere'])
    assert.equal(unknown.exitCode, 3)
    assert.match(unknown.stderr, /no dataset is named nowhere/)
  })
})

suite('godwit dump', () => {
  test('prints decisions, oldest first, of a time', async () => {
    const { stdout } = await onFakeAdmin(['dump', 'cities', '--last', '1m'])
    assert.match(stdout, /22:13:20\.123 +cities +2643743 and 2 more +ORIGIN/)
    assert.match(stdout, /NOT_IN_SPLIT 6363 +maps +1\.25 +OK, by the other side/)
    const none = await onFakeAdmin(['dump'])
    assert.match(none.stdout, /no decisions are remembered/)
  })

  test('is JSON for programs', async () => {
    const { stdout } = await onFakeAdmin(['dump', '--last', '1m', '--json'])
    assert.deepEqual(JSON.parse(stdout), { flights: [someFlight] })
  })
})
