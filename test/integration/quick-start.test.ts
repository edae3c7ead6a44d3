/** What a newcomer does: `npm start`, try the commands of README, stop, start again. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { Gateway, MAIN } from '../support/gateway.js'
import { bigintOf } from '../support/stock-client.js'
import { root, textOf } from '../support/tree.js'

const run = promisify(execFile)
const checkout = mkdtempSync(join(tmpdir(), 'godwit-checkout-'))
let gateway: Gateway

before(async () => {
  makeCheckout()
  gateway = await Gateway.start({ command: ['npm', '--prefix', checkout, 'start', '--'] })
})

after(async () => {
  await gateway.dispose()
  rmSync(checkout, { recursive: true })
})

/** The command and script of `npm start` on the files of this run; only installing and compiling is left out. */
function makeCheckout(): void {
  mkdirSync(join(checkout, 'scripts'))
  for (const file of ['package.json', 'scripts/start.mjs']) cpSync(join(root, file), join(checkout, file))
  const stub = 'export const root = process.cwd()\nexport function ensureProgram() {}\n'
  writeFileSync(join(checkout, 'scripts', 'ensure.mjs'), stub)
  symlinkSync(dirname(dirname(MAIN)), join(checkout, 'dist'))
}

/** What the command prints for people who pipe it on. */
async function godwit(...args: string[]): Promise<string> {
  const env = { ...process.env, GODWIT_SERVER: `http://127.0.0.1:${gateway.port('admin')}` }
  const { stdout } = await run(process.execPath, [MAIN, ...args], { env })
  return stdout
}

test('the three commands of README do what they say', async () => {
  const commands = [...textOf('README.md').matchAll(/^npx godwit (.+)$/gm)].map(([, line = '']) =>
    line.split(' '),
  )
  assert.equal(commands.length, 3)
  const printed: string[] = []
  for (const command of commands) printed.push(await godwit(...command))
  assert.match(printed[0] ?? '', /London/)
  assert.match(printed[2] ?? '', /city.*London/s)
})

test('the gateway prints its endpoints and commands to try when it is ready', () => {
  assert.ok(gateway.output.includes(`127.0.0.1:${gateway.port('kvstore')}`))
  assert.match(gateway.output, /get cities 2643743 --column name/)
})

test('cities is a published version of an owned batch dataset with a row for every city of its source', async () => {
  const { body } = await gateway.admin('GET', '/v1/datasets/cities')
  // Our own admin API's answer.
  const { dataset } = body as {
    dataset: { owner: { name: string }; versions: { state: string; rows: number }[] }
  }
  assert.equal(dataset.owner.name, 'godwit-samples')
  assert.deepEqual(
    dataset.versions.map(({ state, rows }) => [state, rows]),
    [['CURRENT', 135_233]],
  )
})

test('a stock client reads a city whole, by its columns, and the version that answered', async () => {
  const client = await gateway.connect()
  const request = { dataset: 'cities', key: '2643743' }
  const whole = await client.get(request)
  const columns = ['adminCode', 'country', 'featureCode', 'lat', 'lng', 'name', 'population']
  assert.deepEqual(
    whole.cells?.map(({ localKey }) => String(localKey)),
    columns,
  )
  const some = await client.get({
    ...request,
    cells: { localKeys: ['name', 'country'] },
    options: { withInfo: true },
  })
  assert.deepEqual(
    some.cells?.map(({ value }) => value.toString()),
    ['GB', 'London'],
  )
  assert.ok((bigintOf(some.info?.datasetVersion) ?? 0n) > 1_600_000_000_000n)
  client.close()
})

test('a second start keeps what was written and does not load the samples again', async () => {
  await godwit('put', 'profiles', 'kept', '--column', 'city=Oslo')
  const versionBefore = await godwit('--json', 'dataset', 'show', 'cities')
  await gateway.restart()
  assert.match(await godwit('get', 'profiles', 'kept'), /Oslo/)
  assert.equal(await godwit('--json', 'dataset', 'show', 'cities'), versionBefore)
})

// npm and its shell died of the signal and left the gateway behind, which kept the directory and the ports.
test('SIGTERM to npm start ends the gateway in order', async () => {
  const { pid } = gateway
  const { code, output } = await gateway.stop()
  assert.equal(code, 0, output)
  assert.match(output, /"msg":"stopped"/)
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})
