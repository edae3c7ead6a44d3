/** The admin API with TLS and tokens, as an operator sets it up, from the command line to the certificate's renewal. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { type Certificate, makeCertificate } from '../support/certificates.js'
import { Gateway, MAIN } from '../support/gateway.js'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'godwit-tls-'))
const live = { certificate: join(folder, 'live.pem'), key: join(folder, 'live.key') }

function use({ certificate, key }: Certificate): void {
  copyFileSync(certificate, live.certificate)
  copyFileSync(key, live.key)
}

interface Made {
  readonly token: string
  readonly sha256: string
}

async function godwit(args: readonly string[], environment: Record<string, string> = {}) {
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, ...environment }
  return await run(process.execPath, [MAIN, ...args], { env }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    // execFile's error has these.
    (error: unknown) => error as { code: number; stdout: string; stderr: string },
  )
}

let gateway: Gateway
const tokens: Record<string, Made> = {}

before(async () => {
  use(await makeCertificate(folder, 'first'))
  const lines: string[] = []
  for (const role of ['viewer', 'admin']) {
    // What the command promises with --json.
    const made = JSON.parse((await godwit(['token', role, '--role', role, '--json'])).stdout) as Made
    tokens[role] = made
    lines.push(`      ${role}: { role: ${role}, sha256: ${made.sha256} }`)
  }
  const tls = `{ certificateFile: "${live.certificate}", keyFile: "${live.key}" }`
  const ports = `listeners:\n  kvstore: { port: 0 }\n  admin:\n    port: 0\n    tls: ${tls}\n    tokens:\n${lines.join('\n')}\n`
  gateway = await Gateway.start({ ports })
})

after(async () => {
  await gateway.dispose()
  rmSync(folder, { recursive: true })
})

function as(role: string): Record<string, string> {
  return {
    GODWIT_SERVER: `https://127.0.0.1:${gateway.port('admin')}`,
    NODE_EXTRA_CA_CERTS: join(folder, 'first.pem'),
    GODWIT_TOKEN: tokens[role]?.token ?? 'nobody',
  }
}

test('an operator works over TLS with a token, and its role holds', async () => {
  const create = ['dataset', 'create', 'd', '--mode', 'READ_WRITE', '--owner', 'o', '--contact', 'c']
  assert.equal((await godwit(['status'], as('viewer'))).code, 0)
  const denied = await godwit(create, as('viewer'))
  assert.equal(denied.code, 7)
  assert.match(denied.stderr, /of role viewer, and this needs admin/)
  assert.equal((await godwit(create, as('admin'))).code, 0)
  assert.equal((await godwit(['put', 'd', 'k', 'v'], as('admin'))).code, 0)
  assert.match((await godwit(['scan', 'd'], as('admin'))).stdout, /^k +v$/m)
  assert.equal((await godwit(['scan', 'd'], as('viewer'))).code, 7)
  assert.equal((await godwit(['status'], as('nobody'))).code, 7)
  assert.match((await godwit(['audit', '--json'], as('viewer'))).stdout, /\(token of admin\)/)
})

test('a certificate that nobody vouches for is refused, with how to trust it', async () => {
  const { code, stderr } = await godwit(['status'], { ...as('viewer'), NODE_EXTRA_CA_CERTS: '' })
  assert.equal(code, 4)
  assert.match(
    stderr,
    /self-signed certificate\n {2}if it is the right one, trust it: NODE_EXTRA_CA_CERTS=FILE/,
  )
})

test('neither tokens nor their digests stand in the log or in the effective configuration', () => {
  assert.match(gateway.output, /effective configuration/)
  for (const { token, sha256 } of Object.values(tokens)) {
    assert.ok(!gateway.output.includes(token) && !gateway.output.includes(sha256))
  }
})

async function served(): Promise<string> {
  const socket = connect({ port: gateway.port('admin'), host: '127.0.0.1', rejectUnauthorized: false })
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  const name = socket.getPeerCertificate().subject.CN
  socket.destroy()
  return String(name)
}

async function hup(expected: RegExp): Promise<void> {
  process.kill(gateway.pid, 'SIGHUP')
  while (!expected.test(gateway.output)) await gateway.nextOutput()
}

test('SIGHUP takes a renewed certificate into use, and leaves the old one where the new one is wrong', async () => {
  assert.equal(await served(), 'first')
  const second = await makeCertificate(folder, 'second')
  use({ certificate: second.certificate, key: join(folder, 'first.key') })
  await hup(/a new certificate is wrong/)
  assert.equal(await served(), 'first')
  use(second)
  await hup(/the certificates were read again/)
  assert.equal(await served(), 'second')
})

test('a gateway whose certificate is not there does not start and says so', async () => {
  const ports =
    'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0, tls: { certificateFile: /nowhere, keyFile: /nowhere } }\n'
  const broken = new Gateway({ ports })
  const { code, output } = await broken.launch()
  await broken.dispose()
  assert.equal(code, 2)
  assert.match(output, /listeners\.admin\.tls: .*no certificate and its key/)
})
