import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkCompaction, checkCompression } from '../../../shims/rocksandra/engine/ddl-storage-options.js'

type Given = Readonly<Record<string, string>>

const SIZE = 'SizeTieredCompactionStrategy'
const WINDOW = 'TimeWindowCompactionStrategy'

/** Of options that Cassandra takes nothing. */
function refusal(check: (given: ReadonlyMap<string, string>) => void, given: Given): string {
  try {
    check(new Map(Object.entries(given)))
    return ''
  } catch (error) {
    const { code, message } = error as { readonly code: string; readonly message: string }
    assert.equal(code, 'CONFIG_ERROR')
    return message
  }
}

const COMPACTIONS: readonly (readonly [given: Given, refused: string])[] = [
  [{ class: SIZE, min_threshold: '2', max_threshold: '2', enabled: 'FALSE' }, ''],
  [{ class: `org.apache.cassandra.db.compaction.${SIZE}`, bucket_low: '0.25', bucket_high: '1e1' }, ''],
  [{ class: 'LeveledCompactionStrategy', sstable_size_in_mb: '160', tombstone_threshold: '0.2' }, ''],
  [{ class: 'DateTieredCompactionStrategy', timestamp_resolution: 'DAYS', base_time_seconds: '1' }, ''],
  [{ class: WINDOW, compaction_window_unit: 'HOURS', compaction_window_size: '6' }, ''],
  [{}, "Missing sub-option 'class' for the 'compaction' option"],
  [
    { class: 'toString' },
    "Unable to find compaction strategy class 'org.apache.cassandra.db.compaction.toString'",
  ],
  [{ class: SIZE, nope: '1', x: '' }, `Properties specified [nope, x] are not understood by ${SIZE}`],
  [
    { class: WINDOW, base_time_seconds: '1' },
    `Properties specified [base_time_seconds] are not understood by ${WINDOW}`,
  ],
  [
    { class: SIZE, min_sstable_size: '9223372036854775808' },
    '9223372036854775808 is not a parsable int (base10) for min_sstable_size',
  ],
  [
    { class: SIZE, tombstone_threshold: '-1' },
    'tombstone_threshold must be greater than 0, but was -1.000000',
  ],
  [
    { class: SIZE, bucket_low: '2' },
    'bucket_high value (1.5) is less than or equal to the bucket_low value (2.0)',
  ],
  // Numbers are those of Java's parseDouble and parseFloat, which know letters behind them and NaN.
  [{ class: SIZE, bucket_low: ' 0.25f', bucket_high: 'NaN', tombstone_threshold: '.5d' }, ''],
  [
    { class: SIZE, tombstone_threshold: '0x10' },
    '0x10 is not a parsable int (base10) for tombstone_threshold',
  ],
  [{ class: SIZE, bucket_high: '0b11' }, '0b11 is not a parsable float for bucket_high'],
  [{ class: SIZE, bucket_low: '' }, ' is not a parsable float for bucket_low'],
  [
    { class: SIZE, min_threshold: '33' },
    'Min compaction threshold (got 33) cannot be greater than max compaction threshold (got 32)',
  ],
  [
    { class: SIZE, max_threshold: '-1' },
    "Invalid value -1 for 'max_threshold' compaction sub-option - must be an integer",
  ],
  [{ class: WINDOW, compaction_window_unit: 'SECONDS' }, 'SECONDS is not valid for compaction_window_unit'],
]

const LZ4 = { class: 'LZ4Compressor' }

const COMPRESSIONS: readonly (readonly [given: Given, refused: string])[] = [
  [{}, ''],
  [{ enabled: 'no' }, ''],
  [{ ...LZ4, enabled: 'TRUE', chunk_length_in_kb: '64', crc_check_chance: '0.5' }, ''],
  [{ sstable_compression: '' }, ''],
  [{ enabled: 'true' }, "Missing sub-option 'class' for the 'compression' option."],
  [
    { ...LZ4, enabled: 'false' },
    "If the 'enabled' option is set to false no other options must be specified",
  ],
  [{ class: '' }, "The 'class' option must not be empty. To disable compression use 'enabled' : false"],
  [
    { ...LZ4, sstable_compression: 'LZ4Compressor' },
    "The 'sstable_compression' option must not be used if the compression algorithm is already specified by the 'class' option",
  ],
  [{ ...LZ4, nope: '1' }, 'Unknown compression options nope'],
  [
    { sstable_compression: '', nope: '1' },
    'Unknown compression options ([nope]) since no compression class found',
  ],
  [{ ...LZ4, chunk_length_in_kb: '48' }, 'chunk_length_in_kb must be a power of 2'],
  [{ ...LZ4, chunk_length_kb: '0' }, 'Invalid negative or null chunk_length_in_kb'],
  [{ ...LZ4, chunk_length_in_kb: '2097152' }, 'Value of chunk_length_in_kb is too large (2097152)'],
  [{ ...LZ4, chunk_length_in_kb: '1.5' }, 'Invalid value for chunk_length_in_kb'],
]

describe('options of storage', () => {
  for (const [given, refused] of COMPACTIONS) {
    test(`compaction = ${JSON.stringify(given)} is ${refused === '' ? 'taken' : 'refused'}`, () => {
      assert.equal(refusal(checkCompaction, given), refused)
    })
  }

  for (const [given, refused] of COMPRESSIONS) {
    test(`compression = ${JSON.stringify(given)} is ${refused === '' ? 'taken' : 'refused'}`, () => {
      assert.equal(refusal(checkCompression, given), refused)
    })
  }
})
