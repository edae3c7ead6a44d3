/**
 * Every option that we give RocksDB, one constant a format, each with its reason. What is persistent (columns and
 * operators) is recorded in FORMAT.json and compared before a DB is opened, because RocksDB does not: opened once
 * without its merge operator, a DB loses its log silently.
 *
 * Options that are absent are absent on purpose: prefixExtractor loses rows in range reads; decouplePartitionedFilters
 * and walTotalSizeLimit are written into other fields by the binding; a comparator of our own would tie the files to it.
 */

/** Options of one column family. */
export interface ColumnOptions {
  /** `level` with a budget is the only way to bound memtables: without it the binding ignores the budget. */
  readonly compaction?: 'level'
  readonly memtableMemoryBudget?: number
  readonly compression: boolean
  readonly cacheSize: number
  readonly mergeOperator?: 'max'
}

export interface DatabaseOptions {
  /** Name and number of the layout inside the DB; FORMAT.json holds both. Never renumber. */
  readonly format: string
  readonly formatNumber: number
  /** The column family that holds the data; null: the default one. */
  readonly column: string | null
  readonly parallelism: number
  readonly walCompression: boolean
  readonly default: ColumnOptions
  readonly columns: Readonly<Record<string, ColumnOptions>> | null
}

/** Two background threads a process is what two cores give; the pool is shared by all DBs of the process. */
const PARALLELISM = 2

/**
 * No block cache: caches cannot be shared between DBs, so that memory would grow with their number, and uncompressed
 * data is read from the page cache as fast (6.2 against 8.1 us a get). No compression, because it halves the speed of
 * loading and of reading without a cache.
 */
const PLAIN: ColumnOptions = { compression: false, cacheSize: 0 }

/** Sealed shards: one plain column family, written once, read by point look-ups. */
export const SEALED_OPTIONS: DatabaseOptions = {
  format: 'godwit-sealed',
  formatNumber: 1,
  column: null,
  parallelism: PARALLELISM,
  // The log of a load is thrown away at the seal: compressing it costs half of the speed.
  walCompression: false,
  default: PLAIN,
  columns: null,
}

/**
 * The same files, written in the order of their keys, about so many bytes of them: memtables of a quarter of that go to
 * tables while more is written, so that not all of the log is read again at the seal. Compaction then only renames tables,
 * because their ranges do not meet. The budget is the size of what will be there because it bounds the first level, too:
 * what goes to the levels below it `level` compresses, and packed blocks take twice as long to write and to read.
 */
export function sealedInOrderOptions(expectedBytes: number): DatabaseOptions {
  const memtableMemoryBudget = Math.max(MIN_MEMTABLE_BUDGET, Math.ceil(expectedBytes))
  return { ...SEALED_OPTIONS, default: { ...PLAIN, compaction: 'level', memtableMemoryBudget } }
}

/** Less would only make more tables of little. */
const MIN_MEMTABLE_BUDGET = 4 * 1024 * 1024

/**
 * Mutable shards: everything lies in `cells`, merged by `max`. A named family and not the default one, so that a tool
 * that opens the DB naively fails loudly instead of dropping the log for want of the operator.
 */
export const MUTABLE_OPTIONS: DatabaseOptions = {
  format: 'godwit-mutable',
  formatNumber: 1,
  column: 'cells',
  parallelism: PARALLELISM,
  walCompression: false,
  default: PLAIN,
  columns: {
    default: PLAIN,
    cells: {
      // A quarter of the budget is one memtable, at most six of them: 96 MB a shard under the heaviest writing.
      compaction: 'level',
      memtableMemoryBudget: 64 * 1024 * 1024,
      compression: false,
      // `level` compresses the lower levels whatever is asked for; their blocks must not be unpacked at every read.
      cacheSize: 32 * 1024 * 1024,
      mergeOperator: 'max',
    },
  },
}

/** History shards: several versions of a cell, merged and kept as the cells of mutable ones are. */
export const HISTORY_OPTIONS: DatabaseOptions = { ...MUTABLE_OPTIONS, format: 'godwit-history' }

/** The DB whose LOCK file guards a data directory: nothing is ever written to it. */
export const LOCK_OPTIONS: DatabaseOptions = {
  format: 'godwit-lock',
  formatNumber: 1,
  column: null,
  parallelism: 1,
  walCompression: false,
  default: { ...PLAIN, compaction: 'level', memtableMemoryBudget: 1024 * 1024 },
  columns: null,
}

/** What FORMAT.json records of the options: all that changes the meaning of the bytes. */
export function persistentOptions(options: DatabaseOptions): Record<string, string | null> {
  const operators: Record<string, string | null> = {}
  for (const [name, column] of Object.entries(options.columns ?? { default: options.default })) {
    operators[name] = column.mergeOperator ?? null
  }
  return operators
}

/** The options as the binding wants them. With `columns` each family takes its own and inherits nothing. */
export function nativeOptions(options: DatabaseOptions, isNew: boolean): object {
  return {
    createIfMissing: isNew,
    errorIfExists: isNew,
    parallelism: options.parallelism,
    walCompression: options.walCompression,
    ...options.default,
    ...(options.columns === null ? {} : { columns: options.columns }),
  }
}
