import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ConfigError, loadConfig, printConfig } from '../../../src/config/load.js'

const folder = mkdtempSync(join(tmpdir(), 'godwit-config-'))
after(() => rmSync(folder, { recursive: true }))

function load(admin: string) {
  const file = join(folder, 'config.yaml')
  writeFileSync(file, `listeners:\n  admin: ${admin}\n`)
  return loadConfig({ file, environment: {}, flags: [] }).config
}

function faultsOf(admin: string): readonly string[] {
  try {
    load(admin)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.faults.map(({ key, message }) => `${key}: ${message}`)
  }
}

const SHA = 'a'.repeat(64)

test('the admin API is open to the network with TLS alone, or on purpose', () => {
  assert.match(
    faultsOf('{ host: 0.0.0.0 }').join(),
    /^listeners\.admin\.host: .*listeners\.admin\.tls, or .*--insecure/,
  )
  assert.deepEqual(faultsOf('{ host: 0.0.0.0, tls: { certificateFile: a.pem, keyFile: a.key } }'), [])
})

test('half a certificate is a fault by its name', () => {
  assert.match(
    faultsOf('{ tls: { certificateFile: a.pem } }').join(),
    /^listeners\.admin\.tls\.keyFile: is missing/,
  )
  assert.match(
    faultsOf('{ tls: { keyFile: a.key } }').join(),
    /^listeners\.admin\.tls\.certificateFile: is missing/,
  )
})

test('a token has a name, a role and a digest, which is not printed', () => {
  const config = load(`{ tokens: { ann: { role: operator, sha256: ${SHA} } } }`)
  assert.deepEqual(config.listeners.admin.tokens['ann'], { role: 'operator', sha256: SHA })
  assert.ok(!printConfig(config).includes(SHA))
  for (const wrong of [
    `ann: { role: king, sha256: ${SHA} }`,
    'ann: { role: viewer, sha256: secret-text }',
    'ann: { role: viewer }',
    `Ann!: { role: viewer, sha256: ${SHA} }`,
  ]) {
    const faults = faultsOf(`{ tokens: { ${wrong} } }`)
    assert.equal(faults.length, 1, wrong)
    assert.ok(!faults.join().includes('secret-text'))
  }
})
