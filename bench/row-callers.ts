/**
 * Callers of rows, in a process of their own: each asks, waits, takes what it wants out of the answer, asks again. What
 * they ask for and take is the script's that is started; this is the loop that is measured.
 */
import { FramedClient } from './client.js'
import { rowKey } from './dataset.js'
import { answerParent, receiveSettings } from './processes.js'
import { encodeCalls, types } from './stock-thrift.js'

export interface RowCallSettings {
  readonly port: number
  /** Every dataset that is read has these rows. */
  readonly rows: number
}

export interface RowCallRequest {
  readonly dataset: string
  readonly measureMs: number
  /** Rows of one request: 1 is a get, more are a multiGet. Default: 1. */
  readonly rowsEach?: number
}

export interface RowCallAnswer {
  /** Rows. */
  readonly count: number
  readonly seconds: number
  /** The callers' own. */
  readonly cpuSeconds: number
  /** Of a row. */
  readonly bytesEach: number
}

export interface RowCalls<R extends RowCallRequest> {
  /** Columns that the request names; null: it names none. */
  columnsOf(request: R): readonly Buffer[] | null
  /** Takes the wanted values out of an answer. @throws when one is not there */
  read(frame: Buffer, request: R): void
}

/** So many ask at the same time: with one, the figures are those of waking processes up. */
const CALLERS = 16

/** Answers the parent's requests, one after the other, for as long as it lives. `name`: the script's, for errors. */
export async function serveRowCalls<R extends RowCallRequest>(
  name: string,
  calls: RowCalls<R>,
): Promise<void> {
  // The types are what the bench that starts the script sends.
  const { port, rows } = (await receiveSettings()) as RowCallSettings
  const clients = await Promise.all(Array.from({ length: CALLERS }, () => FramedClient.connect(port)))
  const framesByWish = new Map<string, readonly Buffer[]>()

  const framesOf = (request: R): readonly Buffer[] => {
    const { dataset, rowsEach = 1 } = request
    const localKeys = calls.columnsOf(request)
    const wish = [dataset, rowsEach, ...(localKeys ?? ['all']).map(String)].join('\n')
    const known = framesByWish.get(wish)
    if (known !== undefined) return known
    const cells = localKeys === null ? null : new types.CellSelector({ localKeys })
    const frames = Array.from({ length: Math.floor(rows / rowsEach) }, (_, index) => {
      const keys = Array.from({ length: rowsEach }, (_, offset) => rowKey(index * rowsEach + offset))
      const [key = Buffer.alloc(0)] = keys
      return rowsEach === 1
        ? encodeCalls('get', [new types.GetRequest({ dataset, key, cells })])
        : encodeCalls('multiGet', [new types.MultiGetRequest({ dataset, keys, cells })])
    })
    framesByWish.set(wish, frames)
    return frames
  }

  const measure = async (request: R): Promise<RowCallAnswer> => {
    const frames = framesOf(request)
    const cpuAtStart = process.cpuUsage()
    const start = performance.now()
    let asked = 0
    let bytes = 0
    const ask = async (client: FramedClient) => {
      while (performance.now() - start < request.measureMs) {
        const answer = await client.call(frames[asked++ % frames.length] ?? Buffer.alloc(0))
        calls.read(answer, request)
        bytes += answer.length
      }
    }
    await Promise.all(clients.map(ask))
    const seconds = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(cpuAtStart)
    const count = asked * (request.rowsEach ?? 1)
    return { count, seconds, cpuSeconds: (user + system) / 1e6, bytesEach: Math.round(bytes / count) }
  }

  process.on('message', (message) => {
    measure(message as R).then(answerParent, (thrown: unknown) => {
      process.stderr.write(`${name}: ${String(thrown)}\n`)
      process.exit(1)
    })
  })
  answerParent({ isReady: true })
}
