/**
 * CQL's words. Reserved ones are never identifiers without quotes; the others are where nothing else fits.
 * Source: Cql.g and ReservedKeywords.java of Cassandra 3.0 with Rocksandra's PER PARTITION LIMIT. SCHEMA means KEYSPACE and
 * TABLE means COLUMNFAMILY, as in Cassandra's lexer.
 */
import type { NativeName } from './ast.js'

const RESERVED = [
  'ADD',
  'ALLOW',
  'ALTER',
  'AND',
  'APPLY',
  'ASC',
  'AUTHORIZE',
  'BATCH',
  'BEGIN',
  'BY',
  'COLUMNFAMILY',
  'CREATE',
  'DELETE',
  'DESC',
  'DESCRIBE',
  'DROP',
  'ENTRIES',
  'EXECUTE',
  'FROM',
  'FULL',
  'GRANT',
  'IF',
  'IN',
  'INDEX',
  'INFINITY',
  'INSERT',
  'INTO',
  'IS',
  'KEYSPACE',
  'LIMIT',
  'MATERIALIZED',
  'MODIFY',
  'NAN',
  'NORECURSIVE',
  'NOT',
  'NULL',
  'OF',
  'ON',
  'OR',
  'ORDER',
  'PRIMARY',
  'RENAME',
  'REPLACE',
  'REVOKE',
  'SELECT',
  'SET',
  'TO',
  'TOKEN',
  'TRUNCATE',
  'UNLOGGED',
  'UPDATE',
  'USE',
  'USING',
  'VIEW',
  'WHERE',
  'WITH',
] as const

/** Names of types, each of which is also an identifier. */
const NATIVE = [
  'ASCII',
  'BIGINT',
  'BLOB',
  'BOOLEAN',
  'COUNTER',
  'DATE',
  'DECIMAL',
  'DOUBLE',
  'FLOAT',
  'INET',
  'INT',
  'SMALLINT',
  'TEXT',
  'TIME',
  'TIMESTAMP',
  'TIMEUUID',
  'TINYINT',
  'UUID',
  'VARCHAR',
  'VARINT',
] as const

const UNRESERVED = [
  'AGGREGATE',
  'ALL',
  'AS',
  'CALLED',
  'CLUSTERING',
  'COMPACT',
  'CONTAINS',
  'COUNT',
  'CUSTOM',
  'DISTINCT',
  'EXISTS',
  'FILTERING',
  'FINALFUNC',
  'FROZEN',
  'FUNCTION',
  'FUNCTIONS',
  'INITCOND',
  'INPUT',
  'JSON',
  'KEY',
  'KEYS',
  'KEYSPACES',
  'LANGUAGE',
  'LIKE',
  'LIST',
  'LOGIN',
  'MAP',
  'NOLOGIN',
  'NOSUPERUSER',
  'OPTIONS',
  'PARTITION',
  'PASSWORD',
  'PER',
  'PERMISSION',
  'PERMISSIONS',
  'RETURNS',
  'ROLE',
  'ROLES',
  'SFUNC',
  'STATIC',
  'STORAGE',
  'STYPE',
  'SUPERUSER',
  'TRIGGER',
  'TTL',
  'TUPLE',
  'TYPE',
  'USER',
  'USERS',
  'VALUES',
  'WRITETIME',
] as const

export type NativeKeyword = (typeof NATIVE)[number]
export type Keyword = (typeof RESERVED)[number] | (typeof UNRESERVED)[number] | NativeKeyword

const ALIASES = { SCHEMA: 'KEYSPACE', TABLE: 'COLUMNFAMILY' } as const

/** Words as they are mostly written, in lower and in upper case, so that few have to be folded first. */
const KEYWORDS: ReadonlyMap<string, Keyword | 'boolean'> = buildKeywords()

function buildKeywords(): ReadonlyMap<string, Keyword | 'boolean'> {
  const words = new Map<string, Keyword | 'boolean'>()
  const add = (word: string, kind: Keyword | 'boolean'): void => {
    words.set(word, kind)
    words.set(word.toLowerCase(), kind)
  }
  for (const word of [...RESERVED, ...UNRESERVED, ...NATIVE]) add(word, word)
  for (const [word, kind] of Object.entries(ALIASES)) add(word, kind)
  add('TRUE', 'boolean')
  add('FALSE', 'boolean')
  return words
}

const LONGEST = Math.max(...[...KEYWORDS.keys()].map((word) => word.length))

/** What a bare word is: a keyword, `true` or `false`, or null for a name. `isMixed`: it has letters of both cases. */
export function keywordOf(word: string, isMixed: boolean): Keyword | 'boolean' | null {
  if (word.length > LONGEST) return null
  return KEYWORDS.get(isMixed ? word.toUpperCase() : word) ?? null
}

const IDENTIFIERS: ReadonlySet<string> = new Set<string>([...UNRESERVED, ...NATIVE])

/** Whether a kind of token can stand for a name: every keyword that is not reserved. */
export function isUnreserved(kind: string): boolean {
  return IDENTIFIERS.has(kind)
}

const NATIVE_NAMES: ReadonlyMap<string, NativeName> = new Map(
  NATIVE.map((word) => [word, word === 'VARCHAR' ? 'text' : (word.toLowerCase() as NativeName)]),
)

/** The type that a keyword names, or null. */
export function nativeOf(kind: string): NativeName | null {
  return NATIVE_NAMES.get(kind) ?? null
}

const RESERVED_WORDS: ReadonlySet<string> = new Set<string>([...RESERVED, ...Object.keys(ALIASES)])

/** Whether a name needs quotes because it is a reserved word. */
export function isReservedWord(name: string): boolean {
  return RESERVED_WORDS.has(name.toUpperCase())
}
