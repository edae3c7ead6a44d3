/** What all commands share: help, exit codes, questions, colours, where the gateway is. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { ERROR_CODES, isErrorCode, KVError } from '../../../src/base/errors.js'
import { EXIT, EXIT_MEANINGS } from '../../../src/cli/io.js'
import { cell } from '../admin/fakes.js'
import { textOf } from '../../support/tree.js'
import { godwit, listeningAdmin, listeningServer } from './run-cli.js'

const admin = await listeningAdmin()
const world = { admin: admin.url }
after(() => admin.close())

/** `Options`, `Commands` and usages as help prints them: every command, with its words. */
async function allCommands(words: readonly string[] = []): Promise<string[][]> {
  const { stdout } = await godwit([...words, '--help'])
  const list = /\nCommands:\n((?: {2}.*\n?)+)/.exec(stdout)?.[1] ?? ''
  const names = [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = '']) => name)
  if (names.length === 0) return [[...words]]
  const below = await Promise.all(names.map((name) => allCommands([...words, name])))
  return below.flat()
}

test('help explains the words and lists every command', async () => {
  const { exitCode, stdout } = await godwit(['help'])
  assert.equal(exitCode, 0)
  for (const word of ['dataset', 'version', 'row', 'owner', 'revision', 'cluster']) {
    assert.match(stdout, new RegExp(`^ {2}${word} {2,}[A-Z]`, 'm'))
  }
  const commands = await allCommands()
  assert.ok(commands.length > 12)
  for (const words of commands)
    assert.match(stdout, new RegExp(`^ {2}${words.join(' ')}( |$)`, 'm'), words.join(' '))
  assert.ok(!stdout.includes('\nOther\n'), 'a command is in no task of src/cli/help.ts')
})

test('every command has help with an example', async () => {
  for (const words of await allCommands()) {
    const { exitCode, stdout } = await godwit([...words, '--help'])
    assert.equal(exitCode, 0)
    assert.match(stdout, /Examples?:\n {2}\S/, words.join(' '))
  }
})

test('help has topics and the help of commands, and says what it does not know', async () => {
  assert.match((await godwit(['help', 'concepts'])).stdout, /^Godwit stores rows/)
  assert.match((await godwit(['help', 'versions', 'publish'])).stdout, /^Usage: godwit versions publish/)
  const unknown = await godwit(['help', 'nonsense'])
  assert.deepEqual([unknown.exitCode, unknown.stdout], [2, ''])
  assert.match(unknown.stderr, /no command or topic "nonsense"/)
})

test('help prints every exit code with its meaning', async () => {
  const { stdout } = await godwit(['help', 'exit-codes'])
  for (const [name, code] of Object.entries(EXIT)) {
    // Every name of EXIT has a meaning.
    const meaning = EXIT_MEANINGS[name as keyof typeof EXIT]
    assert.ok(stdout.includes(`${code}  ${meaning}\n`), name)
  }
  const json: unknown = JSON.parse((await godwit(['help', 'exit-codes', '--json'])).stdout)
  assert.ok(Array.isArray(json) && json.length === Object.keys(EXIT).length)
})

test('OPERATING.md has every exit code with its meaning, in this order', () => {
  const table = /<!-- exit codes -->\n\n.*\n.*\n((?:\|.*\n)+)/.exec(textOf('docs/OPERATING.md'))?.[1] ?? ''
  // Its own keys.
  const names = Object.keys(EXIT) as (keyof typeof EXIT)[]
  assert.equal(table, names.map((name) => `| ${EXIT[name]} | ${EXIT_MEANINGS[name]} |\n`).join(''))
})

const EXPECTED_EXITS: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 1,
  DATASET_NOT_FOUND: 3,
  VERSION_NOT_FOUND: 3,
  CONFLICT: 5,
  FAILED_PRECONDITION: 5,
  ALREADY_EXISTS: 5,
  READ_ONLY: 5,
  OVERLOADED: 6,
  UNAVAILABLE: 6,
  DEADLINE_EXCEEDED: 6,
  THROTTLED: 6,
  UNAUTHENTICATED: 7,
  PERMISSION_DENIED: 7,
  INTERNAL: 1,
  CORRUPT: 1,
}

test('the exit code says what kind of failure it was, and the message what to do next', async () => {
  for (const code of Object.keys(ERROR_CODES).filter(isErrorCode)) {
    admin.rows.failure = new KVError(code, 'no luck')
    const { exitCode, stdout, stderr } = await godwit(['get', 'd', 'k'], world)
    const expected = EXPECTED_EXITS[code]
    if (expected !== undefined) assert.equal(exitCode, expected, code)
    assert.notEqual(exitCode, 0)
    assert.equal(stdout, '')
    assert.match(stderr, new RegExp(`^godwit: no luck \\(${code}\\)\\n`))
  }
  admin.rows.failure = new KVError('INTERNAL', 'a fault')
  const { stderr } = await godwit(['get', 'd', 'k'], world)
  admin.rows.failure = null
  assert.match(stderr, /the gateway's log has more about request [0-9a-f-]{36}/)
})

const removal = ['dataset', 'delete', 'cities', '--reason', 'r']

test('what cannot be undone is asked about, where somebody can be asked', async () => {
  const calls = admin.metastore.calls
  calls.length = 0
  for (const answer of ['', 'n', 'yess', null]) {
    const refused = await godwit(removal, { ...world, answer })
    assert.equal(refused.exitCode, 1)
    assert.match(refused.stderr, /delete dataset cities and all its data, which cannot be undone\? \[y\/N\] /)
    assert.match(refused.stderr, /nothing was changed/)
  }
  assert.equal(calls.length, 0)
  for (const answer of ['y', 'YES ']) assert.equal((await godwit(removal, { ...world, answer })).exitCode, 0)
  assert.equal(calls.splice(0).length, 2)
})

test('what cannot be undone needs --yes where nobody can be asked, but not to be planned', async () => {
  const { exitCode, stderr } = await godwit(removal, world)
  assert.equal(exitCode, 2)
  assert.match(stderr, /add --yes/)
  assert.equal(admin.metastore.calls.length, 0)
  assert.equal((await godwit([...removal, '--dry-run'], world)).exitCode, 0)
  assert.equal((await godwit([...removal, '--yes'], world)).exitCode, 0)
  admin.metastore.calls.length = 0
})

test('the gateway is named by option before environment', async () => {
  const elsewhere = { GODWIT_SERVER: 'http://127.0.0.1:1' }
  for (const [args, environment] of [
    [['--server', admin.url], elsewhere],
    [[], { GODWIT_SERVER: admin.url }],
  ] as const) {
    assert.equal((await godwit(['status', ...args], { environment })).exitCode, 0)
  }
})

test('a token of the environment goes with every request', async () => {
  const seen: (string | undefined)[] = []
  const server = await listeningServer((request, response) => {
    seen.push(request.headers.authorization)
    response.end('{"datasets":[]}')
  })
  await godwit(['dataset', 'list'], { admin: server.url, environment: { GODWIT_TOKEN: 'secret' } })
  await godwit(['dataset', 'list'], { admin: server.url })
  await server.close()
  assert.deepEqual(seen, ['Bearer secret', undefined])
})

test('colours are for terminals that want them', async () => {
  const isColoured = async (more: object): Promise<boolean> =>
    (await godwit(['status'], { ...world, ...more })).stdout.includes('\x1b[')
  assert.equal(await isColoured({ isTerminal: true }), true)
  assert.equal(await isColoured({}), false)
  assert.equal(await isColoured({ isTerminal: true, environment: { NO_COLOR: '1' } }), false)
  assert.equal(await isColoured({ isTerminal: true, environment: { TERM: 'dumb' } }), false)
})

test('keys and values are written and printed as text, hex or base64', async () => {
  admin.rows.calls.length = 0
  for (const [key, format] of [
    ['ff00', 'hex'],
    ['/wA=', 'base64'],
    ['_wA', 'base64'],
  ] as const) {
    await godwit(['get', 'd', key, '--key-format', format], world)
    assert.deepEqual(admin.rows.calls.pop()?.args[1], Buffer.from([0xff, 0]), key)
  }
  admin.rows.row = { cells: [cell('a', 'AB'), cell('b', Buffer.from([0xff]))], next: null }
  const hex = await godwit(['get', 'd', 'k', '--value-format', 'hex'], world)
  assert.equal(hex.stdout, 'COLUMN  VALUE\na       4142\nb       ff\n')
  const base64 = await godwit(['get', 'd', 'k', '--columns', 'a,b', '--value-format', 'base64'], world)
  assert.equal(base64.stdout, 'COLUMN  VALUE\na       QUI=\nb       /w==\n')
  assert.deepEqual(admin.rows.calls.pop()?.args[2], [Buffer.from('a'), Buffer.from('b')])
  for (const args of [
    ['get', 'd', 'zz', '--key-format', 'hex'],
    ['get', 'd', 'k', '--key-format', 'rot13'],
    ['get', 'd', '*', '--key-format', 'base64'],
  ]) {
    assert.equal((await godwit(args, world)).exitCode, 2)
  }
})

test('status --watch looks again until it is interrupted, and waits for a gateway that is away', async () => {
  let looks = 0
  const server = await listeningServer((_request, response) => {
    looks++
    response.statusCode = looks === 2 ? 503 : 200
    response.end(
      looks === 2 ? '{"error":{"code":"UNAVAILABLE","message":"going down","retryable":true}}' : statusText,
    )
  })
  const statusText = await fetch(`${admin.url}/v1/status`).then((answer) => answer.text())
  const waits: number[] = []
  const sleep = (ms: number): Promise<void> => {
    waits.push(ms)
    return waits.length < 3 ? Promise.resolve() : Promise.reject(new Error('interrupted'))
  }
  const { stdout, stderr } = await godwit(['status', '--watch', '5', '--json'], { admin: server.url, sleep })
  await server.close()
  assert.deepEqual(waits, [5_000, 5_000, 5_000])
  assert.equal(stdout.trim().split('\n').length, 2)
  assert.match(stderr, /going down/)
  assert.equal((await godwit(['status', '--watch', '0'], world)).exitCode, 2)
})

test('audit prints the newest lines, of one dataset if wanted', async () => {
  const { stdout } = await godwit(['audit', '--limit', '1'], world)
  assert.equal(stdout.split('\n').length, 3)
  assert.match(
    stdout,
    /^TIME +ACTOR +ACTION +DATASET +REASON +DETAIL\n1970-01-01 00:00:00Z +ann +create +cities +r/,
  )
  const other = await godwit(['audit', '--dataset', 'towns', '--json'], world)
  assert.equal(other.stdout, '[]\n')
  assert.equal((await godwit(['audit', '--limit', '0'], world)).exitCode, 2)
})

test('scan prints rows page by page up to its limit', async () => {
  const rows = Array.from({ length: 3 }, (_, index) => ({
    rowKey: Buffer.from(`k${index}`),
    row: { cells: [cell('a', `${index}`), cell('b', 'x')], next: null },
  }))
  const position = { token: { high: -5, low: 7 }, rowKey: Buffer.from([0xff]), isBefore: false }
  admin.rows.page = { rows, next: position, datasetVersion: 17 }
  admin.rows.calls.length = 0
  const { stdout } = await godwit(['scan', 'd', '--limit', '6', '--key-format', 'text', '-c', 'a'], world)
  assert.equal(stdout.split('\n')[1], 'k0   a       0')
  const [first, second] = admin.rows.calls.splice(0).map(({ args }) => args[1])
  const shared = { localKeys: [Buffer.from('a')], range: null }
  assert.deepEqual(first, { ...shared, maxRows: 6, position: null, datasetVersion: null })
  assert.deepEqual(second, { ...shared, maxRows: 3, position, datasetVersion: 17 })
  admin.rows.page = { rows, next: null, datasetVersion: null }
  const json = await godwit(['scan', 'd', '--limit', '0', '--json', '--prefix', 'a'], world)
  assert.equal(json.stdout.trim().split('\n').length, 3)
  const { range } = admin.rows.calls.pop()?.args[1] as { range: unknown }
  assert.deepEqual(range, { from: Buffer.from('a'), to: Buffer.from('b') })
  assert.equal((await godwit(['scan', 'd', '--prefix', 'a', '--from', 'b'], world)).exitCode, 2)
})
