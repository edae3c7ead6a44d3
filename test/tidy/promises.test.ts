import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flat, textOf } from '../support/tree.js'

/** Promise of README -> the test that shows it, as `file: title`; a title may be its beginning. */
const SHOWN_BY: Readonly<Record<string, readonly string[]>> = {
  'An acknowledged write at LOG_SYNCED, the default, survives `kill -9`, and no row is ever torn.': [
    'test/fault/kill9.test.ts: kill -9 under writes loses no acknowledged write and tears none',
  ],
  'Keys, local keys and values are bytes and come back as they were; timestamps keep all 64 bits.': [
    'test/compat/kvstore-node.test.ts: keys, local keys and values that are not UTF-8 come back byte for byte',
    'test/compat/kvstore-node.test.ts: timestamps keep all 64 bits, the smallest and the largest included',
  ],
  'The highest timestamp wins, whatever order writes arrive in, so that repeats and dual writes are safe.': [
    'test/compat/kvstore-node.test.ts: the highest timestamp wins, whatever the order of the writes',
  ],
  "A malformed, huge or hostile frame costs its connection at most, never the process or another caller's answer.":
    [
      'test/fault/hostile.test.ts: ${name} costs its sender the connection and nobody else anything',
      'test/fault/hostile.test.ts: any damage to an honest frame, followed by the end of the stream',
    ],
  'A damaged shard keeps its own dataset away and no other.': [
    'test/integration/lifecycle.test.ts: one that is damaged keeps its own dataset away and no other',
  ],
  'A second start takes under two seconds and keeps everything.': [
    'test/integration/lifecycle.test.ts: keeps everything over a restart and is ready again within two seconds',
  ],
  'SIGTERM answers what is in flight and ends with 0.': [
    'test/integration/lifecycle.test.ts: drains on SIGTERM: what is in flight is answered, and it ends with 0',
  ],
  'Unmodified Thrift clients work, in Node, Python, Java and Go, framed or buffered, binary or compact.': [
    'test/interop/kvstore-node.test.ts: stock npm thrift reads, writes, removes and sees every error as it is',
    'test/interop/kvstore-python.test.ts: stock Python thrift reads, writes, removes and sees every error as it is',
    'test/interop/kvstore-java.test.ts: stock Java libthrift reads, writes, removes and sees every error as it is',
    'test/interop/kvstore-go.test.ts: stock Go thrift reads, writes, removes and sees every error as it is',
  ],
  'An option that is not offered is refused by name, never left out silently.': [
    'test/compat/kvstore-node.test.ts: methods, levels and features that are not offered are UNSUPPORTED by name',
  ],
}

function promises(): string[] {
  const section = textOf('README.md').split('## What it promises')[1]?.split('\n## ')[0] ?? ''
  return section
    .split(/\n- /)
    .slice(1)
    .map((item) => flat(item.split('\n\n')[0] ?? '').trim())
}

test('every promise of README stands in the table, and the table holds no other', () => {
  assert.deepEqual(promises(), Object.keys(SHOWN_BY))
})

test('every promise is shown by tests that exist', () => {
  const missing = Object.values(SHOWN_BY).flatMap((tests) =>
    tests.filter((one) => {
      const [file = '', title = ''] = one.split(/: (.*)/s)
      return !["'", '`', '"'].some((quote) => textOf(file).includes(`test(${quote}${title}`))
    }),
  )
  assert.deepEqual(missing, [])
})
