/** Tables and column families as both gateways describe and check them. */
import type { ColumnFamily } from '../../src/model/table-call.js'
import { TABLE_NOT_DISABLED, illegal, remoteFault } from './hbase-errors.js'
import type { Table } from './hbase-tables.js'
import { checkFamily } from './mapping.js'

export function isEnabled({ record }: Table): boolean {
  return record.table?.isDisabled !== true
}

export function checkDisabled(table: Table): void {
  if (!isEnabled(table)) return
  throw remoteFault(TABLE_NOT_DISABLED, `Not DISABLED; tableName=${table.name}, state=ENABLED`)
}

/** In byte order; of two with one name the last one counts, as in HBase's descriptor. */
export function inOrder(families: readonly ColumnFamily[]): ColumnFamily[] {
  const byName = new Map(families.map((family) => [family.name, family]))
  return [...byName.values()].sort((a, b) => Buffer.from(a.name).compare(Buffer.from(b.name)))
}

export function checkedVersions(maxVersions: number): number {
  if (maxVersions > 0) return maxVersions
  throw illegal('Maximum versions must be positive')
}

/** ColumnFamilyDescriptorBuilder.isLegalColumnFamilyName. @throws {KVError} IllegalArgumentException */
export function familyName(family: Buffer): string {
  const text = family.toString('utf8')
  checkFamily(family)
  if (text.startsWith('.')) throw illegal(`Column Family names cannot start with a period: ${text}`)
  const isText = Buffer.from(text).equals(family) && !/[\u0000-\u001f\u007f:/\\]/.test(text)
  if (!isText) {
    throw illegal(
      `Illegal character in column family ${JSON.stringify(text.slice(0, 40))}: neither control characters nor : / \\`,
    )
  }
  return text
}

/** A table that no HBase client made has one family without a name, which stands for all that it has. */
export function familiesOf({ record }: Table): readonly ColumnFamily[] {
  return record.table?.families ?? [{ ...UNNAMED, maxVersions: record.maxCellVersions }]
}

const UNNAMED: Omit<ColumnFamily, 'maxVersions'> = {
  name: '',
  ttlSeconds: null,
  compression: 'NONE',
  bloomFilter: 'NONE',
  isInMemory: false,
  isBlockCached: false,
}
