import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ConfigError, loadConfig } from '../../../src/config/load.js'

const folder = mkdtempSync(join(tmpdir(), 'godwit-config-'))
after(() => rmSync(folder, { recursive: true }))

function faultsOf(zookeeper: string, isInternalOn = true, isControllerOn = false): readonly string[] {
  const file = join(folder, 'config.yaml')
  const listeners =
    `listeners:\n  terrapinInternal: { enabled: ${String(isInternalOn)} }\n` +
    `  terrapinController: { enabled: ${String(isControllerOn)} }\n`
  writeFileSync(file, `${listeners}terrapin:\n  zookeeper: ${zookeeper}\n`)
  try {
    loadConfig({ file, environment: {}, flags: [] })
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.faults.map(({ key, message }) => `${key} ${message}`)
  }
}

test('a quorum needs clusters, a host of its own and the service that it leads to', () => {
  const right =
    '{ quorum: ["zk1:2181", "[::1]:2181", "10.0.0.1:2181"], clusters: [terra], advertisedHost: gw1 }'
  assert.deepEqual(faultsOf('{}', false), [])
  assert.deepEqual(faultsOf(right.replace('"[::1]:2181", ', '')), [])
  assert.match(
    faultsOf('{ quorum: ["zk1:2181"] }').join('; '),
    /clusters is missing.*advertisedHost is missing/,
  )
  assert.match(
    faultsOf('{ quorum: ["zk1:2181"], clusters: [terra], advertisedHost: gw1 }', false).join(),
    /^listeners.terrapinInternal.enabled is false, but terrapin.zookeeper.quorum leads fat clients there/,
  )
})

test('what is no server, no cluster or no host that clients can reach is refused by its name', () => {
  const faults = (quorum: string, cluster = 'terra', host = 'gw1') =>
    faultsOf(`{ quorum: ["${quorum}"], clusters: ["${cluster}"], advertisedHost: "${host}" }`)
  for (const quorum of ['zk1', 'zk1:', ':2181', 'zk1:0', 'zk1:99999', 'zk 1:2181', 'zk1:2181/chroot'])
    assert.equal(faults(quorum).length, 1, quorum)
  for (const cluster of ['', 'a/b', '..', '.hidden'])
    assert.equal(faults('zk1:2181', cluster).length, 1, cluster)
  for (const host of ['0.0.0.0', 'gw1:9090', 'a/b'])
    assert.equal(faults('zk1:2181', 'terra', host).length, 1, host)
})

test('uploaders cut the controller at "_", so that its host has none', () => {
  const underscored = '{ quorum: ["zk1:2181"], clusters: [terra], advertisedHost: "gw_1.example.org" }'
  assert.deepEqual(faultsOf(underscored), [])
  assert.match(faultsOf(underscored, true, true).join(), /advertisedHost gw_1\.example\.org has a "_"/)
})
