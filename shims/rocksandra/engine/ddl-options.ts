/**
 * What WITH may say of keyspaces and tables. Texts and ranges as TableAttributes.java, TableParams.java and
 * KeyspaceAttributes.java of Cassandra 3.0; options that mean nothing here are kept and shown again.
 */
import type { Owner } from '../../../src/model/dataset.js'
import type { CqlOptions } from '../../../src/model/table-call.js'
import type { Properties } from '../cql/ast.js'
import { CqlError, invalid } from '../cql/errors.js'
import { doubleText, javaDouble } from '../cql/values/doubles.js'
import { checkCompaction, checkCompression } from './ddl-storage-options.js'

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

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Attributes.MAX_TTL: twenty years. */
const MAX_TTL_SECONDS = 630_720_000

/** BloomCalculations.minSupportedBloomFilterFpChance. */
const MIN_BLOOM_CHANCE = 6.71e-5
const [DEFAULT_MIN_INTERVAL, DEFAULT_MAX_INTERVAL] = [128, 2_048]

/** Of a table, those that it had before included. @throws {CqlError} SYNTAX_ERROR, CONFIG_ERROR */
export function tableOptions(properties: Properties, before: CqlOptions = {}): CqlOptions {
  const options: Record<string, string | Readonly<Record<string, string>>> = { ...before }
  for (const [name, value] of properties) {
    checkOption(name, value)
    if (typeof value !== 'string') CHECKS[name]?.(value)
    const chance = typeof value === 'string' || name !== 'compression' ? undefined : value.get(CRC_CHANCE)
    if (chance !== undefined) {
      // Where it stood once (CASSANDRA-9839); the quote is Cassandra's.
      if (javaDouble(chance) === null) throw syntax(`Invalid double value ${chance} for ${CRC_CHANCE}.'`)
      checkFraction(CRC_CHANCE, chance)
      options[CRC_CHANCE] = chance
    }
    if (name === 'caching' && typeof value !== 'string') options[name] = cachingOf(value)
    else if (name === 'speculative_retry' && typeof value === 'string') options[name] = retryOf(value)
    else options[name] = typeof value === 'string' ? value : Object.fromEntries(value)
  }
  checkIntervals(options)
  return options
}

const CHECKS: Readonly<Record<string, (given: ReadonlyMap<string, string>) => void>> = {
  compaction: checkCompaction,
  compression: checkCompression,
}

function checkIntervals({ min_index_interval: min, max_index_interval: max }: CqlOptions): void {
  const [least, most] = [Number(min ?? DEFAULT_MIN_INTERVAL), Number(max ?? DEFAULT_MAX_INTERVAL)]
  if (most < least) {
    throw config(
      `max_index_interval must be greater than or equal to min_index_interval (${least}) (got ${most})`,
    )
  }
}

const CRC_CHANCE = 'crc_check_chance'

/** As CachingParams.java shows them again. */
function cachingOf(given: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const { keys = NONE, rows_per_partition: rows = NONE, ...others } = Object.fromEntries(given)
  const isWord = (text: string) => /^(all|none)$/i.test(text)
  if (!isWord(keys)) {
    throw config(`Invalid value '${keys}' for caching sub-option 'keys': only 'ALL' and 'NONE' are allowed`)
  }
  if (!isWord(rows) && !/^\d+$/.test(rows)) {
    throw config(
      `Invalid value '${rows}' for caching sub-option 'rows_per_partition': only 'ALL', 'NONE', and integer values are allowed`,
    )
  }
  const names = Object.keys(others)
  if (names.length > 0) {
    const allowed = "only 'keys' and 'rows_per_partition' are allowed"
    throw config(`Invalid caching sub-options [${names.join(', ')}]: ${allowed}`)
  }
  const shown = isWord(rows) ? rows.toUpperCase() : String(Number(rows))
  return { keys: keys.toUpperCase(), rows_per_partition: shown === '0' ? NONE : shown }
}

const NONE = 'NONE'

/** As SpeculativeRetryParam.java shows it again. */
function retryOf(value: string): string {
  const [, number = '', unit = ''] = /^(.*?)(ms|percentile)$/i.exec(value) ?? []
  const name = "option 'speculative_retry'"
  if (value === 'ALWAYS' || value === NONE) return value
  const amount = unit === '' ? null : javaDouble(number)
  if (amount === null) throw config(`Invalid value ${value} for ${name}`)
  if (unit.toLowerCase() === 'ms') return `${doubleText(amount)}ms`
  if (!(amount >= 0 && amount <= 100)) {
    throw config(`Invalid value ${value} for PERCENTILE ${name}: must be between 0.0 and 100.0`)
  }
  return `${Number(amount.toFixed(5))}PERCENTILE`
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
  if (name === 'id' && !UUID.test(value)) throw config('Invalid table id')
  if (TEXTS.some((known) => known === name) || BOOLEANS.includes(name)) return
  const least = INTEGERS[name]
  if (least !== undefined) checkInteger(name, value, least)
  else if (FRACTIONS.includes(name)) checkFraction(name, value)
  else throw syntax(`Unknown property '${name}'`)
}

function checkInteger(name: string, value: string, least: number): void {
  const number = Number(value)
  if (!/^[-+]?\d+$/.test(value) || number !== (number | 0)) {
    throw syntax(`Invalid integer value ${value} for '${name}'`)
  }
  if (number < least) {
    throw config(`${name} must be greater than or equal to ${least} (got ${value})`)
  }
  if (name === 'default_time_to_live' && number > MAX_TTL_SECONDS) {
    throw config(`${name} must be less than or equal to ${MAX_TTL_SECONDS} (got ${value})`)
  }
}

function checkFraction(name: string, value: string): void {
  const number = javaDouble(value)
  if (number === null) throw syntax(`Invalid double value ${value} for '${name}'`)
  const got = `(got ${doubleText(number)})`
  if (name === 'bloom_filter_fp_chance') {
    if (!(number <= MIN_BLOOM_CHANCE || number > 1)) return
    throw config(
      `${name} must be larger than ${doubleText(MIN_BLOOM_CHANCE)} and less than or equal to 1.0 ${got}`,
    )
  }
  if (number < 0 || number > 1) {
    throw config(`${name} must be larger than or equal to 0 and smaller than or equal to 1.0 ${got}`)
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
export function keyspaceOptions(
  properties: Properties,
  about: { readonly keyspace: string; readonly isNew: boolean },
): KeyspaceOptions {
  const options: { replication?: Readonly<Record<string, string>>; durableWrites?: boolean } = {}
  for (const [name, value] of properties) {
    if (name === 'replication') {
      const replication = replicationOf(value, about)
      if (replication !== undefined) options.replication = replication
    } else if (name === 'durable_writes') options.durableWrites = booleanOf(name, value)
    else throw syntax(`Unknown property '${name}'`)
  }
  return options
}

/** Undefined: it names no class, and nothing else either. */
function replicationOf(
  value: string | ReadonlyMap<string, string>,
  { keyspace, isNew }: { readonly keyspace: string; readonly isNew: boolean },
): Readonly<Record<string, string>> | undefined {
  if (typeof value === 'string') throw syntax("Invalid value for property 'replication'. It should be a map.")
  const { class: name, ...options } = Object.fromEntries(value)
  if (name === undefined) {
    if (isNew || Object.keys(options).length === 0) return undefined
    throw config('Missing replication strategy class')
  }
  const simple = name.startsWith(STRATEGIES) ? name.slice(STRATEGIES.length) : name
  if (!/^(SimpleStrategy|NetworkTopologyStrategy|LocalStrategy|OldNetworkTopologyStrategy)$/.test(simple)) {
    throw config(`Unable to find replication strategy class '${STRATEGIES}${simple}'`)
  }
  if (simple === 'LocalStrategy') {
    throw config('Unable to use given strategy class: LocalStrategy is reserved for internal use.')
  }
  checkFactors(simple, options, keyspace)
  return { class: `${STRATEGIES}${simple}`, ...options }
}

function checkFactors(strategy: string, options: Readonly<Record<string, string>>, keyspace: string): void {
  const isSimple = strategy === 'SimpleStrategy'
  const factor = options['replication_factor']
  if (isSimple && factor === undefined) {
    throw config('SimpleStrategy requires a replication_factor strategy option.')
  }
  if (strategy === 'NetworkTopologyStrategy' && factor !== undefined) {
    throw config('replication_factor is an option for SimpleStrategy, not NetworkTopologyStrategy')
  }
  for (const [option, one] of Object.entries(options)) {
    if (isSimple && option !== 'replication_factor') {
      throw config(
        `Unrecognized strategy option {${option}} passed to SimpleStrategy for keyspace ${keyspace}`,
      )
    }
    if (!/^[-+]?\d+$/.test(one)) throw config(`Replication factor must be numeric; found ${one}`)
    if (Number(one) < 0) throw config(`Replication factor must be non-negative; found ${one}`)
  }
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
