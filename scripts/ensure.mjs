// Makes a fresh clone ready to run: installs the locked dependencies and compiles, each only when its input changed. What
// runs needs only the sources, so that no test or bench that does not compile keeps a gateway from starting.
// Plain Node without dependencies, because it runs before any are there.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const INSTALL_STAMP = join(root, 'node_modules', '.godwit-lock')
const DIST = join(root, 'dist')
/** `npm start` and the command need the first, tests and benches the second; the second makes the first too. */
const PROGRAM = { project: 'tsconfig.build.json', folders: ['src', 'shims'], stamp: '.godwit-program' }
const EVERYTHING = {
  project: 'tsconfig.json',
  folders: [...PROGRAM.folders, 'test', 'bench'],
  stamp: '.godwit-everything',
}

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

/** What compiles to the same as before has the same fingerprint. */
function fingerprint({ folders }) {
  const hash = createHash('sha256')
  for (const file of ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'])
    hash.update(readFileSync(join(root, file)))
  for (const folder of folders) {
    for (const file of filesBelow(join(root, folder))) {
      // Results and notes that are written there change nothing that is compiled.
      if (!file.endsWith('.ts')) continue
      const { size, mtimeMs } = statSync(file)
      hash.update(`${file}\0${size}\0${mtimeMs}\n`)
    }
  }
  return hash.digest('hex')
}

function compileWhenChanged(build) {
  const stamp = join(DIST, build.stamp)
  const sources = fingerprint(build)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return
  process.stderr.write('godwit: compiling\n')
  // A file that was renamed or deleted must not live on as a compiled ghost that a test run would pick up.
  rmSync(DIST, { recursive: true, force: true })
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  run(process.execPath, [compiler, '-p', join(root, build.project)], 'compiling')
  writeFileSync(stamp, sources)
  if (build === EVERYTHING) writeFileSync(join(DIST, PROGRAM.stamp), fingerprint(PROGRAM))
}

/** Enough for what reads the sources only. */
export function ensureInstalled() {
  refuseForeignMachine()
  installWhenLockChanged()
}

function ensure(build) {
  ensureInstalled()
  compileWhenChanged(build)
}

/** Enough to run the command. */
export function ensureProgram() {
  ensure(PROGRAM)
}

/** Enough to run tests and benches too. */
export function ensureEverything() {
  ensure(EVERYTHING)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) ensureEverything()
