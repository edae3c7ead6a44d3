/**
 * Tables as HBase clients know them, and changes of them that a data thread asks for and the main thread makes. Plain
 * data: it travels.
 */

/** A column family of a table, as the HBase client said that made it. Only maxVersions and ttlSeconds mean anything here. */
export interface ColumnFamily {
  readonly name: string
  readonly maxVersions: number
  /** Null: values do not expire. */
  readonly ttlSeconds: number | null
  readonly compression: string
  readonly bloomFilter: string
  readonly isInMemory: boolean
  readonly isBlockCached: boolean
}

/** What HBase's Thrift gateways know of a dataset beside the rest. */
export interface TableSettings {
  /** One or more, in byte order of their names. */
  readonly families: readonly ColumnFamily[]
  /** HBase clients are refused its data until it is enabled again. */
  readonly isDisabled: boolean
}

export type TableCall =
  | {
      readonly action: 'create'
      readonly table: string
      readonly families: readonly ColumnFamily[]
      /** Who asks, for the audit log. */
      readonly caller: string
    }
  | { readonly action: 'remove' | 'enable' | 'disable'; readonly table: string; readonly caller: string }
