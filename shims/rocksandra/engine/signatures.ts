/** Which function of a name a call means, by what it is given: FunctionResolver.java of Cassandra 3.0. */
import { invalid } from '../cql/errors.js'
import { type CqlType, freeze, isSameType, typeText } from '../cql/types.js'

export type Fit = 'exact' | 'weak' | 'none'

/** What a call is given. */
export interface Argument {
  /** As refusals show it. */
  readonly text: string
  readonly fit: (wanted: CqlType) => Fit
}

export interface Signature {
  /** With its keyspace, as results name their columns. */
  readonly name: string
  readonly takes: readonly CqlType[]
  readonly returns: CqlType
}

/** Of a value whose type is known. */
export function fitOf(given: CqlType, wanted: CqlType): Fit {
  if (isSameType(freeze(given), freeze(wanted))) return 'exact'
  if (wanted.kind !== 'native') return 'none'
  if (wanted.name === 'blob') return 'weak'
  return given.kind === 'native' && READ_AS[given.name]?.includes(wanted.name) === true ? 'weak' : 'none'
}

/** AbstractType.isValueCompatibleWith. */
const READ_AS: Readonly<Record<string, readonly string[]>> = {
  ascii: ['text'],
  timeuuid: ['uuid'],
  int: ['varint', 'date'],
  bigint: ['varint', 'timestamp', 'time'],
  timestamp: ['bigint', 'varint'],
}

/** @param called the name as the call has it @throws {CqlError} INVALID */
export function chosen<T extends Signature>(
  called: string,
  candidates: readonly T[],
  args: readonly Argument[],
): T {
  const [only] = candidates
  if (only !== undefined && candidates.length === 1) return checked(only, args)
  const weak: T[] = []
  for (const candidate of candidates) {
    const fit = fitOfAll(candidate, args)
    if (fit === 'exact') return candidate
    if (fit === 'weak') weak.push(candidate)
  }
  const [found] = weak
  if (found === undefined) {
    throw invalid(
      `Invalid call to function ${called}, none of its type signatures match (known type signatures: ${texts(candidates)})`,
    )
  }
  if (weak.length === 1) return found
  throw invalid(
    `Ambiguous call to function ${called} (can be matched by following signatures: ${texts(weak)}): use type casts to disambiguate`,
  )
}

function checked<T extends Signature>(only: T, args: readonly Argument[]): T {
  const { name, takes } = only
  if (takes.length !== args.length) {
    throw invalid(
      `Invalid number of arguments in call to function ${name}: ${takes.length} required but ${args.length} provided`,
    )
  }
  for (const [index, type] of takes.entries()) {
    const arg = args[index]
    if (arg === undefined || arg.fit(type) !== 'none') continue
    throw invalid(
      `Type error: ${arg.text} cannot be passed as argument ${index} of function ${name} of type ${typeText(type)}`,
    )
  }
  return only
}

function fitOfAll({ takes }: Signature, args: readonly Argument[]): Fit {
  if (takes.length !== args.length) return 'none'
  const fits = takes.map((type, index) => args[index]?.fit(type) ?? 'none')
  if (fits.includes('none')) return 'none'
  return fits.includes('weak') ? 'weak' : 'exact'
}

export function signatureText({ name, takes, returns }: Signature): string {
  return `${name} : (${takes.map(typeText).join(', ')}) -> ${typeText(returns)}`
}

function texts(signatures: readonly Signature[]): string {
  return signatures.map(signatureText).join(', ')
}
