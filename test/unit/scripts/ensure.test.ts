import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { root } from '../../support/tree.js'

const CHECKOUT_FILES = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/ensure.mjs',
]
const WHOLE = 'export const answer: number = 42\n'
const BROKEN = "export const answer: number = 'forty-two'\n"

/** A checkout of these files, whose dependencies are installed. */
function makeCheckout(t: TestContext, files: Readonly<Record<string, string>>): string {
  const checkout = mkdtempSync(join(tmpdir(), 'godwit-checkout-'))
  t.after(() => rmSync(checkout, { recursive: true }))
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(checkout, file)), { recursive: true })
    writeFileSync(join(checkout, file), text)
  }
  for (const file of CHECKOUT_FILES) cpSync(join(root, file), join(checkout, file))
  mkdirSync(join(checkout, 'node_modules'))
  for (const name of ['typescript', '@types', 'undici-types'])
    symlinkSync(join(root, 'node_modules', name), join(checkout, 'node_modules', name))
  const lock = readFileSync(join(root, 'package-lock.json'))
  writeFileSync(
    join(checkout, 'node_modules', '.godwit-lock'),
    createHash('sha256').update(lock).digest('hex'),
  )
  return checkout
}

function ensure(checkout: string, what: 'ensureProgram' | 'ensureEverything') {
  const script = `import { ${what} } from './scripts/ensure.mjs'; ${what}()`
  const options = { cwd: checkout, encoding: 'utf8' } as const
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], options)
  return { status, said: stderr }
}

// One test that did not compile kept every gateway of the checkout from starting.
test('a test that does not compile does not stop a start, and what tests need is enough to start', (t) => {
  const checkout = makeCheckout(t, { 'src/main.ts': WHOLE, 'test/some.test.ts': BROKEN })
  assert.deepEqual(ensure(checkout, 'ensureProgram'), { status: 0, said: 'godwit: compiling\n' })
  assert.ok(existsSync(join(checkout, 'dist', 'src', 'main.js')))
  assert.ok(!existsSync(join(checkout, 'dist', 'test')))
  const refused = ensure(checkout, 'ensureEverything')
  assert.equal(refused.status, 1)
  assert.match(refused.said, /some\.test\.ts.*\n(.*\n)*.*compiling failed/)
  writeFileSync(join(checkout, 'test', 'some.test.ts'), WHOLE)
  assert.deepEqual(ensure(checkout, 'ensureEverything'), { status: 0, said: 'godwit: compiling\n' })
  assert.deepEqual(ensure(checkout, 'ensureProgram'), { status: 0, said: '' })
})
