/** Dumped decisions as files, the newest ones kept: what happened before a ramp went back can be looked at the day after. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { FlightRecord } from '../model/difference.js'

const NAME = /^flights-\d{13}\.json$/

export interface FlightDump {
  readonly atMs: number
  readonly reason: string
  readonly flights: readonly FlightRecord[]
}

/** Answers the file's path. @throws {KVError} UNAVAILABLE when the disk fails */
export async function writeDump(directory: string, dump: FlightDump): Promise<string> {
  const path = join(directory, `flights-${String(dump.atMs).padStart(13, '0')}.json`)
  const flights = dump.flights.slice(-limits.maxDumpedFlights)
  try {
    await mkdir(directory, { recursive: true })
    await writeFile(path, `${JSON.stringify({ ...dump, flights })}\n`)
    const names = (await readdir(directory)).filter((name) => NAME.test(name)).sort()
    for (const name of names.slice(0, -limits.maxFlightDumps))
      await rm(join(directory, name), { force: true })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new KVError('UNAVAILABLE', `decisions cannot be dumped to ${path}: ${reason}`, { cause: error })
  }
  return path
}
