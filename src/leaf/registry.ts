/** The leaf engines there are; test/contract/leaf-engine.test.ts runs on each. A new engine is one line here. */
import type { LeafStore } from '../model/leaf-engine.js'
import { MEMORY_ENGINE, MemoryStore } from './memory/store.js'
import { ROCKSDB_ENGINE, RocksStore } from './rocksdb/store/store.js'

export interface LeafEngineKind {
  /** As in Incarnation.engine. */
  readonly name: string
  /** The control side. The data side is built by the thread that uses it. */
  createStore(): LeafStore
}

export const leafEngines = [
  { name: ROCKSDB_ENGINE, createStore: () => new RocksStore() },
  { name: MEMORY_ENGINE, createStore: () => new MemoryStore() },
] as const satisfies readonly LeafEngineKind[]
