/** What a dataset's record says of it as a table of HBase's: the checks of what is given and of what was stored. */
import type { ColumnFamily, TableSettings } from '../model/table-call.js'

/** Families are looked up for every column; HBase's own advice is three. */
const MAX_FAMILIES = 100
const MAX_NAME_LENGTH = 127
const MAX_SECONDS = 2 ** 31 - 1

/** The settings alone, without what else the object carries; what is wrong is added to `faults`. */
export function readTable(value: unknown, faults: string[]): { readonly table?: TableSettings } {
  if (value === undefined) return {}
  if (!isTable(value)) {
    faults.push(`table must have 1 to ${MAX_FAMILIES} column families of distinct names, and isDisabled`)
    return {}
  }
  const families = value.families.map(
    ({ name, maxVersions, ttlSeconds, compression, bloomFilter, isInMemory, isBlockCached }) => ({
      ...{ name, maxVersions, ttlSeconds, compression, bloomFilter, isInMemory, isBlockCached },
    }),
  )
  return { table: { families, isDisabled: value.isDisabled } }
}

export function isTableOrAbsent(value: unknown): boolean {
  return value === undefined || isTable(value)
}

export function freezeTable(table: TableSettings): void {
  for (const family of table.families) Object.freeze(family)
  Object.freeze(table.families)
  Object.freeze(table)
}

function isTable(value: unknown): value is TableSettings {
  if (typeof value !== 'object' || value === null) return false
  const { families, isDisabled } = value as Readonly<Record<string, unknown>>
  if (typeof isDisabled !== 'boolean' || !Array.isArray(families)) return false
  if (families.length === 0 || families.length > MAX_FAMILIES || !families.every(isFamily)) return false
  return new Set(families.map(({ name }) => name)).size === families.length
}

function isFamily(value: unknown): value is ColumnFamily {
  if (typeof value !== 'object' || value === null) return false
  const family = value as Readonly<Record<keyof ColumnFamily, unknown>>
  return (
    isText(family.name) &&
    family.name !== '' &&
    isPositive(family.maxVersions) &&
    (family.ttlSeconds === null || isPositive(family.ttlSeconds)) &&
    isText(family.compression) &&
    isText(family.bloomFilter) &&
    typeof family.isInMemory === 'boolean' &&
    typeof family.isBlockCached === 'boolean'
  )
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_NAME_LENGTH
}

function isPositive(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0 && Number(value) <= MAX_SECONDS
}
