import assert from 'node:assert/strict'
import { test } from 'node:test'
import ts from 'typescript'
import { lineOf, parse, visit } from '../support/syntax.js'
import { filesBelow, isGenerated, sources, textOf } from '../support/tree.js'

/** docs/STYLE.md section 10. There is no list of exemptions: split by noun instead. */
const MAX_SOURCE_LINES = 600
const MAX_TEST_LINES = 800
const MAX_FUNCTION_LINES = 70
/** The formatter keeps code to 110 and does not break comments. */
const MAX_COMMENT_COLUMNS = 125
const MAX_POSITIONAL_PARAMETERS = 3
const MAX_MODEL_FILES = 19
const MAX_MODEL_LINES = 150

function linesOf(path: string): string[] {
  return textOf(path).replace(/\n$/, '').split('\n')
}

function longerThan(paths: readonly string[], cap: number): string[] {
  return paths
    .filter((path) => linesOf(path).length > cap)
    .map((path) => `${path}: ${linesOf(path).length} lines`)
}

function scripts(): string[] {
  return [...filesBelow('scripts'), ...filesBelow('bin')].filter((path) => path.endsWith('.mjs'))
}

test('no hand-written source is longer than 600 lines and no test longer than 800', () => {
  const tests = sources('test')
  const others = [...sources('src', 'shims', 'bench'), ...scripts()]
  assert.deepEqual([...longerThan(others, MAX_SOURCE_LINES), ...longerThan(tests, MAX_TEST_LINES)], [])
})

test('the vocabulary folder stays small: 19 files of 150 lines', () => {
  const files = sources('src/model')
  assert.ok(files.length <= MAX_MODEL_FILES, `src/model has ${files.length} files`)
  assert.deepEqual(longerThan(files, MAX_MODEL_LINES), [])
})

/** A function that registers tests only holds them; they are measured by themselves. */
function doesHoldTests(node: ts.FunctionLikeDeclaration): boolean {
  if (node.body === undefined || !ts.isBlock(node.body)) return false
  return node.body.statements.some((statement) => {
    if (!ts.isExpressionStatement(statement) || !ts.isCallExpression(statement.expression)) return false
    const called = statement.expression.expression
    return ts.isIdentifier(called) && /^(test|it|describe|suite)$/.test(called.text)
  })
}

function isFunction(node: ts.Node): node is ts.FunctionLikeDeclaration {
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined
}

function longFunctions(path: string): string[] {
  const file = parse(path)
  const found: string[] = []
  visit(file, (node) => {
    if (!isFunction(node) || doesHoldTests(node)) return
    const last = file.getLineAndCharacterOfPosition(node.end).line + 1
    const lines = last - lineOf(file, node) + 1
    if (lines > MAX_FUNCTION_LINES) found.push(`${path}:${lineOf(file, node)}: function of ${lines} lines`)
  })
  return found
}

test('no function is longer than 70 lines', () => {
  const paths = [...sources('src', 'shims', 'test', 'bench'), ...scripts()]
  assert.deepEqual(paths.flatMap(longFunctions), [])
})

test('no comment is wider than 125 columns', () => {
  const written = [...sources('src', 'shims', 'test', 'bench'), ...scripts()].filter(
    (path) => !isGenerated(path),
  )
  const wide = written.flatMap((path) =>
    linesOf(path).flatMap((line, index) => {
      const isWide = /^\s*(\/\/|\/?\*)/.test(line) && line.length > MAX_COMMENT_COLUMNS
      return isWide ? [`${path}:${index + 1}: ${line.length}`] : []
    }),
  )
  assert.deepEqual(wide, [])
})

test('constructors take at most three positional parameters', () => {
  const faults: string[] = []
  for (const path of sources('src', 'shims')) {
    const file = parse(path)
    visit(file, (node) => {
      if (ts.isConstructorDeclaration(node) && node.parameters.length > MAX_POSITIONAL_PARAMETERS + 1) {
        faults.push(`${path}:${lineOf(file, node)}: ${node.parameters.length} parameters`)
      }
    })
  }
  assert.deepEqual(faults, [])
})
