/** `npm run demo:migration` in its fast form: what an operator is shown works from the first command to the last. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

/** The compiled program that this test is part of. */
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const root = dirname(dist)

test('the demonstration of a migration finds its faults, goes back by itself, and ends well', async (t) => {
  const script = join(root, 'scripts', 'demo-migration.mjs')
  const child = spawn(process.execPath, [script, '--fast', '--dist', relative(root, dist)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  assert.equal(child.exitCode, 0, output)
  const moments = [
    /sides agree\s+FAIL/,
    /VALUE/,
    /BREACHED, to 100 % by 45 %/,
    /split (55|100) % -> 10 %/,
    /otherwise by +nobody: the target was found to differ/,
    /RAMP -> TARGET_PRIMARY/,
    /ARMING -> ORIGIN_ONLY/,
    /TARGET_ONLY -> RETIRED/,
    /\d+ gets and \d+ multiGets meanwhile, 0 wrong or failed/,
    /Done\./,
  ]
  let at = 0
  for (const moment of moments) {
    const found = output.slice(at).search(moment)
    assert.ok(found >= 0, `${moment.source} is missing after\n${output.slice(0, at)}`)
    at += found
  }
})
