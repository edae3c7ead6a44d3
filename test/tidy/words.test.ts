import assert from 'node:assert/strict'
import { test } from 'node:test'
import ts from 'typescript'
import { lineOf, parse, visit } from '../support/syntax.js'
import { filesBelow, isGenerated, sources, textOf } from '../support/tree.js'

const FOLDERS = ['src', 'shims', 'test', 'bench', 'scripts', 'bin', 'docs', 'idl', '.ci']
const TEXT = /(\.(ts|mjs|js|json|yaml|yml|md|thrift|py|html|txt)|\/run)$/
const ROOT_FILES = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
]

/** Put together here so that this file does not hold what it looks for. */
const word = (...parts: string[]): string => parts.join('')

interface Banned {
  readonly what: string
  readonly pattern: RegExp
}

const BANNED: readonly Banned[] = [
  {
    what: 'a mark of unfinished work',
    pattern: new RegExp(`\\b(${word('FIX', 'ME')}|${word('X', 'XX')}|${word('HA', 'CK')})\\b`),
  },
  {
    what: 'a plan without owner and condition',
    pattern: new RegExp(`\\b${word('TO', 'DO')}\\b(?!\\([a-z-]+, when .+\\))`),
  },
  {
    what: 'the host of a package registry',
    pattern: new RegExp(
      ['registry.npm' + 'js', 'repo.mav' + 'en', 'pypi.o' + 'rg', 'proxy.gol' + 'ang'].join('|'),
    ),
  },
  {
    what: 'a path of one machine',
    pattern: new RegExp(`(^|[^A-Za-z0-9_.-])/(${word('wo', 'rk')}|${word('fa', 'rm')}|home/[a-z]+)/`),
  },
]

function writtenFiles(): string[] {
  const below = FOLDERS.flatMap((folder) => filesBelow(folder)).filter(
    (path) => TEXT.test(path) && !isGenerated(path),
  )
  return [...below, ...ROOT_FILES]
}

function bannedIn(path: string, text: string): string[] {
  return text.split('\n').flatMap((line, index) => {
    return BANNED.filter(({ pattern }) => pattern.test(line)).map(
      ({ what }) => `${path}:${index + 1}: ${what}`,
    )
  })
}

test('no file holds unfinished marks, registry hosts or paths of one machine', () => {
  const files = writtenFiles()
  assert.ok(files.length > 40, 'the files were not found')
  assert.deepEqual(
    files.flatMap((path) => bannedIn(path, textOf(path))),
    [],
  )
})

test('a planted banned word is found', () => {
  const planted = [
    `// ${word('FIX', 'ME')}: later`,
    word('"https://registry.npm', 'js.org/x"'),
    `see /${word('wo', 'rk')}/notes`,
  ]
  for (const line of planted) assert.equal(bannedIn('planted.ts', line).length, 1, line)
  assert.equal(bannedIn('planted.ts', 'the framework/parts of it').length, 0)
})

test('a slice of a key space is called shard: no identifier says partition', () => {
  // Cassandra means a group of rows by that word. A hash function by that trade's name is something else.
  const faults: string[] = []
  for (const path of sources('src')) {
    const file = parse(path)
    visit(file, (node) => {
      if (ts.isIdentifier(node) && /partition(?!er)/i.test(node.text)) {
        faults.push(`${path}:${lineOf(file, node)}: ${node.text}`)
      }
    })
  }
  assert.deepEqual(faults, [])
})

test('files are named in kebab case and nothing is exported as default', () => {
  const files = sources('src', 'shims', 'test', 'bench')
  const misnamed = files.filter((path) => !/^[a-z0-9-]+(\.test|\.d)?\.ts$/.test(path.split('/').at(-1) ?? ''))
  assert.deepEqual(misnamed, [])
  const defaults = files.filter((path) => !path.endsWith('.d.ts') && /^export default\b/m.test(textOf(path)))
  assert.deepEqual(defaults, [])
})

test('only a shim has an index file', () => {
  const barrels = sources('src', 'test', 'bench').filter((path) => path.endsWith('/index.ts'))
  assert.deepEqual(barrels, [])
})

test('every test file holds a test, and none is switched off or run alone', () => {
  const faults: string[] = []
  for (const path of sources('test').filter((name) => name.endsWith('.test.ts'))) {
    const text = textOf(path)
    if (!/\b(test|testDriver|testScripts)\(/.test(text)) faults.push(`${path}: no test`)
    const off = /\b(test|it|describe|suite)\.(skip|only|todo)\(|\b(skip|only|todo): *true/.exec(text)
    // This file names them to find them.
    if (off !== null && path !== 'test/tidy/words.test.ts') faults.push(`${path}: ${off[0]}`)
  }
  assert.deepEqual(faults, [])
})

test('no fixed wait stands in a test', () => {
  // A sleep is either too short on a busy machine or too long on every other: wait for the event or step the clock.
  const faults = sources('test').filter((path) =>
    /\bsetTimeout\((resolve|done|r), *\d|\bsetTimeout\(\d+\)/.test(textOf(path)),
  )
  assert.deepEqual(faults, [])
})

test('a generated value that may be absent is there sometimes', () => {
  // fc.option gives a value in freq - 1 of freq cases: with a freq of 1 never, and nothing says so.
  const never = /\bfreq: [1]\b/
  assert.deepEqual(
    sources('test', 'bench').filter((path) => never.test(textOf(path))),
    [],
  )
})
