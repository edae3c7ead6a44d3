/**
 * Hot gets against three limits that run beside them: a framed echo (what sockets cost), the same RocksDB call in process
 * (what storage costs), and a server written with npm thrift (what callers have today).
 */
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstAnswer } from './client.js'
import { KEYS_PER_MULTI_GET } from './dataset.js'
import { getFrames, multiGetFrames } from './frames.js'
import { startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Variant } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import { PIPELINED, served } from './load-generator.js'
import { startServer } from './processes.js'
import type { RawPeer } from './raw-peer.js'
import { startRawPeer } from './raw-peer.js'
import { NARROW, copyOfLoaded, narrowDatabase } from './workspace.js'

export const readPath: Bench = {
  name: 'read-path',
  question: 'what do hot reads cost, held against echo, raw RocksDB and an npm-thrift server?',
  async run(context) {
    const gateway = await startGateway({
      folder: await copyOfLoaded(context, 'read-path'),
      dataThreads: 1,
      core: 0,
    })
    const gets = getFrames(context, NARROW)
    const answer = await firstAnswer(gateway.port, readFileSync(gets))
    const echo = await startServer('echo-server.js', { core: 0, set: { answer: answer.toString('base64') } })
    const npm = await startServer('npm-thrift-server.js', { core: 0, set: await peerFiles(context, 'npm') })
    const raw = await startRaw(context)
    const multiGets = multiGetFrames(context, NARROW, KEYS_PER_MULTI_GET)
    const pinned = { context, core: 1 } as const
    const variants: Variant[] = [
      served('echo, 64 x 1', echo, gets, { ...pinned, ignoresSeqid: true }),
      served('npm-thrift get, 64 x 1', npm, gets, pinned),
      served('get, 64 x 1', gateway, gets, pinned),
      served('get, 16 x 16', gateway, gets, { ...pinned, ...PIPELINED }),
      served('multiGet(20), 16 x 1', gateway, multiGets, {
        ...pinned,
        connections: 16,
        unitsEach: KEYS_PER_MULTI_GET,
      }),
      {
        name: 'raw MultiGet(20)',
        unit: 'keys',
        measure: () => raw.measure({ work: 'multiGet', measureMs: context.measureMs }),
      },
    ]
    const series = await alternate(context, variants)
    await Promise.all([gateway, echo, npm, raw].map((server) => server.stop()))
    const named = (name: string) => seriesNamed(series, name)
    const get = named('get, 64 x 1')
    const rawKeys = named('raw MultiGet(20)')
    return {
      series,
      verdicts: [
        judge(goals.getAgainstEcho, get, named('echo, 64 x 1')),
        judge(goals.getAgainstNpmThrift, get, named('npm-thrift get, 64 x 1')),
        judge(goals.pipelinedAgainstRaw, named('get, 16 x 16'), rawKeys),
        judge(goals.multiGetAgainstRaw, named('multiGet(20), 16 x 1'), rawKeys),
      ],
      notes: [`An answer to a get has ${answer.length} bytes, echo's too; one data thread.`],
    }
  },
}

/** A DB can be open in one process only: each peer gets a copy. */
async function peerFiles(context: BenchContext, name: string): Promise<{ directory: string }> {
  const directory = join(context.folder, `read-path-${name}`)
  cpSync(await narrowDatabase(context), directory, { recursive: true })
  return { directory }
}

async function startRaw(context: BenchContext): Promise<RawPeer> {
  const scratch = join(context.folder, 'read-path-raw-scratch')
  mkdirSync(scratch)
  const { rows, hotRows } = context
  return startRawPeer({ ...(await peerFiles(context, 'raw')), rows, hotRows, scratch }, 0)
}
