/** CREATE, ALTER and DROP of keyspaces, tables, types and indexes, and the properties behind WITH. */
import type {
  AlterKeyspace,
  AlterTable,
  AlterType,
  ColumnDefinition,
  CreateIndex,
  CreateKeyspace,
  CreateTable,
  CreateType,
  FieldDefinition,
  IndexTarget,
  Ordering,
  PrimaryKey,
  Properties,
  Renaming,
  TableAlteration,
  TypeAlteration,
} from './ast.js'
import type { Cursor } from './cursor.js'
import { propertyMap, propertyValue } from './parse-properties.js'
import { parseTypeRule, userTypeName } from './parse-types.js'
import { ifNotExists } from './parse-where.js'

export function createKeyspace(cursor: Cursor): CreateKeyspace {
  cursor.expect('KEYSPACE')
  const isConditional = ifNotExists(cursor)
  const keyspace = cursor.nameOf('keyspace')
  cursor.expect('WITH')
  return { kind: 'createKeyspace', keyspace, ifNotExists: isConditional, properties: properties(cursor) }
}

export function alterKeyspace(cursor: Cursor): AlterKeyspace {
  cursor.expect('KEYSPACE')
  const keyspace = cursor.nameOf('keyspace')
  cursor.expect('WITH')
  return { kind: 'alterKeyspace', keyspace, properties: properties(cursor) }
}

/** `a = 1 AND b = {'c': 'd'}`. */
export function properties(cursor: Cursor): Properties {
  const found = new PropertyList(cursor)
  do found.add()
  while (cursor.take('AND'))
  return found.all
}

class PropertyList {
  readonly #cursor: Cursor
  readonly #all = new Map<string, string | ReadonlyMap<string, string>>()

  constructor(cursor: Cursor) {
    this.#cursor = cursor
  }

  get all(): Properties {
    return this.#all
  }

  add(): void {
    const cursor = this.#cursor
    const name = cursor.name()
    cursor.expect('=')
    const value = cursor.kind === '{' ? propertyMap(cursor) : propertyValue(cursor)
    if (this.#all.has(name)) throw cursor.refuse(`Multiple definition for property '${name}'`)
    this.#all.set(name, value)
  }
}

export function createTable(cursor: Cursor): CreateTable {
  cursor.expect('COLUMNFAMILY')
  const isConditional = ifNotExists(cursor)
  const table = cursor.qualifiedName('table')
  const definition = new TableDefinition(cursor)
  definition.read()
  return {
    kind: 'createTable',
    table,
    ifNotExists: isConditional,
    columns: definition.columns,
    primaryKeys: definition.primaryKeys,
    clusteringOrder: definition.clusteringOrder,
    isCompact: definition.isCompact,
    properties: definition.properties,
  }
}

/** What stands between a table's name and the end. */
class TableDefinition {
  readonly #cursor: Cursor
  readonly #properties: PropertyList
  readonly columns: ColumnDefinition[] = []
  readonly primaryKeys: PrimaryKey[] = []
  readonly clusteringOrder: Ordering[] = []
  isCompact = false

  constructor(cursor: Cursor) {
    this.#cursor = cursor
    this.#properties = new PropertyList(cursor)
  }

  get properties(): Properties {
    return this.#properties.all
  }

  read(): void {
    const cursor = this.#cursor
    cursor.expect('(')
    this.#element()
    // Cassandra lets a comma stand before nothing.
    while (cursor.take(',')) if (cursor.kind !== ',' && cursor.kind !== ')') this.#element()
    cursor.expect(')')
    if (!cursor.take('WITH')) return
    do this.#property()
    while (cursor.take('AND'))
  }

  #element(): void {
    const cursor = this.#cursor
    if (cursor.take('PRIMARY')) {
      cursor.expectAll('KEY', '(')
      this.#primaryKey()
      cursor.expect(')')
      return
    }
    const name = cursor.name()
    const type = parseTypeRule(cursor)
    this.columns.push({ name, type, isStatic: cursor.take('STATIC') })
    if (cursor.take('PRIMARY')) {
      cursor.expect('KEY')
      this.primaryKeys.push({ partition: [name], clustering: [] })
    }
  }

  #primaryKey(): void {
    const cursor = this.#cursor
    let partition: string[]
    if (cursor.take('(')) {
      partition = cursor.list(() => cursor.name())
      cursor.expect(')')
    } else {
      partition = [cursor.name()]
    }
    const clustering: string[] = []
    while (cursor.take(',')) clustering.push(cursor.name())
    this.primaryKeys.push({ partition, clustering })
  }

  #property(): void {
    const cursor = this.#cursor
    if (cursor.kind === 'COMPACT' && cursor.peek() === 'STORAGE') {
      cursor.expectAll('COMPACT', 'STORAGE')
      this.isCompact = true
    } else if (cursor.kind === 'CLUSTERING' && cursor.peek() === 'ORDER') {
      cursor.expectAll('CLUSTERING', 'ORDER', 'BY', '(')
      this.clusteringOrder.push(...cursor.list(() => clusteringOrdering(cursor)))
      cursor.expect(')')
    } else {
      this.#properties.add()
    }
  }
}

function clusteringOrdering(cursor: Cursor): Ordering {
  const column = cursor.name()
  const isDescending = cursor.take('DESC')
  if (!isDescending && !cursor.take('ASC')) throw cursor.noViable()
  return { column, isDescending }
}

export function alterTable(cursor: Cursor): AlterTable {
  cursor.expect('COLUMNFAMILY')
  return { kind: 'alterTable', table: cursor.qualifiedName('table'), alteration: tableAlteration(cursor) }
}

function tableAlteration(cursor: Cursor): TableAlteration {
  if (cursor.take('ALTER')) {
    const column = cursor.name()
    cursor.expect('TYPE')
    return { kind: 'alterColumn', column, type: parseTypeRule(cursor) }
  }
  if (cursor.take('ADD')) {
    const column = cursor.name()
    const type = parseTypeRule(cursor)
    return { kind: 'add', column, type, isStatic: cursor.take('STATIC') }
  }
  if (cursor.take('DROP')) return { kind: 'drop', column: cursor.name(), timestamp: dropTimestamp(cursor) }
  if (cursor.take('WITH')) return { kind: 'options', properties: properties(cursor) }
  if (cursor.take('RENAME')) return { kind: 'rename', renamings: renamings(cursor) }
  throw cursor.noViable()
}

function dropTimestamp(cursor: Cursor): bigint | null {
  if (!cursor.take('USING')) return null
  cursor.expect('TIMESTAMP')
  const text = cursor.takeValue('integer')
  const timestamp = BigInt(text)
  if (BigInt.asIntN(64, timestamp) !== timestamp) throw cursor.refuse(`For input string: "${text}"`)
  return timestamp
}

function renamings(cursor: Cursor): Renaming[] {
  const all: Renaming[] = []
  do {
    const from = cursor.name()
    cursor.expect('TO')
    all.push({ from, to: cursor.name() })
  } while (cursor.take('AND'))
  return all
}

export function createType(cursor: Cursor): CreateType {
  cursor.expect('TYPE')
  const isConditional = ifNotExists(cursor)
  const type = userTypeName(cursor)
  cursor.expect('(')
  const fields = [fieldDefinition(cursor)]
  while (cursor.take(','))
    if (cursor.kind !== ',' && cursor.kind !== ')') fields.push(fieldDefinition(cursor))
  cursor.expect(')')
  return { kind: 'createType', type, ifNotExists: isConditional, fields }
}

function fieldDefinition(cursor: Cursor): FieldDefinition {
  const name = cursor.name()
  return { name, type: parseTypeRule(cursor) }
}

export function alterType(cursor: Cursor): AlterType {
  cursor.expect('TYPE')
  return { kind: 'alterType', type: userTypeName(cursor), alteration: typeAlteration(cursor) }
}

function typeAlteration(cursor: Cursor): TypeAlteration {
  if (cursor.take('ALTER')) {
    const field = cursor.name()
    cursor.expect('TYPE')
    return { kind: 'alterField', field, type: parseTypeRule(cursor) }
  }
  if (cursor.take('ADD')) {
    const field = cursor.name()
    return { kind: 'add', field, type: parseTypeRule(cursor) }
  }
  if (cursor.take('RENAME')) return { kind: 'rename', renamings: renamings(cursor) }
  throw cursor.noViable()
}

export function createIndex(cursor: Cursor): CreateIndex {
  const isCustom = cursor.take('CUSTOM')
  cursor.expect('INDEX')
  const isConditional = ifNotExists(cursor)
  const name = cursor.kind === 'ON' ? null : cursor.nameOf('index')
  cursor.expect('ON')
  const table = cursor.qualifiedName('table')
  cursor.expect('(')
  const targets = cursor.kind === ')' ? [] : cursor.list(() => indexTarget(cursor))
  cursor.expect(')')
  const customClass = cursor.take('USING') ? cursor.takeValue('string') : null
  const given: Properties = cursor.take('WITH') ? properties(cursor) : new Map()
  return {
    kind: 'createIndex',
    name,
    table,
    ifNotExists: isConditional,
    isCustom,
    targets,
    customClass,
    properties: given,
  }
}

const INDEX_TARGETS = { VALUES: 'values', KEYS: 'keys', ENTRIES: 'entries', FULL: 'full' } as const

function indexTarget(cursor: Cursor): IndexTarget {
  const { kind } = cursor
  const isNamed = kind === 'VALUES' || kind === 'KEYS' || kind === 'ENTRIES' || kind === 'FULL'
  if (!isNamed || cursor.peek() !== '(') return { column: cursor.name(), target: 'simple' }
  cursor.next()
  cursor.expect('(')
  const column = cursor.name()
  cursor.expect(')')
  return { column, target: INDEX_TARGETS[kind] }
}
