import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendStatus, GatewayStatus } from '../../../src/model/operations.js'
import { godwit, listeningServer } from './run-cli.js'

async function shown(backends: readonly BackendStatus[]): Promise<string> {
  const status: GatewayStatus = {
    version: '0.1.0',
    processId: 1,
    startedAtMs: 1,
    uptimeMs: 2,
    readiness: { isReady: true, reasons: [] },
    epoch: 3,
    dataThreads: 2,
    dataDirectory: '/data',
    listeners: [],
    datasets: [],
    leaves: [],
    backends,
  }
  const server = await listeningServer((_request, response) => response.end(JSON.stringify(status)))
  const { exitCode, stdout } = await godwit(['status'], { admin: server.url })
  await server.close()
  assert.equal(exitCode, 0)
  return stdout
}

test('status shows each origin in each role, and which of them are not asked', async () => {
  const text = await shown([
    { name: 'west', role: 'primary', isOpen: true, openings: 3, sinceMs: 1_700_000_000_000 },
    { name: 'west', role: 'shadow', isOpen: false, openings: 0, sinceMs: null },
  ])
  assert.match(text, /^ORIGIN +FOR +STATE +SINCE +OPENED$/m)
  assert.match(text, /^west +callers +not asked +2023-11-14\S*.* +3$/m)
  assert.match(text, /^west +shadow reads +ok +- +0$/m)
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line)
})

test('status says nothing of origins where there are none', async () => {
  assert.doesNotMatch(await shown([]), /ORIGIN/)
})
