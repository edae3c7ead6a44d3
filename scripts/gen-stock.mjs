// Regenerates the stock clients' code from idl/kvstore.thrift with Apache Thrift's own compiler, unedited: JavaScript for
// npm thrift (src/client/generated) and Python for PyPI thrift (test/interop/python/generated). They are the independent
// peer that compatibility is judged by. With --check nothing is written: a difference fails, a missing compiler is said.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { root } from './ensure.mjs'

// Another release writes other text, so that only this one can say whether the committed text is current.
const COMPILER_VERSION = '0.17.0'
const IDL = join(root, 'idl', 'kvstore.thrift')
const TARGETS = [
  // es6: without it the generated code needs thrift.Q, which npm thrift no longer exports.
  {
    generator: 'js:node,es6',
    folder: join(root, 'src', 'client', 'generated'),
    extra: { 'package.json': '{ "type": "commonjs" }\n' },
  },
  { generator: 'py:dynamic', folder: join(root, 'test', 'interop', 'python', 'generated'), extra: {} },
]
const isCheck = process.argv.includes('--check')

function say(message) {
  process.stdout.write(`gen-stock: ${message}\n`)
}

function filesBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('__pycache__'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}

/** The target's text as the compiler writes it now, in a folder that the caller removes. */
function generate(target) {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-gen-stock-'))
  const result = spawnSync('thrift', ['-strict', '--gen', target.generator, '-out', folder, IDL], {
    encoding: 'utf8',
  })
  if (result.status !== 0) throw new Error(`thrift --gen ${target.generator} failed:\n${result.stderr}`)
  // The command-line client is a program of its own, not part of the bindings.
  for (const file of filesBelow(folder)) if (file.endsWith('-remote')) rmSync(join(folder, file))
  for (const [name, text] of Object.entries(target.extra)) writeFileSync(join(folder, name), text)
  return folder
}

function differences(fresh, committed) {
  const names = new Set([...filesBelow(fresh), ...filesBelow(committed)])
  return [...names].filter((name) => {
    const [a, b] = [join(fresh, name), join(committed, name)]
    return !existsSync(a) || !existsSync(b) || readFileSync(a, 'utf8') !== readFileSync(b, 'utf8')
  })
}

/** Answers the names of the files that are not what the compiler writes. */
function handle(target) {
  const fresh = generate(target)
  try {
    const stale = differences(fresh, target.folder)
    if (!isCheck && stale.length > 0) {
      rmSync(target.folder, { recursive: true, force: true })
      cpSync(fresh, target.folder, { recursive: true })
    }
    return stale.map((name) => relative(root, join(target.folder, name)))
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

const version = spawnSync('thrift', ['--version'], { encoding: 'utf8' }).stdout?.trim().split(' ').at(-1)
if (version !== COMPILER_VERSION) {
  say(
    `Apache Thrift compiler ${COMPILER_VERSION} is needed (Debian 12: apt-get install thrift-compiler), found ${version ?? 'none'}`,
  )
  if (isCheck) say('NOT CHECKED: whether the stock clients are what the compiler writes')
  process.exit(isCheck ? 0 : 1)
}
const stale = TARGETS.flatMap(handle)
if (stale.length === 0) say('the stock clients are current')
for (const name of stale) say(`${isCheck ? 'not current' : 'written'}: ${name}`)
if (isCheck && stale.length > 0) {
  say('run npm run gen:stock and commit what it writes')
  process.exit(1)
}
