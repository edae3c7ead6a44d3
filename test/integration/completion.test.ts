/** Pressing tab in a real bash on a real terminal, the program behind it included. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { MAIN } from '../support/gateway.js'
import { listeningAdmin } from '../unit/cli/run-cli.js'

const TIMEOUT_MS = 20_000

const admin = await listeningAdmin()
const folder = mkdtempSync(join(tmpdir(), 'godwit-completion-'))
writeFileSync(join(folder, 'godwit'), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`)
chmodSync(join(folder, 'godwit'), 0o755)

const shell = spawn(
  'script',
  ['--quiet', '--flush', '--command', 'bash --norc --noprofile -i', '/dev/null'],
  {
    env: {
      ...process.env,
      PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}`,
      GODWIT_SERVER: admin.url,
      PS1: 'ready> ',
      TERM: 'dumb',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  },
)
let printed = ''
shell.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()))
after(async () => {
  shell.stdin.end()
  shell.kill('SIGKILL')
  await admin.close()
  rmSync(folder, { recursive: true })
})

/** Types, and waits until the terminal shows what is expected. */
async function type(keys: string, expected: RegExp): Promise<void> {
  printed = ''
  shell.stdin.write(keys)
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  while (!expected.test(printed)) {
    await once(shell.stdout, 'data', { signal }).catch(() => assert.match(printed, expected))
  }
}

/** Empties the line that is typed. */
const CLEAR = '\x15'

test('bash completes commands, names that the gateway knows, and files', async () => {
  await type('source <(godwit completion bash) && echo is "$?" on\n', /is 0 on/)
  await type('godwit versions pu\t', /versions publish $/)
  await type('ci\t', /cities $/)
  await type('17\t', /1700000000000 $/)
  await type(`${CLEAR}godwit --server ${admin.url} dataset sh\t`, /dataset show $/)
  await type(`${CLEAR}godwit serve --config ${folder}/god\t`, /\/godwit $/)
  await type(`${CLEAR}godwit dataset create x --mode BA\t`, /--mode BATCH $/)
})
