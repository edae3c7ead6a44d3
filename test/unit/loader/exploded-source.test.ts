/** Loads whose values are Thrift structs, through the formats' readers: which rows come out, which are bad, and why. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { KVError } from '../../../src/base/errors.js'
import { compileThriftStruct } from '../../../src/base/thrift-idl.js'
import { openSource, requireSeenColumns } from '../../../src/loader/open-source.js'
import type { ThriftExplode } from '../../../src/model/load.js'
import { hfileOf } from '../../support/hfile-writer.js'
import { encodeStruct, type Shape, type ShapeValue } from '../../support/stock-structs.js'
import { open, readAll, requestOf } from './read-source.js'

const PIN: Shape = {
  name: 'Pin',
  fields: [
    { id: 1, name: 'id', type: { kind: 'i64' }, isRequired: true },
    { id: 2, name: 'title', type: { kind: 'string' }, isRequired: false },
    { id: 3, name: 'image', type: { kind: 'binary' }, isRequired: false },
  ],
}
const IDL = 'struct Pin { 1: required i64 id, 2: optional string title, 3: optional binary image }'
const IMAGE = Buffer.from([0, 255, 128])

function explode(valueField = ''): ThriftExplode {
  const fields = compileThriftStruct([{ name: 'pin.thrift', text: IDL }], 'Pin')
  return { protocol: 'binary', struct: 'Pin', valueField, fields }
}

function pin(id: bigint): Buffer {
  const entries: [string, ShapeValue][] = [['title', `t${id}`], ['id', id], ['image', IMAGE]] // prettier-ignore
  return encodeStruct(PIN, new Map(entries), 'binary')
}

const HFILE = { format: 'hfile', keyField: '', explode: explode() } as const

function file(values: readonly Buffer[]): Buffer {
  return hfileOf(values.map((value, index) => [Buffer.from(`k${String(index).padStart(4, '0')}`), value]))
}

describe('an HFile of structs', () => {
  test('each value becomes its fields and itself', async () => {
    const rows = await readAll(await open(file([pin(1n), pin(2n)]), HFILE))
    assert.equal(rows.length, 2)
    for (const [index, { rowKey, cells }] of rows.entries()) {
      assert.equal(rowKey.toString(), `k000${index}`)
      assert.deepEqual(
        cells.map(({ localKey, value }) => [localKey.toString(), value.toString('latin1')]),
        [
          ['', pin(BigInt(index + 1)).toString('latin1')],
          ['id', String(index + 1)],
          ['image', IMAGE.toString('latin1')],
          ['title', `t${index + 1}`],
        ],
      )
    }
  })

  test('what is no such struct is a bad line with its file, its number and the reason', async () => {
    const bytes = file([pin(1n), Buffer.from('0b0002000000017400', 'hex'), Buffer.from('x'), pin(4n)])
    const rows = await open(bytes, { ...HFILE, maxBadLines: 2 })
    assert.equal((await readAll(rows)).length, 2)
    assert.equal(rows.badLineCount, 2)
    assert.deepEqual(
      rows.badLines.map(({ line, reason }) => [line, reason.replace(/^the value is no Pin in [^:]+: /, '')]),
      [
        [2, 'required field "id" is missing'],
        [3, 'the frame ends inside a field header'],
      ],
    )
    await assert.rejects(
      open(bytes, HFILE).then(readAll),
      (error) =>
        error instanceof KVError &&
        /^2 bad lines, 0 allowed, the first at file:\/\/\/in\/rows:2: the value is no Pin/.test(
          error.message,
        ),
    )
  })

  test('named columns are fields, and one that no value has is told at the end', async () => {
    const request = { ...HFILE, columns: ['title'] }
    const rows = await open(file([pin(1n)]), request)
    const [row] = await readAll(rows)
    assert.deepEqual(
      row?.cells.map(({ localKey }) => localKey.toString()),
      ['', 'title'],
    )
    assert.deepEqual(rows.unseenColumns, [])
    const bare = encodeStruct(PIN, new Map([['id', 1n]]), 'binary')
    const without = await open(file([bare]), request)
    await readAll(without)
    assert.throws(
      () => requireSeenColumns(requestOf(request), [without]),
      /column "title" has a value in no line/,
    )
  })

  test('a whole or a field over the limit of the dataset is a bad line', async () => {
    const rows = await open(file([pin(1n)]), { ...HFILE, maxValueBytes: 10, maxBadLines: 1 })
    assert.equal((await readAll(rows)).length, 0)
    assert.match(rows.badLines[0]?.reason ?? '', /has \d+ bytes, the dataset takes 10/)
  })
})

describe('other formats name the field that has the value', () => {
  const line = (value: string) => `{"key":"a","pin":"${value}","other":1}\n`

  test('lines of JSON have it in base64', async () => {
    const wish = { keyField: 'key', explode: explode('pin'), maxBadLines: 1 } as const
    const rows = await open(line(pin(7n).toString('base64')) + line('not base64!'), wish)
    const [row, ...others] = await readAll(rows)
    assert.equal(others.length, 0)
    assert.deepEqual(
      row?.cells.map(({ localKey }) => localKey.toString()),
      ['', 'id', 'image', 'title'],
    )
    assert.ok(row.cells[0]?.value.equals(pin(7n)))
    assert.match(rows.badLines[0]?.reason ?? '', /not base64/)
  })

  test('so have lines of separated values', async () => {
    const text = `key,pin,other\na,${pin(7n).toString('base64')},1\n`
    const [row] = await readAll(await open(text, { format: 'csv', keyField: 'key', explode: explode('pin') }))
    assert.equal(row?.cells.length, 4)
  })

  test('a column of Parquet has its bytes as they are', async () => {
    const columnData = [
      { name: 'key', data: ['a', 'b'], type: 'STRING' as const },
      { name: 'pin', data: [pin(1n), pin(2n)], type: 'BYTE_ARRAY' as const },
    ]
    const bytes = Buffer.from(parquetWriteBuffer({ columnData }))
    const rows = await readAll(
      await open(bytes, { format: 'parquet', keyField: 'key', explode: explode('pin') }),
    )
    assert.deepEqual(
      rows.map(({ rowKey, cells }) => [
        rowKey.toString(),
        cells[0]?.value.equals(pin(BigInt(rowKey[0] ?? 0) - 96n)),
      ]),
      [['a', true], ['b', true]], // prettier-ignore
    )
    assert.equal(rows[0]?.cells.length, 4)
  })

  for (const [what, wish, reason] of [
    ['no field named', { keyField: 'key', explode: explode() }, /ndjson has fields, so name the one/],
    ['a field of an HFile named', { ...HFILE, explode: explode('pin') }, /hfile has no fields, so name none/],
    ['an unknown column', { ...HFILE, columns: ['nothing'] }, /Pin has no field "nothing"/],
  ] as const) {
    test(`${what} is refused before anything is read`, () => {
      assert.throws(() => openSource(null as never, requestOf(wish)), reason)
    })
  }
})
