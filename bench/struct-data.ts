/** Rows as the old stores have them: thrift structs of 30 fields, in HFiles; and the IDL that goes with them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hfileOf } from '../test/support/hfile-writer.js'
import { rowKey, rowValue } from './dataset.js'
import { encodeStruct } from './stock-thrift.js'

export const STRUCT_FIELDS = 30
export const STRUCT_NAME = 'Record'

/** `f00` to `f29`. */
export function structField(index: number): string {
  return `f${String(index).padStart(2, '0')}`
}

export const STRUCT_IDL = `struct ${STRUCT_NAME} {\n${Array.from(
  { length: STRUCT_FIELDS },
  (_, index) => `  ${index + 1}: optional string ${structField(index)}`,
).join('\n')}\n}\n`

/** As a load takes it. */
export const STRUCT_EXPLODE = { struct: STRUCT_NAME, idl: [{ name: 'record.thrift', text: STRUCT_IDL }] }

/** As far as generated code uses it. */
interface Protocol {
  writeStructBegin(name: string): void
  writeStructEnd(): void
  writeFieldBegin(name: string, type: number, id: number): void
  writeFieldEnd(): void
  writeFieldStop(): void
  writeString(value: string): void
  readStructBegin(): void
  readStructEnd(): void
  readFieldBegin(): { readonly ftype: number; readonly fid: number }
  readFieldEnd(): void
  readString(): string
  skip(type: number): void
}

const STRING = 11

/** What Apache Thrift's compiler makes of the IDL, with a list in place of thirty properties. */
export class StructRecord {
  readonly fields: (string | null)[] = new Array<string | null>(STRUCT_FIELDS).fill(null)

  read(input: Protocol): void {
    input.readStructBegin()
    for (;;) {
      const { ftype, fid } = input.readFieldBegin()
      if (ftype === 0) break
      if (ftype === STRING && fid >= 1 && fid <= STRUCT_FIELDS) this.fields[fid - 1] = input.readString()
      else input.skip(ftype)
      input.readFieldEnd()
    }
    input.readStructEnd()
  }

  write(output: Protocol): void {
    output.writeStructBegin(STRUCT_NAME)
    for (const [index, value] of this.fields.entries()) {
      if (value === null) continue
      output.writeFieldBegin(structField(index), STRING, index + 1)
      output.writeString(value)
      output.writeFieldEnd()
    }
    output.writeFieldStop()
    output.writeStructEnd()
  }
}

/** A row's struct, with fields of so many bytes. */
export function structBytes(row: number, fieldSize: number): Buffer {
  const record = new StructRecord()
  for (let index = 0; index < STRUCT_FIELDS; index++) {
    record.fields[index] = rowValue(row * STRUCT_FIELDS + index, fieldSize).toString('latin1')
  }
  return encodeStruct(record)
}

export interface StructFiles {
  readonly folder: string
  readonly bytes: number
}

/** Writes rows as HFiles `part-00000` and so on, in the order of their keys within each. */
export function writeStructFiles(
  folder: string,
  { rows, fieldSize, parts }: { readonly rows: number; readonly fieldSize: number; readonly parts: number },
): StructFiles {
  mkdirSync(folder)
  let bytes = 0
  for (let part = 0; part < parts; part++) {
    const indexes = Array.from({ length: rows }, (_, row) => row).filter((row) => row % parts === part)
    const sorted = indexes
      .map((row): [Buffer, Buffer] => [rowKey(row), structBytes(row, fieldSize)])
      .sort(([one], [other]) => Buffer.compare(one, other))
    const file = hfileOf(sorted)
    bytes += file.length
    writeFileSync(join(folder, `part-${String(part).padStart(5, '0')}`), file)
  }
  return { folder, bytes }
}
