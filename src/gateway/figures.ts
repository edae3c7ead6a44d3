/** What the main thread's own parts have to tell a scrape: datasets, versions, loads, leases, readiness. */
import type { JobStatus } from '../base/job.js'
import type { Reading } from '../base/metrics.js'
import type { MetricName } from '../base/metrics-table.js'
import { reading } from '../base/process-figures.js'
import type { DatasetMode, DatasetRecord } from '../model/dataset.js'
import type { LoadStatus } from '../model/load.js'
import type { BackendStatus } from '../model/operations.js'

const MODES: readonly DatasetMode[] = ['BATCH', 'READ_WRITE', 'STREAMING']

/** Loads in a state that is left again. */
const RUNNING: ReadonlySet<LoadStatus['state']> = new Set(['BUILDING', 'ADOPTING', 'PUBLISHING'])
const LOAD_STATES: readonly LoadStatus['state'][] = [
  ...(['UPLOADING', 'QUEUED'] as const),
  ...RUNNING,
  ...(['DONE', 'FAILED', 'CANCELLED'] as const),
]

export function datasetReadings(records: readonly DatasetRecord[]): Reading[] {
  const readings: Reading[] = MODES.map((mode) => ({
    name: 'godwit_datasets',
    labels: { mode },
    value: records.filter((record) => record.mode === mode).length,
  }))
  for (const { name: dataset, versions } of records) {
    for (const { id, state } of versions) {
      // Readings of the same labels are added up.
      readings.push({ name: 'godwit_versions', labels: { dataset, state }, value: 1 })
      if (state !== 'CURRENT') continue
      const labels = { dataset }
      readings.push({ name: 'godwit_current_version_timestamp_seconds', labels, value: id / 1000 })
    }
  }
  return readings
}

export function loadReadings(loads: readonly LoadStatus[]): Reading[] {
  const readings: Reading[] = LOAD_STATES.map((state) => ({
    name: 'godwit_loads',
    labels: { state },
    value: loads.filter((load) => load.state === state).length,
  }))
  for (const { request, state, rows, readBytes, totalBytes } of loads) {
    if (!RUNNING.has(state)) continue
    const labels = { dataset: request.dataset }
    const progress = totalBytes === 0 ? 0 : Math.min(1, readBytes / totalBytes)
    readings.push({ name: 'godwit_load_rows', labels, value: rows })
    readings.push({ name: 'godwit_load_progress_ratio', labels, value: progress })
  }
  return readings
}

export function backendReadings(backends: readonly BackendStatus[]): Reading[] {
  return backends.map(({ name: backend, role, isOpen }) => {
    return { name: 'godwit_backend_breaker_open', labels: { backend, role }, value: isOpen ? 1 : 0 }
  })
}

export function jobReadings(jobs: readonly JobStatus[]): Reading[] {
  // Readings of the same labels are added up.
  return jobs.map(({ kind, state }) => ({ name: 'godwit_jobs', labels: { kind, state }, value: 1 }))
}

/** The parts' single numbers. */
export interface GatewayNumbers {
  readonly epoch: number
  readonly retiring: number
  readonly overdue: number
  readonly openDbs: number
  readonly degradedDatasets: number
  readonly isReady: boolean
}

export function numberReadings(numbers: GatewayNumbers): Reading[] {
  const values: [MetricName, number][] = [
    ['godwit_cluster_map_epoch', numbers.epoch],
    ['godwit_leases_retiring', numbers.retiring],
    ['godwit_leases_overdue', numbers.overdue],
    ['godwit_open_dbs', numbers.openDbs],
    ['godwit_degraded_datasets', numbers.degradedDatasets],
    ['godwit_ready', numbers.isReady ? 1 : 0],
  ]
  return values.map(([name, value]) => reading(name, value))
}
