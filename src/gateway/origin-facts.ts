/** Part of the composition root: what a plan needs to know of an origin, asked of it now. */
import { connect } from 'node:net'
import { startSystemTimer } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { parseAddress } from '../base/hosts.js'
import { limits } from '../base/limits.js'
import type { Config } from '../config/schema.js'
import type { OriginFacts } from '../migration/facts.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { ThreadPool } from '../threads/pool.js'

/** Asks every address, the controller, and for the dataset. Null: the origin is not configured. Never rejects. */
export async function originFacts(
  { origins }: Pick<Config, 'origins'>,
  pool: Pick<ThreadPool, 'read'>,
  record: DatasetRecord,
): Promise<OriginFacts | null> {
  const { origin: name } = record
  const settings = name === null ? undefined : origins[name]
  if (name === null || settings === undefined) return null
  const { api, host, port, otherAddresses, controller } = settings
  const others = otherAddresses.flatMap((text) => parseAddress(text) ?? [])
  const hasController = controller.host !== ''
  const [problems, controllerProblem, datasetProblem] = await Promise.all([
    Promise.all([{ host, port }, ...others].map(probe)),
    hasController ? probe(controller) : null,
    datasetProblemOf(pool, record),
  ])
  const problem = problems.includes(null) ? null : (problems[0] ?? null)
  return {
    name,
    api,
    addresses: [{ host, port }, ...others].map((one) => `${one.host}:${one.port}`),
    controller: hasController ? `${controller.host}:${controller.port}` : null,
    problem,
    controllerProblem,
    // Where nothing answers, it is not for this dataset's sake.
    datasetProblem: problem === null ? datasetProblem : null,
    settings,
  }
}

/** Why a key that nobody has cannot be read, while the origin alone answers; null: it can. Never rejects. */
async function datasetProblemOf(
  pool: Pick<ThreadPool, 'read'>,
  { name, migrationState }: DatasetRecord,
): Promise<string | null> {
  if (migrationState !== 'ORIGIN_ONLY' && migrationState !== 'ARMING') return null
  try {
    const request = { ...PLAIN_READ, dataset: name, rowKeys: [PROBED_KEY] }
    const [row] = await pool.read(request, limits.originProbeMs)
    return row instanceof KVError ? textOfError(row) : null
  } catch (error) {
    return textOfError(toKVError(error, `read of dataset ${name}`))
  }
}

/** A key that no dataset is thought to have: a store that answers that it has no such row knows the dataset. */
const PROBED_KEY = Buffer.from('godwit-probe')

const PLAIN_READ = {
  selector: null,
  selectorsByKey: null,
  datasetVersion: null,
  withTimestamps: false,
  withTtl: false,
  pageBytes: null,
  position: null,
}

function textOfError({ code, message }: KVError): string {
  return `${code}: ${message}`
}

/** Why no connection can be had; null: one could. Never rejects. */
function probe({ host, port }: { readonly host: string; readonly port: number }): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (problem: string | null): void => {
      stopTimer()
      socket.destroy()
      resolve(problem)
    }
    const stopTimer = startSystemTimer(limits.originProbeMs, () => {
      end(`no connection to ${host}:${port} within ${limits.originProbeMs} ms`)
    })
    socket.on('connect', () => end(null))
    // One that all addresses of a name refused has no message of its own.
    socket.on('error', (error) => {
      const code = 'code' in error ? String(error.code) : error.message
      end(`${code} at ${host}:${port}`)
    })
  })
}
