/**
 * Every name of the IDL is shown to matter: each field, enum value and method has an entry in coverage/ whose body runs
 * against a whole gateway through the stock client and shows that it changes the outcome, or is refused as UNSUPPORTED by
 * name. A name without an entry fails here, and so does an entry for a name that the IDL does not have.
 */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { SyntaxType, parse } from '@creditkarma/thrift-parser'
import { textOf } from '../support/tree.js'
import { ELSEWHERE, NEVER, answers } from './coverage/answers.js'
import { contexts } from './coverage/contexts.js'
import { type Entry, Harness } from './coverage/harness.js'
import { mutations } from './coverage/mutations.js'
import { reads } from './coverage/reads.js'
import { scans } from './coverage/scans.js'
import { selectors } from './coverage/selectors.js'
import { writes } from './coverage/writes.js'

const ENTRIES: readonly Entry[] = [
  ...selectors,
  ...reads,
  ...scans,
  ...writes,
  ...mutations,
  ...contexts,
  ...answers,
]

/** `Struct.field`, `Enum.VALUE`, `Service.method`. */
function namesOfIdl(): string[] {
  const document = parse(textOf('idl/kvstore.thrift'))
  assert.ok(document.type === SyntaxType.ThriftDocument, 'the IDL does not parse')
  return document.body.flatMap((node) => {
    if (node.type === SyntaxType.EnumDefinition) return membersOf(node, node.members)
    if (node.type === SyntaxType.ServiceDefinition) return membersOf(node, node.functions)
    const isStruct =
      node.type === SyntaxType.StructDefinition ||
      node.type === SyntaxType.UnionDefinition ||
      node.type === SyntaxType.ExceptionDefinition
    return isStruct ? membersOf(node, node.fields) : []
  })
}

interface Named {
  readonly name: { readonly value: string }
}

function membersOf({ name }: Named, members: readonly Named[]): string[] {
  return members.map((member) => `${name.value}.${member.name.value}`)
}

suite('the registry', () => {
  const names = namesOfIdl()
  const known = new Set([
    ...ENTRIES.flatMap((entry) => entry.names),
    ...Object.keys(ELSEWHERE),
    ...Object.keys(NEVER),
  ])

  test('has an entry for every field, enum value and method of the IDL', () => {
    assert.ok(names.length > 200, `${names.length} names`)
    assert.deepEqual(
      names.filter((name) => !known.has(name)),
      [],
    )
  })

  test('has no entry for a name that the IDL does not have', () => {
    assert.deepEqual(
      [...known].filter((name) => !names.includes(name)),
      [],
    )
  })

  test('names tests of other suites that exist', () => {
    const missing = Object.values(ELSEWHERE).filter((one) => {
      const [file = '', title = ''] = one.split(/: (.*)/s)
      return title === '' || !["'", '`', '"'].some((quote) => textOf(file).includes(`test(${quote}${title}`))
    })
    assert.deepEqual(missing, [])
  })
})

suite('the API', () => {
  let harness: Harness

  before(async () => {
    harness = await Harness.start()
  })

  after(async () => {
    await harness.dispose()
  })

  for (const { names, claim, run } of ENTRIES) {
    test(`${names.join(', ')}: ${claim}`, async () => await run(harness))
  }
})
