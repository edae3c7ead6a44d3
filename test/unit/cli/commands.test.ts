import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { cell, someLoad, type Call } from '../admin/fakes.js'
import { godwit, listeningAdmin, listeningServer } from './run-cli.js'

const admin = await listeningAdmin()
const world = { admin: admin.url }
after(() => admin.close())

function newCalls(calls: Call[]): readonly Call[] {
  return calls.splice(0)
}

const who = { actor: 'tester', reason: 'because' }

test('get with one column prints the bare value', async () => {
  admin.rows.row = { cells: [cell('name', 'London')], next: null }
  const { exitCode, stdout, stderr } = await godwit(['get', 'cities', '2643743', '--column', 'name'], world)
  assert.deepEqual([exitCode, stdout, stderr], [0, 'London\n', ''])
  assert.deepEqual(newCalls(admin.rows.calls), [
    { what: 'get', args: ['cities', Buffer.from('2643743'), [Buffer.from('name')]] },
  ])
})

test('get with several columns, or all, prints a table', async () => {
  admin.rows.row = { cells: [cell('country', 'GB'), cell('name', 'London')], next: null }
  const expected = 'COLUMN   VALUE\ncountry  GB\nname     London\n'
  assert.equal((await godwit(['get', 'cities', '1', '-c', 'name', '-c', 'country'], world)).stdout, expected)
  assert.equal((await godwit(['get', 'cities', '1'], world)).stdout, expected)
  assert.deepEqual(newCalls(admin.rows.calls)[0]?.args[2], [Buffer.from('name'), Buffer.from('country')])
})

test('get prints the only, unnamed value of a row bare', async () => {
  admin.rows.row = { cells: [cell('', 'opaque')], next: null }
  assert.equal((await godwit(['get', 'sessions', '1'], world)).stdout, 'opaque\n')
})

test('get of bytes that are no text says that they are base64', async () => {
  admin.rows.row = { cells: [cell('raw', Buffer.from([0xff, 0]))], next: null }
  assert.equal((await godwit(['get', 'd', '1', '-c', 'raw'], world)).stdout, 'base64:/wA=\n')
})

test('get keeps control characters for programs and escapes them for a terminal', async () => {
  admin.rows.row = { cells: [cell('a', 'x\x1b[2J')], next: null }
  assert.equal((await godwit(['get', 'd', '1', '-c', 'a'], world)).stdout, 'x\x1b[2J\n')
  assert.equal(
    (await godwit(['get', 'd', '1', '-c', 'a'], { ...world, isTerminal: true })).stdout,
    'x\\x1b[2J\n',
  )
})

test('get of an absent row exits with 3 and says so', async () => {
  admin.rows.row = null
  const absent = await godwit(['get', 'cities', '1', '-c', 'name'], world)
  assert.deepEqual([absent.exitCode, absent.stdout], [3, ''])
  assert.match(absent.stderr, /dataset "cities" has no row "1" or it has no "name"/)
  const json = await godwit(['--json', 'get', 'cities', '1'], world)
  assert.deepEqual([json.exitCode, json.stdout], [3, 'null\n'])
})

test('get with --json prints the row as the API gives it', async () => {
  admin.rows.row = { cells: [cell('name', 'London')], next: null }
  const { stdout } = await godwit(['get', 'cities', '1', '--json'], world)
  assert.deepEqual(JSON.parse(stdout), { cells: [{ column: { utf8: 'name' }, value: { utf8: 'London' } }] })
})

test('keys and columns are read in the given encoding', async () => {
  newCalls(admin.rows.calls)
  await godwit(['get', 'd', 'ff00', '--key-format', 'hex', '-c', '00'], world)
  await godwit(['get', 'd', 'a/b?c=%41 ü', '-c', 'a&b'], world)
  assert.deepEqual(
    newCalls(admin.rows.calls).map(({ args }) => args),
    [
      ['d', Buffer.from([0xff, 0]), [Buffer.from([0])]],
      ['d', Buffer.from('a/b?c=%41 ü'), [Buffer.from('a&b')]],
    ],
  )
})

test('put writes the value and the columns that it is given', async () => {
  const { exitCode, stdout } = await godwit(
    ['put', 'profiles', 'alice', 'v', '-c', 'city=London', '-c', 'x=a=b'],
    world,
  )
  assert.equal(exitCode, 0)
  assert.equal(stdout, 'written at 4611686018427387905\n')
  assert.deepEqual(newCalls(admin.rows.calls), [
    {
      what: 'put',
      args: ['profiles', Buffer.from('alice'), [cell('city', 'London'), cell('x', 'a=b'), cell('', 'v')]],
    },
  ])
  await godwit(['put', 'p', '00', '/wA=', '--key-format', 'hex', '--value-format', 'base64'], world)
  assert.deepEqual(newCalls(admin.rows.calls)[0]?.args, [
    'p',
    Buffer.from([0]),
    [cell('', Buffer.from([0xff, 0]))],
  ])
})

test('put of nothing, and a column without a value, are wrong usage', async () => {
  for (const args of [
    ['put', 'p', 'k'],
    ['put', 'p', 'k', '-c', 'city'],
    ['put', 'p', ''],
    ['put', 'p', 'k', 'zz', '--value-format', 'hex'],
  ]) {
    const { exitCode, stderr } = await godwit(args, world)
    assert.equal(exitCode, 2, args.join(' '))
    assert.match(stderr, /^godwit: /)
  }
  assert.deepEqual(newCalls(admin.rows.calls), [])
})

test('delete removes a row or some columns', async () => {
  assert.equal((await godwit(['delete', 'profiles', 'alice'], world)).stdout, 'deleted at 5\n')
  await godwit(['delete', 'profiles', 'alice', '-c', 'city'], world)
  assert.deepEqual(
    newCalls(admin.rows.calls).map(({ args }) => args[2]),
    [null, [Buffer.from('city')]],
  )
})

test('dataset list and show print what there is', async () => {
  const list = await godwit(['dataset', 'list'], world)
  assert.equal(
    list.stdout,
    'DATASET  MODE   OWNER           VERSION        ROWS\ncities   BATCH  godwit-samples  1700000000000     2\n',
  )
  const show = await godwit(['dataset', 'show', 'cities'], world)
  assert.match(show.stdout, /^dataset +cities$/m)
  assert.match(show.stdout, /^1700000000000 +CURRENT +2 +99 B +2023-11-14 22:13:20Z +ann +file\.ndjson$/m)
  const json: unknown = JSON.parse((await godwit(['dataset', 'list', '--json'], world)).stdout)
  assert.ok(Array.isArray(json) && json.length === 1)
})

test('dataset create sends the draft', async () => {
  const args = [
    'dataset',
    'create',
    'towns',
    '--mode',
    'BATCH',
    '--owner',
    'maps',
    '--contact',
    'c',
    '--shards',
    '4',
  ]
  const { exitCode, stdout } = await godwit([...args, '--reason', 'because'], world)
  assert.deepEqual([exitCode, stdout], [0, 'created dataset cities\n'])
  assert.deepEqual(newCalls(admin.metastore.calls), [
    {
      what: 'create',
      args: [
        { name: 'towns', mode: 'BATCH', owner: { name: 'maps', contact: 'c' }, shardCount: 4 },
        { ...who, ifRevision: null, isDryRun: false },
      ],
    },
  ])
  assert.equal((await godwit([...args, '--retain', 'many'], world)).exitCode, 2)
  assert.equal(
    (await godwit(['dataset', 'create', 'towns', '--mode', 'SLOW', '--owner', 'a', '--contact', 'c'], world))
      .exitCode,
    2,
  )
})

const changes: readonly { args: string[]; what: string; sent: readonly unknown[]; says: RegExp }[] = [
  { args: ['dataset', 'delete', 'cities'], what: 'remove', sent: ['cities'], says: /deleted dataset cities/ },
  {
    args: ['versions', 'publish', 'cities', '1700000000000'],
    what: 'publish',
    sent: ['cities', 1_700_000_000_000],
    says: /dataset cities serves version 1700000000000/,
  },
  {
    args: ['versions', 'rollback', 'cities'],
    what: 'rollback',
    sent: ['cities'],
    says: /dataset cities serves version/,
  },
  {
    args: ['versions', 'delete', 'cities', '1700000000000'],
    what: 'deleteVersion',
    sent: ['cities', 1_700_000_000_000],
    says: /deleted version 1700000000000 of dataset cities/,
  },
]
for (const { args, what, sent, says } of changes) {
  const yes = args[1] === 'delete' ? ['--yes'] : []
  test(`${args.slice(0, 2).join(' ')} sends the revision that it read, the actor and the reason`, async () => {
    const { exitCode, stdout } = await godwit([...args, '--reason', 'because', ...yes], world)
    assert.equal(exitCode, 0)
    assert.match(stdout, says)
    assert.deepEqual(newCalls(admin.metastore.calls), [
      { what, args: [...sent, { ...who, ifRevision: 7, isDryRun: false }] },
    ])
  })

  test(`${args.slice(0, 2).join(' ')} needs a reason, takes an actor and a revision, and can be planned`, async () => {
    assert.equal((await godwit(args, world)).exitCode, 2)
    assert.deepEqual(newCalls(admin.metastore.calls), [])
    const options = ['--reason', 'r', '--actor', 'bob', '--if-revision', '6', '--dry-run']
    const { exitCode, stderr } = await godwit([...args, ...options], world)
    assert.equal(exitCode, 5)
    assert.match(stderr, /CONFLICT/)
    assert.match(stderr, /look at it again/)
    assert.deepEqual(newCalls(admin.metastore.calls)[0]?.args.at(-1), {
      actor: 'bob',
      reason: 'r',
      ifRevision: 6,
      isDryRun: true,
    })
  })
}

test('the actor comes from GODWIT_ACTOR before the login name', async () => {
  await godwit(['versions', 'rollback', 'cities', '--reason', 'r'], {
    ...world,
    environment: { GODWIT_ACTOR: 'robot' },
  })
  assert.equal(JSON.stringify(newCalls(admin.metastore.calls)).includes('"actor":"robot"'), true)
})

test('what does not exist exits with 3 and says where to look', async () => {
  const { exitCode, stderr } = await godwit(['dataset', 'show', 'towns'], world)
  assert.equal(exitCode, 3)
  assert.match(stderr, /"towns" does not exist.*\(DATASET_NOT_FOUND\)\n {2}see "godwit dataset list"/s)
})

test('a write whose outcome is unknown says so', async () => {
  admin.rows.failure = new KVError('UNAVAILABLE', 'the disk failed', { outcome: 'UNKNOWN' })
  const { exitCode, stderr } = await godwit(['put', 'p', 'k', 'v'], world)
  admin.rows.failure = null
  assert.equal(exitCode, 6)
  assert.match(
    stderr,
    /the disk failed \(UNAVAILABLE; the write may have happened\)\n {2}try again in a moment/,
  )
})

test('a gateway that does not answer exits with 4 and says how to start one', async () => {
  const gone = await listeningServer(() => undefined)
  await gone.close()
  const { exitCode, stderr } = await godwit(['status'], { admin: gone.url })
  assert.equal(exitCode, 4)
  assert.match(stderr, /no answer from the gateway at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/)
  assert.match(stderr, /npm start/)
})

test('a server that is no gateway is recognised', async () => {
  const other = await listeningServer((request, response) => {
    response.statusCode = request.url === '/v1/status' ? 200 : 404
    // JSON with an error of its own form was printed as "undefined (undefined)".
    const isJson = request.url === '/v1/datasets/d'
    response.end(isJson ? '{"error":"Not Found","message":"no such page","statusCode":404}' : '<html>')
  })
  for (const args of [['status'], ['dataset', 'list'], ['dataset', 'show', 'd']]) {
    const { exitCode, stderr } = await godwit(args, { admin: other.url })
    assert.equal(exitCode, 1)
    assert.match(stderr, /answers, but not as a gateway/)
  }
  await other.close()
})

test('status prints how the gateway is, and its exit code says whether it is ready', async () => {
  const ready = await godwit(['status'], world)
  assert.equal(ready.exitCode, 0)
  assert.match(ready.stdout, /^gateway +ready$/m)
  assert.match(ready.stdout, /^kvstore +127\.0\.0\.1:7300$/m)
  assert.match(ready.stdout, /^cities +BATCH +1700000000000 +ok$/m)
  admin.state.readiness = { isReady: false, reasons: ['draining'] }
  const draining = await godwit(['status'], world)
  admin.state.readiness = { isReady: true, reasons: [] }
  assert.equal(draining.exitCode, 1)
  assert.match(draining.stdout, /^gateway +not ready: draining$/m)
})

test('load asks for the file by its absolute path and follows the load to its end', async () => {
  admin.started.length = 0
  const args = [
    'load',
    'cities',
    '--from',
    'in.ndjson',
    '--key',
    'id',
    '--columns',
    'a,b',
    '--publish',
    '--max-bad-lines',
    '2',
  ]
  const { exitCode, stdout } = await godwit(args, world)
  assert.equal(exitCode, 0)
  assert.deepEqual(admin.started[0]?.request, {
    ...someLoad.request,
    from: '/work-dir/in.ndjson',
    columns: ['a', 'b'],
    maxBadLines: 2,
  })
  assert.equal(admin.started[0].change.reason, 'load of in.ndjson')
  const lines = stdout
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  assert.deepEqual(lines.at(-1), someLoad)
})

test('load on a terminal shows its progress on one line and a summary', async () => {
  const { stdout } = await godwit(['load', 'cities', '--from', '/in', '--key', 'id'], {
    ...world,
    isTerminal: true,
  })
  assert.ok(stdout.startsWith('\r\x1b[2K'))
  assert.match(stdout, /version 1700000000000 of cities loaded and published: 2 rows in 0\.0 s\n$/)
})

test('load that fails prints each bad line and exits with 1', async () => {
  const load = {
    ...someLoad,
    state: 'FAILED',
    badLineCount: 1,
    badLines: [{ file: '/in', line: 3, reason: 'not JSON' }],
    error: { code: 'INVALID_ARGUMENT', message: '1 bad line, 0 allowed' },
  }
  const states = ['QUEUED', 'BUILDING', 'BUILDING']
  const server = await listeningServer((_request, response) => {
    const state = states.shift()
    response.end(JSON.stringify({ load: state === undefined ? load : { ...load, state, endedAtMs: null } }))
  })
  let sleeps = 0
  const sleep = () => {
    sleeps++
    return Promise.resolve()
  }
  const failed = await godwit(['load', 'cities', '--from', '/in', '--key', 'id'], {
    admin: server.url,
    sleep,
  })
  await server.close()
  assert.equal(failed.exitCode, 1)
  assert.equal(sleeps, 3)
  assert.equal(failed.stdout.trim().split('\n').length, 3, 'one line a change')
  assert.match(failed.stderr, /^\/in:3: not JSON\n/)
  assert.match(failed.stderr, /load cities-1700000000000 failed: 1 bad line, 0 allowed \(INVALID_ARGUMENT\)/)
})

test('load with --dry-run says what it would do', async () => {
  const { stdout } = await godwit(['load', 'cities', '--from', '/in', '--key', 'id', '--dry-run'], world)
  assert.equal(stdout, 'would load 10 B as version 1700000000000\n')
})

test('serve and check-config pass on the file and only the settings that were given', async () => {
  const args = [
    'serve',
    '--config',
    'g.yaml',
    '--data',
    '/d',
    '--port-offset',
    '5',
    '--insecure',
    '--log-level',
    'warn',
    '--samples',
  ]
  const serve = await godwit(args)
  assert.equal(serve.exitCode, 0)
  assert.deepEqual(serve.localRequests, [
    {
      configFile: 'g.yaml',
      flags: [
        { flag: '--data', key: 'data.directory', value: '/d' },
        { flag: '--port-offset', key: 'portOffset', value: '5' },
        { flag: '--log-level', key: 'log.level', value: 'warn' },
        { flag: '--insecure', key: 'insecure', value: true },
      ],
      withSamples: true,
      readyFile: null,
    },
  ])
  const check = await godwit(['check-config'])
  assert.deepEqual(
    [check.exitCode, check.stdout, check.stderr],
    [0, 'portOffset: 0\n', 'godwit: something is odd\n'],
  )
  assert.deepEqual(check.localRequests, [{ configFile: null, flags: [] }])
})

test('a configuration that is wrong exits with 2 and is told as it is', async () => {
  const checkConfig = () =>
    Promise.reject(new KVError('INVALID_ARGUMENT', 'the configuration has 2 faults:\n  a\n  b'))
  const { exitCode, stderr } = await godwit(['check-config'], { local: { checkConfig } })
  assert.deepEqual([exitCode, stderr], [2, 'godwit: the configuration has 2 faults:\n  a\n  b\n'])
})

test('a gateway that cannot start exits with 1', async () => {
  const serve = () => Promise.reject(new KVError('UNAVAILABLE', 'the port is taken'))
  assert.equal((await godwit(['serve'], { local: { serve } })).exitCode, 1)
})

test('help goes to stdout with examples for every command, mistakes to stderr', async () => {
  for (const command of [
    [],
    ['get'],
    ['put'],
    ['delete'],
    ['dataset', 'create'],
    ['dataset', 'delete'],
    ['versions', 'publish'],
    ['versions', 'rollback'],
    ['load'],
    ['status'],
    ['serve'],
    ['check-config'],
  ]) {
    const { exitCode, stdout } = await godwit([...command, '--help'])
    assert.equal(exitCode, 0)
    assert.match(stdout, /Examples?:\n {2}godwit /, command.join(' '))
  }
  assert.match((await godwit(['--help'])).stdout, /godwit help exit-codes/)
  for (const args of [
    [],
    ['gte', 'cities', '1'],
    ['get', 'cities'],
    ['get', 'a', 'b', 'c'],
    ['get', 'a', 'b', '--wrong'],
    ['dataset'],
  ]) {
    const { exitCode, stdout, stderr } = await godwit(args)
    assert.deepEqual([exitCode, stdout], [2, ''], args.join(' '))
    assert.notEqual(stderr, '')
  }
  assert.match((await godwit(['gte', 'cities', '1'])).stderr, /Did you mean get/)
  assert.equal((await godwit(['--version'])).stdout, '1.2.3\n')
})

test('an admin URL that is none is wrong usage', async () => {
  for (const url of ['localhost:7380', 'ftp://x', '']) {
    assert.equal((await godwit(['status', '--server', url], world)).exitCode, 2, url)
  }
})
