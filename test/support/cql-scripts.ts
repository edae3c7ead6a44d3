/** Scripts of statements (cql-script.ts) as tests of one gateway and one keyspace. */
import { after, before, describe, test } from 'node:test'
import { Client } from 'cassandra-driver'
import { CQL_CONFIG, CQL_PORTS } from './cql.js'
import { runScript } from './cql-script.js'
import { Gateway } from './gateway.js'

/** Registers a test for each script; they run in their order, in keyspace `ks`. Others may have their client. */
export function testScripts(
  title: string,
  scripts: readonly (readonly [name: string, script: string])[],
  others: (client: () => Client) => void = () => undefined,
): void {
  let gateway: Gateway
  let client: Client

  before(async () => {
    gateway = await Gateway.start({ ports: CQL_PORTS, config: CQL_CONFIG })
    const where = { contactPoints: ['127.0.0.1'], localDataCenter: 'datacenter1' }
    const protocolOptions = { port: gateway.port('rocksandra') }
    const first = new Client({ ...where, protocolOptions })
    await first.execute(
      "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    )
    await first.shutdown()
    client = new Client({ ...where, protocolOptions, keyspace: 'ks' })
  })

  after(async () => {
    await client.shutdown()
    await gateway.dispose()
  })

  describe(title, () => {
    for (const [name, script] of scripts) test(name, () => runScript(client, script))
    others(() => client)
  })
}
