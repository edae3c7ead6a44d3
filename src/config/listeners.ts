/** Which process binds a listener, and which of its threads: the only list of them beside their settings. */
import type { Config, ListenerName } from './schema.js'

interface Place {
  readonly role: Config['role']
  /** `data`: by all data threads, which share its socket. */
  readonly thread: 'main' | 'data'
}

const onData = { role: 'gateway', thread: 'data' } as const
const onMain = { role: 'gateway', thread: 'main' } as const

/** In the order in which it is listened. */
const PLACES = {
  kvstore: onData,
  usermetastore: onData,
  hbase1: onData,
  hbase2: onData,
  rocksandra: onData,
  terrapin: onData,
  terrapinInternal: onData,
  terrapinController: onMain,
  terrapinStatus: onMain,
  terrapinStats: onMain,
  admin: onMain,
  leaf: { role: 'leaf', thread: 'main' },
} as const satisfies Record<ListenerName, Place>

export type DataListener = {
  [name in ListenerName]: (typeof PLACES)[name]['thread'] extends 'data' ? name : never
}[ListenerName]

/** Those that a process of that role binds. */
export function listenersOf(role: Config['role']): readonly ListenerName[] {
  return names().filter((name) => PLACES[name].role === role)
}

/** Those that data threads serve. */
export const DATA_LISTENERS: readonly DataListener[] = names().filter(isOnData)

function isOnData(name: ListenerName): name is DataListener {
  return PLACES[name].thread === 'data'
}

function names(): readonly ListenerName[] {
  // PLACES has the listeners' names and no others.
  return Object.keys(PLACES) as ListenerName[]
}
