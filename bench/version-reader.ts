/**
 * Reads a catalogue as a few callers do, each a moment after its last answer, in a process of its own, and checks every
 * answer: all rows of one answer hold the id of the version that the answer says. Ends with the channel.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { KVError } from '../src/base/errors.js'
import { ThriftClient } from '../src/thrift/client.js'
import * as wire from '../src/thrift/generated/kvstore.js'
import { CATALOGUE_KEYS, catalogueDataset } from './catalogue.js'
import { answerParent, receiveSettings } from './processes.js'

export interface VersionReaderSettings {
  readonly port: number
  readonly datasets: number
  readonly callers: number
  /** Between an answer and the caller's next read: the machine is busy with reads and not drowned in them. */
  readonly pauseMs: number
}

export interface VersionReaderReport {
  readonly answers: number
  readonly failed: number
  readonly mixed: number
  /** What the first failed or mixed answers were. */
  readonly faults: readonly string[]
  readonly slowestMs: number
}

const keys = Array.from({ length: CATALOGUE_KEYS }, (_, key) => Buffer.from(`key-${key}`))
const faults: string[] = []
let answers = 0
let failed = 0
let mixed = 0
let slowestMs = 0

function readOnce(client: ThriftClient, dataset: string): Promise<void> {
  const options = wire.makeReadOptions({ withInfo: true })
  const request = wire.makeMultiGetRequest({ dataset, keys, options })
  const startedAt = performance.now()
  return new Promise((resolve) => {
    client.call(wire.KVStoreMethods.multiGet, { request }, startedAt + 10_000, (outcome) => {
      answers += 1
      slowestMs = Math.max(slowestMs, performance.now() - startedAt)
      if (outcome instanceof KVError) fail(`${outcome.code} ${outcome.message}`)
      else if (outcome.value === null) fail(outcome.exception?.message ?? 'nothing')
      else check(outcome.value)
      resolve()
    })
  })
}

function fail(text: string): void {
  failed += 1
  if (faults.length < 5) faults.push(text)
}

function check(response: wire.MultiGetResponse): void {
  const version = String(response.info?.datasetVersion ?? 'none')
  const seen = new Set((response.rows ?? []).map((row) => row.value?.toString() ?? 'absent'))
  if (seen.size === 1 && seen.has(version)) return
  mixed += 1
  if (faults.length < 5) faults.push(`the answer of version ${version} holds rows of ${[...seen].join(', ')}`)
}

// The parent is publish.ts.
const settings = (await receiveSettings()) as VersionReaderSettings
const client = new ThriftClient({ name: 'reader', host: '127.0.0.1', port: settings.port, connections: 4 })
answerParent({ port: settings.port })
for (let caller = 0; caller < settings.callers; caller++) {
  void (async () => {
    for (;;) {
      await readOnce(client, catalogueDataset(Math.floor(Math.random() * settings.datasets)))
      await pause(settings.pauseMs)
    }
  })()
}
for (;;) {
  await pause(250)
  answerParent({ answers, failed, mixed, faults, slowestMs } satisfies VersionReaderReport)
}
