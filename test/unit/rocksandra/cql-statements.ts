/** Statements of every kind for property tests; markers get their numbers when a whole statement stands. */
import fc from 'fast-check'
import type {
  Assignment,
  Condition,
  InValues,
  Marker,
  NativeName,
  Properties,
  QualifiedName,
  Relation,
  Selector,
  Statement,
  Term,
  TypeName,
} from '../../../shims/rocksandra/cql/ast.js'
import { NATIVE_FACTS } from '../../../shims/rocksandra/cql/types.js'

/** Names of every sort: plain, reserved and unreserved words, capitals, quotes, spaces, other scripts. */
export const anyName = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9_]{0,6}$/).filter((word) => word !== 'expr'),
  fc.constantFrom(
    'select',
    'key',
    'ttl',
    'count',
    'token',
    'int',
    'json',
    'values',
    'exists',
    'list',
    'Case',
    'a b',
  ),
  fc.constantFrom(
    'with"quote',
    'größe',
    '1st',
    'NaN',
    'true',
    'per',
    'partition',
    'as',
    'distinct',
    'writetime',
  ),
)
/** Names of functions that no word of the grammar is. */
const functionName = fc.constantFrom('now', 'mintimeuuid', 'myfunction', 'Quoted')
const plainName = fc.stringMatching(/^[a-z][a-z0-9_]{3,6}$/).map((word) => `t_${word}`)

const table: fc.Arbitrary<QualifiedName> = fc.record({ keyspace: fc.option(plainName), name: anyName })
const typeNamed: fc.Arbitrary<QualifiedName> = fc.record({ keyspace: fc.option(plainName), name: plainName })
const called: fc.Arbitrary<QualifiedName> = fc.record({ keyspace: fc.option(plainName), name: functionName })

const nativeNames = Object.keys(NATIVE_FACTS) as NativeName[]
const native: fc.Arbitrary<TypeName> = fc
  .constantFrom(...nativeNames)
  .map((name) => ({ kind: 'native', name }))

const { type } = fc.letrec<{ type: TypeName; generic: TypeName }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    native,
    typeNamed.map((name): TypeName => ({ kind: 'user', name })),
    fc.constantFrom('org.Some', "it's").map((className): TypeName => ({ kind: 'custom', className })),
    tie('generic'),
  ),
  generic: fc.oneof(
    tie('type').map((element): TypeName => ({ kind: 'list', element })),
    tie('type').map((element): TypeName => ({ kind: 'set', element })),
    fc.tuple(tie('type'), tie('type')).map(([key, value]): TypeName => ({ kind: 'map', key, value })),
    fc
      .array(tie('type'), { minLength: 1, maxLength: 3 })
      .map((elements): TypeName => ({ kind: 'tuple', elements })),
    tie('generic').map((inner): TypeName => ({ kind: 'frozen', inner })),
  ),
}))

const marker: fc.Arbitrary<Marker> = fc
  .option(anyName)
  .map((name): Marker => ({ kind: 'marker', index: -1, name }))
const integer: fc.Arbitrary<Term> = fc.bigInt().map((value) => ({
  kind: 'constant',
  type: 'integer',
  text: value.toString(),
}))
const constant: fc.Arbitrary<Term> = fc.oneof(
  fc.string({ unit: 'binary' }).map((text): Term => ({ kind: 'constant', type: 'string', text })),
  integer,
  fc.constantFrom('1.5', '-0.25e10', '3.', '7E-3', 'NaN', '-Infinity').map((text): Term => {
    return { kind: 'constant', type: 'float', text }
  }),
  fc.constantFrom('true', 'FALSE').map((text): Term => ({ kind: 'constant', type: 'boolean', text })),
  fc.uuid().map((text): Term => ({ kind: 'constant', type: 'uuid', text })),
  fc.constantFrom('0x', '0xCAFEbabe').map((text): Term => ({ kind: 'constant', type: 'hex', text })),
)

const { term } = fc.letrec<{ term: Term; terms: Term[] }>((tie) => ({
  terms: fc.array(tie('term'), { maxLength: 3 }),
  term: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    constant,
    marker,
    fc.constant<Term>({ kind: 'null' }),
    tie('terms').map((items): Term => ({ kind: 'list', items })),
    tie('terms').map((items): Term => ({ kind: 'set', items })),
    fc
      .array(fc.record({ key: tie('term'), value: tie('term') }), { minLength: 1, maxLength: 3 })
      .map((entries): Term => ({ kind: 'map', entries })),
    fc
      .uniqueArray(fc.record({ name: anyName, value: tie('term') }), {
        minLength: 1,
        maxLength: 3,
        selector: (field) => field.name,
      })
      .map((fields): Term => ({ kind: 'udt', fields })),
    // A string alone in parentheses before something that begins a value would be a cast to a class.
    fc.array(tie('term'), { minLength: 2, maxLength: 3 }).map((items): Term => ({ kind: 'tuple', items })),
    fc.record({ kind: fc.constant('call' as const), name: called, args: tie('terms') }),
    fc.record({ kind: fc.constant('cast' as const), type, term: tie('term') }),
  ),
}))

const operator = fc.constantFrom(
  '=' as const,
  '<' as const,
  '<=' as const,
  '>' as const,
  '>=' as const,
  '!=' as const,
)
const tuple = fc.array(term, { minLength: 1, maxLength: 3 }).map((items): Term => ({ kind: 'tuple', items }))
const names = fc.array(anyName, { minLength: 1, maxLength: 3 })

function inValues(item: fc.Arbitrary<Term>): fc.Arbitrary<InValues> {
  return fc.oneof(
    fc.array(item, { maxLength: 3 }).map((terms): InValues => ({ kind: 'terms', terms })),
    marker.map((one): InValues => ({ kind: 'marker', marker: one })),
  )
}

const relation: fc.Arbitrary<Relation> = fc.oneof(
  fc.record({ kind: fc.constant('compare' as const), column: anyName, operator, value: term }),
  fc.record({ kind: fc.constant('in' as const), column: anyName, values: inValues(term) }),
  fc.record({ kind: fc.constant('contains' as const), column: anyName, isKey: fc.boolean(), value: term }),
  fc.record({ kind: fc.constant('isNotNull' as const), column: anyName }),
  fc.record({ kind: fc.constant('entry' as const), column: anyName, key: term, operator, value: term }),
  fc.record({ kind: fc.constant('token' as const), columns: names, operator, value: term }),
  fc.record({
    kind: fc.constant('multi' as const),
    columns: names,
    operator,
    value: fc.oneof(tuple, marker),
  }),
  fc.record({
    kind: fc.constant('multiIn' as const),
    columns: names,
    values: inValues(fc.oneof(tuple, marker)),
  }),
  fc.record({
    kind: fc.constant('expr' as const),
    index: anyName.map((name) => ({ keyspace: null, name })),
    value: term,
  }),
)
const relations = fc.array(relation, { minLength: 1, maxLength: 3 })

const { selector } = fc.letrec<{ selector: Selector }>((tie) => ({
  selector: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    anyName.map((name): Selector => ({ kind: 'column', name })),
    fc.constant<Selector>({ kind: 'countRows' }),
    anyName.map((column): Selector => ({ kind: 'writetime', column })),
    anyName.map((column): Selector => ({ kind: 'ttl', column })),
    fc.record({
      kind: fc.constant('call' as const),
      name: called,
      args: fc.array(tie('selector'), { maxLength: 2 }),
    }),
    fc.record({ kind: fc.constant('field' as const), of: tie('selector'), field: anyName }),
  ),
}))

const limit = fc.option(fc.oneof(integer, marker))
const using = fc.record({ timestamp: limit, ttl: limit })
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({
    kind: fc.constant('compare' as const),
    column: anyName,
    element: fc.option(term),
    operator,
    value: term,
  }),
  fc.record({
    kind: fc.constant('in' as const),
    column: anyName,
    element: fc.option(term),
    values: inValues(term),
  }),
)
const ifClause = fc.oneof(
  fc.constant({ ifExists: true, conditions: [] as Condition[] }),
  fc.array(condition, { maxLength: 2 }).map((conditions) => ({ ifExists: false, conditions })),
)

const column = anyName
const assignment: fc.Arbitrary<Assignment> = fc.oneof(
  fc.record({ kind: fc.constantFrom('set' as const, 'prepend' as const), column, value: term }),
  fc.record({ kind: fc.constantFrom('add' as const, 'subtract' as const), column, value: term }),
  fc.record({ kind: fc.constant('setElement' as const), column, key: term, value: term }),
)

const insert = fc.record({
  kind: fc.constant('insert' as const),
  table,
  columns: names,
  values: fc.array(term, { minLength: 1, maxLength: 3 }),
  ifNotExists: fc.boolean(),
  using,
})
const insertJson = fc.record({
  kind: fc.constant('insertJson' as const),
  table,
  json: fc.oneof(
    marker,
    fc.string().map((text) => ({ kind: 'constant' as const, type: 'string' as const, text })),
  ),
  ifNotExists: fc.boolean(),
  using,
})
const update = fc
  .record({
    kind: fc.constant('update' as const),
    table,
    using,
    assignments: fc.uniqueArray(assignment, { minLength: 1, maxLength: 3, selector: (one) => one.column }),
    where: relations,
  })
  .chain((head) => ifClause.map((tail) => ({ ...head, ...tail })))
const deletion = fc
  .record({
    kind: fc.constant('delete' as const),
    table,
    using: limit.map((timestamp) => ({ timestamp, ttl: null })),
    deletions: fc.array(fc.record({ column: anyName, element: fc.option(term) }), { maxLength: 2 }),
    where: relations,
  })
  .chain((head) => ifClause.map((tail) => ({ ...head, ...tail })))
const modification = fc.oneof(insert, insertJson, update, deletion)

const properties: fc.Arbitrary<Properties> = fc
  .uniqueArray(
    fc.tuple(
      anyName,
      fc.oneof(
        fc.string(),
        fc
          .uniqueArray(fc.tuple(fc.string(), fc.string()), { maxLength: 2, selector: ([key]) => key })
          .map((entries) => new Map(entries)),
      ),
    ),
    { minLength: 1, maxLength: 3, selector: ([key]) => key },
  )
  .map((entries) => new Map(entries))
const someProperties = fc.oneof(properties, fc.constant<Properties>(new Map()))

const ordering = fc.record({ column: anyName, isDescending: fc.boolean() })
const renamings = fc.array(fc.record({ from: anyName, to: anyName }), { minLength: 1, maxLength: 2 })

const schema: fc.Arbitrary<Statement> = fc.oneof(
  fc.record({
    kind: fc.constant('createKeyspace' as const),
    keyspace: anyName,
    ifNotExists: fc.boolean(),
    properties,
  }),
  fc.record({ kind: fc.constant('alterKeyspace' as const), keyspace: anyName, properties }),
  fc.record({ kind: fc.constant('dropKeyspace' as const), keyspace: anyName, ifExists: fc.boolean() }),
  fc.record({
    kind: fc.constant('createTable' as const),
    table,
    ifNotExists: fc.boolean(),
    columns: fc.array(fc.record({ name: anyName, type, isStatic: fc.boolean() }), {
      minLength: 1,
      maxLength: 3,
    }),
    primaryKeys: fc.array(fc.record({ partition: names, clustering: fc.array(anyName, { maxLength: 2 }) }), {
      maxLength: 2,
    }),
    clusteringOrder: fc.array(ordering, { maxLength: 2 }),
    isCompact: fc.boolean(),
    properties: someProperties,
  }),
  fc.record({
    kind: fc.constant('alterTable' as const),
    table,
    alteration: fc.oneof(
      fc.record({ kind: fc.constant('alterColumn' as const), column: anyName, type }),
      fc.record({ kind: fc.constant('add' as const), column: anyName, type, isStatic: fc.boolean() }),
      fc.record({
        kind: fc.constant('drop' as const),
        column: anyName,
        timestamp: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      }),
      fc.record({ kind: fc.constant('options' as const), properties }),
      fc.record({ kind: fc.constant('rename' as const), renamings }),
    ),
  }),
  fc.record({ kind: fc.constant('dropTable' as const), table, ifExists: fc.boolean() }),
  fc.record({
    kind: fc.constant('createType' as const),
    type: typeNamed,
    ifNotExists: fc.boolean(),
    fields: fc.array(fc.record({ name: anyName, type }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('alterType' as const),
    type: typeNamed,
    alteration: fc.oneof(
      fc.record({ kind: fc.constant('alterField' as const), field: anyName, type }),
      fc.record({ kind: fc.constant('add' as const), field: anyName, type }),
      fc.record({ kind: fc.constant('rename' as const), renamings }),
    ),
  }),
  fc.record({ kind: fc.constant('dropType' as const), type: typeNamed, ifExists: fc.boolean() }),
  fc.record({
    kind: fc.constant('createIndex' as const),
    name: fc.option(anyName),
    table,
    ifNotExists: fc.boolean(),
    isCustom: fc.boolean(),
    targets: fc.array(
      fc.record({
        column: anyName,
        target: fc.constantFrom('simple' as const, 'values' as const, 'keys' as const, 'entries' as const),
      }),
      { maxLength: 2 },
    ),
    customClass: fc.option(fc.string()),
    properties: someProperties,
  }),
  fc.record({ kind: fc.constant('dropIndex' as const), index: table, ifExists: fc.boolean() }),
)

const select = fc.record({
  kind: fc.constant('select' as const),
  table,
  selection: fc.array(fc.record({ selector, alias: fc.option(anyName) }), { maxLength: 3 }),
  isJson: fc.boolean(),
  isDistinct: fc.boolean(),
  where: fc.oneof(relations, fc.constant<Relation[]>([])),
  orderBy: fc.uniqueArray(ordering, { maxLength: 2, selector: ({ column }) => column }),
  perPartitionLimit: limit,
  limit,
  allowFiltering: fc.boolean(),
})

export const anyStatement: fc.Arbitrary<Statement> = fc.oneof(
  { arbitrary: select, weight: 4 },
  { arbitrary: modification, weight: 4 },
  fc.record({
    kind: fc.constant('batch' as const),
    type: fc.constantFrom('LOGGED' as const, 'UNLOGGED' as const, 'COUNTER' as const),
    using,
    statements: fc.array(modification, { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('use' as const), keyspace: anyName }),
  fc.record({ kind: fc.constant('truncate' as const), table }),
  { arbitrary: schema, weight: 3 },
)

export const anyType = type
