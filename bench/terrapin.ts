/**
 * TerrapinService beside KVStore: the same rows of the same gateway, asked for through either. What differs is the
 * translation, and the answer's map in place of a list.
 */
import { readFileSync } from 'node:fs'
import { BinaryReader } from '../src/thrift/binary-reader.js'
import { BinaryWriter } from '../src/thrift/binary-writer.js'
import * as wire from '../src/thrift/generated/terrapin.js'
import type { ThriftMethod } from '../src/thrift/protocol.js'
import { MessageType } from '../src/thrift/protocol.js'
import { firstAnswer } from './client.js'
import { KEYS_PER_MULTI_GET, VALUE_SIZE } from './dataset.js'
import { frameFile, getFrames, hotBatches, hotKeys, multiGetFrames } from './frames.js'
import { startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import { served } from './load-generator.js'
import { NARROW, copyOfLoaded } from './workspace.js'

/** Every gateway has it. */
const CLUSTERS = ['local']
const HEADER_SIZE = 4
const MAX_FRAME_BYTES = 65_536

const { get, multiGet } = wire.TerrapinServiceMethods

export const terrapin: Bench = {
  name: 'terrapin',
  question: "what do Terrapin's reads cost, held against KVStore's of the same rows?",
  async run(context) {
    const kvstore = await startGateway({
      folder: await copyOfLoaded(context, 'terrapin'),
      dataThreads: 1,
      core: 0,
      servesTerrapin: true,
    })
    const { terrapinPort } = kvstore
    if (terrapinPort === null) throw new Error('the gateway does not serve TerrapinService')
    const terrapin = { ...kvstore, port: terrapinPort }
    const gets = terrapinGetFrames(context)
    const multiGets = terrapinMultiGetFrames(context)
    const sizes = [
      await answerSize(terrapinPort, gets, 1),
      await answerSize(terrapinPort, multiGets, KEYS_PER_MULTI_GET),
    ]
    const one = { context, core: 1 } as const
    const many = { ...one, connections: 16, unitsEach: KEYS_PER_MULTI_GET }
    const series = await alternate(context, [
      served('KVStore get, 64 x 1', kvstore, getFrames(context, NARROW), one),
      served('Terrapin get, 64 x 1', terrapin, gets, one),
      served(
        'KVStore multiGet(20), 16 x 1',
        kvstore,
        multiGetFrames(context, NARROW, KEYS_PER_MULTI_GET),
        many,
      ),
      served('Terrapin multiGet(20), 16 x 1', terrapin, multiGets, many),
    ])
    await kvstore.stop()
    const named = (name: string) => seriesNamed(series, name)
    return {
      series,
      verdicts: [
        judge(goals.terrapinGet, named('Terrapin get, 64 x 1'), named('KVStore get, 64 x 1')),
        judge(
          goals.terrapinMultiGet,
          named('Terrapin multiGet(20), 16 x 1'),
          named('KVStore multiGet(20), 16 x 1'),
        ),
      ],
      notes: [
        `Terrapin's answers have ${sizes.join(' and ')} bytes; one data thread, plain thrift without Finagle's headers.`,
      ],
    }
  },
}

/** Gets of the hot rows. */
export function terrapinGetFrames(context: BenchContext): string {
  return frameFile(context, 'terrapin-get', () =>
    framesOf(
      get,
      hotKeys(context).map((key) => ({
        request: wire.makeTerrapinGetRequest({ clusterList: CLUSTERS, fileSet: NARROW, key }),
      })),
    ),
  )
}

/** The hot rows once over. */
function terrapinMultiGetFrames(context: BenchContext): string {
  return frameFile(context, 'terrapin-multi-get', () =>
    framesOf(
      multiGet,
      hotBatches(context, KEYS_PER_MULTI_GET).map((keyList) => ({
        request: wire.makeTerrapinMultiGetRequest({ clusterList: CLUSTERS, fileSet: NARROW, keyList }),
      })),
    ),
  )
}

/** One framed request each, sequence numbers from 1: the same bytes that Apache Thrift's own writers make. */
export function framesOf<A>(method: ThriftMethod<A, unknown, unknown>, calls: readonly A[]): Buffer {
  const writer = new BinaryWriter(MAX_FRAME_BYTES)
  const frames = calls.map((args, index) => {
    writer.beginFrame(MAX_FRAME_BYTES)
    writer.writeMessageBegin(method.name, MessageType.CALL, index + 1)
    method.writeArgs(writer, args)
    writer.endFrame()
    return Buffer.from(writer.take())
  })
  return Buffer.concat(frames)
}

/**
 * Bytes of the first answer. The load generator does not see that a map lacks keys; this does.
 * @throws when it does not hold that many whole values
 */
async function answerSize(port: number, frames: string, keys: number): Promise<number> {
  const answer = await firstAnswer(port, readFileSync(frames))
  const reader = new BinaryReader()
  reader.reset(answer, HEADER_SIZE, answer.length)
  reader.readMessageBegin()
  const values =
    keys === 1
      ? [get.readResult(reader).value]
      : (multiGet.readResult(reader).value?.responseMap ?? []).map(([, response]) => response)
  const whole = values.filter((response) => response?.value?.length === VALUE_SIZE)
  if (whole.length !== keys)
    throw new Error(
      `an answer has ${whole.length} values of ${VALUE_SIZE} bytes where ${keys} were asked for`,
    )
  return answer.length
}
