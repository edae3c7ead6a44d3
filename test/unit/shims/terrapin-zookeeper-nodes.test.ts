import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { fileSetNode, hostsOfView, isWholeView, viewNode } from '../../../shims/terrapin/zookeeper-nodes.js'
import { routeOf } from '../../support/fat-client.js'

const KEYS = 6_000

test('a file set has exactly the fields that its readers know, in their order', () => {
  const node = fileSetNode({ name: 'pins', current: 20, kept: [10, 30, 20, 15], retainedVersions: 3 })
  const serving = (version: number) =>
    `{"hdfsPath":"/terrapin/data/pins/${version}","helixResource":"$terrapin$data$pins$${version}",` +
    '"numPartitions":60,"partitionerType":"MODULUS"}'
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
  const partitions = Array.from({ length: 60 }, (_, number) => `"$terrapin$data$pins$20$${number}":["a","b"]`)
  assert.equal(
    gunzipSync(node).toString(),
    `{"resource":"$terrapin$data$pins$20","partitionMap":{${partitions.join()}}}`,
  )
  assert.deepEqual(hostsOfView(node), ['a', 'b'])
  assert.equal(isWholeView(node), true)
})

test('the keys of a file set are spread over the gateways that its view names', () => {
  const node = fileSetNode({ name: 'pins', current: 20, kept: [20], retainedVersions: 1 })
  for (let gateways = 1; gateways <= 10; gateways++) {
    const view = viewNode(
      'pins',
      20,
      Array.from({ length: gateways }, (_, number) => `gateway-${number}`),
    )
    const asked = new Map<string, number>()
    for (let key = 0; key < KEYS; key++) {
      const { host } = routeOf(Buffer.from(`pin:${key}`), node, () => view)
      asked.set(host, (asked.get(host) ?? 0) + 1)
    }
    assert.equal(asked.size, gateways)
    const most = Math.max(...asked.values())
    assert.ok(most < (1.2 * KEYS) / gateways, `${most} of ${KEYS} keys are asked of one of ${gateways}`)
  }
})

test('what is no view names no hosts', () => {
  const bomb = gzipSync(Buffer.alloc(32 * 1024 * 1024))
  const cut = viewNode('pins', 20, ['a']).subarray(0, 20)
  for (const data of [
    Buffer.alloc(0),
    Buffer.from('{}'),
    cut,
    bomb,
    gzipSync('[]'),
    gzipSync('{"partitionMap":[]}'),
  ]) {
    assert.deepEqual(hostsOfView(data), [])
    assert.equal(isWholeView(data), false)
  }
})

test('a view with fewer partitions than clients are told of names its hosts, and what is no name is none', () => {
  const view = gzipSync(
    JSON.stringify({ resource: 'x', partitionMap: { x$0: ['a', 1, null], x$1: ['b', 'a'] } }),
  )
  assert.deepEqual(hostsOfView(view), ['a', 'b'])
  assert.equal(isWholeView(view), false)
})
