import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unreachable } from '../../../src/cli/unreachable.js'
import type { GatewayStatus, LeafStatus, PlacementStatus } from '../../../src/model/operations.js'
import { godwit, listeningServer } from './run-cli.js'

const LEAF: LeafStatus = {
  cluster: 'west',
  name: 'a',
  url: 'http://127.0.0.1:7390',
  problem: null,
  copies: 8,
  wanted: 8,
  held: 8,
  copying: 0,
  openBreakers: 0,
}

const PLACEMENT: PlacementStatus = {
  version: 1_714_550_000_000,
  cluster: 'west',
  wanted: 6,
  confirmed: 6,
  replicas: 2,
  shards: 3,
  wholeShards: 3,
  isReadFromLeaves: true,
  leavesFailedForMs: null,
}

/** What `godwit status` prints on a terminal of 80 columns. */
async function shown(
  leaves: readonly LeafStatus[],
  placement: readonly PlacementStatus[],
): Promise<{ readonly text: string; readonly lines: readonly string[] }> {
  const status: GatewayStatus = {
    version: '0.1.0',
    processId: 1,
    startedAtMs: 1,
    uptimeMs: 2,
    readiness: { isReady: true, reasons: [] },
    epoch: 3,
    dataThreads: 2,
    dataDirectory: '/data',
    listeners: [],
    datasets: [{ name: 'towns', mode: 'BATCH', currentVersion: PLACEMENT.version, problems: [], placement }],
    leaves,
    backends: [],
  }
  const server = await listeningServer((_request, response) => response.end(JSON.stringify(status)))
  const { exitCode, stdout } = await godwit(['status'], { admin: server.url, isTerminal: true })
  await server.close()
  assert.equal(exitCode, 0)
  // Colours take no columns.
  const text = stdout.replace(/\x1b\[\d*m/g, '')
  return { text, lines: text.split('\n') }
}

test('status shows each leaf with its state, breaker, shards and copies under way, in 80 columns', async () => {
  const problem =
    'it is leaf a (http://127.0.0.1:7390) under a second name, or has a copy of its data directory'
  const { text, lines } = await shown(
    [LEAF, { ...LEAF, name: 'b', held: 5, copying: 2, openBreakers: 1 }, { ...LEAF, name: 'c', problem }],
    [PLACEMENT],
  )
  assert.match(text, /^CLUSTER +LEAF +STATE +BREAKER +SHARDS +COPYING$/m)
  assert.match(text, /^west +a +ok +closed +8\/8 +0$/m)
  assert.match(text, /^west +b +ok +open in 1 of 2 threads +5\/8 +2$/m)
  assert.match(text, /^west +c +not used +closed +8\/8 +0$/m)
  assert.ok(lines.includes(`leaf c of west: ${problem}`))
  for (const line of lines) assert.ok(line.length <= 80 || line.startsWith('leaf c'), line)
  assert.doesNotMatch(text, /BEHIND/)
})

test('status shows versions that lack copies, or are read elsewhere than they belong', async () => {
  const older = PLACEMENT.version - 1
  const { text, lines } = await shown(
    [LEAF],
    [
      { ...PLACEMENT, wholeShards: 2, confirmed: 5 },
      // A kept version that is not open is read from nowhere, and lacks nothing.
      { ...PLACEMENT, version: older, isReadFromLeaves: false },
    ],
  )
  assert.match(text, /^towns +1714550000000 +west +2 of 3 shards have 2 +leaves$/m)
  assert.ok(!text.includes(String(older)))
  assert.ok(lines.every((line) => line.length <= 80))
  const failed = await shown([LEAF], [{ ...PLACEMENT, isReadFromLeaves: false, leavesFailedForMs: 4_000 }])
  assert.match(failed.text, /^towns +1714550000000 +west +3 of 3 shards have 2 +gateway$/m)
  assert.match(failed.text, /its leaves failed reads, they are asked again in 4\.0 s/)
})

test('status says nothing of leaves where there are none', async () => {
  assert.doesNotMatch((await shown([], [])).text, /LEAF|BEHIND/)
})

test('a version that is no number is wrong usage, in every command that takes one', async () => {
  const reason = ['--reason', 'x', '--yes']
  for (const args of [
    ['versions', 'publish', 'cities', 'abc', ...reason],
    ['versions', 'delete', 'cities', '12x', ...reason],
    ['versions', 'canary', 'cities', 'abc', '--share', '1', '--reason', 'x'],
    ['versions', 'archive', 'cities', '-1', '--reason', 'x'],
    ['versions', 'restore', 'cities', '', '--reason', 'x'],
    ['versions', 'diff', 'cities', '1', 'abc'],
  ]) {
    const { exitCode } = await godwit(args, { admin: 'http://127.0.0.1:1' })
    assert.equal(exitCode, 2, args.join(' '))
  }
})

test('an environment variable that is set to nothing is as good as none', async () => {
  const { stderr } = await godwit(['dataset', 'show', 'no-such'], { environment: { GODWIT_SERVER: '' } })
  assert.doesNotMatch(stderr, /is not the URL/)
})

test('what keeps TLS from a gateway is said with what to do about it', () => {
  const failed = (code: string) => {
    const cause = Object.assign(new Error('it is not trusted'), { code })
    return unreachable('https://gateway:7380', new TypeError('fetch failed', { cause }))
  }
  assert.match(failed('DEPTH_ZERO_SELF_SIGNED_CERT').hint ?? '', /NODE_EXTRA_CA_CERTS=FILE/)
  assert.match(failed('ERR_TLS_CERT_ALTNAME_INVALID').hint ?? '', /as its certificate does/)
  assert.match(failed('ECONNREFUSED').hint ?? '', /npm start/)
  assert.equal(failed('ECONNREFUSED').exitCode, 4)
})
