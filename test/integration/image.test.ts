import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { NEEDED_CPU_FLAGS } from '../../src/base/machine.js'
import { settings } from '../../src/config/schema.js'
import { Gateway, MAIN } from '../support/gateway.js'
import { filesBelow, root, textOf } from '../support/tree.js'

/** The output folder of this test: what was compiled with it is what is staged. */
const DIST = join(dirname(MAIN), '..')
const STAGE = join(root, 'scripts', 'stage-image.mjs')
const SIZE = join(root, 'scripts', 'image-size.mjs')
/** No user has it, as in clusters that choose the number themselves. */
const STRANGER = 54_321

let folder: string
let app: string
let gateway: Gateway | null = null

function run(script: string, ...args: string[]): string {
  return execFileSync(process.execPath, [script, ...args], { encoding: 'utf8' })
}

/** The command line of the image, with what Docker adds: a user without a home and no environment but the image's. */
function imageCommand(): readonly [string, ...string[]] {
  const environment = ['NODE_ENV=production', 'UV_THREADPOOL_SIZE=8', 'HOME=/nonexistent']
  const program = [process.execPath, '--enable-source-maps', join(app, 'bin', 'godwit.mjs'), 'serve']
  const asStranger =
    process.getuid?.() === 0
      ? ['setpriv', `--reuid=${STRANGER}`, `--regid=${STRANGER}`, '--clear-groups']
      : []
  return ['env', '-i', ...environment, ...asStranger, ...program]
}

suite('the image', () => {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-image-'))
    chmodSync(folder, 0o755)
    app = join(folder, 'app')
    run(STAGE, app, '--dist', DIST)
  })

  after(async () => {
    await gateway?.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  test('a gateway runs from the staged layer alone, as a user without name or home, and is healthy', async () => {
    const data = join(folder, 'data')
    mkdirSync(data, { mode: 0o777 })
    chmodSync(data, 0o777)
    const command = imageCommand()
    gateway = new Gateway({ command, dataDirectory: join(data, 'godwit'), flags: ['--samples'] })
    chmodSync(gateway.folder, 0o777)
    await gateway.start()
    await gateway.createDataset('contained')
    const client = await gateway.connect()
    await client.put({ dataset: 'contained', key: 'k', value: 'v' })
    assert.equal((await client.get({ dataset: 'contained', key: 'k' })).value?.toString(), 'v')
    // The sample data is read by a child process, and loaded by another one, from the layer as well.
    const city = { dataset: 'cities', key: '2643743', cells: { localKeys: ['name'] } }
    assert.equal((await client.get(city)).cells?.[0]?.value.toString(), 'London')
    client.close()
    const health = [process.execPath, join(app, 'scripts', 'healthcheck.mjs')] as const
    const env = { GODWIT_LISTENERS_ADMIN_PORT: String(gateway.port('admin')) }
    assert.equal(spawnSync(health[0], [health[1]], { env }).status, 0)
    const { code } = await gateway.stop()
    assert.equal(code, 0)
    const unhealthy = spawnSync(health[0], [health[1]], { env, encoding: 'utf8' })
    assert.equal(unhealthy.status, 1)
    assert.match(unhealthy.stdout, /^healthcheck: http:.*ECONNREFUSED/)
  })

  test('the layer holds no development package, no source, no test and no binary for other machines', () => {
    const installed = (name: string) => existsSync(join(app, 'node_modules', name))
    for (const name of ['typescript', 'eslint', 'fast-check', 'prettier', '@types/node']) {
      assert.ok(!installed(name), name)
    }
    assert.ok(
      installed('@nxtedition/rocksdb/prebuilds/linux-x64') && installed('fastify') && installed('lmdb'),
    )
    for (const path of ['deps', 'prebuilds.zip', 'prebuilds/darwin-arm64', 'binding.cc']) {
      assert.ok(!installed(`@nxtedition/rocksdb/${path}`), path)
    }
    const found = execFileSync('find', [
      app,
      '-name',
      '*musl*',
      '-o',
      '-name',
      '*.d.ts',
      '-o',
      '-name',
      '*.test.js',
    ])
    assert.equal(found.toString(), '')
    assert.ok(!existsSync(join(app, 'dist', 'test')) && !existsSync(join(app, 'src')))
  })

  test('the layers’ files add up to less than 250 MB', () => {
    const text = run(SIZE, app)
    const [, sum] = /^sum +([\d.]+) MB$/m.exec(text) ?? []
    assert.ok(Number(sum) > 150 && Number(sum) < 250, text)
  })
})

test('the Dockerfile runs as a number, is healthy by /readyz, ends by SIGTERM and brings no tools along', () => {
  const stages = textOf('Dockerfile')
    .split(/^FROM /m)
    .slice(1)
  const final = stages.at(-1) ?? ''
  assert.ok(stages.every((stage) => stage.startsWith('--platform=linux/amd64 ')))
  assert.match(final, /^--platform=linux\/amd64 debian:bookworm-slim$/m)
  assert.match(final, /^USER [1-9]\d{3,}:[1-9]\d{3,}$/m)
  assert.match(final, /^STOPSIGNAL SIGTERM$/m)
  assert.match(final, /^HEALTHCHECK .*healthcheck\.mjs"\]$/m)
  assert.match(final, /^VOLUME \/data$/m)
  assert.match(final, /UV_THREADPOOL_SIZE=8/)
  assert.doesNotMatch(final, /\b(apt|apt-get|npm|curl|wget)\b.*(install|ci\b)/)
  const ports = ['listeners.kvstore.port', 'listeners.admin.port'].map(
    (name) => settings.find(({ key }) => key === name)?.defaultText,
  )
  assert.match(final, new RegExp(`^EXPOSE ${ports.join(' ')}$`, 'm'))
  const build = stages[0] ?? ''
  for (const [, files = ''] of build.matchAll(/^COPY (.+) \S+$/gm)) {
    for (const file of files.split(' ')) {
      assert.ok(existsSync(join(root, file)), file)
      assert.ok(textOf('.dockerignore').split('\n').includes(`!${file}`), `${file} is not sent to Docker`)
    }
  }
})

const objdump = spawnSync('objdump', ['--version']).status === 0

test(
  'the needed processor flags are those of the instructions that the binary has',
  { skip: objdump ? false : 'objdump is not installed: apt install binutils' },
  () => {
    const binary = join(root, 'node_modules/@nxtedition/rocksdb/prebuilds/linux-x64/@nxtedition+rocksdb.node')
    const pipeline = `objdump -d --no-show-raw-insn '${binary}' | awk -F'\\t' 'NF>1 {split($2, a, " "); print a[1]}' | sort -u`
    const text = execFileSync('sh', ['-c', pipeline], { encoding: 'utf8', maxBuffer: 1 << 24 })
    const found = new Set(text.split('\n').map(flagOf))
    found.delete(null)
    assert.deepEqual([...found].sort(), [...NEEDED_CPU_FLAGS].sort())
  },
)

/** The flag of an instruction beyond what every x64 processor has; null: none that is known here. */
function flagOf(mnemonic: string): string | null {
  for (const [flag, pattern] of INSTRUCTIONS) if (pattern.test(mnemonic)) return flag
  return null
}

const INSTRUCTIONS: readonly (readonly [string, RegExp])[] = [
  ['avx512f', /^(v.*(dqa|dqu)(32|64)|kmov[bwdq]?|vpternlog)/],
  ['sha_ni', /^sha(1|256)/],
  ['adx', /^ad[co]x$/],
  ['sse4a', /^(extrq|insertq|movnts[sd])$/],
  ['clzero', /^clzero$/],
  ['rdseed', /^rdseed$/],
  ['rdrand', /^rdrand$/],
  ['aes', /^v?aes(enc|dec|imc|keygen)/],
  ['f16c', /^vcvtp[hs]2p[hs]$/],
  ['pclmulqdq', /^v?pclmul/],
  ['fma', /^vfn?m(add|sub)/],
  ['bmi1', /^(andn|bextr|blsi|blsr|blsmsk)$/],
  ['bmi2', /^(mulx|shlx|shrx|sarx|rorx|pdep|pext|bzhi)$/],
  ['abm', /^lzcnt$/],
  ['movbe', /^movbe$/],
  ['popcnt', /^popcnt$/],
  ['sse4_2', /^(crc32|pcmp[ei]str|v?pcmpgtq)/],
  ['avx2', /^(vpbroadcast|vperm[dq]$|vpermpd|vpsllv|vpsrlv|vinserti128|vextracti128|vpblendd)/],
  ['avx', /^v(?!er[rw]|m)/],
]

test('files that only operators read are where the documents say', () => {
  assert.deepEqual(filesBelow('ops'), ['ops/grafana/godwit.json', 'ops/prometheus/godwit-alerts.yml'])
})

const hasDocker = spawnSync('docker', ['info'], { timeout: 20_000 }).status === 0

test(
  'Docker builds the image and the gateway in it is ready',
  { skip: hasDocker ? false : 'no Docker daemon answers here' },
  () => {
    const tag = `godwit-test:${process.pid}`
    execFileSync('docker', ['build', '--tag', tag, root], { stdio: 'ignore' })
    try {
      const flags = ['--detach', '--rm', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL']
      const id = execFileSync('docker', ['run', ...flags, tag], { encoding: 'utf8' }).trim()
      try {
        const check = ['exec', id, 'node', '/app/scripts/healthcheck.mjs']
        let isReady = false
        for (let tries = 0; tries < 30 && !isReady; tries += 1)
          isReady = spawnSync('docker', check).status === 0
        assert.ok(isReady)
        execFileSync('docker', ['stop', '--time', '20', id])
      } finally {
        spawnSync('docker', ['rm', '--force', id])
      }
    } finally {
      spawnSync('docker', ['image', 'rm', '--force', tag])
    }
  },
)
