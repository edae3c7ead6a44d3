/**
 * Definitions of Cassandra 3.0's system tables, all that drivers and tools look at. Some are filled (node-tables.ts,
 * schema-tables.ts); the others are there and empty, as on a node where nothing of the kind ever happened.
 * Source: SystemKeyspace.java, SchemaKeyspace.java, TraceKeyspace.java, AuthKeyspace.java and
 * SystemDistributedKeyspace.java of Cassandra 3.0; purge_ttl_on_expiration is Instagram's.
 */

/** Columns as CQL writes them; partition key columns in the first brackets of `key`, clustering columns behind. */
export interface SystemTable {
  readonly keyspace: string
  readonly name: string
  readonly key: { readonly partition: readonly string[]; readonly clustering?: readonly string[] }
  /** Name -> type. */
  readonly columns: Readonly<Record<string, string>>
  readonly isCompact?: boolean
}

const OPTIONS_MAP = 'frozen<map<text, text>>'
const NAMES_LIST = 'frozen<list<text>>'

/** What tables and views share. */
const TABLE_OPTIONS = {
  bloom_filter_fp_chance: 'double',
  caching: OPTIONS_MAP,
  comment: 'text',
  compaction: OPTIONS_MAP,
  compression: OPTIONS_MAP,
  crc_check_chance: 'double',
  dclocal_read_repair_chance: 'double',
  default_time_to_live: 'int',
  extensions: 'frozen<map<text, blob>>',
  gc_grace_seconds: 'int',
  id: 'uuid',
  max_index_interval: 'int',
  memtable_flush_period_in_ms: 'int',
  min_index_interval: 'int',
  purge_ttl_on_expiration: 'boolean',
  read_repair_chance: 'double',
  speculative_retry: 'text',
} as const

export const LOCAL: SystemTable = {
  keyspace: 'system',
  name: 'local',
  key: { partition: ['key'] },
  columns: {
    key: 'text',
    bootstrapped: 'text',
    broadcast_address: 'inet',
    cluster_name: 'text',
    cql_version: 'text',
    data_center: 'text',
    gossip_generation: 'int',
    host_id: 'uuid',
    listen_address: 'inet',
    native_protocol_version: 'text',
    partitioner: 'text',
    rack: 'text',
    release_version: 'text',
    rpc_address: 'inet',
    schema_version: 'uuid',
    thrift_version: 'text',
    tokens: 'set<text>',
    truncated_at: 'map<uuid, blob>',
  },
}

export const PEERS: SystemTable = {
  keyspace: 'system',
  name: 'peers',
  key: { partition: ['peer'] },
  columns: {
    peer: 'inet',
    data_center: 'text',
    host_id: 'uuid',
    preferred_ip: 'inet',
    rack: 'text',
    release_version: 'text',
    rpc_address: 'inet',
    schema_version: 'uuid',
    tokens: 'set<text>',
  },
}

export const KEYSPACES: SystemTable = {
  keyspace: 'system_schema',
  name: 'keyspaces',
  key: { partition: ['keyspace_name'] },
  columns: { keyspace_name: 'text', durable_writes: 'boolean', replication: OPTIONS_MAP },
}

export const TABLES: SystemTable = {
  keyspace: 'system_schema',
  name: 'tables',
  key: { partition: ['keyspace_name'], clustering: ['table_name'] },
  columns: { keyspace_name: 'text', table_name: 'text', flags: 'frozen<set<text>>', ...TABLE_OPTIONS },
}

export const COLUMNS: SystemTable = {
  keyspace: 'system_schema',
  name: 'columns',
  key: { partition: ['keyspace_name'], clustering: ['table_name', 'column_name'] },
  columns: {
    keyspace_name: 'text',
    table_name: 'text',
    column_name: 'text',
    clustering_order: 'text',
    column_name_bytes: 'blob',
    kind: 'text',
    position: 'int',
    type: 'text',
  },
}

export const DROPPED_COLUMNS: SystemTable = {
  keyspace: 'system_schema',
  name: 'dropped_columns',
  key: { partition: ['keyspace_name'], clustering: ['table_name', 'column_name'] },
  columns: {
    keyspace_name: 'text',
    table_name: 'text',
    column_name: 'text',
    dropped_time: 'timestamp',
    type: 'text',
  },
}

export const TYPES: SystemTable = {
  keyspace: 'system_schema',
  name: 'types',
  key: { partition: ['keyspace_name'], clustering: ['type_name'] },
  columns: { keyspace_name: 'text', type_name: 'text', field_names: NAMES_LIST, field_types: NAMES_LIST },
}

export const INDEXES: SystemTable = {
  keyspace: 'system_schema',
  name: 'indexes',
  key: { partition: ['keyspace_name'], clustering: ['table_name', 'index_name'] },
  columns: {
    keyspace_name: 'text',
    table_name: 'text',
    index_name: 'text',
    kind: 'text',
    options: OPTIONS_MAP,
  },
}

/** Tables without rows. */
export const EMPTY_TABLES: readonly SystemTable[] = [
  {
    keyspace: 'system_schema',
    name: 'triggers',
    key: { partition: ['keyspace_name'], clustering: ['table_name', 'trigger_name'] },
    columns: { keyspace_name: 'text', table_name: 'text', trigger_name: 'text', options: OPTIONS_MAP },
  },
  {
    keyspace: 'system_schema',
    name: 'views',
    key: { partition: ['keyspace_name'], clustering: ['view_name'] },
    columns: {
      keyspace_name: 'text',
      view_name: 'text',
      base_table_id: 'uuid',
      base_table_name: 'text',
      include_all_columns: 'boolean',
      where_clause: 'text',
      ...TABLE_OPTIONS,
    },
  },
  {
    keyspace: 'system_schema',
    name: 'functions',
    key: { partition: ['keyspace_name'], clustering: ['function_name', 'argument_types'] },
    columns: {
      keyspace_name: 'text',
      function_name: 'text',
      argument_types: NAMES_LIST,
      argument_names: NAMES_LIST,
      body: 'text',
      called_on_null_input: 'boolean',
      language: 'text',
      return_type: 'text',
    },
  },
  {
    keyspace: 'system_schema',
    name: 'aggregates',
    key: { partition: ['keyspace_name'], clustering: ['aggregate_name', 'argument_types'] },
    columns: {
      keyspace_name: 'text',
      aggregate_name: 'text',
      argument_types: NAMES_LIST,
      final_func: 'text',
      initcond: 'text',
      return_type: 'text',
      state_func: 'text',
      state_type: 'text',
    },
  },
  {
    keyspace: 'system',
    name: 'IndexInfo',
    key: { partition: ['table_name'], clustering: ['index_name'] },
    columns: { table_name: 'text', index_name: 'text' },
    isCompact: true,
  },
  {
    keyspace: 'system',
    name: 'available_ranges',
    key: { partition: ['keyspace_name'] },
    columns: { keyspace_name: 'text', ranges: 'set<blob>' },
  },
  {
    keyspace: 'system',
    name: 'batches',
    key: { partition: ['id'] },
    columns: { id: 'timeuuid', mutations: 'list<blob>', version: 'int' },
  },
  {
    keyspace: 'system',
    name: 'built_views',
    key: { partition: ['keyspace_name'], clustering: ['view_name'] },
    columns: { keyspace_name: 'text', view_name: 'text' },
  },
  {
    keyspace: 'system',
    name: 'compaction_history',
    key: { partition: ['id'] },
    columns: {
      id: 'uuid',
      bytes_in: 'bigint',
      bytes_out: 'bigint',
      columnfamily_name: 'text',
      compacted_at: 'timestamp',
      keyspace_name: 'text',
      rows_merged: 'map<int, bigint>',
    },
  },
  {
    keyspace: 'system',
    name: 'paxos',
    key: { partition: ['row_key'], clustering: ['cf_id'] },
    columns: {
      row_key: 'blob',
      cf_id: 'uuid',
      in_progress_ballot: 'timeuuid',
      most_recent_commit: 'blob',
      most_recent_commit_at: 'timeuuid',
      most_recent_commit_version: 'int',
      proposal: 'blob',
      proposal_ballot: 'timeuuid',
      proposal_version: 'int',
    },
  },
  {
    keyspace: 'system',
    name: 'peer_events',
    key: { partition: ['peer'] },
    columns: { peer: 'inet', hints_dropped: 'map<uuid, int>' },
  },
  {
    keyspace: 'system',
    name: 'range_xfers',
    key: { partition: ['token_bytes'] },
    columns: { token_bytes: 'blob', requested_at: 'timestamp' },
  },
  {
    keyspace: 'system',
    name: 'size_estimates',
    key: { partition: ['keyspace_name'], clustering: ['table_name', 'range_start', 'range_end'] },
    columns: {
      keyspace_name: 'text',
      table_name: 'text',
      range_start: 'text',
      range_end: 'text',
      mean_partition_size: 'bigint',
      partitions_count: 'bigint',
    },
  },
  {
    keyspace: 'system',
    name: 'sstable_activity',
    key: { partition: ['keyspace_name', 'columnfamily_name', 'generation'] },
    columns: {
      keyspace_name: 'text',
      columnfamily_name: 'text',
      generation: 'int',
      rate_120m: 'double',
      rate_15m: 'double',
    },
  },
  {
    keyspace: 'system',
    name: 'views_builds_in_progress',
    key: { partition: ['keyspace_name'], clustering: ['view_name'] },
    columns: { keyspace_name: 'text', view_name: 'text', generation_number: 'int', last_token: 'text' },
  },
  {
    keyspace: 'system_auth',
    name: 'roles',
    key: { partition: ['role'] },
    columns: {
      role: 'text',
      can_login: 'boolean',
      is_superuser: 'boolean',
      member_of: 'set<text>',
      salted_hash: 'text',
    },
  },
  {
    keyspace: 'system_distributed',
    name: 'view_build_status',
    key: { partition: ['keyspace_name', 'view_name'], clustering: ['host_id'] },
    columns: { keyspace_name: 'text', view_name: 'text', host_id: 'uuid', status: 'text' },
  },
  {
    keyspace: 'system_traces',
    name: 'sessions',
    key: { partition: ['session_id'] },
    columns: {
      session_id: 'uuid',
      client: 'inet',
      command: 'text',
      coordinator: 'inet',
      duration: 'int',
      parameters: 'map<text, text>',
      request: 'text',
      started_at: 'timestamp',
    },
  },
  {
    keyspace: 'system_traces',
    name: 'events',
    key: { partition: ['session_id'], clustering: ['event_id'] },
    columns: {
      session_id: 'uuid',
      event_id: 'timeuuid',
      activity: 'text',
      source: 'inet',
      source_elapsed: 'int',
      thread: 'text',
    },
  },
]
