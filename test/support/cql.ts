/** Gateways that serve CQL: on its own, two that are each other's peers, and one that asks for passwords over TLS. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, policies } from 'cassandra-driver'
import { hashPassword } from '../../src/base/passwords.js'
import { makeCertificate } from './certificates.js'
import { Gateway } from './gateway.js'
import { freePort } from './leaf-processes.js'

export const CQL_PORTS = [
  'listeners:',
  '  kvstore: { port: 0 }',
  '  admin: { port: 0 }',
  '  rocksandra: { port: 0, enabled: true }',
  '',
].join('\n')

/** Who owns the tables that clients make. */
export const CQL_CONFIG = 'rocksandra:\n  owner: { name: tests, contact: tests@example.org }\n'

const REPLICATION = "{'class': 'SimpleStrategy', 'replication_factor': 1}"

/** What a driver is told of a gateway. */
export interface CqlPlace {
  readonly host: string
  readonly port: number
}

/** On a port that it has again after a restart. */
export async function startCqlGateway(): Promise<{ readonly gateway: Gateway; readonly place: CqlPlace }> {
  const place = { host: '127.0.0.1', port: await freePort() }
  return { gateway: await Gateway.start({ ports: portsAt(place), config: CQL_CONFIG }), place }
}

function portsAt({ host, port }: CqlPlace, tls = ''): string {
  const rocksandra = `{ host: ${host}, port: ${port}, enabled: true${tls} }`
  return `listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n  rocksandra: ${rocksandra}\n`
}

/**
 * Two gateways that name each other, with the same table `pair.t` of ten rows: nothing but drivers connects them, so that
 * each has data of its own.
 */
export class CqlPair {
  readonly gateways: readonly [Gateway, Gateway]
  readonly port: number

  private constructor(gateways: readonly [Gateway, Gateway], port: number) {
    this.gateways = gateways
    this.port = port
  }

  static async start(): Promise<CqlPair> {
    const port = await freePort()
    const make = (host: string, peer: string): Gateway => {
      return new Gateway({ ports: portsAt({ host, port }), config: `${CQL_CONFIG}  peers: [${peer}]\n` })
    }
    const pair = new CqlPair([make('127.0.0.1', '127.0.0.2'), make('127.0.0.2', '127.0.0.1')], port)
    await Promise.all(pair.gateways.map((gateway) => gateway.start()))
    await Promise.all(['127.0.0.1', '127.0.0.2'].map((host) => fill({ host, port })))
    return pair
  }

  async dispose(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.dispose()))
  }
}

/** Through a driver that keeps to this gateway. */
async function fill({ host, port }: CqlPlace): Promise<void> {
  const only = new policies.loadBalancing.AllowListPolicy(new policies.loadBalancing.RoundRobinPolicy(), [
    `${host}:${port}`,
  ])
  const client = new Client({
    ...{ contactPoints: [host], protocolOptions: { port }, localDataCenter: 'datacenter1' },
    policies: { loadBalancing: only },
  })
  await client.execute(`CREATE KEYSPACE pair WITH replication = ${REPLICATION}`)
  await client.execute('CREATE TABLE pair.t (k int PRIMARY KEY, v text)')
  for (let key = 0; key < 10; key++) await client.execute(`INSERT INTO pair.t (k, v) VALUES (${key}, 'v')`)
  await client.shutdown()
}

/** A gateway with TLS and one user. */
export class GuardedGateway {
  static readonly user = 'ada'
  static readonly password = 'the password of the tests'
  readonly gateway: Gateway
  readonly folder: string
  /** What its clients trust. */
  readonly certificate: string
  /** Its certificate's file and the key's, as the configuration names them. */
  readonly files: { readonly certificate: string; readonly key: string }

  private constructor(gateway: Gateway, folder: string, files: GuardedGateway['files']) {
    this.gateway = gateway
    this.folder = folder
    this.files = files
    this.certificate = files.certificate
  }

  static async start(): Promise<GuardedGateway> {
    const folder = mkdtempSync(join(tmpdir(), 'godwit-cql-'))
    const files = await makeCertificate(folder, 'localhost')
    const tls = `, tls: { certificateFile: "${files.certificate}", keyFile: "${files.key}" }`
    const hash = await hashPassword(GuardedGateway.password)
    const users = `  users: { ${GuardedGateway.user}: { password: '${hash}' } }\n`
    const ports = portsAt({ host: '127.0.0.1', port: 0 }, tls)
    return new GuardedGateway(await Gateway.start({ ports, config: CQL_CONFIG + users }), folder, files)
  }

  async dispose(): Promise<void> {
    await this.gateway.dispose()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
