/** `godwit usage`, `godwit advise` and the options of `--explode`, as their users see them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { godwit, listeningAdmin } from './run-cli.js'

type FakeAdmin = Awaited<ReturnType<typeof listeningAdmin>>

async function withFakeAdmin<T>(use: (admin: FakeAdmin) => Promise<T>): Promise<T> {
  const admin = await listeningAdmin()
  try {
    return await use(admin)
  } finally {
    await admin.close()
  }
}

let place = ''
before(() => {
  place = mkdtempSync(join(tmpdir(), 'godwit-idl-'))
})
after(() => rmSync(place, { recursive: true }))

describe('usage', () => {
  test('a line a caller, with the numbers at the right', async () => {
    await withFakeAdmin(async ({ url }) => {
      const { stdout, exitCode } = await godwit(['usage'], { admin: url })
      assert.equal(exitCode, 0)
      assert.match(stdout, /^API +METHOD +DATASET +CALLER +ADDRESS +CALLS +LAST SEEN\n/)
      assert.match(stdout, /terrapin +multiGet +cities +homefeed +10\.0\.0\.1 +12,000 +2023-11-14/)
      assert.match(stdout, /kvstore +get +\(unknown\) +\(unnamed\) +- +1 /)
      assert.match(stdout, /3 more were left out/)
    })
  })

  test('one API, as JSON', async () => {
    await withFakeAdmin(async ({ url }) => {
      const { stdout } = await godwit(['usage', '--api', 'terrapin', '--json'], { admin: url })
      const { rows } = JSON.parse(stdout) as { rows: { api: string }[] }
      assert.deepEqual(
        rows.map(({ api }) => api),
        ['terrapin'],
      )
    })
  })
})

test('advise says who reads what, what columns weigh, and what would be saved', async () => {
  await withFakeAdmin(async ({ url }) => {
    const { stdout } = await godwit(['advise', 'cities'], { admin: url })
    assert.match(stdout, /100 sampled since 2020-09-13/)
    assert.match(stdout, /terrapin +homefeed +60 +0 +60 +- +1\.0 kB ± 1 B +990 B ± 1 B/)
    assert.match(stdout, /name +100 % +10 B ± 1 B +40 % +kvstore search/)
    assert.match(stdout, /\(the unnamed value\) +100 % .* none \(< 3\.0 %\) +-/)
    assert.match(
      stdout,
      /homefeed reads whole rows or values; the 1 column that callers name would be 99 % fewer bytes/,
    )
  })
})

describe('explode', () => {
  const load = (...options: string[]) =>
    withFakeAdmin(async ({ url, loads }) => {
      const outcome = await godwit(['load', 'cities', '--from', '/in', '--format', 'hfile', ...options], {
        admin: url,
      })
      return { ...outcome, started: loads.started }
    })

  test('the IDL goes along with what it includes, once each, by paths from the first', async () => {
    writeFileSync(
      join(place, 'a.thrift'),
      'include "b.thrift"\n/* include "none.thrift" */\nstruct A { 1: b.B b }',
    )
    writeFileSync(join(place, 'b.thrift'), `include 'a.thrift'\nstruct B { 1: bool yes }`)
    const idl = join(place, 'a.thrift')
    const { exitCode, started, stderr } = await load('--explode', 'thrift', '--idl', idl, '--struct', 'A')
    assert.equal(exitCode, 0, stderr)
    assert.deepEqual(started[0]?.request.explode?.fields[0]?.fields?.[0]?.name, 'yes')
  })

  for (const [what, options, reason] of [
    ['no IDL', ['--explode', 'thrift', '--struct', 'A'], /--explode thrift needs --idl/],
    ['no struct', ['--explode', 'thrift', '--idl', 'a.thrift'], /--explode thrift needs --struct/],
    [
      'a file that is not there',
      ['--explode', 'thrift', '--idl', '/none.thrift', '--struct', 'A'],
      /ENOENT.*none.thrift/,
    ],
    ['an IDL without --explode', ['--idl', 'a.thrift'], /--idl is for --explode thrift/],
    ['another encoding', ['--explode', 'avro'], /thrift/],
  ] as const) {
    test(`${what} is wrong usage`, async () => {
      const { exitCode, stderr } = await load(...options)
      assert.equal(exitCode, 2)
      assert.match(stderr, reason)
    })
  }
})
