import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ColumnDecoder, Encoding, PageHeader, ParquetType } from 'hyparquet/src/types.js'
import { decodePage, PageError } from '../../../src/loader/formats/parquet-pages.js'

const asIs = (value: unknown): unknown => value
const parsers = {
  timestampFromMilliseconds: asIs,
  timestampFromMicroseconds: asIs,
  timestampFromNanoseconds: asIs,
  dateFromDays: asIs,
  stringFromBytes: asIs,
  jsonFromBytes: asIs,
  geometryFromBytes: asIs,
  geographyFromBytes: asIs,
  uuidFromBytes: asIs,
}

interface Page {
  readonly values: number
  readonly encoding: Encoding
  readonly bytes: readonly number[]
  readonly type?: ParquetType
  readonly isOptional?: boolean
  readonly header?: Partial<PageHeader>
}

function decode({
  values,
  encoding,
  bytes,
  type = 'BYTE_ARRAY',
  isOptional = false,
  header = {},
}: Page): unknown {
  const element = { name: 'a', type, repetition_type: isOptional ? 'OPTIONAL' : 'REQUIRED' } as const
  const decoder: ColumnDecoder = {
    pathInSchema: ['a'],
    type,
    element,
    schemaPath: [
      { element: { name: 'root', num_children: 1 }, children: [], count: 2, path: [] },
      { element, children: [], count: 1, path: ['a'] },
    ],
    codec: 'UNCOMPRESSED',
    parsers,
    utf8: false,
  }
  const page: PageHeader = {
    type: 'DATA_PAGE',
    uncompressed_page_size: bytes.length,
    compressed_page_size: bytes.length,
    data_page_header: {
      num_values: values,
      encoding,
      definition_level_encoding: 'RLE',
      repetition_level_encoding: 'RLE',
    },
    ...header,
  }
  const levels = { maxRepetition: 0, maxDefinition: Number(isOptional) }
  return decodePage(page, Buffer.from(bytes), decoder, levels, [Buffer.from('x')], undefined)
}

/** A number as Thrift and Parquet write it. */
function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) + 0x80, ...varint(Math.floor(value / 0x80))]
}

/** Packed differences: a block of 128 in 4 parts, all differences the same. */
function deltas(count: number, first: number, difference: number): number[] {
  const head = [...varint(128), 4, ...varint(count), ...varint(first * 2)]
  const blocks = Array.from({ length: Math.ceil((count - 1) / 128) }, () => [
    ...varint(difference * 2),
    0,
    0,
    0,
    0,
  ])
  return [...head, ...blocks.flat()]
}

test('pages of few bytes for many values are decoded', () => {
  const same = decode({ values: 1_000, encoding: 'RLE_DICTIONARY', bytes: [1, ...varint(2_000), 0] })
  assert.deepEqual(
    same,
    Array.from({ length: 1_000 }, () => Buffer.from('x')),
  )
  const rising = decode({
    values: 500,
    encoding: 'DELTA_BINARY_PACKED',
    bytes: deltas(500, 5, 3),
    type: 'INT32',
  })
  assert.deepEqual(
    rising,
    Int32Array.from({ length: 500 }, (_, index) => 5 + index * 3),
  )
})

const BILLION = 1_000_000_000
const hostile: readonly (Page & { readonly name: string; readonly message: RegExp })[] = [
  { name: 'says that it has more values than any', values: BILLION, encoding: 'PLAIN', bytes: [], message: /it has 1000000000 values/ },
  { name: 'has a negative number of values', values: -1, encoding: 'PLAIN', bytes: [], message: /it has -1 values/ },
  { name: 'has a run of indexes without end', values: 10, encoding: 'RLE_DICTIONARY', bytes: [1, ...varint(BILLION), 0], message: /a run is longer than the page/ },
  { name: 'has packed indexes without end', values: 10, encoding: 'RLE_DICTIONARY', bytes: [0, ...varint(BILLION + 1)], message: /a run is longer than the page/ },
  { name: 'has a run of levels without end', values: 10, encoding: 'PLAIN', isOptional: true, bytes: [6, 0, 0, 0, ...varint(BILLION), 0], message: /a run is longer than the page/ },
  { name: 'has levels that are longer than it', values: 10, encoding: 'PLAIN', isOptional: true, bytes: [200, 0, 0, 0, 2, 0], message: /its levels are longer than the page/ },
  { name: 'packs indexes in too many bits', values: 10, encoding: 'RLE_DICTIONARY', bytes: [33, 2, 0], message: /packs values in 33 bits/ },
  { name: 'has a number without end', values: 10, encoding: 'DELTA_BINARY_PACKED', type: 'INT64', bytes: [...deltas(10, 0, 0).slice(0, 5), ...Array<number>(2_000).fill(0x80)], message: /a number in it is damaged/ },
  { name: 'has blocks of nothing', values: 10, encoding: 'DELTA_BINARY_PACKED', type: 'INT64', bytes: [0, 0, 10, 0], message: /its blocks are damaged/ },
  { name: 'has more differences than values', values: 10, encoding: 'DELTA_BINARY_PACKED', type: 'INT32', bytes: deltas(1_000, 0, 1), message: /its blocks are damaged/ },
  { name: 'stands for texts without end', values: 100_000, encoding: 'DELTA_BYTE_ARRAY', bytes: [...deltas(100_000, 0, 1), ...deltas(100_000, 1, 0), ...Array<number>(100_000).fill(0x61)], message: /its texts have more than \d+ bytes/ },
  { name: 'unpacks to more than any', values: 1, encoding: 'PLAIN', bytes: [], header: { uncompressed_page_size: 2 ** 31 - 1 }, message: /unpacks to 2147483647 bytes/ },
  { name: 'has values that are not there', values: 10, encoding: 'PLAIN', type: 'INT64', bytes: [1, 2, 3], message: /./ },
] // prettier-ignore
for (const { name, message, ...page } of hostile) {
  test(`a page that ${name} is refused at once`, () => {
    const startedAtMs = performance.now()
    assert.throws(
      () => decode(page),
      (error: unknown) => error instanceof PageError && message.test(error.message),
    )
    assert.ok(performance.now() - startedAtMs < 2_000)
  })
}
