// Makes a fresh clone ready to run: installs the locked dependencies and compiles, each only when its input changed.
// Plain Node without dependencies, because it runs before any are there.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const INSTALL_STAMP = join(root, 'node_modules', '.godwit-lock')
const BUILD_STAMP = join(root, 'dist', '.godwit-sources')
const SOURCE_FOLDERS = ['src', 'shims', 'test', 'bench']

function fail(message) {
  process.stderr.write(`godwit: ${message}\n`)
  process.exit(1)
}

function run(command, args, what) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (result.error) fail(`${what}: cannot run ${command}: ${result.error.message}`)
  if (result.status !== 0) fail(`${what} failed; its messages stand above`)
}

function refuseForeignMachine() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 18)) {
    fail(`Node.js 20.18 or newer is needed, this is ${process.versions.node}`)
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    fail(
      `linux on x64 is needed, this is ${process.platform} on ${process.arch}: the RocksDB binding has no other build`,
    )
  }
  if (!process.report.getReport().header.glibcVersionRuntime) {
    fail('glibc 2.34 or newer is needed: the RocksDB binding has no build for musl')
  }
}

function installWhenLockChanged() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(INSTALL_STAMP) && readFileSync(INSTALL_STAMP, 'utf8') === lock) return
  process.stderr.write('godwit: installing dependencies (npm ci)\n')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], 'installing dependencies')
  writeFileSync(INSTALL_STAMP, lock)
}

function* filesBelow(folder) {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else yield path
  }
}

function compileWhenSourcesChanged() {
  const hash = createHash('sha256')
  for (const file of ['tsconfig.json', 'package-lock.json']) hash.update(readFileSync(join(root, file)))
  for (const folder of SOURCE_FOLDERS) {
    for (const file of filesBelow(join(root, folder))) {
      // Results and notes that are written there change nothing that is compiled.
      if (!file.endsWith('.ts')) continue
      const { size, mtimeMs } = statSync(file)
      hash.update(`${file}\0${size}\0${mtimeMs}\n`)
    }
  }
  const sources = hash.digest('hex')
  if (existsSync(BUILD_STAMP) && readFileSync(BUILD_STAMP, 'utf8') === sources) return
  process.stderr.write('godwit: compiling\n')
  // A file that was renamed or deleted must not live on as a compiled ghost that a test run would pick up.
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', root], 'compiling')
  mkdirSync(dirname(BUILD_STAMP), { recursive: true })
  writeFileSync(BUILD_STAMP, sources)
}

export function ensure() {
  refuseForeignMachine()
  installWhenLockChanged()
  compileWhenSourcesChanged()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) ensure()
