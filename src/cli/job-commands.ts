/** `godwit jobs`, and how every command follows the job that it started. */
import type { Command } from 'commander'
import type { JobProgress, JobStatus } from '../base/jobs.js'
import type { CommandHost, CommandRun } from './context.js'
import { formatBytes, formatCount, formatDuration, formatTime, right } from './format.js'
import { CliError, EXIT, type ExitCode } from './io.js'

const POLL_INTERVAL_MS = 250

export function addJobCommands(program: Command, host: CommandHost): void {
  const jobs = program.command('jobs').description('list, show and end archives, comparisons and snapshots')
  const list = jobs.command('list').description('list the jobs that wait, run, or ran a while ago')
  list.addHelpText('after', '\nExample:\n  godwit jobs list')
  host.action(list, listJobs)
  const show = jobs.command('show <job>').description('print all about one job')
  show.addHelpText('after', '\nExample:\n  godwit jobs show snapshot-1714550000000-1 --json')
  host.action(show, showJob)
  const cancel = jobs.command('cancel <job>').description('end a job; what it was about stays as it was')
  cancel.addHelpText('after', '\nExample:\n  godwit jobs cancel archive-1714550000000-2')
  host.action(cancel, cancelJob)
}

/**
 * Asks until the job has ended, with one line of progress on a terminal; answers how it ended.
 * @throws {CliError} when it failed
 */
export async function followJob(run: CommandRun, started: JobStatus): Promise<JobStatus> {
  const { stdout } = run.io
  const show = (text: string) => {
    if (stdout.isTerminal && !run.isJson) stdout.write(`\r\x1b[2K${text}`)
  }
  const client = run.client()
  let job = started
  while (job.endedAtMs === null) {
    show(`${job.kind.toLowerCase()} of ${job.dataset}: ${progressText(job.progress)}`)
    await run.io.sleep(POLL_INTERVAL_MS)
    job = await client.job(job.id)
  }
  show('')
  if (job.state === 'DONE') return job
  const reason = job.error === null ? 'for an unknown reason' : `${job.error.message} (${job.error.code})`
  throw new CliError(EXIT.FAILED, `job ${job.id} failed: ${reason}`, 'nothing has changed; start it again')
}

function progressText({ step, done, total, unit }: JobProgress): string {
  const amount = (count: number) => (unit === 'bytes' ? formatBytes(count) : `${formatCount(count)} rows`)
  if (done === 0) return step
  if (total === null || total === 0) return `${step}, ${amount(done)}`
  return `${step} ${Math.min(100, Math.floor((done / total) * 100))} %, ${amount(done)} of ${amount(total)}`
}

async function listJobs(run: CommandRun): Promise<ExitCode> {
  const jobs = await run.client().jobs()
  return run.result(jobs, () => {
    if (jobs.length === 0) run.line('there are no jobs')
    else {
      run.table(
        ['JOB', 'DATASET', 'STATE', 'ABOUT', 'STARTED', right('TOOK')],
        jobs.map(({ id, dataset, state, subject, startedAtMs, endedAtMs }) => [
          ...[id, dataset, state, subject, formatTime(startedAtMs)],
          endedAtMs === null ? '-' : formatDuration(endedAtMs - startedAtMs),
        ]),
      )
    }
  })
}

async function showJob(run: CommandRun, [id = '']: readonly string[]): Promise<ExitCode> {
  const job = await run.client().job(id)
  return run.result(job, () => {
    run.pairs([
      ['job', job.id],
      ['kind', job.kind],
      ['dataset', job.dataset],
      ['about', job.subject],
      ['state', job.error === null ? job.state : `${job.state}: ${job.error.message} (${job.error.code})`],
      ['progress', progressText(job.progress)],
      ['started', formatTime(job.startedAtMs)],
      ['ended', job.endedAtMs === null ? '-' : formatTime(job.endedAtMs)],
      ['result', job.result === null ? '-' : JSON.stringify(job.result)],
    ])
  })
}

async function cancelJob(run: CommandRun, [id = '']: readonly string[]): Promise<ExitCode> {
  const job = await run.client().cancelJob(id)
  return run.result(job, () => run.line(`job ${job.id} is being ended`))
}
