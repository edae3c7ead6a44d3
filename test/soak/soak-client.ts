/** The load of the lease soak, in a process of its own: reads of the changing dataset, pinned and not, and writes. */
import { setTimeout as pause } from 'node:timers/promises'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/kvstore.js'
import type { ThriftMethod } from '../../src/thrift/protocol.js'

export interface SoakReport {
  readonly reads: number
  readonly writes: number
  /** Writes refused, not applied, while their DB was closed; they were sent again. */
  readonly refused: number
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
let refused = 0
let isStopping = false
const seenVersions: bigint[] = []

type Answer<R> = { readonly value: R } | Failure

interface Failure {
  readonly code: number
  readonly message: string
  /** A write that failed so may be sent again without a doubt. */
  readonly isNotApplied: boolean
}

function call<A, R>(method: ThriftMethod<A, R, wire.KVStoreException>, args: A): Promise<Answer<R>> {
  return new Promise((resolve) => {
    client.call(method, args, performance.now() + 10_000, (outcome) => {
      if (outcome instanceof KVError) resolve(failure(-1, `${outcome.code} ${outcome.message}`))
      else if (outcome.exception !== null) resolve(toFailure(outcome.exception))
      else if (outcome.value === null) resolve(failure(-1, 'nothing'))
      else resolve({ value: outcome.value })
    })
  })
}

function failure(code: number, message: string): Failure {
  return { code, message, isNotApplied: false }
}

function toFailure({ error, message }: wire.KVStoreException): Failure {
  const isNotApplied = error?.outcome === wire.WriteOutcome.NOT_APPLIED
  return { code: error?.code ?? -1, message: message ?? '', isNotApplied }
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

async function writeLoop(dataset: string, name: string): Promise<void> {
  for (let count = 0; !isStopping; count++) {
    const value = `${name}-${count}`
    const request = wire.makePutRequest({ dataset, key: Buffer.from(name), value: Buffer.from(value) })
    const answer = await call(wire.KVStoreMethods.put, { request })
    if ('value' in answer) {
      writes += 1
      if (dataset === 'written') acknowledged.set(name, value)
    } else if (answer.isNotApplied && isBetween(dataset, answer.code)) {
      refused += 1
      await pause(5)
    } else fault(`write to ${dataset}: ${answer.message}`)
  }
}

/** A shard that is being reopened refuses for a moment; so does a dataset between its removal and its return. */
function isBetween(dataset: string, code: number): boolean {
  if (code === wire.ErrorCode.SHARD_NOT_SERVING || code === wire.ErrorCode.UNAVAILABLE) return true
  return dataset === 'churned' && code === wire.ErrorCode.DATASET_NOT_FOUND
}

async function checkAcknowledged(): Promise<void> {
  const until = performance.now() + 60_000
  for (const [name, expected] of acknowledged) {
    const request = wire.makeGetRequest({ dataset: 'written', key: Buffer.from(name) })
    let answer = await call(wire.KVStoreMethods.get, { request })
    while ('code' in answer && isBetween('written', answer.code) && performance.now() < until) {
      await pause(50)
      answer = await call(wire.KVStoreMethods.get, { request })
    }
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
  ...Array.from({ length: 8 }, (_, index) => writeLoop('written', `writer-${index}`)),
  ...Array.from({ length: 4 }, (_, index) => writeLoop('churned', `churner-${index}`)),
]
void Promise.all(loops)
  .then(checkAcknowledged)
  .then(() => process.send?.({ reads, writes, refused, faults } satisfies SoakReport, () => process.exit(0)))
