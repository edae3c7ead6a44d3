/** The load of the lease soak, in a process of its own: reads of the changing dataset, pinned and not, and writes. */
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/kvstore.js'
import type { ThriftMethod } from '../../src/thrift/protocol.js'

export interface SoakReport {
  readonly reads: number
  readonly writes: number
  /** Writes refused, not applied, while the live shard was being reopened; they were sent again. */
  readonly reopened: number
  /** What must not happen; the first ones. */
  readonly faults: readonly string[]
}

const [port, keyCount] = process.argv.slice(2).map(Number) as [number, number]
const client = new ThriftClient({ name: 'soak', host: '127.0.0.1', port, connections: 8 })
const keys = Array.from({ length: keyCount }, (_, key) => Buffer.from(`key-${key}`))
const faults: string[] = []
const acknowledged = new Map<string, string>()
let reads = 0
let writes = 0
let reopened = 0
let isStopping = false
const seenVersions: bigint[] = []

type Answer<R> = { readonly value: R } | { readonly code: number; readonly message: string }

function call<A, R>(method: ThriftMethod<A, R, wire.KVStoreException>, args: A): Promise<Answer<R>> {
  return new Promise((resolve) => {
    client.call(method, args, performance.now() + 10_000, (outcome) => {
      if (outcome instanceof KVError) resolve({ code: -1, message: `${outcome.code} ${outcome.message}` })
      else if (outcome.exception !== null)
        resolve({ code: outcome.exception.error?.code ?? -1, message: outcome.exception.message ?? '' })
      else if (outcome.value === null) resolve({ code: -1, message: 'nothing' })
      else resolve({ value: outcome.value })
    })
  })
}

function fault(text: string): void {
  if (faults.length < 20) faults.push(text)
}

/** All rows of one answer must come from one version. */
async function readLoop(isPinned: boolean): Promise<void> {
  while (!isStopping) {
    const pinned = isPinned ? (seenVersions[Math.floor(Math.random() * seenVersions.length)] ?? null) : null
    const options = wire.makeReadOptions({ withInfo: true, datasetVersion: pinned })
    const request = wire.makeMultiGetRequest({ dataset: 'soaked', keys, options })
    const answer = await call(wire.KVStoreMethods.multiGet, { request })
    reads += 1
    if ('value' in answer) checkRows(answer.value)
    else if (pinned === null || answer.code !== wire.ErrorCode.VERSION_NOT_FOUND)
      fault(`read: ${answer.message}`)
  }
}

function checkRows(response: wire.MultiGetResponse): void {
  const tags = new Set((response.rows ?? []).map((row) => row.cells?.[0]?.value?.toString() ?? 'absent'))
  if (tags.size !== 1 || tags.has('absent')) fault(`one answer mixes ${[...tags].join(', ')}`)
  const version = response.info?.datasetVersion ?? null
  if (version === null) fault('no version')
  else if (!seenVersions.includes(version)) {
    seenVersions.push(version)
    if (seenVersions.length > 5) seenVersions.shift()
  }
}

async function writeLoop(name: string): Promise<void> {
  for (let count = 0; !isStopping; count++) {
    const value = `${name}-${count}`
    const request = wire.makePutRequest({
      dataset: 'written',
      key: Buffer.from(name),
      value: Buffer.from(value),
    })
    const answer = await call(wire.KVStoreMethods.put, { request })
    if ('value' in answer) {
      writes += 1
      acknowledged.set(name, value)
    } else if (isReopening(answer.code)) reopened += 1
    else fault(`write: ${answer.message}`)
  }
}

/** A reopened shard refuses writes for a moment; nothing of them is applied. */
function isReopening(code: number): boolean {
  return code === wire.ErrorCode.SHARD_NOT_SERVING || code === wire.ErrorCode.UNAVAILABLE
}

async function checkAcknowledged(): Promise<void> {
  for (const [name, expected] of acknowledged) {
    const request = wire.makeGetRequest({ dataset: 'written', key: Buffer.from(name) })
    const answer = await call(wire.KVStoreMethods.get, { request })
    const found = 'value' in answer ? answer.value.value?.toString() : answer.message
    if (found !== expected) fault(`row ${name} holds ${found ?? 'nothing'}, acknowledged was ${expected}`)
  }
}

process.once('message', () => {
  isStopping = true
})
const loops = [
  ...Array.from({ length: 8 }, () => readLoop(false)),
  ...Array.from({ length: 4 }, () => readLoop(true)),
  ...Array.from({ length: 8 }, (_, index) => writeLoop(`writer-${index}`)),
]
void Promise.all(loops)
  .then(checkAcknowledged)
  .then(() => process.send?.({ reads, writes, reopened, faults } satisfies SoakReport, () => process.exit(0)))
