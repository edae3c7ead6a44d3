/**
 * What the parser makes of a statement: names and terms as they were written, nothing looked up yet. Identifiers are
 * already case-folded (quoted ones kept), strings unescaped, bind markers numbered in the order of the text.
 * The shapes follow the rules of Cql.g of Cassandra 3.0.
 */

/** Of a table, type, function or index; the keyspace is null when the text leaves it to the connection's. */
export interface QualifiedName {
  readonly keyspace: string | null
  readonly name: string
}

export interface Marker {
  readonly kind: 'marker'
  /** Its place among all markers of the statement, from 0. `:name` written twice is two markers. */
  readonly index: number
  /** Null for `?`. */
  readonly name: string | null
}

export type ConstantType = 'string' | 'integer' | 'float' | 'boolean' | 'uuid' | 'hex'

export interface Constant {
  readonly kind: 'constant'
  readonly type: ConstantType
  /** As written; a string without its quotes and with `''` as one quote. */
  readonly text: string
}

export interface MapEntry {
  readonly key: Term
  readonly value: Term
}

export interface FieldValue {
  readonly name: string
  readonly value: Term
}

/** A value in a statement. `{}` is a set here; what it means depends on the column's type. */
export type Term =
  | Constant
  | Marker
  | { readonly kind: 'null' }
  | { readonly kind: 'list'; readonly items: readonly Term[] }
  | { readonly kind: 'set'; readonly items: readonly Term[] }
  | { readonly kind: 'map'; readonly entries: readonly MapEntry[] }
  | { readonly kind: 'udt'; readonly fields: readonly FieldValue[] }
  | { readonly kind: 'tuple'; readonly items: readonly Term[] }
  | { readonly kind: 'call'; readonly name: QualifiedName; readonly args: readonly Term[] }
  | { readonly kind: 'cast'; readonly type: TypeName; readonly term: Term }

/** `text` is `varchar` here already: one type with two names. */
export type NativeName =
  | 'ascii'
  | 'bigint'
  | 'blob'
  | 'boolean'
  | 'counter'
  | 'date'
  | 'decimal'
  | 'double'
  | 'float'
  | 'inet'
  | 'int'
  | 'smallint'
  | 'text'
  | 'time'
  | 'timestamp'
  | 'timeuuid'
  | 'tinyint'
  | 'uuid'
  | 'varint'

/** A type as written; `resolveType` of types.ts makes it a CqlType. */
export type TypeName =
  | { readonly kind: 'native'; readonly name: NativeName }
  | { readonly kind: 'list'; readonly element: TypeName }
  | { readonly kind: 'set'; readonly element: TypeName }
  | { readonly kind: 'map'; readonly key: TypeName; readonly value: TypeName }
  | { readonly kind: 'tuple'; readonly elements: readonly TypeName[] }
  | { readonly kind: 'user'; readonly name: QualifiedName }
  | { readonly kind: 'frozen'; readonly inner: TypeName }
  /** A class name in quotes. */
  | { readonly kind: 'custom'; readonly className: string }

export type Selector =
  | { readonly kind: 'column'; readonly name: string }
  /** `count(*)` and `count(1)`. */
  | { readonly kind: 'countRows' }
  | { readonly kind: 'writetime'; readonly column: string }
  | { readonly kind: 'ttl'; readonly column: string }
  | { readonly kind: 'call'; readonly name: QualifiedName; readonly args: readonly Selector[] }
  | { readonly kind: 'field'; readonly of: Selector; readonly field: string }

export interface SelectedItem {
  readonly selector: Selector
  readonly alias: string | null
}

export type Operator = '=' | '<' | '<=' | '>' | '>=' | '!='

/** What an IN compares with: terms that were written out, or one marker for the whole list. */
export type InValues =
  | { readonly kind: 'terms'; readonly terms: readonly Term[] }
  | { readonly kind: 'marker'; readonly marker: Marker }

export type Relation =
  | { readonly kind: 'compare'; readonly column: string; readonly operator: Operator; readonly value: Term }
  | { readonly kind: 'in'; readonly column: string; readonly values: InValues }
  | { readonly kind: 'contains'; readonly column: string; readonly isKey: boolean; readonly value: Term }
  | { readonly kind: 'isNotNull'; readonly column: string }
  /** `m['k'] = 'v'`. */
  | {
      readonly kind: 'entry'
      readonly column: string
      readonly key: Term
      readonly operator: Operator
      readonly value: Term
    }
  | {
      readonly kind: 'token'
      readonly columns: readonly string[]
      readonly operator: Operator
      readonly value: Term
    }
  /** `(a, b) > (1, 2)`: the value is a tuple or one marker. */
  | {
      readonly kind: 'multi'
      readonly columns: readonly string[]
      readonly operator: Operator
      readonly value: Term
    }
  /** `(a, b) IN ...`: each term is a tuple, or each is a marker of a tuple. */
  | { readonly kind: 'multiIn'; readonly columns: readonly string[]; readonly values: InValues }
  /** `expr(index, value)`. */
  | { readonly kind: 'expr'; readonly index: QualifiedName; readonly value: Term }

export interface Ordering {
  readonly column: string
  readonly isDescending: boolean
}

export interface Select {
  readonly kind: 'select'
  readonly table: QualifiedName
  /** Empty: `*`. */
  readonly selection: readonly SelectedItem[]
  readonly isJson: boolean
  readonly isDistinct: boolean
  readonly where: readonly Relation[]
  readonly orderBy: readonly Ordering[]
  /** Integer constants or markers. */
  readonly perPartitionLimit: Term | null
  readonly limit: Term | null
  readonly allowFiltering: boolean
}

/** USING: integer constants or markers; null where nothing is said. */
export interface WriteAttributes {
  readonly timestamp: Term | null
  readonly ttl: Term | null
}

export interface Insert {
  readonly kind: 'insert'
  readonly table: QualifiedName
  readonly columns: readonly string[]
  /** As many as were written, which need not be as many as the columns. */
  readonly values: readonly Term[]
  readonly ifNotExists: boolean
  readonly using: WriteAttributes
}

export interface InsertJson {
  readonly kind: 'insertJson'
  readonly table: QualifiedName
  /** A string constant or a marker. */
  readonly json: Constant | Marker
  readonly ifNotExists: boolean
  readonly using: WriteAttributes
}

export type Assignment =
  | { readonly kind: 'set'; readonly column: string; readonly value: Term }
  /** `c = c + v`; with counters, lists, sets and maps. */
  | { readonly kind: 'add'; readonly column: string; readonly value: Term }
  /** `c = c - v`. */
  | { readonly kind: 'subtract'; readonly column: string; readonly value: Term }
  /** `l = v + l`. */
  | { readonly kind: 'prepend'; readonly column: string; readonly value: Term }
  /** `c[k] = v`. */
  | { readonly kind: 'setElement'; readonly column: string; readonly key: Term; readonly value: Term }

/** One of IF's conditions; `element` is the key in `m[k] = v`, or null. */
export type Condition =
  | {
      readonly kind: 'compare'
      readonly column: string
      readonly element: Term | null
      readonly operator: Operator
      readonly value: Term
    }
  | { readonly kind: 'in'; readonly column: string; readonly element: Term | null; readonly values: InValues }

export interface Update {
  readonly kind: 'update'
  readonly table: QualifiedName
  readonly using: WriteAttributes
  readonly assignments: readonly Assignment[]
  readonly where: readonly Relation[]
  readonly ifExists: boolean
  readonly conditions: readonly Condition[]
}

export interface Deletion {
  readonly column: string
  /** The key or index in `DELETE c[k]`; null: the whole column. */
  readonly element: Term | null
}

export interface Delete {
  readonly kind: 'delete'
  readonly table: QualifiedName
  /** Its ttl is always null. */
  readonly using: WriteAttributes
  /** Empty: the rows themselves. */
  readonly deletions: readonly Deletion[]
  readonly where: readonly Relation[]
  readonly ifExists: boolean
  readonly conditions: readonly Condition[]
}

export type Modification = Insert | InsertJson | Update | Delete

export interface Batch {
  readonly kind: 'batch'
  readonly type: 'LOGGED' | 'UNLOGGED' | 'COUNTER'
  readonly using: WriteAttributes
  readonly statements: readonly Modification[]
}

export interface Use {
  readonly kind: 'use'
  readonly keyspace: string
}

export interface Truncate {
  readonly kind: 'truncate'
  readonly table: QualifiedName
}

/** `WITH a = b AND ...`: names in lower case; a map's keys and values are constants as text. */
export type Properties = ReadonlyMap<string, string | ReadonlyMap<string, string>>

export interface CreateKeyspace {
  readonly kind: 'createKeyspace'
  readonly keyspace: string
  readonly ifNotExists: boolean
  readonly properties: Properties
}

export interface AlterKeyspace {
  readonly kind: 'alterKeyspace'
  readonly keyspace: string
  readonly properties: Properties
}

export interface DropKeyspace {
  readonly kind: 'dropKeyspace'
  readonly keyspace: string
  readonly ifExists: boolean
}

export interface ColumnDefinition {
  readonly name: string
  readonly type: TypeName
  readonly isStatic: boolean
}

/** PRIMARY KEY as written, beside a column (no clustering then) or as an element of its own. */
export interface PrimaryKey {
  readonly partition: readonly string[]
  readonly clustering: readonly string[]
}

export interface CreateTable {
  readonly kind: 'createTable'
  readonly table: QualifiedName
  readonly ifNotExists: boolean
  /** In the order of the text; a name can be there twice. */
  readonly columns: readonly ColumnDefinition[]
  /** Every PRIMARY KEY of the text: exactly one is legal. */
  readonly primaryKeys: readonly PrimaryKey[]
  readonly clusteringOrder: readonly Ordering[]
  readonly isCompact: boolean
  readonly properties: Properties
}

export interface Renaming {
  readonly from: string
  readonly to: string
}

export type TableAlteration =
  | { readonly kind: 'alterColumn'; readonly column: string; readonly type: TypeName }
  | { readonly kind: 'add'; readonly column: string; readonly type: TypeName; readonly isStatic: boolean }
  /** The timestamp, in microseconds, from which on cells stay dropped; null: now. */
  | { readonly kind: 'drop'; readonly column: string; readonly timestamp: bigint | null }
  | { readonly kind: 'options'; readonly properties: Properties }
  | { readonly kind: 'rename'; readonly renamings: readonly Renaming[] }

export interface AlterTable {
  readonly kind: 'alterTable'
  readonly table: QualifiedName
  readonly alteration: TableAlteration
}

export interface DropTable {
  readonly kind: 'dropTable'
  readonly table: QualifiedName
  readonly ifExists: boolean
}

export interface FieldDefinition {
  readonly name: string
  readonly type: TypeName
}

export interface CreateType {
  readonly kind: 'createType'
  readonly type: QualifiedName
  readonly ifNotExists: boolean
  readonly fields: readonly FieldDefinition[]
}

export type TypeAlteration =
  | { readonly kind: 'alterField'; readonly field: string; readonly type: TypeName }
  | { readonly kind: 'add'; readonly field: string; readonly type: TypeName }
  | { readonly kind: 'rename'; readonly renamings: readonly Renaming[] }

export interface AlterType {
  readonly kind: 'alterType'
  readonly type: QualifiedName
  readonly alteration: TypeAlteration
}

export interface DropType {
  readonly kind: 'dropType'
  readonly type: QualifiedName
  readonly ifExists: boolean
}

export interface IndexTarget {
  readonly column: string
  readonly target: 'simple' | 'values' | 'keys' | 'entries' | 'full'
}

export interface CreateIndex {
  readonly kind: 'createIndex'
  /** Null: Cassandra makes a name of the table's and the column's. */
  readonly name: string | null
  readonly table: QualifiedName
  readonly ifNotExists: boolean
  readonly isCustom: boolean
  readonly targets: readonly IndexTarget[]
  /** The class behind USING. */
  readonly customClass: string | null
  readonly properties: Properties
}

export interface DropIndex {
  readonly kind: 'dropIndex'
  readonly index: QualifiedName
  readonly ifExists: boolean
}

/** Statements that Cassandra has and this gateway has not: recognised by their first words, the rest is not read. */
export interface Unsupported {
  readonly kind: 'unsupported'
  /** In capitals: `CREATE FUNCTION`, `LIST ROLES`, `GRANT`. */
  readonly what: string
}

export type Statement =
  | Select
  | Modification
  | Batch
  | Use
  | Truncate
  | CreateKeyspace
  | AlterKeyspace
  | DropKeyspace
  | CreateTable
  | AlterTable
  | DropTable
  | CreateType
  | AlterType
  | DropType
  | CreateIndex
  | DropIndex
  | Unsupported

/** A statement and its bind markers: one name, or null for `?`, for each, in the order of the text. */
export interface ParsedStatement {
  readonly statement: Statement
  readonly markers: readonly (string | null)[]
}
