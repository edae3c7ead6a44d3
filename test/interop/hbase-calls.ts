/** What generated calls of HBase clients are made of: one table, a few rows, families, qualifiers, values and times. */
import fc from 'fast-check'
import type * as two from '../../src/thrift/generated/hbase2.js'
import { type Operation, shown } from './hbase-answers.js'

export const TABLE = Buffer.from('differential')
export const FAMILIES = ['a', 'a1', 'b']

export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
export const rowName = fc.constantFrom('r', 'r0', 'r1', 'r\xff')
export const family = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom('a', 'a1', 'b') },
  { weight: 1, arbitrary: fc.constant('zz') },
)
export const qualifier = fc.constantFrom('', 'x', 'xy', 'y', '\x00z')
export const column = fc.tuple(family, qualifier).map(([f, q]) => `${f}:${q}`)
export const columnOrFamily = fc.oneof({ weight: 3, arbitrary: column }, { weight: 1, arbitrary: family })
export const value = fc.constantFrom('', '1', '2', '2\n', 'v\xff', '\0\0\0\0\0\0\0\x05')
export const time = fc.integer({ min: 0, max: 9 }).map(BigInt)

/** Half of them are absent. */
export function half<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.option(arbitrary, { freq: 2 })
}

/** One of ten is there. */
export function seldom<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary })
}

/** What every call of the first gateway has. */
export const row1 = { tableName: TABLE, attributes: [] }
export const keyIn = (prefix: string, name: string): Buffer => bytes(prefix + name)

/** The ends of a scan from a row on, within what a sequence has to itself. */
export function endsFrom(prefix: string, from: string, isReversed: boolean) {
  const [low, high] = [bytes(prefix + from), bytes(`${prefix}s`)]
  return isReversed ? { startRow: high, stopRow: low } : { startRow: low, stopRow: high }
}

export const column2 = fc
  .record({ family, qualifier: fc.option(qualifier), timestamp: fc.option(time) })
  .map((each): two.TColumn => ({
    family: bytes(each.family),
    qualifier: each.qualifier === null ? null : bytes(each.qualifier),
    timestamp: each.timestamp,
  }))

export interface Draft {
  readonly method: string
  readonly args: Operation['args']
  readonly isStamped?: boolean
}

export function operation(gateway: 1 | 2, drafts: fc.Arbitrary<Draft>): fc.Arbitrary<Operation> {
  return drafts.map(({ method, args, isStamped = false }) => ({
    gateway,
    method,
    args,
    isStamped,
    text: `${gateway}.${method} ${shown(args(''))}`,
  }))
}
