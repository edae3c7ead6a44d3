/** Every setting: key, unit, default, range and one sentence, and nowhere else. OPERATING.md's table is made from it. */
import { isIPv6 } from 'node:net'
import { availableParallelism } from 'node:os'
import { z } from 'zod'
import { parseAddress } from '../base/hosts.js'
import { limits } from '../base/limits.js'
import { migrationSchema } from './migration-schema.js'
import { rocksandraSchema } from './rocksandra-schema.js'
import { facts } from './setting-facts.js'

const MAX_DATA_THREADS = 64
const NAME_PATTERN = /^[a-z][a-z0-9-]{0,62}$/
/** What NAME_PATTERN allows. */
export const NAME_IN_WORDS = '1 to 63 lowercase letters, digits and dashes, starting with a letter'
const HOST_NAME_PATTERN = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/
const HOST_IN_WORDS = 'a host name or an IP address'

const host = z.string().refine((text) => HOST_NAME_PATTERN.test(text) || isIPv6(text))
const port = z.int().min(0).max(65_535)

function listenerFields(defaultPort: number, what: string, isOn = true) {
  return {
    host: host
      .default('127.0.0.1')
      .register(facts, { description: `Address that ${what} binds.`, allowed: HOST_IN_WORDS }),
    port: port
      .default(defaultPort)
      .register(facts, { description: `TCP port of ${what}; 0 takes a free one.`, unit: 'port' }),
    enabled: z
      .boolean()
      .default(isOn)
      .register(facts, { description: `Whether ${what} is served.` }),
  }
}

function isCollectorUrl(text: string): boolean {
  if (text === '') return true
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === ''
}

/** `http://host:port`, of which a request's path may be put behind. */
function isServerUrl(text: string): boolean {
  if (!isCollectorUrl(text) || text === '') return false
  const { pathname, search, hash } = new URL(text)
  return pathname === '/' && search === '' && hash === ''
}

function isHostAndPort(text: string): boolean {
  const [, name = '', number = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  return host.safeParse(name).success && port.min(1).safeParse(Number(number)).success
}

function isPlaceUrl(text: string): boolean {
  return text === '' || /^(file|s3):\/\/\S+$/.test(text)
}

const webHdfsSchema = z.strictObject({
  urls: z.array(z.string().refine(isServerUrl)).max(8).default([]).register(facts, {
    description: 'HTTP addresses of the NameNodes of one HDFS, or of HttpFS; empty: hdfs: URLs are not read.',
    allowed: 'a list of http or https URLs without a path',
  }),
  names: z.array(z.string().min(1).max(300)).max(64).default([]).register(facts, {
    description: 'What hdfs: URLs may name it (host:port, or a nameservice), beside the hosts of urls.',
    allowed: 'a list of names',
  }),
  user: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9._-]{0,63}$/)
    .default('godwit')
    .register(facts, { description: 'User that HDFS checks permissions for.', allowed: 'a user name' }),
  dataNodes: z
    .array(z.string().regex(/^(\*\.)?[A-Za-z0-9:[\]][A-Za-z0-9.:[\]-]{0,252}$/))
    .max(4_096)
    .default([])
    .register(facts, {
      description:
        'Hosts that bytes may be read from, beside the NameNode that was asked; *.example.org: all below it.',
      allowed: 'a list of host names',
    }),
  connectTimeoutMs: z.int().min(100).max(60_000).default(5_000).register(facts, {
    description: 'A connection to HDFS is there within so long, or the attempt has failed.',
    unit: 'ms',
  }),
  stallTimeoutMs: z.int().min(100).max(600_000).default(30_000).register(facts, {
    description: 'Something comes from HDFS within so long, or the attempt has failed.',
    unit: 'ms',
  }),
  attempts: z.int().min(1).max(10).default(3).register(facts, {
    description: 'Attempts of one request to HDFS, and of reading on from one place.',
    unit: 'attempts',
  }),
})

const objectsSchema = z.strictObject({
  roots: z.array(z.string().startsWith('/')).max(64).default([]).register(facts, {
    description: 'Directories that loads, archives and snapshots may read and write below; empty: any.',
    allowed: 'a list of absolute paths',
  }),
  s3: z
    .strictObject({
      endpoint: z.string().refine(isCollectorUrl).default('').register(facts, {
        description: 'Where S3 is served, if not by AWS; empty: by AWS.',
        allowed: 'an http or https URL without a password, or empty',
      }),
      region: z.string().min(1).max(64).default('us-east-1').register(facts, {
        description: 'Region of the buckets.',
        allowed: 'a name',
      }),
      pathStyle: z.boolean().default(false).register(facts, {
        description: 'Whether the bucket stands in the path of a request and not in its host name.',
      }),
      accessKeyId: z.string().max(256).default('').register(facts, {
        description: 'Access key; empty: from the variables, profiles or roles that the AWS SDK knows.',
        allowed: 'text',
        secret: true,
      }),
      secretAccessKey: z.string().max(1_024).default('').register(facts, {
        description: 'Secret key; set it if accessKeyId is set.',
        allowed: 'text',
        secret: true,
      }),
      connectTimeoutMs: z.int().min(100).max(60_000).default(5_000).register(facts, {
        description: 'A connection to S3 is there within so long, or the attempt has failed.',
        unit: 'ms',
      }),
      stallTimeoutMs: z.int().min(100).max(600_000).default(30_000).register(facts, {
        description: 'Something comes from S3, or goes to it, within so long, or the attempt has failed.',
        unit: 'ms',
      }),
      attempts: z.int().min(1).max(10).default(3).register(facts, {
        description: 'Attempts of one request to S3, and of reading on from one place.',
        unit: 'attempts',
      }),
    })
    .prefault({}),
  webhdfs: webHdfsSchema.prefault({}),
})

const terrapinSchema = z.strictObject({
  owner: z
    .strictObject({
      name: z.string().max(limits.maxNameLength).default('').register(facts, {
        description: 'Owner of the datasets that loadFileSet makes; empty: it makes none.',
        allowed: 'text',
      }),
      contact: z.string().max(256).default('').register(facts, {
        description: 'How to reach that owner.',
        allowed: 'text',
      }),
    })
    .prefault({}),
  cluster: z.string().min(1).max(limits.maxNameLength).default('local').register(facts, {
    description: 'Cluster, by its name or an alias, that serves the datasets that loadFileSet makes.',
    allowed: 'a name',
  }),
  root: z
    .string()
    .refine((text) => text === '' || /^(file|s3|hdfs):\/\/\S*$/.test(text))
    .default('')
    .register(facts, {
      description: 'Where directories of loadFileSet lie that are given as bare paths; empty: in HDFS.',
      allowed: 'a file://, s3:// or hdfs:// URL, or empty',
    }),
  zookeeper: z
    .strictObject({
      quorum: z.array(z.string().refine(isHostAndPort)).max(16).default([]).register(facts, {
        description: 'ZooKeeper servers that fat clients find file sets through; empty: none is told.',
        allowed: 'a list of host:port',
      }),
      clusters: z
        .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/))
        .max(16)
        .default([])
        .register(facts, {
          description: 'Terrapin clusters, top nodes of the tree, under which every file set is published.',
          allowed: 'a list of names',
        }),
      advertisedHost: z.string().max(253).default('').register(facts, {
        description:
          'Host by which fat clients reach this gateway, each gateway its own; the port is the clients’ own setting.',
        allowed: HOST_IN_WORDS,
      }),
      sessionTimeoutMs: z.int().min(1_000).max(120_000).default(30_000).register(facts, {
        description: 'A gateway that ZooKeeper does not hear of for so long counts as gone.',
        unit: 'ms',
      }),
    })
    .prefault({}),
})

const hbaseSchema = z.strictObject({
  owner: z
    .strictObject({
      name: z.string().max(limits.maxNameLength).default('').register(facts, {
        description:
          'Owner of the tables that HBase clients make; empty: they may neither make nor change any.',
        allowed: 'text',
      }),
      contact: z.string().max(256).default('').register(facts, {
        description: 'How to reach that owner; empty: as without a name.',
        allowed: 'text',
      }),
    })
    .prefault({}),
})

const originSchema = z.strictObject({
  api: z.enum(['kvstore', 'terrapin']).register(facts, { description: 'Wire API that the origin speaks.' }),
  host: host.register(facts, { description: 'Where the origin listens.', allowed: HOST_IN_WORDS }),
  port: port.min(1).register(facts, { description: 'TCP port of the origin.', unit: 'port' }),
  otherAddresses: z
    .array(z.string().refine((text) => parseAddress(text) !== null))
    .max(63)
    .default([])
    .register(facts, {
      description: 'Where else it listens; connections are spread, and go where one can be had.',
      allowed: 'a list of host:port',
    }),
  clusters: z.array(z.string().min(1).max(limits.maxNameLength)).max(2).default([]).register(facts, {
    description:
      "Clusters of an origin with api terrapin, as that one's own clients name them; others have none.",
    allowed: 'a list of one or two names',
  }),
  connections: z.int().min(0).max(256).default(0).register(facts, {
    description:
      'Connections that each data thread keeps to it, and half as many for shadow reads; 0: 2 if pipelined, else 16.',
  }),
  pipelining: z.enum(['auto', 'on', 'off']).default('auto').register(facts, {
    description:
      'Whether several calls may wait on one connection; auto: not with terrapin, whose servers take one at a time.',
  }),
  deadlineMs: z.int().min(1).max(limits.maxDeadlineMs).default(limits.originDeadlineMs).register(facts, {
    description: 'How long a request waits for the origin, if its caller does not wait shorter.',
    unit: 'ms',
  }),
  standInAfterMs: z.int().min(0).max(60_000).default(limits.originStandInMs).register(facts, {
    description:
      'RAMP, TARGET_PRIMARY: a read without an answer after so long, or half of its time, is sent to the other side as well; 0: never.',
    unit: 'ms',
  }),
  maxInFlight: z.int().min(1).max(10_000).default(256).register(facts, {
    description:
      'Requests in flight there from each data thread, a quarter for shadow reads; four times as many may wait.',
    unit: 'requests',
  }),
  hedgeAfterMs: z.int().min(0).max(60_000).default(0).register(facts, {
    description: 'A read without an answer is sent a second time after so long; 0: never.',
    unit: 'ms',
  }),
  retryPercent: z.int().min(0).max(100).default(10).register(facts, {
    description:
      'Reads that may be sent a second time, of all: because a connection failed, or by hedgeAfterMs.',
    unit: '%',
  }),
  breakerResetMs: z.int().min(100).max(600_000).default(2_000).register(facts, {
    description: 'An origin that failed too often is tried again after so long.',
    unit: 'ms',
  }),
  controller: z
    .strictObject({
      host: z
        .string()
        .refine((text) => text === '' || host.safeParse(text).success)
        .default('')
        .register(facts, {
          description: 'Where the controller of a Terrapin listens, for forwarded loads; empty: none are.',
          allowed: `${HOST_IN_WORDS}, or empty`,
        }),
      port: port.min(1).default(9090).register(facts, {
        description: "TCP port of the origin's controller.",
        unit: 'port',
      }),
    })
    .prefault({}),
})

function tlsFields(certificate: string) {
  return {
    certificateFile: z
      .string()
      .max(4_096)
      .default('')
      .register(facts, { description: `PEM file with the certificate of ${certificate}`, allowed: 'a path' }),
    keyFile: z.string().max(4_096).default('').register(facts, {
      description: "PEM file with the certificate's key.",
      allowed: 'a path',
    }),
  }
}

const ADMIN_TLS = tlsFields('the admin HTTP API; without one it is plain HTTP. Read again on SIGHUP.')
const CQL_TLS = tlsFields('the CQL listener; without one there is no TLS. Read again on SIGHUP.')

const tokenSchema = z.strictObject({
  role: z.enum(['viewer', 'operator', 'admin']).register(facts, {
    description: 'What its holder may: look at metadata; also rows, loads and versions; everything.',
  }),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .register(facts, {
      description:
        'Digest of the token, as "godwit token" prints it. Without tokens nobody is asked who they are.',
      allowed: '64 hexadecimal digits',
      secret: true,
    }),
})

export const configSchema = z.strictObject({
  role: z.enum(['gateway', 'leaf']).default('gateway').register(facts, {
    description:
      'What this process is: a gateway with all that belongs to it, or a leaf that serves copies to one.',
  }),
  data: z
    .strictObject({
      directory: z.string().min(1).default('godwit-data').register(facts, {
        description: 'Directory that holds all data; relative ones start at the working directory.',
        allowed: 'a path',
      }),
    })
    .prefault({}),
  threads: z
    .strictObject({
      data: z
        .int()
        .min(1)
        .max(MAX_DATA_THREADS)
        .default(() => Math.min(availableParallelism(), MAX_DATA_THREADS))
        .register(facts, {
          description: 'Threads that serve clients.',
          unit: 'threads',
          defaultText: 'one a core',
        }),
    })
    .prefault({}),
  listeners: z
    .strictObject({
      kvstore: z.strictObject(listenerFields(7300, 'the KVStore API')).prefault({}),
      usermetastore: z.strictObject(listenerFields(7302, 'UserMetaStore', false)).prefault({}),
      hbase1: z.strictObject(listenerFields(9090, 'HBase’s first Thrift gateway', false)).prefault({}),
      hbase2: z.strictObject(listenerFields(9091, 'HBase’s second Thrift gateway', false)).prefault({}),
      rocksandra: z
        .strictObject({
          ...listenerFields(9042, 'CQL, for clients of Rocksandra,', false),
          tls: z.strictObject(CQL_TLS).prefault({}),
        })
        .prefault({}),
      terrapin: z.strictObject(listenerFields(9010, 'TerrapinService', false)).prefault({}),
      terrapinInternal: z
        .strictObject(listenerFields(9011, 'TerrapinServerInternal, for fat clients', false))
        .prefault({}),
      terrapinController: z
        .strictObject(listenerFields(9012, 'TerrapinController, for uploaders', false))
        .prefault({}),
      terrapinStatus: z
        .strictObject(listenerFields(50030, 'the key look-up of Terrapin’s status pages', false))
        .prefault({}),
      terrapinStats: z
        .strictObject(listenerFields(9999, 'statistics for Terrapin’s dashboards, in Ostrich’s form,', false))
        .prefault({}),
      admin: z
        .strictObject({
          ...listenerFields(7380, 'the admin HTTP API'),
          allowedHosts: z.array(host).max(64).default([]).register(facts, {
            description: 'Names, beside those of this machine, by which browsers and tools may address it.',
            allowed: 'a list of host names',
          }),
          tls: z.strictObject(ADMIN_TLS).prefault({}),
          tokens: z.record(z.string().regex(NAME_PATTERN), tokenSchema).default({}).register(facts, {
            description: 'Who may use it, by name.',
            allowed: NAME_IN_WORDS,
          }),
        })
        .prefault({}),
      leaf: z
        .strictObject({
          ...listenerFields(7390, 'a leaf process to its gateways'),
          allowedHosts: z.array(host).max(64).default([]).register(facts, {
            description: 'Host names, beside addresses, by which gateways may address a leaf process.',
            allowed: 'a list of host names',
          }),
        })
        .prefault({}),
    })
    .prefault({}),
  portOffset: z.int().min(0).max(60_000).default(0).register(facts, {
    description: 'Added to every fixed port of the listeners, so that several gateways share a machine.',
    unit: 'ports',
  }),
  insecure: z.boolean().default(false).register(facts, {
    description: 'Allows listeners beyond this machine although they have no TLS.',
  }),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').register(facts, {
        description: 'Least severe lines that are logged.',
      }),
    })
    .prefault({}),
  telemetry: z
    .strictObject({
      otlpUrl: z.string().refine(isCollectorUrl).default('').register(facts, {
        description:
          'Where traces go, by OTLP over HTTP: the whole URL, ending in /v1/traces. Empty: no traces.',
        allowed: 'an http or https URL without a password, or empty',
      }),
      sampleShare: z.number().min(0).max(1).default(0.01).register(facts, {
        description:
          'Share of the requests that are traced of those whose callers do not say by a traceparent.',
      }),
    })
    .prefault({}),
  loads: z
    .strictObject({
      concurrent: z.int().min(1).max(16).default(1).register(facts, {
        description: 'Loads that run at the same time; further ones wait.',
        unit: 'loads',
      }),
      heapMb: z.int().min(64).max(65_536).default(512).register(facts, {
        description: 'JavaScript heap of one load process; beyond it the load fails, the gateway goes on.',
        unit: 'MB',
      }),
      workers: z
        .int()
        .min(1)
        .max(64)
        .default(() => Math.max(1, Math.min(4, availableParallelism() - 1)))
        .register(facts, {
          description:
            'Threads that read the files of one load, each with a heap of heapMb; never more than files.',
          unit: 'threads',
          defaultText: 'one a core but one, at most 4',
        }),
      sortMb: z.int().min(1).max(1_024).default(64).register(facts, {
        description: 'Memory in which each of them sorts rows before it writes them to disk.',
        unit: 'MB',
      }),
      maxUploadMb: z.int().min(1).max(10_000_000).default(100_000).register(facts, {
        description: 'Largest upload, as it is sent.',
        unit: 'MB',
      }),
    })
    .prefault({}),
  objects: objectsSchema.prefault({}),
  terrapin: terrapinSchema.prefault({}),
  hbase: hbaseSchema.prefault({}),
  rocksandra: rocksandraSchema.prefault({}),
  jobs: z
    .strictObject({
      concurrent: z.int().min(1).max(16).default(1).register(facts, {
        description:
          'Archives, restores, comparisons and snapshots that run at the same time; further ones wait.',
        unit: 'jobs',
      }),
      heapMb: z.int().min(64).max(65_536).default(512).register(facts, {
        description:
          'JavaScript heap of the process of one job; beyond it the job fails, the gateway goes on.',
        unit: 'MB',
      }),
    })
    .prefault({}),
  archive: z
    .strictObject({
      url: z.string().refine(isPlaceUrl).default('').register(facts, {
        description:
          'Where copies of versions go that name no place of their own; empty: they must name one.',
        allowed: 'a file:// or s3:// URL, or empty',
      }),
    })
    .prefault({}),
  leaves: z
    .strictObject({
      attemptTimeoutMs: z.int().min(10).max(60_000).default(500).register(facts, {
        description: 'A read waits so long for one leaf process before it asks another that has the shard.',
        unit: 'ms',
      }),
      breakerResetMs: z.int().min(100).max(600_000).default(2_000).register(facts, {
        description: 'A leaf process that failed too often is tried again after so long.',
        unit: 'ms',
      }),
    })
    .prefault({}),
  limits: z
    .strictObject({
      openDbs: z.int().min(16).max(1_000_000).default(limits.openDbs).register(facts, {
        description: 'DBs of kept versions that stay open; others are opened when they are asked for.',
        unit: 'DBs',
      }),
      leavingVersionMs: z.int().min(0).max(86_400_000).default(limits.leavingVersionMs).register(facts, {
        description:
          'A version that is dropped while it is read stays open so long for those who read it page by page.',
        unit: 'ms',
      }),
      drainTimeoutMs: z.int().min(0).max(600_000).default(limits.drainTimeoutMs).register(facts, {
        description: 'After SIGTERM, requests in flight get so long before their connections are cut.',
        unit: 'ms',
      }),
    })
    .prefault({}),
  migration: migrationSchema.prefault({}),
  origins: z.record(z.string().regex(NAME_PATTERN), originSchema).default({}).register(facts, {
    description: 'Old stores by name.',
    allowed: 'names of 1 to 63 lowercase letters, digits and dashes, starting with a letter',
  }),
})

type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T

/** The effective configuration: complete, checked, frozen. */
export type Config = DeepReadonly<z.infer<typeof configSchema>>
export type OriginConfig = Config['origins'][string]
export type ListenerName = keyof Config['listeners']

export type SettingKind = 'number' | 'boolean' | 'choice' | 'text' | 'list'

/** One row of the settings table. */
export interface Setting {
  /** Path with dots; `<name>` stands for a name of the operator's choice. */
  readonly key: string
  readonly kind: SettingKind
  readonly unit: string | null
  /** As it is printed; null: there is none, it must be given. */
  readonly defaultText: string | null
  /** What may stand there, in words: `1 to 64 threads`. */
  readonly allowed: string
  readonly description: string
  readonly isSecret: boolean
  /** Environment variable that sets it; null where the key holds a chosen name. */
  readonly variable: string | null
}

/** Every setting, in the schema's order. */
export const settings: readonly Setting[] = [...settingsBelow(configSchema, [])]

function* settingsBelow(schema: unknown, path: readonly string[]): Generator<Setting> {
  const inner = schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault ? schema.unwrap() : schema
  if (inner instanceof z.ZodObject) {
    for (const [key, child] of Object.entries(inner.shape)) yield* settingsBelow(child, [...path, key])
  } else if (inner instanceof z.ZodRecord) {
    yield* settingsBelow(inner.valueType, [...path, '<name>'])
  } else if (schema instanceof z.ZodType) {
    yield settingOf(schema, inner, path)
  }
}

function settingOf(schema: z.ZodType, inner: unknown, path: readonly string[]): Setting {
  const key = path.join('.')
  const known = facts.get(schema)
  if (known === undefined) throw new TypeError(`setting ${key} has no description`)
  const unit = known.unit ?? null
  const [kind, allowed] = kindAndAllowed(inner, unit)
  return {
    key,
    kind,
    unit,
    defaultText:
      known.defaultText ?? (schema instanceof z.ZodDefault ? JSON.stringify(schema.def.defaultValue) : null),
    allowed: known.allowed ?? allowed,
    description: known.description,
    isSecret: known.secret ?? false,
    variable: key.includes('<') ? null : variableOf(path),
  }
}

function kindAndAllowed(inner: unknown, unit: string | null): [SettingKind, string] {
  if (inner instanceof z.ZodNumber) {
    const range = `${String(inner.minValue)} to ${String(inner.maxValue)}`
    return ['number', unit === null || unit === 'port' ? range : `${range} ${unit}`]
  }
  if (inner instanceof z.ZodBoolean) return ['boolean', 'true or false']
  if (inner instanceof z.ZodEnum) return ['choice', `one of ${inner.options.join(', ')}`]
  if (inner instanceof z.ZodArray) return ['list', 'a list']
  return ['text', 'text']
}

/** `listeners.kvstore.port` -> `GODWIT_LISTENERS_KVSTORE_PORT`, `portOffset` -> `GODWIT_PORT_OFFSET`. */
function variableOf(path: readonly string[]): string {
  const words = path.map((word) => word.replaceAll(/[A-Z]/g, (letter) => `_${letter}`))
  return `GODWIT_${words.join('_').toUpperCase()}`
}
