/**
 * What `compaction` and `compression` of a table may say. Nothing here depends on it, but what Cassandra refuses is refused
 * in its words: CompactionParams.java and CompressionParams.java of 3.0.15, and what its strategies know.
 */
import { CqlError } from '../cql/errors.js'
import { doubleText, javaDouble } from '../cql/values/doubles.js'

type Given = ReadonlyMap<string, string>

const COMPACTION_PACKAGE = 'org.apache.cassandra.db.compaction.'
const COMPRESSION_PACKAGE = 'org.apache.cassandra.io.compress.'
const COMPRESSOR = /^(LZ4|Snappy|Deflate)Compressor$/

/** The largest values of Java's int and long. */
const MAX_INT = 2n ** 31n - 1n
const MAX_LONG = 2n ** 63n - 1n

const [DEFAULT_BUCKET_LOW, DEFAULT_BUCKET_HIGH] = [0.5, 1.5]
const [DEFAULT_MIN_THRESHOLD, DEFAULT_MAX_THRESHOLD] = [4, 32]

/** Refuses a value of its option. */
type Check = (value: string, option: string) => void

function whole(max: bigint, least: bigint, refused: (value: bigint, option: string) => string): Check {
  return (value, option) => {
    const number = /^[-+]?\d+$/.test(value) ? BigInt(value.replace(/^\+/, '')) : null
    if (number === null || number > max || number < -max - 1n) {
      throw config(`${value} is not a parsable int (base10) for ${option}`)
    }
    if (number < least) throw config(refused(number, option))
  }
}

const notNegative = (value: bigint, option: string) => `${option} must not be negative, but was ${value}`
const positive = (value: bigint, option: string) => `${option} must be greater than 0, but was ${value}`

/** Read as Java reads a float; those that are too small are shown with so many digits. */
function fraction(digits: number, words: string, kind = 'int (base10)'): Check {
  return (value, option) => {
    const number = javaDouble(value)
    if (number === null) throw config(`${value} is not a parsable ${kind} for ${option}`)
    if (number < 0) throw config(`${option} ${words} ${number.toFixed(digits)}`)
  }
}

function word(words: readonly string[], refused: (value: string, option: string) => string): Check {
  return (value, option) => {
    if (!words.includes(value)) throw config(refused(value, option))
  }
}

const notValid = (value: string, option: string) => `${value} is not valid for ${option}`

/** Of every strategy (AbstractCompactionStrategy.validateOptions), in its order. */
const COMMON: Readonly<Record<string, Check>> = {
  tombstone_threshold: fraction(6, 'must be greater than 0, but was'),
  tombstone_compaction_interval: whole(MAX_LONG, 0n, positive),
  unchecked_tombstone_compaction: (value, option) => {
    if (!isBoolean(value)) throw config(`'${option}' should be either 'true' or 'false', not '${value}'`)
  },
  enabled: (value) => {
    if (!isBoolean(value)) throw config(`enabled should either be 'true' or 'false', not ${value}`)
  },
  only_purge_repaired_tombstones: () => undefined,
}

/** Of those that put tables of like size together, which all do at times; bucket_low and bucket_high go together. */
const BY_SIZE: Readonly<Record<string, Check>> = {
  min_sstable_size: whole(MAX_LONG, 0n, (value, option) => `${option} must be non negative: ${value}`),
  bucket_low: () => undefined,
  bucket_high: () => undefined,
}
/** Checked behind the others (CompactionParams.validate). */
const THRESHOLDS: Readonly<Record<string, Check>> = {
  min_threshold: () => undefined,
  max_threshold: () => undefined,
}

/** By what each strategy knows beside the common options, in the order of its checks. */
const STRATEGIES: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  SizeTieredCompactionStrategy: { ...BY_SIZE, ...THRESHOLDS },
  LeveledCompactionStrategy: {
    sstable_size_in_mb: whole(
      MAX_INT,
      1n,
      (value, option) => `${option} must be larger than 0, but was ${value}`,
    ),
    ...BY_SIZE,
  },
  DateTieredCompactionStrategy: {
    timestamp_resolution: word(
      ['NANOSECONDS', 'MICROSECONDS', 'MILLISECONDS', 'SECONDS', 'MINUTES', 'HOURS', 'DAYS'],
      (value, option) => `${option} ${value} is not valid`,
    ),
    max_sstable_age_days: fraction(2, 'must be non-negative:'),
    base_time_seconds: whole(MAX_LONG, 1n, positive),
    expired_sstable_check_frequency_seconds: whole(MAX_LONG, 0n, notNegative),
    max_window_size_seconds: whole(MAX_LONG, 0n, notNegative),
    ...BY_SIZE,
    ...THRESHOLDS,
  },
  TimeWindowCompactionStrategy: {
    timestamp_resolution: word(['SECONDS', 'MILLISECONDS', 'MICROSECONDS', 'NANOSECONDS'], notValid),
    compaction_window_unit: word(['MINUTES', 'HOURS', 'DAYS'], notValid),
    // It names the default where the option should be.
    compaction_window_size: (value) => whole(MAX_INT, 1n, () => '1 must be greater than 1')(value, '1'),
    expired_sstable_check_frequency_seconds: whole(MAX_LONG, 0n, notNegative),
    ...BY_SIZE,
    ...THRESHOLDS,
  },
}

/** @throws {CqlError} CONFIG_ERROR */
export function checkCompaction(given: Given): void {
  const name = given.get('class')
  if (name === undefined) throw config("Missing sub-option 'class' for the 'compaction' option")
  const simple = simpleName(name, COMPACTION_PACKAGE)
  const own = Object.hasOwn(STRATEGIES, simple) ? STRATEGIES[simple] : undefined
  if (own === undefined) {
    throw config(`Unable to find compaction strategy class '${fullName(name, COMPACTION_PACKAGE)}'`)
  }
  const checks = { ...COMMON, ...own }
  for (const [option, check] of Object.entries(checks)) {
    const value = given.get(option)
    if (value !== undefined) check(value, option)
  }
  checkBuckets(given)
  const unknown = [...given.keys()].filter((option) => option !== 'class' && !Object.hasOwn(checks, option))
  if (unknown.length > 0) {
    throw config(`Properties specified [${unknown.join(', ')}] are not understood by ${simple}`)
  }
  if ('min_threshold' in own) checkThresholds(given)
}

function checkBuckets(given: Given): void {
  const [low, high] = (
    [
      ['bucket_low', DEFAULT_BUCKET_LOW],
      ['bucket_high', DEFAULT_BUCKET_HIGH],
    ] as const
  ).map(([option, fallback]) => {
    const value = given.get(option)
    const number = value === undefined ? fallback : javaDouble(value)
    if (number === null) throw config(`${value ?? ''} is not a parsable float for ${option}`)
    return number
  })
  // Neither of NaN and another number is.
  if (low === undefined || high === undefined || !(high <= low)) return
  throw config(
    `bucket_high value (${doubleText(high)}) is less than or equal to the bucket_low value (${doubleText(low)})`,
  )
}

function checkThresholds(given: Given): void {
  for (const option of ['min_threshold', 'max_threshold']) {
    const value = given.get(option)
    if (value !== undefined && !/^\d*$/.test(value)) {
      throw config(`Invalid value ${value} for '${option}' compaction sub-option - must be an integer`)
    }
  }
  const min = Number(given.get('min_threshold') ?? DEFAULT_MIN_THRESHOLD)
  const max = Number(given.get('max_threshold') ?? DEFAULT_MAX_THRESHOLD)
  if (min <= 0 || max <= 0) {
    throw config(
      'Disabling compaction by setting compaction thresholds to 0 has been removed, ' +
        "set the compaction option 'enabled' to false instead.",
    )
  }
  if (min <= 1) throw config(`Min compaction threshold cannot be less than 2 (got ${min})`)
  if (min > max) {
    throw config(
      `Min compaction threshold (got ${min}) cannot be greater than max compaction threshold (got ${max})`,
    )
  }
}

const FORMER_CLASS = 'sstable_compression'
const CHUNK_LENGTH = 'chunk_length_in_kb'
const FORMER_CHUNK_LENGTH = 'chunk_length_kb'
/** Those that all compressors know, in either name; they have none of their own. */
const KNOWN_TO_ALL = ['class', FORMER_CLASS, CHUNK_LENGTH, FORMER_CHUNK_LENGTH, 'enabled', 'crc_check_chance']

/** @throws {CqlError} CONFIG_ERROR */
export function checkCompression(given: Given): void {
  const enabled = given.get('enabled')
  const isOn = enabled === undefined || enabled.toLowerCase() === 'true'
  if (!isOn) {
    if (given.size === 1) return
    throw config("If the 'enabled' option is set to false no other options must be specified")
  }
  const [name, former] = [given.get('class'), given.get(FORMER_CLASS)]
  if (given.size > 0 && name === undefined && former === undefined) {
    throw config("Missing sub-option 'class' for the 'compression' option.")
  }
  if (name !== undefined && former !== undefined) {
    throw config(
      `The '${FORMER_CLASS}' option must not be used if the compression algorithm is already specified by the 'class' option`,
    )
  }
  if (name === '') {
    throw config("The 'class' option must not be empty. To disable compression use 'enabled' : false")
  }
  const chunkBytes = chunkLengthOf(given)
  checkCompressor(name ?? former ?? '', given)
  if (chunkBytes === null) return
  if (chunkBytes <= 0) throw config(`Invalid negative or null ${CHUNK_LENGTH}`)
  if ((chunkBytes & (chunkBytes - 1)) !== 0) throw config(`${CHUNK_LENGTH} must be a power of 2`)
}

function checkCompressor(name: string, given: Given): void {
  const others = [...given.keys()].filter((option) => !KNOWN_TO_ALL.includes(option))
  if (name === '') {
    const unused = given.has('crc_check_chance') ? ['crc_check_chance', ...others] : others
    if (unused.length === 0) return
    throw config(`Unknown compression options ([${unused.join(', ')}]) since no compression class found`)
  }
  if (!COMPRESSOR.test(simpleName(name, COMPRESSION_PACKAGE))) {
    throw config(`Could not create Compression for type ${fullName(name, COMPRESSION_PACKAGE)}`)
  }
  const [unknown] = others
  if (unknown !== undefined) throw config(`Unknown compression options ${unknown}`)
}

/** Null: it is not said. */
function chunkLengthOf(given: Given): number | null {
  if (given.has(CHUNK_LENGTH) && given.has(FORMER_CHUNK_LENGTH)) {
    throw config(
      `The '${FORMER_CHUNK_LENGTH}' option must not be used if the chunk length is already specified by the '${CHUNK_LENGTH}' option`,
    )
  }
  const value = given.get(CHUNK_LENGTH) ?? given.get(FORMER_CHUNK_LENGTH)
  if (value === undefined) return null
  const kilobytes = /^[-+]?\d+$/.test(value) ? Number(value) : NaN
  if (kilobytes !== (kilobytes | 0)) throw config(`Invalid value for ${CHUNK_LENGTH}`)
  if (kilobytes > Math.floor(Number(MAX_INT) / 1024)) {
    throw config(`Value of ${CHUNK_LENGTH} is too large (${kilobytes})`)
  }
  return kilobytes * 1024
}

function isBoolean(value: string): boolean {
  return /^(true|false)$/i.test(value)
}

function simpleName(name: string, javaPackage: string): string {
  return name.startsWith(javaPackage) ? name.slice(javaPackage.length) : name
}

function fullName(name: string, javaPackage: string): string {
  return name.includes('.') ? name : javaPackage + name
}

function config(message: string): CqlError {
  return new CqlError('CONFIG_ERROR', message)
}
