/**
 * The native functions of @nxtedition/rocksdb 12.2.12 that binding.ts calls; the package ships no types. Nothing here
 * checks its arguments: a wrong one ends the process. Only binding.ts may import it.
 */
declare module '@nxtedition/rocksdb/binding.js' {
  /** Opaque native pointers. */
  export interface NativeDatabase {
    readonly __native: 'database'
  }
  export interface NativeColumn {
    readonly __native: 'column'
  }
  export interface NativeBatch {
    readonly __native: 'batch'
  }
  export interface NativeIterator {
    readonly __native: 'iterator'
  }

  export type NativeColumns = Readonly<Record<string, NativeColumn>>

  export interface NativeReadOptions {
    readonly column?: NativeColumn
    readonly valueEncoding: 'buffer'
    readonly fillCache: boolean
    readonly highWaterMarkBytes: number
  }

  export interface NativeRangeOptions extends NativeReadOptions {
    readonly keyEncoding: 'buffer' | 'utf8'
    readonly values?: boolean
    readonly gte?: Uint8Array
    readonly lt?: Uint8Array
    readonly reverse?: boolean
  }

  /** Key, value, key, value, ... */
  export interface NativeRows {
    readonly rows: Buffer[]
    readonly finished: boolean
  }

  /** undefined: no such key; null: not read (size limit). */
  export type NativeValues = (Buffer | undefined | null)[]

  const native: {
    /** A path makes a new instance; a handle reaches one that is open, unchecked. */
    db_init(locationOrHandle: string | bigint): NativeDatabase
    /** With a handle: answers the columns at once and never calls back. */
    db_open(
      database: NativeDatabase,
      options: object,
      callback: (error: Error | null, columns?: NativeColumns) => void,
    ): NativeColumns | undefined
    db_close(database: NativeDatabase, callback: (error: Error | null) => void): void
    db_get_handle(database: NativeDatabase): bigint
    db_get_latest_sequence(database: NativeDatabase): number
    db_get_property(database: NativeDatabase, name: string): string
    db_get_many_sync(
      database: NativeDatabase,
      keys: readonly Uint8Array[],
      options: NativeReadOptions,
    ): NativeValues
    db_get_many(
      database: NativeDatabase,
      keys: readonly Uint8Array[],
      options: NativeReadOptions,
      callback: (error: Error | null, values?: NativeValues) => void,
    ): void
    iterator_init(database: NativeDatabase, options: NativeRangeOptions): NativeIterator
    iterator_nextv_sync(iterator: NativeIterator, count: number): NativeRows
    iterator_seek(iterator: NativeIterator, target: Uint8Array): void
    iterator_close(iterator: NativeIterator): void
    batch_init(): NativeBatch
    batch_put(
      batch: NativeBatch,
      key: Uint8Array,
      value: Uint8Array,
      options: { readonly column?: NativeColumn } | undefined,
    ): void
    batch_merge(
      batch: NativeBatch,
      key: Uint8Array,
      value: Uint8Array,
      options: { readonly column?: NativeColumn } | undefined,
    ): void
    batch_del(
      batch: NativeBatch,
      key: Uint8Array,
      options: { readonly column?: NativeColumn } | undefined,
    ): void
    batch_clear(batch: NativeBatch): void
    batch_write(database: NativeDatabase, batch: NativeBatch, options: { readonly sync: boolean }): void
  }
  export default native
}
