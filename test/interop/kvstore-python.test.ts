/** The KVStore API as PyPI thrift with unedited generated code sees it. Python's packages go to a folder of their own. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { Gateway } from '../support/gateway.js'
import { root, textOf } from '../support/tree.js'

const run = promisify(execFile)
const SCRIPT = 'test/interop/python/kvstore_client.py'
const dataset = 'from-python'
/** Where the toolchains are known to be, their absence is a fault and not a reason to skip. */
const IS_REQUIRED = process.env['GODWIT_REQUIRE_INTEROP'] === '1'

let folder: string
/** The interpreter with thrift installed, or why there is none. */
let python: { readonly path: string } | { readonly missing: string }
let gateway: Gateway

async function installThrift(): Promise<typeof python> {
  const environment = join(folder, 'venv')
  const requirements = join(root, 'test/interop/python/requirements.txt')
  try {
    await run('python3', ['-m', 'venv', environment])
    const pip = join(environment, 'bin', 'pip')
    await run(pip, ['install', '--quiet', '--disable-pip-version-check', '-r', requirements])
    return { path: join(environment, 'bin', 'python') }
  } catch (error) {
    return {
      missing: `python3 with venv, pip and thrift: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-python-'))
  python = await installThrift()
  gateway = await Gateway.start()
  await gateway.createDataset(dataset)
})

after(async () => {
  await gateway.dispose()
  await rm(folder, { recursive: true, force: true })
})

test('stock Python thrift reads, writes, removes and sees every error as it is', async (t) => {
  if ('missing' in python) {
    assert.ok(!IS_REQUIRED, `this run must not leave it out, and the machine lacks ${python.missing}`)
    t.skip(`not run, this machine lacks ${python.missing}`)
    return
  }
  const port = String(gateway.port('kvstore'))
  // Without it python would leave compiled files in the tree.
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  const { stdout } = await run(python.path, [join(root, SCRIPT), port, dataset], { env }).catch(
    (error: unknown) => {
      // execFile's error carries what the script printed before it failed.
      return { stdout: (error as { stdout?: string }).stdout ?? String(error) }
    },
  )
  const lines = stdout.trim().split('\n')
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('ok ')),
    [],
  )
  const checks = [...textOf(SCRIPT).matchAll(/^@check$/gm)].length
  assert.equal(lines.length, checks, stdout)
  t.diagnostic(`${checks} checks in Python`)
})
