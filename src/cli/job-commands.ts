/** `godwit jobs`: loads, copies, snapshots and comparisons in one table; and how commands follow the job they started. */
import type { Command } from 'commander'
import type { JobProgress, JobStatus } from '../base/job.js'
import { type CommandHost, type CommandRun, withChangeOptions } from './context.js'
import { follow, overwrittenLine } from './follow.js'
import { formatBytes, formatCount, formatDuration, formatTime, right, whole } from './format.js'
import { CliError, EXIT, type ExitCode } from './io.js'

export function addJobCommands(program: Command, host: CommandHost): void {
  const jobs = program
    .command('jobs')
    .description('list, show and end loads, archives, comparisons and snapshots')
  const list = jobs.command('list').description('list the jobs that wait, run, or ran a while ago')
  list.addHelpText('after', '\nExample:\n  godwit jobs list')
  host.action(list, listJobs)
  const show = jobs
    .command('show <job>')
    .description('print all about one job')
    .option('--follow', 'until it has ended')
    .addHelpText('after', '\nExample:\n  godwit jobs show snapshot-1714550000000-1 --follow')
  host.action(show, (run, [id = '']) => showJob(run, id, show.opts<{ follow?: boolean }>().follow ?? false))
  const cancel = withChangeOptions(
    jobs.command('cancel <job>').description('end a job; what it was about stays as it was'),
  ).addHelpText('after', '\nExample:\n  godwit jobs cancel archive-1714550000000-2')
  host.action(cancel, cancelJob)
}

/**
 * Asks until the job has ended, with one line of progress on a terminal; answers how it ended.
 * @throws {CliError} when it failed
 */
export async function followJob(run: CommandRun, started: JobStatus): Promise<JobStatus> {
  const client = run.client()
  const isShown = run.io.stdout.isTerminal && !run.isJson
  const line = ({ kind, dataset, progress }: JobStatus) =>
    `${kind.toLowerCase()} of ${dataset}: ${progressText(progress)}`
  const show = isShown ? overwrittenLine(run.io, line) : () => undefined
  const job = await follow(started, () => client.job(started.id), { io: run.io, show })
  if (job.state === 'DONE') return job
  if (job.state === 'CANCELLED')
    throw new CliError(EXIT.FAILED, `job ${job.id} was cancelled`, 'nothing has changed')
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
        [whole('JOB'), 'KIND', 'STATE', 'ABOUT', 'STARTED', right('TOOK')],
        jobs.map(({ id, kind, state, progress, subject, startedAtMs, endedAtMs }) => [
          ...[id, kind, endedAtMs === null ? `${state}, ${progressText(progress)}` : state, subject],
          formatTime(startedAtMs),
          endedAtMs === null ? '-' : formatDuration(endedAtMs - startedAtMs),
        ]),
      )
    }
  })
}

async function showJob(run: CommandRun, id: string, isFollowed: boolean): Promise<ExitCode> {
  const found = await run.client().job(id)
  const job = isFollowed ? await followJob(run, found) : found
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
  const change = run.change(`cancel of job ${id}`)
  const job = await run.client().cancelJob(id, change)
  return run.result(job, () =>
    run.line(change.isDryRun ? `would cancel job ${id}` : `job ${job.id} is ${job.state}`),
  )
}
