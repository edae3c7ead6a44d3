import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXAMPLE } from '../../interop/languages.js'
import { textOf } from '../../support/tree.js'

const page = textOf('docs/CLIENTS.md')

test('every program on the page is the file that the interop tests run', () => {
  const embedded = [...page.matchAll(/<!-- file: (\S+) -->\n\n```\w+\n([\s\S]*?)```\n/g)]
  assert.deepEqual(
    embedded.map(([, path]) => path),
    [
      'test/interop/node/example.mjs',
      'test/interop/python/example.py',
      'test/interop/java/Example.java',
      'test/interop/java/build.sh',
      'test/interop/go/example/main.go',
      'test/interop/go/build.sh',
    ],
  )
  for (const [, path = '', text] of embedded) assert.equal(text, textOf(path), path)
})

test('what the page says the programs print is what the interop tests expect', () => {
  assert.equal(/```text\n([\s\S]*?)\n```/.exec(page)?.[1], EXAMPLE.join('\n'))
})

test('the versions that the page names are those that are built with', () => {
  assert.match(textOf('test/interop/java/pom.xml'), /<version>0\.19\.0<\/version>/)
  assert.ok(page.includes('`org.apache.thrift:libthrift` 0.19.0'))
})
