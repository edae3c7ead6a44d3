import assert from 'node:assert/strict'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { doesExist, filesBelow, textOf } from '../support/tree.js'

function documents(): string[] {
  return [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    ...filesBelow('docs').filter((path) => path.endsWith('.md')),
  ]
}

/** As the hosts of repositories make them: lower case, punctuation dropped, blanks to hyphens. */
function anchorsOf(path: string): Set<string> {
  const heads = [...textOf(path).matchAll(/^#+ (.+)$/gm)].map(([, head]) => head ?? '')
  return new Set(
    heads.map((head) =>
      head
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

function brokenLinks(path: string): string[] {
  const prose = textOf(path).replaceAll(/```[\s\S]*?```/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^(https?|mailto):/.test(link)) return []
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? path : normalize(join(dirname(path), file))
    if (!doesExist(target)) return [`${path}: ${link}`]
    return anchor === undefined || anchorsOf(target).has(anchor) ? [] : [`${path}: ${link}`]
  })
}

test('every link between the documents leads somewhere', () => {
  assert.deepEqual(documents().flatMap(brokenLinks), [])
})

test('every npm script that a document names exists', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> } // our own file
  const named = documents().flatMap((path) => {
    const commands = textOf(path).matchAll(/\bnpm (?:run ([a-z]+(?::[a-z-]+)?)|(start|test)\b)/g)
    return [...commands].map(([, script, builtIn]) => ({ path, name: script ?? builtIn ?? '' }))
  })
  assert.ok(named.length > 0)
  assert.deepEqual(
    named.filter(({ name }) => !(name in scripts)),
    [],
  )
})

// From a fresh tree the demonstration of a migration found no support of the tests: it had compiled the program alone.
test('every script that runs what tests or benches are made of compiles that, too', () => {
  const users = filesBelow('scripts').filter((path) =>
    /join\((?:dist|root, 'dist'), '(?:test|bench)'/.test(textOf(path)),
  )
  assert.ok(users.includes('scripts/demo-migration.mjs'))
  assert.deepEqual(
    users.filter((path) => !textOf(path).includes('ensureEverything()')),
    [],
  )
})

test('every source file that the tree of STYLE names is there', () => {
  const [tree = ''] =
    textOf('docs/STYLE.md').split('## 2. The tree')[1]?.split('Planned, in these places') ?? []
  const named = [...tree.matchAll(/[\w./-]+\.(?:ts|mjs)\b/g)].map(([name]) => name)
  const files = ['src', 'test', 'bench', 'scripts', 'bin'].flatMap((folder) => filesBelow(folder))
  assert.ok(named.length > 50)
  assert.deepEqual(
    named.filter((name) => !doesExist(name) && !files.some((file) => file.endsWith(`/${name}`))),
    [],
  )
})

test('every script of package.json that runs a file names one that exists', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> } // our own file
  const missing = Object.values(scripts).flatMap((command) => {
    return [...command.matchAll(/\bscripts\/\S+/g)].map(([file]) => file).filter((file) => !doesExist(file))
  })
  assert.deepEqual(missing, [])
})
