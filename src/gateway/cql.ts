/** What CQL clients made reaches the threads with the map: apart from datasets, which come and go as they are opened. */
import type { Metastore } from '../model/metastore.js'
import type { CqlCatalog, CqlTable } from '../model/table-call.js'
import type { LeaseKeeper } from '../threads/leases.js'

/** Subscribed behind the version set, so that a table is announced when its dataset is served. */
export async function followCqlCatalog(metastore: Metastore, keeper: LeaseKeeper): Promise<void> {
  // Those that were announced: the metastore has others, too, whose datasets are still being opened.
  const tables = new Map<string, CqlTable>()
  for (const { name, cql } of metastore.list()) if (cql !== undefined) tables.set(name, cql)
  let known = JSON.stringify(catalogOf(metastore, tables))
  const publish = async (): Promise<void> => {
    const cql = catalogOf(metastore, tables)
    const text = JSON.stringify(cql)
    if (text === known) return
    known = text
    await keeper.publish({ changed: [], removed: [], cql })
  }
  metastore.subscribe(async (name, record) => {
    const table = record?.cql
    if (table === undefined && !tables.delete(name)) return
    if (table !== undefined) tables.set(name, table)
    await publish()
  })
  metastore.subscribeClusters(publish)
  await keeper.publish({ changed: [], removed: [], cql: catalogOf(metastore, tables) })
}

/** In the order of names, as the metastore lists them. */
function catalogOf(metastore: Metastore, tables: ReadonlyMap<string, CqlTable>): CqlCatalog {
  return {
    keyspaces: metastore.keyspaces(),
    tables: metastore.list().flatMap(({ name }) => tables.get(name) ?? []),
  }
}
