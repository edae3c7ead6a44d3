import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HTTP_STATUS } from '../../src/admin/http-errors.js'
import { ERROR_CODES, ERROR_KINDS, KVError, errorKind, isErrorCode } from '../../src/base/errors.js'
import { textOf } from '../support/tree.js'

/** Name -> number of one enum of the IDL. */
function idlEnum(name: string): Record<string, number> {
  const body = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(textOf('idl/kvstore.thrift'))?.[1] ?? ''
  const members = [...body.matchAll(/^\s*([A-Z_]+) = (\d+)/gm)]
  assert.ok(members.length > 0, `enum ${name} was not found`)
  return Object.fromEntries(members.map(([, member, number]) => [member ?? '', Number(number)]))
}

/** The rows of the first table of COMPATIBILITY.md whose head begins with these cells. */
function documentedTable(...head: string[]): string[][] {
  const lines = textOf('docs/COMPATIBILITY.md').split('\n')
  const cells = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  const start = lines.findIndex((line) => head.every((cell, index) => cells(line)[index] === cell))
  assert.notEqual(start, -1, `no table headed ${head.join(', ')}`)
  const rest = lines.slice(start + 2)
  return rest
    .slice(
      0,
      Math.max(
        0,
        rest.findIndex((line) => !line.startsWith('|')),
      ),
    )
    .map(cells)
}

test('the error codes are exactly those of the IDL', () => {
  assert.deepEqual({ ...ERROR_CODES }, idlEnum('ErrorCode'))
})

test('the error kinds are exactly those of the IDL, and a code begins with its kind', () => {
  assert.deepEqual({ ...ERROR_KINDS }, idlEnum('ErrorKind'))
  for (const [code, number] of Object.entries(ERROR_CODES)) {
    assert.ok(isErrorCode(code))
    assert.equal(ERROR_KINDS[errorKind(code)], Math.floor(number / 100), code)
  }
})

test('the error table of COMPATIBILITY.md says every code as it is', () => {
  const actual = Object.entries(ERROR_CODES).map(([code, number]) => {
    assert.ok(isErrorCode(code))
    const error = new KVError(code, 'for its kind')
    return [code, String(number), error.kind, error.isRetryable ? 'yes' : 'no', String(HTTP_STATUS[code])]
  })
  assert.deepEqual(documentedTable('code', 'number', 'kind', 'retryable', 'admin HTTP'), actual)
})

test('every method of the KVStore service has a row in COMPATIBILITY.md', () => {
  const service = textOf('idl/kvstore.thrift').split('service KVStore {')[1] ?? ''
  const methods = [...service.matchAll(/^ {2}\w+ (\w+)\(/gm)].map(([, method]) => method)
  assert.ok(methods.length > 5)
  assert.deepEqual(
    documentedTable('method', 'status').map(([method]) => method?.replaceAll('`', '')),
    methods,
  )
})
