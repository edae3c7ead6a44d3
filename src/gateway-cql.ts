/** What CQL clients made reaches the threads with the map: apart from datasets, which come and go as they are opened. */
import type { Metastore } from './model/metastore.js'
import type { CqlCatalog } from './model/table-call.js'
import type { LeaseKeeper } from './threads/leases.js'

/** Subscribed behind the version set, so that a table is announced when its dataset is served. */
export async function followCqlCatalog(metastore: Metastore, keeper: LeaseKeeper): Promise<void> {
  let known = JSON.stringify(catalogOf(metastore))
  const publish = async (): Promise<void> => {
    const cql = catalogOf(metastore)
    const text = JSON.stringify(cql)
    if (text === known) return
    known = text
    await keeper.publish({ changed: [], removed: [], cql })
  }
  let tables = namesOf(metastore)
  metastore.subscribe(async (name, record) => {
    if (record?.cql === undefined && !tables.has(name)) return
    tables = namesOf(metastore)
    await publish()
  })
  metastore.subscribeClusters(publish)
  await keeper.publish({ changed: [], removed: [], cql: catalogOf(metastore) })
}

function namesOf(metastore: Metastore): ReadonlySet<string> {
  const tables = metastore.list().filter(({ cql }) => cql !== undefined)
  return new Set(tables.map(({ name }) => name))
}

/** In the order of names, as the metastore lists them. */
function catalogOf(metastore: Metastore): CqlCatalog {
  return {
    keyspaces: metastore.keyspaces(),
    tables: metastore.list().flatMap(({ cql }) => cql ?? []),
  }
}
