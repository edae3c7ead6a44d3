/** What no single setting shows: ports that collide, listeners open to the network, an origin that is this gateway. */
import { isIP } from 'node:net'
import { isLoopbackHost, isWildcardHost, parseAddress } from '../base/hosts.js'
import type { ConfigFault, SourceOf } from './faults.js'
import { listenersOf } from './listeners.js'
import type { Config, ListenerName, OriginConfig } from './schema.js'

export interface ListenAddress {
  readonly host: string
  /** With the offset; 0: a free one. */
  readonly port: number
}

/** Where a listener binds: the port offset moves every fixed port; null when it is not enabled. */
export function listenAddress(config: Config, name: ListenerName): ListenAddress | null {
  const { host, port, enabled } = config.listeners[name]
  if (!enabled) return null
  return { host, port: port === 0 ? 0 : port + config.portOffset }
}

/** Faults of a configuration whose settings are right one by one. */
export function checkTogether(config: Config, sourceOf: SourceOf): ConfigFault[] {
  const faults: ConfigFault[] = []
  const fault = (key: string, message: string): void => {
    faults.push({ key, source: sourceOf(key), message })
  }
  const bound: { readonly name: ListenerName; readonly at: ListenAddress }[] = []
  for (const name of listenersOf(config.role)) {
    const at = listenAddress(config, name)
    if (at === null) continue
    checkOne(config, name, at, fault)
    const other = bound.find((earlier) => collide(earlier.at, at))
    if (other !== undefined) {
      fault(
        `listeners.${name}.port`,
        `${at.host} port ${at.port} is taken by listeners.${other.name}; give one of them another port`,
      )
    }
    bound.push({ name, at })
  }
  checkTls(config, fault)
  const { accessKeyId, secretAccessKey } = config.objects.s3
  if ((accessKeyId === '') !== (secretAccessKey === '')) {
    const [missing, given] =
      accessKeyId === '' ? ['accessKeyId', 'secretAccessKey'] : ['secretAccessKey', 'accessKeyId']
    fault(`objects.s3.${missing}`, `is missing, but objects.s3.${given} is set; set both or neither`)
  }
  const { name: owner, contact } = config.terrapin.owner
  if ((owner === '') !== (contact === '')) {
    const [missing, given] = owner === '' ? ['name', 'contact'] : ['contact', 'name']
    fault(`terrapin.owner.${missing}`, `is missing, but terrapin.owner.${given} is set; set both or neither`)
  }
  checkZooKeeper(config, fault)
  checkRocksandra(config, fault)
  for (const [name, origin] of Object.entries(config.origins)) {
    const addresses = [origin, ...origin.otherAddresses.map(parseAddress)]
    const self = bound.find(({ at }) =>
      addresses.some((address) => address !== null && at.port !== 0 && collide(at, address)),
    )
    if (self !== undefined) {
      fault(
        `origins.${name}`,
        `is listeners.${self.name} of this gateway, so that requests would go in circles`,
      )
    }
    checkClusters(name, origin, fault)
  }
  return faults
}

/** Those that can have TLS. */
const TLS_LISTENERS = ['admin', 'rocksandra'] as const

function canHaveTls(name: ListenerName): name is (typeof TLS_LISTENERS)[number] {
  return TLS_LISTENERS.some((known) => known === name)
}

function checkTls({ listeners }: Config, fault: (key: string, message: string) => void): void {
  for (const name of TLS_LISTENERS) {
    const { certificateFile, keyFile } = listeners[name].tls
    if ((certificateFile === '') === (keyFile === '')) continue
    const [missing, given] =
      certificateFile === '' ? ['certificateFile', 'keyFile'] : ['keyFile', 'certificateFile']
    fault(
      `listeners.${name}.tls.${missing}`,
      `is missing, but listeners.${name}.tls.${given} is set; set both or neither`,
    )
  }
}

function checkClusters(
  name: string,
  { api, clusters }: OriginConfig,
  fault: (key: string, message: string) => void,
): void {
  if (api === 'terrapin' && clusters.length === 0) {
    fault(`origins.${name}.clusters`, 'is missing: a terrapin answers only who names a cluster of its')
  }
  if (api !== 'terrapin' && clusters.length > 0) {
    fault(`origins.${name}.clusters`, `is for origins with api terrapin, this one has ${api}; leave it out`)
  }
}

/** Clients that are led to a gateway must find something there. */
function checkZooKeeper(
  { terrapin, listeners }: Config,
  fault: (key: string, message: string) => void,
): void {
  const { quorum, clusters, advertisedHost } = terrapin.zookeeper
  if (quorum.length === 0) return
  const missing = (key: string, what: string): void => {
    fault(`terrapin.zookeeper.${key}`, `is missing, but terrapin.zookeeper.quorum is set; name ${what}`)
  }
  if (clusters.length === 0) missing('clusters', 'at least one cluster that clients look for')
  if (advertisedHost === '') missing('advertisedHost', 'the host by which clients reach this gateway')
  else if (isWildcardHost(advertisedHost) || /[/\s:]/.test(advertisedHost)) {
    fault('terrapin.zookeeper.advertisedHost', `${advertisedHost} is no host that clients can connect to`)
  } else if (listeners.terrapinController.enabled && advertisedHost.includes('_')) {
    fault(
      'terrapin.zookeeper.advertisedHost',
      `${advertisedHost} has a "_", at which uploaders cut host and port of a controller; give a name without`,
    )
  }
  if (!listeners.terrapinInternal.enabled) {
    fault(
      'listeners.terrapinInternal.enabled',
      'is false, but terrapin.zookeeper.quorum leads fat clients there; enable it or remove the quorum',
    )
  }
}

/** Drivers connect to what the ring shows them. */
function checkRocksandra(
  { rocksandra, listeners }: Config,
  fault: (key: string, message: string) => void,
): void {
  const { host, enabled } = listeners.rocksandra
  if (!enabled || rocksandra.advertisedAddress !== '' || (isIP(host) !== 0 && !isWildcardHost(host))) return
  if (host === 'localhost') return
  fault(
    'rocksandra.advertisedAddress',
    `is missing, but listeners.rocksandra.host is ${host}; name the IP address at which drivers reach this gateway`,
  )
}

function checkOne(
  config: Config,
  name: ListenerName,
  at: ListenAddress,
  fault: (key: string, message: string) => void,
): void {
  if (at.port > 65_535) {
    fault(
      `listeners.${name}.port`,
      `is ${at.port} with the port offset of ${config.portOffset}, allowed: 0 to 65535`,
    )
  }
  if (!config.insecure && !isLoopbackHost(at.host) && !hasTls(config, name)) {
    fault(
      `listeners.${name}.host`,
      `${at.host} can be reached from the network and there is no TLS; bind 127.0.0.1, ${canHaveTls(name) ? `set listeners.${name}.tls, ` : ''}or accept that with --insecure`,
    )
  }
}

/** Half a certificate is none, which is a fault of its own. */
function hasTls({ listeners }: Config, name: ListenerName): boolean {
  return canHaveTls(name) && listeners[name].tls.certificateFile !== ''
}

function collide(one: ListenAddress, other: ListenAddress): boolean {
  if (one.port !== other.port || one.port === 0) return false
  if (isWildcardHost(one.host) || isWildcardHost(other.host)) return true
  return (
    one.host === other.host || (isLoopbackHost(one.host) && isLoopbackHost(other.host) && areSame(one, other))
  )
}

/** `localhost` may be 127.0.0.1 and ::1; two different loopback addresses do not collide. */
function areSame(one: ListenAddress, other: ListenAddress): boolean {
  return one.host === 'localhost' || other.host === 'localhost'
}
