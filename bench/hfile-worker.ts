/** HFiles without the gateway, in a process of its own: their bytes alone, their rows, their rows' fields. */
import { compileThriftStruct } from '../src/base/thrift-idl.js'
import type { SourceRequest } from '../src/loader/load-source.js'
import { openSource } from '../src/loader/open-source.js'
import { FileObjects } from '../src/objects/file-objects.js'
import { toObjectUrl } from '../src/objects/object-url.js'
import type { Sample } from './harness.js'
import { answerParent, receiveSettings } from './processes.js'
import { STRUCT_EXPLODE } from './struct-data.js'

export interface HFileSettings {
  readonly folder: string
  readonly bytes: number
  readonly rows: number
}

export type HFileWork = 'read' | 'decode' | 'explode'

// The type is what hfile-load.ts sends for this script.
const { folder, bytes, rows } = (await receiveSettings()) as HFileSettings
const objects = new FileObjects({ roots: [] })
const request: SourceRequest = {
  from: folder,
  format: 'hfile',
  keyField: '',
  columns: null,
  header: null,
  maxValueBytes: 1 << 24,
  maxBadLines: 0,
}
const { struct, idl } = STRUCT_EXPLODE
const fields = compileThriftStruct(idl, struct)
const exploding: SourceRequest = {
  ...request,
  explode: { protocol: 'binary', struct, valueField: '', fields },
}

async function readFiles(): Promise<void> {
  let size = 0
  for (const object of await objects.list(toObjectUrl(folder))) {
    for await (const piece of objects.read(object)) size += piece.length
  }
  if (size !== bytes) throw new Error(`${size} bytes were read`)
}

async function readRows(wish: SourceRequest): Promise<void> {
  const source = openSource(objects, wish)
  let count = 0
  for (const part of await source.parts()) for await (const batch of source.rows(part)) count += batch.length
  if (count !== rows) throw new Error(`${count} rows were read`)
}

const works: Record<HFileWork, () => Promise<void>> = {
  read: readFiles,
  decode: () => readRows(request),
  explode: () => readRows(exploding),
}

async function measure(work: HFileWork): Promise<Sample> {
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  await works[work]()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuAtStart)
  return { count: bytes / 1_000_000, seconds, cpuSeconds: (user + system) / 1e6 }
}

process.on('message', (message) => {
  measure(message as HFileWork).then(answerParent, (thrown: unknown) => {
    process.stderr.write(`hfile-worker: ${String(thrown)}\n`)
    process.exit(1)
  })
})
answerParent({ isReady: true })
