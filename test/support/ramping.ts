/** A gateway whose dataset has come to RAMP between a fake Terrapin and its leaf tier, and readers of it. */
import type { FakeOrigin } from './fake-origin.js'
import type { Gateway } from './gateway.js'
import {
  type MigratingOptions,
  Readers,
  dial,
  inParts,
  loadValues,
  migrate,
  setOriginVersion,
  settledShadows,
  startMigrating,
} from './migration.js'

export const KEYS: readonly string[] = Array.from({ length: 5_000 }, (_, index) => `pin-${index}`)

/** What a side answers says which one it is. */
export const ofOrigin = (key: string): string => `origin ${key}`
export const ofTarget = (key: string): string => `target ${key}`

/** Keys of one read. */
export const ONE = 1

export interface Ramping {
  readonly gateway: Gateway
  readonly readers: Readers
}

/** On its way up to RAMP; both sides answer as the target does. */
export async function startRamping(origin: FakeOrigin, options: MigratingOptions = {}): Promise<Ramping> {
  origin.replace((key) => Buffer.from(ofTarget(key)))
  const gateway = await startMigrating(origin, options)
  const readers = new Readers(gateway)
  await migrate(gateway, 'switch')
  const version = await loadValues(gateway, new Map(KEYS.map((key) => [key, ofTarget(key)])))
  await setOriginVersion(gateway, version)
  await migrate(gateway, 'switch')
  await dial(gateway, { shadowShare: 10_000 })
  await readers.each(inParts(KEYS, ONE))
  await settledShadows(gateway)
  await migrate(gateway, 'switch')
  await dial(gateway, { shadowShare: 0 })
  return { gateway, readers }
}

export async function endRamping({ gateway, readers }: Ramping): Promise<void> {
  await readers.close()
  await gateway.dispose()
}
