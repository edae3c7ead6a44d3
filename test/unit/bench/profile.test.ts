import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CpuProfile, HOPS, timesByHop } from '../../../bench/profile.js'

/** One stack a line of functions and files, innermost last; each is sampled once, 10 us apart, from 1,000 us on. */
function profileOf(stacks: readonly (readonly (readonly [string, string])[])[]): CpuProfile {
  const nodes = [{ id: 1, callFrame: { functionName: '(root)', url: '' }, children: [] as number[] }]
  const samples = stacks.map((stack) => {
    let parent = 1
    for (const [functionName, url] of stack) {
      const id = nodes.length + 1
      nodes[parent - 1]?.children.push(id)
      nodes.push({ id, callFrame: { functionName, url }, children: [] })
      parent = id
    }
    return parent
  })
  return { nodes, samples, timeDeltas: samples.map(() => 10), startTime: 1_000 }
}

const SRC = 'file:///somewhere/dist/src/'

test('a sample counts for the innermost frame that a hop can be named for', () => {
  const onData = ['onStreamRead', 'node:internal/stream_base_commons'] as const
  const decode = ['readGet', `${SRC}thrift/generated/kvstore.js`] as const
  const profile = profileOf([
    [onData, ['read', `${SRC}thrift/binary-reader.js`], ['utf8Slice', '']],
    [onData, decode, ['admitRead', `${SRC}kvstore/admit.js`]],
    [
      onData,
      decode,
      ['route', `${SRC}routing/router.js`],
      ['getMany', `${SRC}leaf/rocksdb/store/binding.js`],
    ],
    [onData, ['checkCrc', `${SRC}leaf/sealed-row.js`], ['crc32', 'node:zlib'], ['crc32', '']],
    [onData, ['writeGet', `${SRC}thrift/generated/kvstore.js`]],
    [
      ['#flush', `${SRC}thrift/server-connection.js`],
      ['write', 'node:net'],
      ['writeBuffer', ''],
    ],
    [onData, decode, ['(garbage collector)', '']],
    [['processTimers', 'node:internal/timers']],
  ])
  const times = timesByHop(profile, 0, Infinity)
  const counted = Object.fromEntries(HOPS.filter((hop) => times[hop] > 0).map((hop) => [hop, times[hop]]))
  assert.deepEqual(counted, {
    'listener decode': 10,
    admit: 10,
    RocksDB: 10,
    leaf: 10,
    encode: 10,
    socket: 10,
    'garbage collection': 10,
    other: 10,
  })
})

test("idle time is nobody's, and what lies outside the window is left out", () => {
  const route = ['route', `${SRC}routing/router.js`] as const
  const profile = profileOf([[route], [['(idle)', '']], [route], [route]])
  assert.equal(timesByHop(profile, 0, Infinity).route, 30)
  assert.equal(timesByHop(profile, 1_015, 1_035).route, 10)
  assert.equal(timesByHop(profile, 0, Infinity).other, 0)
})
