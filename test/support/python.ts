/** Python with packages from PyPI, in a virtual environment that is kept where other downloads of tests are. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { onlyOne } from './only-one.js'
import { root } from './tree.js'

const run = promisify(execFile)
const CACHE = join(root, 'node_modules', '.cache', 'godwit-python')
/** Downloads among it. */
const INSTALL_TIMEOUT_MS = 500_000

/** Answers its folder of programs. Fails where there is no python3, or nothing can be downloaded. */
export async function pythonWith(packages: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(packages.join('\n')).digest('hex').slice(0, 16)
  const folder = join(CACHE, hash)
  const stamp = join(folder, '.complete')
  const programs = join(folder, 'bin')
  if (existsSync(stamp)) return programs
  await mkdir(CACHE, { recursive: true })
  await onlyOne(folder, async () => {
    if (existsSync(stamp)) return
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder)
    await run('python3', ['-m', 'venv', folder], { timeout: INSTALL_TIMEOUT_MS })
    const options = { timeout: INSTALL_TIMEOUT_MS, maxBuffer: 1 << 26 }
    await run(
      join(programs, 'pip'),
      ['install', '--quiet', '--disable-pip-version-check', ...packages],
      options,
    )
    await writeFile(stamp, '')
  })
  return programs
}
