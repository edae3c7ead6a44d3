/**
 * What WITH may say of keyspaces and tables. Texts and ranges as TableAttributes.java, TableParams.java and
 * KeyspaceAttributes.java of Cassandra 3.0; options that mean nothing here are kept and shown again.
 */
import type { Owner } from '../../../src/model/dataset.js'
import type { CqlOptions } from '../../../src/model/table-call.js'
import type { Properties } from '../cql/ast.js'
import { CqlError, invalid } from '../cql/errors.js'

const TEXTS = ['comment', 'speculative_retry', 'id'] as const
const MAPS = ['caching', 'compaction', 'compression', 'extensions', 'owner'] as const
/** Name -> least value. */
const INTEGERS: Readonly<Record<string, number>> = {
  default_time_to_live: 0,
  gc_grace_seconds: 0,
  max_index_interval: 1,
  memtable_flush_period_in_ms: 0,
  min_index_interval: 1,
}
const FRACTIONS = [
  'bloom_filter_fp_chance',
  'crc_check_chance',
  'dclocal_read_repair_chance',
  'read_repair_chance',
]
/** Instagram's. */
const BOOLEANS = ['purge_ttl_on_expiration']

/** Attributes.MAX_TTL: twenty years. */
const MAX_TTL_SECONDS = 630_720_000

/** Of a new table. @throws {CqlError} SYNTAX_ERROR, CONFIG_ERROR */
export function tableOptions(properties: Properties): CqlOptions {
  const options: Record<string, string | Readonly<Record<string, string>>> = {}
  for (const [name, value] of properties) {
    checkOption(name, value)
    options[name] = typeof value === 'string' ? value : Object.fromEntries(value)
  }
  return options
}

function checkOption(name: string, value: string | ReadonlyMap<string, string>): void {
  const isMap = typeof value !== 'string'
  if (MAPS.some((known) => known === name)) {
    // ALTER TABLE ... WITH compression = '' is how old scripts turn it off.
    if (!isMap && !(name === 'compression' && value === ''))
      throw syntax(`Invalid value for property '${name}'. It should be a map.`)
    return
  }
  if (isMap) {
    const isKnown = TEXTS.some((known) => known === name) || name in INTEGERS || FRACTIONS.includes(name)
    throw syntax(
      isKnown ? `Invalid value for property '${name}'. It should be a string` : `Unknown property '${name}'`,
    )
  }
  if (TEXTS.some((known) => known === name) || BOOLEANS.includes(name)) return
  const least = INTEGERS[name]
  if (least !== undefined) checkInteger(name, value, least)
  else if (FRACTIONS.includes(name)) checkFraction(name, value)
  else throw syntax(`Unknown property '${name}'`)
}

function checkInteger(name: string, value: string, least: number): void {
  if (!/^-?\d+$/.test(value)) throw syntax(`Invalid integer value ${value} for '${name}'`)
  const number = Number(value)
  if (number < least) {
    throw config(`${name} must be greater than or equal to ${least} (got ${value})`)
  }
  if (name === 'default_time_to_live' && number > MAX_TTL_SECONDS) {
    throw config(`${name} must be less than or equal to ${MAX_TTL_SECONDS} (got ${value})`)
  }
}

function checkFraction(name: string, value: string): void {
  const number = Number(value)
  if (value.trim() === '' || Number.isNaN(number)) throw syntax(`Invalid double value ${value} for '${name}'`)
  if (number < 0 || number > 1) {
    throw config(`${name} must be larger than or equal to 0 and smaller than or equal to 1.0 (got ${value})`)
  }
}

/** Who the table says it belongs to: `WITH owner = {'name': ..., 'contact': ...}`; null: nobody. */
export function ownerOf(options: CqlOptions): Owner | null {
  const { owner } = options
  if (typeof owner !== 'object') return null
  const { name = '', contact = '', ...rest } = owner
  if (name === '' || contact === '' || Object.keys(rest).length > 0) {
    throw config("owner must have 'name' and 'contact', and nothing else")
  }
  return { name, contact }
}

export interface KeyspaceOptions {
  readonly replication?: Readonly<Record<string, string>>
  readonly durableWrites?: boolean
}

function booleanOf(name: string, value: string | ReadonlyMap<string, string>): boolean {
  if (typeof value === 'string') return /^(1|true|yes)$/i.test(value)
  throw syntax(`Invalid value for property '${name}'. It should be a string`)
}

const STRATEGIES = 'org.apache.cassandra.locator.'

/** @throws {CqlError} SYNTAX_ERROR, CONFIG_ERROR */
export function keyspaceOptions(properties: Properties): KeyspaceOptions {
  const options: { replication?: Readonly<Record<string, string>>; durableWrites?: boolean } = {}
  for (const [name, value] of properties) {
    if (name === 'replication') options.replication = replicationOf(value)
    else if (name === 'durable_writes') options.durableWrites = booleanOf(name, value)
    else throw syntax(`Unknown property '${name}'`)
  }
  return options
}

function replicationOf(value: string | ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  if (typeof value === 'string') throw syntax("Invalid value for property 'replication'. It should be a map.")
  const { class: name = '', ...options } = Object.fromEntries(value)
  if (name === '') throw config('Missing replication strategy class')
  const simple = name.startsWith(STRATEGIES) ? name.slice(STRATEGIES.length) : name
  if (!/^(SimpleStrategy|NetworkTopologyStrategy|LocalStrategy|OldNetworkTopologyStrategy)$/.test(simple)) {
    throw config(`Unable to find replication strategy class '${STRATEGIES}${simple}'`)
  }
  if (simple === 'SimpleStrategy' && options['replication_factor'] === undefined) {
    throw config('SimpleStrategy requires a replication_factor strategy option.')
  }
  for (const [option, factor] of Object.entries(options)) {
    if (!/^\d+$/.test(factor)) {
      throw config(`Replication factor must be numeric; found ${factor} for ${option}`)
    }
  }
  return { class: `${STRATEGIES}${simple}`, ...options }
}

/** @throws {CqlError} INVALID for what names no keyspace or table (Cassandra makes directories of them) */
export function checkName(name: string, what: 'keyspace' | 'table'): void {
  if (!/^\w+$/.test(name)) {
    const rule = '(must be alphanumeric character or underscore only: [a-zA-Z_0-9]+)'
    throw invalid(`"${name}" is not a valid ${what} name ${what === 'table' ? rule : ''}`.trim())
  }
  if (name.length > 48) {
    const plural = what === 'table' ? 'Table' : 'Keyspace'
    throw invalid(`${plural} names shouldn't be more than 48 characters long (got "${name}")`)
  }
  if (what === 'keyspace' && name.startsWith('_')) {
    throw invalid(
      `"${name}" is not a valid keyspace name here: it begins the name of a dataset, which begin with a letter or digit`,
    )
  }
}

function syntax(message: string): CqlError {
  return new CqlError('SYNTAX_ERROR', message)
}

function config(message: string): CqlError {
  return new CqlError('CONFIG_ERROR', message)
}
