/** What every part of hop 2 needs of a wire struct's fields: required ones, known enum values, refusals by name. */
import { KVError } from '../base/errors.js'

export function requiredDataset(dataset: string | null): string {
  if (dataset !== null && dataset.length > 0) return dataset
  throw invalid('a request without a dataset')
}

export function requiredKey(key: Buffer | null): Buffer {
  if (key !== null && key.length > 0) return key
  throw invalid('an absent or empty key: keys have 1 to 65,535 bytes')
}

/** For options that are known to the IDL and not offered here: never left out silently. */
export function refuseIf(isAsked: boolean, name: string): void {
  if (isAsked) throw unsupported(name)
}

export function unsupported(name: string, reason = 'is not offered by this server'): KVError {
  return new KVError('UNSUPPORTED', `${name} ${reason}`, { outcome: 'NOT_APPLIED' })
}

export function invalid(message: string): KVError {
  return new KVError('INVALID_ARGUMENT', message, { outcome: 'NOT_APPLIED' })
}

export function tooLarge(message: string): KVError {
  return new KVError('TOO_LARGE', message, { outcome: 'NOT_APPLIED' })
}

export function isKnown(values: Readonly<Record<string, number>>, value: number): boolean {
  return Object.values(values).includes(value)
}

/** A count that must be 1 or more; null stays null. */
export function positiveOrNull(value: number | null, name: string): number | null {
  if (value === null || value >= 1) return value
  throw invalid(`${name} of ${value}: at least 1, or absent`)
}
