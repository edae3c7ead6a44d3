import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { listenAddress } from '../../../src/config/checks.js'
import { ConfigError, loadConfig, printConfig, type Flag } from '../../../src/config/load.js'
import { settings } from '../../../src/config/schema.js'

const folder = mkdtempSync(join(tmpdir(), 'godwit-config-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let fileCount = 0

function fileWith(text: string): string {
  const path = join(folder, `config-${fileCount++}.yaml`)
  writeFileSync(path, text)
  return path
}

interface Given {
  readonly yaml?: string
  readonly environment?: Record<string, string>
  readonly flags?: readonly Flag[]
}

function load({ yaml, environment = {}, flags = [] }: Given) {
  return loadConfig({ file: yaml === undefined ? null : fileWith(yaml), environment, flags })
}

function faultsOf(given: Given): Record<string, string> {
  try {
    load(given)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    for (const { key } of error.faults) assert.ok(error.message.includes(key), `the message names ${key}`)
    return Object.fromEntries(error.faults.map(({ key, message }) => [key, message]))
  }
  return {}
}

test('without file, variables and flags the defaults make a complete configuration', () => {
  const { config, warnings } = load({})
  assert.deepEqual(listenAddress(config, 'kvstore'), { host: '127.0.0.1', port: 7300 })
  assert.deepEqual(listenAddress(config, 'admin'), { host: '127.0.0.1', port: 7380 })
  assert.equal(config.data.directory, resolve('godwit-data'))
  assert.ok(config.threads.data >= 1 && config.threads.data <= 64)
  assert.deepEqual(config.origins, {})
  assert.deepEqual(warnings, [])
})

test('flags win over the environment, the environment over the file, the file over the defaults', () => {
  const yaml = 'threads: { data: 2 }\nlog: { level: warn }\nportOffset: 10\ninsecure: false\n'
  const environment = { GODWIT_THREADS_DATA: '3', GODWIT_PORT_OFFSET: '20', GODWIT_INSECURE: 'true' }
  const flags = [{ flag: '--port-offset', key: 'portOffset', value: '30' }]
  const { config } = load({ yaml, environment, flags })
  assert.equal(config.log.level, 'warn')
  assert.equal(config.threads.data, 3)
  assert.equal(config.insecure, true)
  assert.equal(config.portOffset, 30)
})

test('the port offset moves fixed ports and leaves free ones free', () => {
  const { config } = load({ yaml: 'portOffset: 100\nlisteners: { kvstore: { port: 0 } }\n' })
  assert.equal(listenAddress(config, 'admin')?.port, 7480)
  assert.equal(listenAddress(config, 'kvstore')?.port, 0)
})

test('a listener that is switched off has no address and collides with nobody', () => {
  const { config } = load({ yaml: 'listeners: { kvstore: { enabled: false, port: 7380 } }\n' })
  assert.equal(listenAddress(config, 'kvstore'), null)
})

test('all faults are listed at once, each with its key, its place and what is allowed', () => {
  const yaml = [
    'threads: { data: 99 }',
    'listeners:',
    '  kvstore:',
    '    prot: 1',
    '    port: 70000',
    'log: { level: loud }',
    'insecure: maybe',
    'shards: 3',
    'origins:',
    '  Old_Store: { api: kvstore, host: db, port: 1 }',
    '  old: { api: hbase, port: 0 }',
  ].join('\n')
  const faults = faultsOf({ yaml, environment: { GODWIT_PORT_OFFSET: 'many' } })
  assert.deepEqual(Object.keys(faults).sort(), [
    'insecure',
    'listeners.kvstore.port',
    'listeners.kvstore.prot',
    'log.level',
    'origins.Old_Store',
    'origins.old.api',
    'origins.old.host',
    'origins.old.port',
    'portOffset',
    'shards',
    'threads.data',
  ])
  assert.equal(faults['threads.data'], 'is 99, allowed: 1 to 64 threads')
  assert.equal(
    faults['listeners.kvstore.prot'],
    'unknown setting (did you mean "port"?), allowed here: host, port, enabled',
  )
  assert.equal(faults['log.level'], 'is "loud", allowed: one of debug, info, warn, error, silent')
  assert.equal(faults['origins.old.host'], 'must be given, allowed: a host name or an IP address')
  assert.equal(faults['portOffset'], 'is "many", allowed: 0 to 60000 ports')
  assert.throws(() => load({ yaml }), /listeners\.kvstore\.port \(.*config-\d+\.yaml:5\): is 70000/)
  assert.throws(() => load({ environment: { GODWIT_PORT_OFFSET: '-1' } }), /\(GODWIT_PORT_OFFSET\): is -1/)
})

const unreadable: readonly { name: string; yaml: string; expected: RegExp }[] = [
  { name: 'broken YAML', yaml: 'log: {\n', expected: /is not YAML/ },
  { name: 'a key given twice', yaml: 'portOffset: 1\nportOffset: 2\n', expected: /:2: is not YAML.*unique/ },
  { name: 'a list', yaml: '- 1\n', expected: /must hold sections/ },
  {
    name: 'a value in place of a section',
    yaml: 'log: loud\n',
    expected: /is "loud", allowed: a section with level/,
  },
  { name: 'a prototype', yaml: '__proto__: { portOffset: 7 }\n', expected: /__proto__.*unknown setting/ },
  {
    name: 'aliases that grow without end',
    yaml: `a: &a [1,1,1,1,1,1,1,1,1,1]\n${'bcdefg'.replaceAll(/./g, (name) => {
      const before = String.fromCharCode(name.charCodeAt(0) - 1)
      return `${name}: &${name} [${Array<string>(10).fill(`*${before}`).join(',')}]\n`
    })}`,
    expected: /cannot be resolved/,
  },
]
for (const { name, yaml, expected } of unreadable) {
  test(`a file with ${name} is refused`, () => assert.throws(() => load({ yaml }), expected))
}

test('a file that is not there is refused by name', () => {
  assert.throws(
    () => loadConfig({ file: join(folder, 'absent.yaml'), environment: {}, flags: [] }),
    /absent\.yaml: cannot be read: ENOENT/,
  )
})

test('an empty file means the defaults', () => {
  assert.equal(load({ yaml: '# nothing\n' }).config.portOffset, 0)
})

test('two listeners on one port are reported, and a third address of the same port is not', () => {
  const same = 'listeners: { kvstore: { port: 8000 }, admin: { port: 8000 } }\n'
  assert.match(faultsOf({ yaml: same })['listeners.admin.port'] ?? '', /taken by listeners\.kvstore/)
  const wildcard =
    'insecure: true\nlisteners: { kvstore: { host: 0.0.0.0, port: 8000 }, admin: { port: 8000 } }\n'
  assert.ok('listeners.admin.port' in faultsOf({ yaml: wildcard }))
  const apart = 'listeners: { kvstore: { host: 127.0.0.2, port: 8000 }, admin: { port: 8000 } }\n'
  assert.deepEqual(faultsOf({ yaml: apart }), {})
  const free = 'listeners: { kvstore: { port: 0 }, admin: { port: 0 } }\n'
  assert.deepEqual(faultsOf({ yaml: free }), {})
})

test('a port that the offset pushes beyond 65535 is reported', () => {
  const yaml = 'portOffset: 60000\nlisteners: { admin: { enabled: false } }\n'
  assert.match(faultsOf({ yaml })['listeners.kvstore.port'] ?? '', /is 67300 with the port offset of 60000/)
})

test('a listener beyond loopback needs --insecure', () => {
  for (const host of ['0.0.0.0', '::', '10.1.2.3', 'db.example']) {
    const yaml = `listeners: { kvstore: { host: "${host}" } }\n`
    assert.match(faultsOf({ yaml })['listeners.kvstore.host'] ?? '', /--insecure/, host)
    assert.deepEqual(faultsOf({ yaml, flags: [{ flag: '--insecure', key: 'insecure', value: true }] }), {})
  }
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost']) {
    assert.deepEqual(faultsOf({ yaml: `listeners: { kvstore: { host: "${host}" } }\n` }), {}, host)
  }
})

test('a host with a port in it is refused', () => {
  assert.ok(
    'listeners.kvstore.host' in faultsOf({ yaml: 'listeners: { kvstore: { host: "localhost:80" } }\n' }),
  )
})

test('an origin that is the gateway itself is refused', () => {
  const yaml = 'origins: { self: { api: kvstore, host: localhost, port: 7300 } }\n'
  assert.match(faultsOf({ yaml })['origins.self'] ?? '', /in circles/)
})

test("an origin's addresses and clusters fit its api, and none is this gateway", () => {
  const origin = (fields: string): Readonly<Record<string, string>> =>
    faultsOf({ yaml: `origins: { old: { host: db, port: 7301, ${fields} } }\n` })
  assert.match(origin('api: terrapin')['origins.old.clusters'] ?? '', /is missing/)
  assert.match(origin('api: kvstore, clusters: [west]')['origins.old.clusters'] ?? '', /leave it out/)
  assert.match(
    origin('api: terrapin, clusters: [west], otherAddresses: ["127.0.0.1:7300"]')['origins.old'] ?? '',
    /in circles/,
  )
  for (const address of ['db', 'db:0', 'db:70000', '::1:5', 'db:9010:1']) {
    const faults = origin(`api: terrapin, clusters: [west], otherAddresses: ["${address}"]`)
    assert.match(
      faults['origins.old.otherAddresses.0'] ?? faults['origins.old.otherAddresses'] ?? '',
      /host:port/,
    )
  }
  const { config } = load({
    yaml: 'origins: { old: { api: terrapin, host: db, port: 1, clusters: [a, b], otherAddresses: ["[::1]:9", "x.y:2"] } }\n',
  })
  assert.deepEqual(config.origins['old']?.otherAddresses, ['[::1]:9', 'x.y:2'])
})

test('an origin takes its defaults', () => {
  const { config } = load({ yaml: 'origins: { old: { api: kvstore, host: db, port: 7301 } }\n' })
  assert.deepEqual(config.origins['old'], {
    api: 'kvstore',
    host: 'db',
    port: 7301,
    otherAddresses: [],
    clusters: [],
    connections: 0,
    pipelining: 'auto',
    deadlineMs: 1_000,
    standInAfterMs: 100,
    maxInFlight: 256,
    hedgeAfterMs: 0,
    retryPercent: 10,
    breakerResetMs: 2_000,
    controller: { host: '', port: 9090 },
  })
})

test('an unknown variable is a warning, the variables of the command are not', () => {
  const environment = { GODWIT_SERVICE_HOST: '10.0.0.1', GODWIT_SERVER: 'http://x', HOME: '/root' }
  assert.deepEqual(load({ environment }).warnings, [
    'environment variable GODWIT_SERVICE_HOST is not a setting and was ignored',
  ])
})

test('a list is given to a variable with commas', () => {
  const environment = { GODWIT_LISTENERS_ADMIN_ALLOWED_HOSTS: 'ops.example, godwit' }
  assert.deepEqual(load({ environment }).config.listeners.admin.allowedHosts, ['ops.example', 'godwit'])
  const wrong = { GODWIT_LISTENERS_ADMIN_ALLOWED_HOSTS: 'a b' }
  assert.match(faultsOf({ environment: wrong })['listeners.admin.allowedHosts.0'] ?? '', /host/)
})

test('the configuration is frozen to its depth', () => {
  const { config } = load({ yaml: 'origins: { old: { api: kvstore, host: db, port: 1 } }\n' })
  for (const part of [config, config.listeners, config.listeners.kvstore, config.origins['old']]) {
    assert.ok(Object.isFrozen(part))
  }
})

test('what is printed is a file that gives the same configuration', () => {
  const yaml = 'portOffset: 5\norigins: { old: { api: kvstore, host: "::1", port: 9 } }\n'
  const { config } = load({ yaml })
  assert.deepEqual(load({ yaml: printConfig(config) }).config, config)
})

test('the keys of S3 are masked, and one without the other is a fault', () => {
  const { config } = load({ yaml: 'objects: { s3: { accessKeyId: hidden-1, secretAccessKey: hidden-2 } }\n' })
  assert.ok(!printConfig(config).includes('hidden'))
  const half = 'objects: { s3: { secretAccessKey: hidden-2 } }\n'
  assert.throws(() => load({ yaml: half }), /objects\.s3\.accessKeyId.* is missing/)
})

test('secret settings are masked wherever they stand', () => {
  const { config } = load({ yaml: 'origins: { old: { api: kvstore, host: hidden.example, port: 9 } }\n' })
  const table = settings.map((setting) => ({ ...setting, isSecret: setting.key === 'origins.<name>.host' }))
  const printed = printConfig(config, table)
  assert.ok(!printed.includes('hidden.example'))
  assert.match(printed, /host: "?\*\*\*/)
  assert.equal(config.origins['old']?.host, 'hidden.example')
})

test('every setting has one sentence, a range and a variable of its own', () => {
  assert.ok(settings.length >= 15)
  for (const { key, description, allowed } of settings) {
    assert.match(description, /^[A-Z].*\.$/, key)
    assert.ok(!allowed.includes('undefined') && !allowed.includes('900719925474'), `${key}: ${allowed}`)
  }
  const variables = settings.map(({ variable }) => variable).filter((variable) => variable !== null)
  assert.equal(new Set(variables).size, variables.length)
  assert.ok(variables.includes('GODWIT_LISTENERS_KVSTORE_PORT'))
})

test('whatever a file says, the answer is a configuration or a list of faults', () => {
  const keys = fc.constantFrom(
    'listeners',
    'kvstore',
    'port',
    'host',
    'origins',
    'threads',
    'data',
    'x',
    '__proto__',
  )
  const value = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      fc.integer(),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(keys, tie('node'), { maxKeys: 4 }),
    ),
  })).node
  fc.assert(
    fc.property(fc.dictionary(keys, value, { maxKeys: 4 }), (content) => {
      const faults = faultsOf({ yaml: JSON.stringify(content) })
      for (const message of Object.values(faults)) assert.ok(message.length > 0)
    }),
    { numRuns: 300 },
  )
})
