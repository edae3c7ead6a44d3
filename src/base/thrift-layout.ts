/** What a Thrift struct looks like once its IDL was read: plain data, as a load keeps it. thrift-idl.ts makes it. */

export const THRIFT_FIELD_TYPES = [
  ...(['bool', 'byte', 'i16', 'i32', 'i64', 'double', 'string', 'binary'] as const),
  ...(['struct', 'map', 'set', 'list'] as const),
] as const
export type ThriftFieldType = (typeof THRIFT_FIELD_TYPES)[number]

/** How the bytes of a struct are written. */
export const THRIFT_ENCODINGS = ['binary', 'compact'] as const
export type ThriftEncoding = (typeof THRIFT_ENCODINGS)[number]

export interface ThriftField {
  readonly id: number
  readonly name: string
  /** Typedefs are seen through; an enum is an i32, a union or an exception a struct. */
  readonly type: ThriftFieldType
  readonly isRequired: boolean
  /** Of a list or set its elements' type, of a map those of keys and values; empty for all others. */
  readonly elements: readonly ThriftFieldType[]
  /** A struct's own fields; null where it contains itself, and of what is no struct. */
  readonly fields: readonly ThriftField[] | null
}

/** Each value is a Thrift struct, of which loads make columns. */
export interface ValueLayout {
  readonly protocol: ThriftEncoding
  readonly struct: string
  /** Paths of the fields that become columns; null: all. */
  readonly columns: readonly string[] | null
  readonly fields: readonly ThriftField[]
}

/** An IDL file as its includes name it. */
export interface IdlFile {
  readonly name: string
  readonly text: string
}

/** Paths of all fields that are a value of their own: `id`, `profile.name`. In the order of the IDL. */
export function thriftPaths(fields: readonly ThriftField[], prefix = ''): string[] {
  return fields.flatMap(({ name, fields: inner }) =>
    inner === null ? [`${prefix}${name}`] : thriftPaths(inner, `${prefix}${name}.`),
  )
}
