/**
 * What the way to a leaf process costs: coalesced gets by the gateway's engine over HTTP, with breakers, time-outs and the
 * check of versions, held against the same batches as frames on one bare TCP connection. Hot rows, one column of 200 B.
 */
import { cpSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Variant } from './harness.js'
import { alternate, judge, perSecondOf, seriesNamed } from './harness.js'
import type { LeafCallerRound, LeafCallerSettings } from './leaf-caller.js'
import type { LeafPeerSettings } from './leaf-peer.js'
import { parseCpuSeconds, readStat } from './proc.js'
import { nextMessage, startChild, startServer, stopChild } from './processes.js'
import { narrowDatabase } from './workspace.js'

const PEER = 'leaf-peer.js'
const CALLER = 'leaf-caller.js'
const TARGET = { datasetId: 'bench', versionId: 1_700_000_000_000, shard: 0 }
const IN_FLIGHT = [1, 64, 256] as const

export const remoteLeaf: Bench = {
  name: 'remote-leaf',
  question: 'what does the way to a leaf process cost, held against raw framed TCP?',
  async run(context) {
    const [http, tcp] = [await startPair(context, 'http'), await startPair(context, 'tcp')]
    const variants = IN_FLIGHT.flatMap((inFlight) => [
      http.variant(nameOf('HTTP', inFlight), inFlight),
      tcp.variant(nameOf('raw TCP', inFlight), inFlight),
    ])
    const series = await alternate(context, variants)
    await Promise.all([http.stop(), tcp.stop()])
    const named = (what: string, inFlight: number) => seriesNamed(series, nameOf(what, inFlight))
    return {
      series,
      verdicts: [
        judge(goals.remoteLeaf64, named('HTTP', 64), named('raw TCP', 64)),
        judge(goals.remoteLeaf256, named('HTTP', 256), named('raw TCP', 256)),
        judge(goals.remoteLeafRate, named('HTTP', 256), named('raw TCP', 256), perSecondOf),
      ],
      notes: [
        'CPU seconds of both processes together: the leaf on core 0, the caller on core 1.',
        'Both sides of both variants decode, read RocksDB and encode by the same code; 1 in flight shows what a lone get waits.',
      ],
    }
  },
}

function nameOf(what: string, inFlight: number): string {
  return `${what}, ${inFlight} in flight`
}

async function startPair(context: BenchContext, transport: 'http' | 'tcp') {
  const directory = join(context.folder, `leaf-${transport}`)
  cpSync(dirname(await narrowDatabase(context)), directory, { recursive: true })
  const peer: LeafPeerSettings = { directory, transport, target: TARGET }
  const server = await startServer(PEER, { core: 0, set: peer })
  const caller = startChild(CALLER, 1)
  const { hotRows } = context
  caller.send({ port: server.port, transport, target: TARGET, hotRows } satisfies LeafCallerSettings)
  await nextMessage(caller, CALLER)
  const variant = (name: string, inFlight: number): Variant => ({
    name,
    unit: 'gets',
    async measure() {
      const before = parseCpuSeconds(readStat(server.pid))
      caller.send({ inFlight, measureMs: context.measureMs } satisfies LeafCallerRound)
      // What leaf-caller.ts answers to a round.
      const sample = (await nextMessage(caller, CALLER)) as Sample
      const ofLeaf = parseCpuSeconds(readStat(server.pid)) - before
      return { ...sample, cpuSeconds: sample.cpuSeconds + ofLeaf }
    },
  })
  return { variant, stop: () => Promise.all([stopChild(caller), server.stop()]) }
}
