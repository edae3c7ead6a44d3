import assert from 'node:assert/strict'
import { test } from 'node:test'
import { godwit, listeningAdmin } from './run-cli.js'

const REASON = ['--reason', 'because']

async function withAdmin<T>(
  act: (admin: Awaited<ReturnType<typeof listeningAdmin>>) => Promise<T>,
  { isAllowed = true } = {},
): Promise<T> {
  const admin = await listeningAdmin()
  admin.migrations.plan = { ...admin.migrations.plan, isAllowed }
  try {
    return await act(admin)
  } finally {
    await admin.close()
  }
}

test('migrate status shows state, figures, debts and the next move in 80 columns', () =>
  withAdmin(async ({ url }) => {
    const { stdout, exitCode } = await godwit(['migrate', 'cities', 'status'], {
      admin: url,
      isTerminal: true,
    })
    assert.equal(exitCode, 0)
    for (const text of [
      'VERIFY since 2023-11-14',
      'west, version unknown',
      '10 % of the requests',
      '12,345',
      'open',
    ]) {
      assert.ok(stdout.includes(text), `${text} in\n${stdout}`)
    }
    assert.match(stdout, /the target owes hdfs:\/\/a\/5, tried 3 times: full/)
    assert.match(stdout, /sides agree/)
    assert.match(stdout, /2 differed at first and could not be looked at again/)
    const tables = stdout.split('\n').filter((line) => /^(SIDE|origin|SHADOW|GUARD|target's)/.test(line))
    for (const line of tables) assert.ok(line.replaceAll(/\u001b\[\d+m/g, '').length <= 80, line)
  }))

test('migrate plan ends with 1 while the move onwards may not be made, and says what to do', async () => {
  await withAdmin(
    async ({ url }) => {
      const { stdout, exitCode } = await godwit(['migrate', 'cities', 'plan'], { admin: url })
      assert.equal(exitCode, 1)
      assert.match(stdout, /VERIFY -> RAMP may not be done/)
      assert.match(stdout, /2\.5 % of its keys/)
      assert.match(stdout, /by caller: 40 % of its requests, of 1,000 counted since 2023-11-14/)
      assert.match(stdout, /note: caller maps-wbe has asked for nothing/)
      assert.match(stdout, /sides agree\s+FAIL\s+9 of 1200 differ\n/)
      assert.match(stdout, /target's p99\s+too little/)
      assert.match(
        stdout,
        /sides agree: 9 of 1200 differ, must be at most 0\.1 % \(may be forced\)\n {2}see what differs\n/,
      )
    },
    { isAllowed: false },
  )
  await withAdmin(async ({ url }) => {
    assert.equal((await godwit(['migrate', 'cities', 'plan', '--json'], { admin: url })).exitCode, 0)
  })
})

test('what callers and old stores say is shown without what it would do to a terminal', () =>
  withAdmin(async ({ url, migrations }) => {
    const wild = 'caller \u001b[2J\u0007 has asked for nothing'
    migrations.plan = { ...migrations.plan, warnings: [wild] }
    for (const args of [
      ['migrate', 'cities', 'plan'],
      ['migrate', 'cities', 'switch', ...REASON],
    ]) {
      const { stdout } = await godwit(args, { admin: url })
      assert.match(stdout, /note: caller \\x1b\[2J\\x07 has asked for nothing\n/)
      assert.ok(!stdout.includes('\u001b'))
    }
  }))

const verbs: readonly { readonly args: readonly string[]; readonly asks: readonly [string, ...unknown[]] }[] =
  [
    { args: ['switch'], asks: ['move', 'cities', 'switch'] },
    { args: ['revert'], asks: ['move', 'cities', 'revert'] },
    { args: ['abort'], asks: ['move', 'cities', 'abort'] },
    { args: ['complete', '--yes'], asks: ['move', 'cities', 'complete'] },
    { args: ['shadow', '10'], asks: ['dial', 'cities', { shadowShare: 1_000 }] },
    {
      args: ['shadow', '100', '--baseline', '0.5'],
      asks: ['dial', 'cities', { shadowShare: 10_000, baselineShare: 50 }],
    },
    { args: ['split', '0.29'], asks: ['dial', 'cities', { splitShare: 29 }] },
    { args: ['split', '--callers', 'a, b'], asks: ['dial', 'cities', { splitCallers: ['a', 'b'] }] },
    {
      args: ['split', '5', '--callers', 'none'],
      asks: ['dial', 'cities', { splitShare: 500, splitCallers: [] }],
    },
    {
      args: ['ramp', '--to', '100', '--step', '5', '--every', '10m'],
      asks: ['startRamp', 'cities', { toShare: 10_000, stepShare: 500, everyMs: 600_000 }],
    },
    { args: ['ramp', '--stop'], asks: ['stopRamp', 'cities'] },
    { args: ['origin-version', '17'], asks: ['setOriginVersion', 'cities', 17] },
    { args: ['origin-version', 'none'], asks: ['setOriginVersion', 'cities', null] },
  ]
for (const { args, asks } of verbs) {
  test(`migrate cities ${args.join(' ')} asks for that, once, and needs a reason`, () =>
    withAdmin(async ({ url, migrations }) => {
      const unsaid = await godwit(['migrate', 'cities', ...args], { admin: url })
      assert.equal(unsaid.exitCode, 2)
      assert.match(unsaid.stderr, /reason/)
      const { stdout, exitCode, stderr } = await godwit(['migrate', 'cities', ...args, ...REASON], {
        admin: url,
      })
      assert.equal(exitCode, 0, stderr)
      assert.match(stdout, /on every thread after 12 ms/)
      const [call, ...others] = migrations.calls
      assert.deepEqual([call?.what, ...(call?.args.slice(0, -1) ?? [])], asks)
      assert.deepEqual(others, [])
    }))
}

const mistakes: readonly (readonly string[])[] = [
  ['walk'],
  ['split'],
  ['split', '100.01'],
  ['split', '5.123'],
  ['split', '-1'],
  ['split', '1e1'],
  ['split', '--callers', 'a,,b'],
  ['shadow'],
  ['switch', '5'],
  ['ramp', '--to', '100', '--step', '5'],
  ['ramp', '--to', '100', '--step', '5', '--every', '10'],
  ['origin-version'],
  ['origin-version', 'newest'],
]
for (const args of mistakes) {
  test(`migrate cities ${args.join(' ')} is wrong usage and asks nothing`, () =>
    withAdmin(async ({ url, migrations }) => {
      const { exitCode, stderr } = await godwit(['migrate', 'cities', ...args, ...REASON], { admin: url })
      assert.equal(exitCode, 2, stderr)
      assert.deepEqual(migrations.calls, [])
    }))
}

test('a dry run shows the guards; it and the change end with the same code where it is refused', () =>
  withAdmin(
    async ({ url }) => {
      const dry = await godwit(['migrate', 'cities', 'switch', '--dry-run', ...REASON], { admin: url })
      assert.match(dry.stdout, /GUARD\s+OUTCOME/)
      const real = await godwit(['migrate', 'cities', 'switch', ...REASON], { admin: url })
      assert.match(real.stderr, /9 of 1200 differ/)
      assert.deepEqual([dry.exitCode, real.exitCode], [5, 5])
    },
    { isAllowed: false },
  ))

test('completion cannot be undone and is asked about', () =>
  withAdmin(async ({ url, migrations }) => {
    const alone = await godwit(['migrate', 'cities', 'complete', ...REASON], { admin: url })
    assert.equal(alone.exitCode, 2)
    const asked = await godwit(['migrate', 'cities', 'complete', ...REASON], { admin: url, answer: 'n' })
    assert.equal(asked.exitCode, 1)
    assert.deepEqual(migrations.calls, [])
  }))

test('explain prints the whole decision', () =>
  withAdmin(async ({ url, migrations }) => {
    const { stdout, exitCode } = await godwit(['explain', 'cities', '2643743', '--caller', 'web'], {
      admin: url,
    })
    assert.equal(exitCode, 0)
    for (const text of [
      "the target: the key's place lies below the split's share",
      '17 of 10,000, the target has those below 250',
      'west, its breaker is open',
      '-42, shard 3',
      'RAMP, map epoch 12',
      'the origin, when the target fails, or has not answered after 100 ms',
    ]) {
      assert.ok(stdout.includes(text), `${text} in\n${stdout}`)
    }
    assert.deepEqual(migrations.calls, [{ what: 'explain', args: ['cities', Buffer.from('2643743'), 'web'] }])
    const json = await godwit(['explain', 'cities', 'ff', '--key-format', 'hex', '--json'], { admin: url })
    assert.equal((JSON.parse(json.stdout) as { side: string }).side, 'TARGET')
  }))
