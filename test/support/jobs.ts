/** Jobs of a gateway under test: start one, wait for its end. */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { JobStatus } from '../../src/base/job.js'
import type { Gateway } from './gateway.js'

const POLL_MS = 20
const JOB_TIMEOUT_MS = 60_000

export async function startJob(
  gateway: Gateway,
  path: string,
  { method = 'POST', body = {} }: { readonly method?: string; readonly body?: object } = {},
): Promise<JobStatus> {
  const name = /^\/v1\/datasets\/([^/]+)\/versions/.exec(path)?.[1]
  const headers: Record<string, string> =
    name === undefined ? {} : { 'if-match': await revisionOf(gateway, name) }
  const answer = await gateway.admin(method, path, body, headers)
  assert.equal(answer.status, 202, answer.text)
  return (answer.body as { job: JobStatus }).job // our own admin API
}

export async function revisionOf(gateway: Gateway, dataset: string): Promise<string> {
  const { body } = await gateway.admin('GET', `/v1/datasets/${dataset}`)
  return `"${(body as { dataset: { revision: number } }).dataset.revision}"`
}

/** How it ended. */
export async function endOf(gateway: Gateway, { id }: JobStatus): Promise<JobStatus> {
  const untilMs = performance.now() + JOB_TIMEOUT_MS
  for (;;) {
    const { body } = await gateway.admin('GET', `/v1/jobs/${id}`)
    const { job } = body as { job: JobStatus }
    if (job.endedAtMs !== null) return job
    assert.ok(performance.now() < untilMs, `job ${id} did not end: ${JSON.stringify(job)}`)
    await pause(POLL_MS)
  }
}

/** Runs a job that must succeed; answers its result. */
export async function doneJob(
  gateway: Gateway,
  path: string,
  options: { readonly method?: string; readonly body?: object } = {},
): Promise<unknown> {
  const ended = await endOf(gateway, await startJob(gateway, path, options))
  assert.equal(ended.state, 'DONE', JSON.stringify(ended))
  return ended.result
}

/** Runs a job that must fail; answers with what. */
export async function failedJob(
  gateway: Gateway,
  path: string,
  options: { readonly method?: string; readonly body?: object } = {},
): Promise<{ readonly code: string; readonly message: string }> {
  const ended = await endOf(gateway, await startJob(gateway, path, options))
  assert.equal(ended.state, 'FAILED', JSON.stringify(ended))
  assert.ok(ended.error)
  return ended.error
}
