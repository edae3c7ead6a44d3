/**
 * CQL as its shell sees it, unedited from PyPI: Apache's, which describes schemas by asking servers of 4.0 and newer, and
 * the one of ScyllaDB, which describes them itself, as the shell of Cassandra 3.0 did.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { type CqlPlace, GuardedGateway, startCqlGateway } from '../support/cql.js'
import type { Gateway } from '../support/gateway.js'
import { pythonWith } from '../support/python.js'
import { driversLeftOut, isRequired, missing } from './languages.js'

const run = promisify(execFile)
const TIMEOUT_MS = 60_000
const SCRIPT = `
CREATE KEYSPACE shell WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1};
USE shell;
CREATE TYPE address (street text, number int);
CREATE TABLE rows (k text, c int, v text, m map<text, int>, a frozen<address>, PRIMARY KEY (k, c))
  WITH CLUSTERING ORDER BY (c DESC) AND comment = 'of the shell';
CREATE INDEX rows_v ON rows (v);
BEGIN BATCH
  INSERT INTO rows (k, c, v, m, a) VALUES ('a', 1, 'one', {'x': 1}, {street: 'Elm', number: 7});
  INSERT INTO rows (k, c, v) VALUES ('a', 2, 'two''s');
APPLY BATCH;
`
const ROWS = [
  "a | 2 |                       null |     null | two's",
  "a | 1 | {street: 'Elm', number: 7} | {'x': 1} |   one",
]

const folder = mkdtempSync(join(tmpdir(), 'godwit-cqlsh-'))
let apache = ''
let scylla = ''
/** Why they cannot run here. */
let lack = ''
let gateway: Gateway | null = null
let place: CqlPlace | null = null

interface Ended {
  readonly code: number
  /** Lines, without those that are empty. */
  readonly output: string[]
  readonly complaints: string
}

before(async () => {
  if (driversLeftOut !== '') {
    lack = driversLeftOut
    return
  }
  try {
    const lacking = await missing(['python3'])
    if (lacking.length > 0) throw new Error(`this machine lacks ${lacking.join(', ')}`)
    apache = join(await pythonWith(['cqlsh==6.2.0']), 'cqlsh')
    scylla = join(await pythonWith(['scylla-cqlsh==6.0.40']), 'cqlsh')
  } catch (error) {
    lack = error instanceof Error ? error.message : String(error)
    if (isRequired('python')) assert.fail(`cqlsh must not be left out of this run, but ${lack}`)
    return
  }
  ;({ gateway, place } = await startCqlGateway())
})

after(async () => {
  await gateway?.dispose()
  rmSync(folder, { recursive: true, force: true })
})

async function shell(
  program: string,
  { host, port }: CqlPlace,
  args: readonly string[],
  env = {},
): Promise<Ended> {
  const options = { env: { ...process.env, HOME: folder, ...env }, timeout: TIMEOUT_MS }
  // execFile's error has these.
  type Failed = { readonly code: number; readonly stdout: string; readonly stderr: string }
  const ended = await run(program, [...args, host, String(port)], options).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: unknown) => error as Failed,
  )
  const output = ended.stdout.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
  return { code: ended.code, output, complaints: ended.stderr }
}

function check(title: string, body: (at: CqlPlace) => Promise<void>): void {
  test(title, async (t: TestContext) => {
    if (place === null) t.skip(`not run: ${lack}`)
    else await body(place)
  })
}

check('a script from a file makes a schema and rows, and a statement shows them', async (at) => {
  const file = join(folder, 'script.cql')
  writeFileSync(file, SCRIPT)
  const made = await shell(apache, at, ['-f', file])
  assert.equal(made.code, 0, made.complaints)
  const { output } = await shell(apache, at, ['-e', 'SELECT * FROM shell.rows'])
  assert.deepEqual(output.slice(-3), [...ROWS, '(2 rows)'])
})

check('it says whom it talks to, and pages', async (at) => {
  const { output } = await shell(apache, at, ['-e', 'SHOW VERSION; PAGING 1; SELECT c FROM shell.rows'])
  const text = output.join('\n')
  assert.match(text, /Cassandra 3\.0\.15 \| CQL spec 3\.4\.0 \| Native protocol v4/)
  assert.match(text, /\(2 rows\)$/)
})

check('what is refused is said in Cassandra’s words', async (at) => {
  const { code, complaints } = await shell(apache, at, ['-e', 'SELECT * FROM shell.nothing'])
  assert.equal(code, 2)
  assert.match(complaints, /code=2200 \[Invalid query\] message="unconfigured table nothing"/)
})

check('COPY writes rows to a file and reads them from it', async (at) => {
  const file = join(folder, 'rows.csv')
  const copy = `COPY shell.rows (k, c, v, m, a)`
  await shell(apache, at, ['-e', `${copy} TO '${file}' WITH HEADER = TRUE`])
  assert.deepEqual(readFileSync(file, 'utf8').trim().split(/\r?\n/), [
    'k,c,v,m,a',
    "a,2,two's,,",
    `a,1,one,{'x': 1},"{street: 'Elm', number: 7}"`,
  ])
  const back = `TRUNCATE shell.rows; ${copy} FROM '${file}' WITH HEADER = TRUE; SELECT * FROM shell.rows`
  const { output } = await shell(apache, at, ['-e', back])
  assert.deepEqual(output.slice(-3), [...ROWS, '(2 rows)'])
})

check('a schema is described in statements that make it again', async (at) => {
  const describe = ['-e', 'DESCRIBE KEYSPACE shell']
  const described = await shell(scylla, at, describe)
  assert.ok(described.output.includes('CREATE TYPE shell.address ('), described.output.join('\n'))
  assert.ok(described.output.includes(') WITH CLUSTERING ORDER BY (c DESC)'))
  const file = join(folder, 'described.cql')
  writeFileSync(file, `DROP KEYSPACE shell;\n${described.output.join('\n')}`)
  assert.equal((await shell(scylla, at, ['-f', file])).complaints, '')
  assert.deepEqual((await shell(scylla, at, describe)).output, described.output)
})

check('a password and TLS; a wrong password is refused', async () => {
  const guarded = await GuardedGateway.start()
  try {
    const at = { host: '127.0.0.1', port: guarded.gateway.port('rocksandra') }
    const trust = { SSL_CERTFILE: guarded.certificate }
    const { user, password } = GuardedGateway
    const select = ['--ssl', '-u', user, '-e', 'SELECT key FROM system.local']
    const right = await shell(apache, at, [...select, '-p', password], trust)
    assert.deepEqual(right.output.slice(-2), ['local', '(1 rows)'], right.complaints)
    const wrong = await shell(apache, at, [...select, '-p', 'guessed'], trust)
    assert.equal(wrong.code, 1)
    assert.match(wrong.complaints, /Username and\/or password are incorrect/)
  } finally {
    await guarded.dispose()
  }
})
