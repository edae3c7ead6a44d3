/**
 * Types of CQL with few values each, so that rows meet: as a statement says them, and as the driver binds them. Values are
 * in their type's order, and elements of sets and maps are drawn so: 3.0 keeps the order that a client binds.
 */
import { types } from 'cassandra-driver'
import { random } from '../support/random.js'

/** What a seed repeats. */
export class Draws {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = random(seed)
  }

  /** 0 to below count. */
  below(count: number): number {
    return Math.floor(this.#next() * count)
  }

  chance(share: number): boolean {
    return this.#next() < share
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)]
    if (found === undefined) throw new Error('nothing to pick from')
    return found
  }

  /** Of names with their weights. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const entries = Object.entries<number>(weights)
    let rest = this.#next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      rest -= weight
      // The keys of the record are of its key type.
      if (rest < 0) return name as T
    }
    return entries[0]?.[0] as T // as above
  }

  /** Each with this chance, in their order. */
  some<T>(list: readonly T[], share: number): T[] {
    return list.filter(() => this.chance(share))
  }

  shuffled<T>(list: readonly T[]): T[] {
    const rest = [...list]
    return list.map(() => rest.splice(this.below(rest.length), 1)[0] as T) // as many as there are
  }
}

export interface Value {
  readonly literal: string
  readonly bound: unknown
}

export interface Domain {
  /** Of a native type, in its order. */
  readonly values: readonly Value[]
  /** As CREATE TABLE says it. */
  readonly type: string
  readonly kind: 'native' | 'list' | 'set' | 'map' | 'tuple' | 'user'
  readonly isFrozen: boolean
  /** Of a collection's elements: a map has keys and values. */
  readonly elements: readonly Domain[]
  readonly draw: (draws: Draws) => Value
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function native(type: string, values: readonly Value[]): Domain {
  return { type, kind: 'native', isFrozen: true, elements: [], values, draw: (draws) => draws.pick(values) }
}

const texts = (list: readonly string[]) => list.map((text) => ({ literal: quoted(text), bound: text }))
const plain = (list: readonly number[]) => list.map((value) => ({ literal: String(value), bound: value }))
const uuids = (list: readonly string[]) =>
  list.map((text) => ({ literal: text, bound: types.Uuid.fromString(text) }))

const INTEGERS = [-1, 0, 1, 2]

export const NATIVES: readonly Domain[] = [
  native('ascii', texts(['', 'A', 'a', 'ab', 'b'])),
  native('text', texts(['', 'a', 'ab', "it's", 'é', '😀'])),
  native('varchar', texts(['a', 'b', 'c'])),
  native('int', plain([-(2 ** 31), ...INTEGERS, 2 ** 31 - 1])),
  native('bigint', [
    { literal: '-9223372036854775808', bound: types.Long.MIN_VALUE },
    ...INTEGERS.map((n) => ({ literal: String(n), bound: types.Long.fromNumber(n) })),
    { literal: '9223372036854775807', bound: types.Long.MAX_VALUE },
  ]),
  native('smallint', plain([-32_768, ...INTEGERS])),
  native('tinyint', plain([...INTEGERS, 127])),
  native(
    'varint',
    ['-129', '-1', '0', '1', '127', '128', '170141183460469231731687303715884105728'].map((text) => ({
      literal: text,
      bound: types.Integer.fromString(text),
    })),
  ),
  native(
    'decimal',
    ['-1.5', '0', '0.001', '1', '1.5', '123456789012345678901234567890.5'].map((text) => ({
      literal: text,
      bound: types.BigDecimal.fromString(text),
    })),
  ),
  native('double', [
    { literal: '-Infinity', bound: -Infinity },
    ...plain([-1.5, 0, 1.5, 1e300]),
    { literal: 'Infinity', bound: Infinity },
    { literal: 'NaN', bound: NaN },
  ]),
  native('float', plain([-0.5, 0, 0.5, 2])),
  native('boolean', [
    { literal: 'False', bound: false },
    { literal: 'true', bound: true },
  ]),
  native(
    'blob',
    ['', '00', '0102', '7f80', 'ff'].map((hex) => ({ literal: `0x${hex}`, bound: Buffer.from(hex, 'hex') })),
  ),
  native(
    'date',
    ['1969-12-31', '1970-01-01', '2015-05-21'].map((text) => ({
      literal: quoted(text),
      bound: types.LocalDate.fromString(text),
    })),
  ),
  native(
    'time',
    ['00:00:00', '13:30:54.234', '23:59:59.999999999'].map((text) => ({
      literal: quoted(text),
      bound: types.LocalTime.fromString(text),
    })),
  ),
  native('timestamp', [
    { literal: '-1', bound: new Date(-1) },
    { literal: '0', bound: new Date(0) },
    { literal: "'2015-05-21 10:00:00+0000'", bound: new Date(Date.UTC(2015, 4, 21, 10)) },
    { literal: "'2015-05-21T10:00:00.123Z'", bound: new Date(Date.UTC(2015, 4, 21, 10, 0, 0, 123)) },
  ]),
  native(
    'timeuuid',
    uuids([
      '00000000-0000-1000-8000-000000000000',
      'f0000000-0000-1000-8000-000000000001',
      '00000001-0000-1001-bf7f-7f7f7f7f7f7f',
      '50554d6e-29bb-11e5-8080-808080808080',
      '50554d6e-29bb-11e5-b345-feff819cdc9f',
    ]),
  ),
  native(
    'uuid',
    uuids([
      '00000000-0000-0000-0000-000000000000',
      'f0000000-0000-1000-8000-000000000001',
      '50554d6e-29bb-11e5-b345-feff819cdc9f',
      '123e4567-e89b-42d3-a456-426655440000',
      'ffffffff-ffff-4fff-bfff-ffffffffffff',
    ]),
  ),
  native(
    'inet',
    ['::1', '127.0.0.1', 'fe80::1', '255.0.0.1'].map((text) => ({
      literal: quoted(text),
      bound: types.InetAddress.fromString(text),
    })),
  ),
]

/** At most two, each once, in the order of their type. */
function distinct(draws: Draws, { values }: Domain): readonly Value[] {
  return draws.some(values, 1.2 / values.length).slice(0, 2)
}

function frozen(type: string, isFrozen: boolean): string {
  return isFrozen ? `frozen<${type}>` : type
}

export function listOf(element: Domain, isFrozen: boolean): Domain {
  return {
    type: frozen(`list<${element.type}>`, isFrozen),
    kind: 'list',
    isFrozen,
    elements: [element],
    values: [],
    draw: (draws) => {
      const items = Array.from({ length: draws.below(3) }, () => element.draw(draws))
      return {
        literal: `[${items.map(({ literal }) => literal).join(', ')}]`,
        bound: items.map(({ bound }) => bound),
      }
    },
  }
}

export function setOf(element: Domain, isFrozen: boolean): Domain {
  return {
    type: frozen(`set<${element.type}>`, isFrozen),
    kind: 'set',
    isFrozen,
    elements: [element],
    values: [],
    draw: (draws) => {
      const items = distinct(draws, element)
      return {
        literal: `{${items.map(({ literal }) => literal).join(', ')}}`,
        bound: items.map(({ bound }) => bound),
      }
    },
  }
}

export function mapOf(key: Domain, value: Domain, isFrozen: boolean): Domain {
  return {
    type: frozen(`map<${key.type}, ${value.type}>`, isFrozen),
    kind: 'map',
    isFrozen,
    elements: [key, value],
    values: [],
    draw: (draws) => {
      const entries = distinct(draws, key).map((one) => [one, value.draw(draws)] as const)
      return {
        literal: `{${entries.map(([k, v]) => `${k.literal}: ${v.literal}`).join(', ')}}`,
        bound: new Map(entries.map(([k, v]) => [k.bound, v.bound])),
      }
    },
  }
}

export function tupleOf(parts: readonly Domain[]): Domain {
  return {
    type: `frozen<tuple<${parts.map(({ type }) => type).join(', ')}>>`,
    kind: 'tuple',
    isFrozen: true,
    elements: parts,
    values: [],
    draw: (draws) => {
      const items = parts.map((part) =>
        draws.chance(0.15) ? { literal: 'null', bound: null } : part.draw(draws),
      )
      return {
        literal: `(${items.map(({ literal }) => literal).join(', ')})`,
        bound: new types.Tuple(...items.map(({ bound }) => bound)),
      }
    },
  }
}

/** The user type that every run has: its fields may be missing. */
export const USER_TYPE = 'CREATE TYPE pair (a int, b text)'
const PAIR_A = native('int', plain(INTEGERS))
const PAIR_B = native('text', texts(['', 'x', 'y']))
export const PAIR: Domain = {
  type: 'frozen<pair>',
  kind: 'user',
  isFrozen: true,
  elements: [PAIR_A, PAIR_B],
  values: [],
  draw: (draws) => {
    const fields = [
      { name: 'a', ...PAIR_A.draw(draws) },
      { name: 'b', ...PAIR_B.draw(draws) },
    ].filter(() => !draws.chance(0.15))
    return {
      literal: `{${fields.map(({ name, literal }) => `${name}: ${literal}`).join(', ')}}`,
      bound: Object.fromEntries(fields.map(({ name, bound }) => [name, bound])),
    }
  },
}

/** What a column may have; of keys what is frozen. */
export function drawDomain(draws: Draws, isFrozen: boolean): Domain {
  const element = draws.pick(NATIVES)
  switch (draws.weighted({ native: isFrozen ? 9 : 5, list: 1, set: 1, map: 1, tuple: 0.5, user: 0.5 })) {
    case 'native':
      return element
    case 'list':
      return listOf(element, isFrozen || draws.chance(0.3))
    case 'set':
      return setOf(element, isFrozen || draws.chance(0.3))
    case 'map':
      return mapOf(element, draws.pick(NATIVES), isFrozen || draws.chance(0.3))
    case 'tuple':
      return tupleOf([element, draws.pick(NATIVES)])
    case 'user':
      return PAIR
  }
}
