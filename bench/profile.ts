/**
 * V8 CPU profiles by hop: which part of a gateway each sample belongs to. A sample counts for the innermost frame of its
 * stack that one of our files, or Node's socket code, can be named for; Buffer, zlib and native frames count for
 * whoever called them. Pure, but for reading the files.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The part of `.cpuprofile` files that is used here. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** Node ids. */
  readonly samples: readonly number[]
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[]
  /** Microseconds on the clock of process.hrtime. */
  readonly startTime: number
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string }
  readonly children?: readonly number[]
}

export const HOPS = [
  'socket',
  'listener decode',
  'translate',
  'admit',
  'route',
  'leaf',
  'RocksDB',
  'to the writer and back',
  'encode',
  'rest of the listener',
  'garbage collection',
  'other',
] as const
export type Hop = (typeof HOPS)[number]

/** First match counts: file (below src, or Node's own), function, hop. */
const RULES: readonly (readonly [RegExp, RegExp | null, Hop])[] = [
  [/^node:(net$|internal\/stream|stream|internal\/net|events$)/, null, 'socket'],
  [/^thrift\/generated\//, /^(write|encode|put)/i, 'encode'],
  [/^thrift\/generated\//, null, 'listener decode'],
  [/^thrift\/(\w+-)*writer\.js$/, null, 'encode'],
  [/^thrift\/(answer-window|message-buffer)\.js$/, null, 'encode'],
  [/^thrift\/(\w+-)*(reader|scanner|stream)\.js$/, null, 'listener decode'],
  [/^thrift\/(frames|transport|codec|protocol|short-strings|server-call)\.js$/, null, 'listener decode'],
  [/^thrift\//, null, 'rest of the listener'],
  [/^kvstore\/(admit[-\w]*|kvstore|context)\.js$/, null, 'admit'],
  [/^kvstore\/listener\.js$/, null, 'rest of the listener'],
  [/^kvstore\//, null, 'translate'],
  [/^base\/(metrics|trace|deadline)\.js$/, null, 'admit'],
  [/^routing\//, null, 'route'],
  [/^leaf\/tier\.js$/, null, 'route'],
  [/^leaf\/rocksdb\/store\/binding\.js$/, null, 'RocksDB'],
  [
    /^leaf\/rocksdb\/write\/(write-client|write-wire|program-wire|wire-bytes)\.js$/,
    null,
    'to the writer and back',
  ],
  [/^threads\/(write-channel|bus)\.js$/, null, 'to the writer and back'],
  [/^leaf\//, null, 'leaf'],
]

/** `node:net` for Node's own files, `thrift/frames.js` for ours, empty for everything else. */
function fileOf(url: string): string {
  if (url.startsWith('node:')) return url
  const at = url.lastIndexOf('/src/')
  return at === -1 ? '' : url.slice(at + '/src/'.length)
}

function hopOfFrame({ functionName, url }: ProfileNode['callFrame']): Hop | null {
  if (functionName === '(garbage collector)') return 'garbage collection'
  const file = fileOf(url)
  if (file === '') return null
  for (const [files, functions, hop] of RULES) {
    if (files.test(file) && (functions === null || functions.test(functionName))) return hop
  }
  return null
}

export type HopTimes = Readonly<Record<Hop, number>>

/** Microseconds that the thread was busy, by hop, between two readings of process.hrtime. */
export function timesByHop(profile: CpuProfile, fromUs: number, toUs: number): HopTimes {
  const hops = hopsOfNodes(profile.nodes)
  // Object.fromEntries knows nothing of its keys.
  const times = Object.fromEntries(HOPS.map((hop) => [hop, 0])) as Record<Hop, number>
  let now = profile.startTime
  for (let i = 0; i < profile.samples.length; i++) {
    const delta = profile.timeDeltas[i] ?? 0
    now += delta
    if (now < fromUs || now > toUs) continue
    const hop = hops.get(profile.samples[i] ?? -1)
    if (hop !== undefined && hop !== null) times[hop] += delta
  }
  return times
}

/** Null: idle. */
function hopsOfNodes(nodes: readonly ProfileNode[]): Map<number, Hop | null> {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const hops = new Map<number, Hop | null>()
  const root = nodes[0]
  const pending: { node: ProfileNode; inherited: Hop }[] =
    root === undefined ? [] : [{ node: root, inherited: 'other' }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, inherited } = next
    const hop = hopOfFrame(node.callFrame) ?? inherited
    hops.set(node.id, node.callFrame.functionName === '(idle)' ? null : hop)
    for (const id of node.children ?? []) {
      const child = byId.get(id)
      if (child !== undefined) pending.push({ node: child, inherited: hop })
    }
  }
  return hops
}

export type ThreadKind = 'data' | 'writer' | 'main'

/** The profiles that a stopped gateway left, with the kind of their thread. */
export function readProfiles(folder: string): { kind: ThreadKind; profile: CpuProfile }[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => {
      // Written by V8.
      const profile = JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile
      return { kind: kindOf(profile), profile }
    })
}

function kindOf({ nodes }: CpuProfile): ThreadKind {
  const has = (file: string) => nodes.some(({ callFrame }) => fileOf(callFrame.url) === file)
  if (has('main.js')) return 'main'
  return has('threads/writer-thread.js') ? 'writer' : 'data'
}
