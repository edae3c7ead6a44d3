import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { assertSameRows, loadFilesIn, readLoadFile } from '../support/load-files.js'
import { pythonWith } from '../support/python.js'
import { root } from '../support/tree.js'

const run = promisify(execFile)
const PACKAGES = ['pyarrow==26.0.1', 'zstandard==0.25.0']
const ROWS = 3_000

const folder = mkdtempSync(join(tmpdir(), 'godwit-load-files-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('files of pyarrow, csv, gzip and zstandard have the rows that were written', async (t) => {
  const programs = await pythonWith(PACKAGES).catch((error: unknown) => String(error))
  if (!programs.startsWith('/')) {
    if (process.env['GODWIT_REQUIRE_INTEROP'] === '1') assert.fail(programs)
    t.skip(`not run: ${programs}`)
    return
  }
  const seed = String(Math.floor(Math.random() * 1_000_000))
  t.diagnostic(`seed ${seed}`)
  const script = join(root, 'test/interop/python/load_files.py')
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  await run(join(programs, 'python'), [script, folder, seed, String(ROWS)], { env })
  const files = loadFilesIn(folder)
  assert.ok(files.length >= 24)
  for (const file of files) {
    await t.test(file.name, async () => {
      assertSameRows(await readLoadFile(file), file.rows)
    })
  }
})
