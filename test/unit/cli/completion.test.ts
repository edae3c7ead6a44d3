import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { godwit, listeningAdmin } from './run-cli.js'

const admin = await listeningAdmin()
const world = { admin: admin.url }
after(() => admin.close())

/** What can stand at the end of this line, without descriptions. */
async function candidates(line: string, asked: object = world): Promise<string[]> {
  const { exitCode, stdout } = await godwit(['__complete', '--', line], asked)
  assert.equal(exitCode, 0)
  return stdout.split('\n').flatMap((text) => (text === '' ? [] : [text.split('\t', 1).join('')]))
}

test('commands are completed, those below others too, and none that is for scripts alone', async () => {
  const all = await candidates('')
  for (const name of ['get', 'dataset', 'versions', 'help', 'completion']) assert.ok(all.includes(name), name)
  assert.ok(!all.includes('__complete'))
  assert.deepEqual(await candidates('data'), ['dataset'])
  assert.deepEqual(await candidates('versions pu'), ['publish'])
  assert.deepEqual(await candidates('--server http://x versions pu'), ['publish'])
  assert.deepEqual(await candidates('help exi'), ['exit-codes'])
  assert.deepEqual(await candidates('help versions pu'), ['publish'])
})

test('options are completed with those of all commands, and their values where they are known', async () => {
  assert.deepEqual(await candidates('get --col'), ['--columns', '--column'])
  assert.ok((await candidates('get --')).includes('--json'))
  assert.deepEqual(await candidates('dataset create towns --mode RE'), ['READ_WRITE'])
  assert.deepEqual(await candidates('get d k --key-format '), ['text', 'hex', 'base64'])
  assert.deepEqual(await candidates('completion '), ['bash', 'zsh', 'fish'])
})

test('names of datasets and versions come from the gateway', async () => {
  assert.deepEqual(await candidates('get '), ['cities'])
  assert.deepEqual(await candidates('get cities '), [])
  assert.deepEqual(await candidates('audit --dataset c'), ['cities'])
  assert.deepEqual(await candidates("versions publish 'cities' 17"), ['1700000000000'])
  assert.deepEqual(await candidates('get ', { admin: 'http://127.0.0.1:1' }), [])
})

test('files are left to the shell', async () => {
  assert.deepEqual(await candidates('load cities --from ./x'), [':files'])
  assert.deepEqual(await candidates('serve --data '), [':files'])
})

test('the scripts of all shells ask the same question', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { exitCode, stdout } = await godwit(['completion', shell])
    assert.equal(exitCode, 0)
    assert.match(stdout, /__complete -- /)
  }
  assert.equal((await godwit(['completion', 'csh'])).exitCode, 2)
})
