import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { fileSetNode, hostsOfView, viewNode } from '../../../shims/terrapin/zookeeper-nodes.js'

test('a file set has exactly the fields that its readers know, in their order', () => {
  const node = fileSetNode({ name: 'pins', current: 20, kept: [10, 30, 20, 15], retainedVersions: 3 })
  const serving = (version: number) =>
    `{"hdfsPath":"/terrapin/data/pins/${version}","helixResource":"$terrapin$data$pins$${version}",` +
    '"numPartitions":1,"partitionerType":"MODULUS"}'
  assert.equal(
    node.toString(),
    '{"fileSetName":"pins","numVersionsToKeep":3,' +
      `"servingInfo":${serving(20)},"oldServingInfoList":[${serving(15)},${serving(10)}],` +
      '"valid":true,"deleted":false}',
  )
})

test('old versions are fewer than are kept, and none that was rolled away from', () => {
  const old = (kept: readonly number[], retainedVersions: number): number => {
    const node = fileSetNode({ name: 'pins', current: 20, kept, retainedVersions })
    return (JSON.parse(node.toString()) as { oldServingInfoList: unknown[] }).oldServingInfoList.length
  }
  assert.equal(old([20, 10], 1), 0)
  assert.equal(old([30, 20, 10], 3), 1)
  assert.equal(old([20, 10, 9, 8], 3), 2)
})

test('a view is gzipped json with its hosts in order, each once', () => {
  const node = viewNode('pins', 20, ['b', 'a', 'b'])
  assert.equal(
    gunzipSync(node).toString(),
    '{"resource":"$terrapin$data$pins$20","partitionMap":{"$terrapin$data$pins$20$0":["a","b"]}}',
  )
  assert.deepEqual(hostsOfView(node), ['a', 'b'])
})

test('what is no view names no hosts', () => {
  const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024))
  const cut = viewNode('pins', 20, ['a']).subarray(0, 20)
  for (const data of [
    Buffer.alloc(0),
    Buffer.from('{}'),
    cut,
    bomb,
    gzipSync('[]'),
    gzipSync('{"partitionMap":[]}'),
  ])
    assert.deepEqual(hostsOfView(data), [])
  assert.deepEqual(hostsOfView(gzipSync('{"partitionMap":{"x":["a",1,null]}}')), ['a'])
})
