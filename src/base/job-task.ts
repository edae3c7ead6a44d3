/** A job whose work is a task in a process of its own: what the task reports the job shows, and its end ends the task. */
import type { RunningTask, StartTask } from './child-task.js'
import type { JobContext, JobProgress } from './job.js'

/** What a task reports on the way; the unit is the job's. */
export type TaskReport = Omit<JobProgress, 'unit'>

/** Answers what the task answers. @throws {KVError} what it failed with, or how it died */
export function runJobTask(
  startTask: StartTask,
  task: object,
  { context, unit }: { readonly context: JobContext; readonly unit: JobProgress['unit'] },
): Promise<unknown> {
  const running = startTask(task, (report) => {
    // The task process is this same program (task-main.ts).
    const { step, done, total } = report as TaskReport
    context.report({ step, done, total, unit })
  })
  return endedWith(context, running)
}

/**
 * What a cancelled job leaves elsewhere is removed by a task that the end of the gateway alone ends. Never rejects: what the
 * job was cancelled for counts.
 * @param onFailure is told why something may be left
 */
export async function cleanUpByTask(
  startTask: StartTask,
  task: object,
  { context, onFailure }: { readonly context: JobContext; readonly onFailure: (error: unknown) => void },
): Promise<void> {
  const running = startTask(task, () => undefined)
  context.onStop(() => running.kill())
  try {
    await running.ended
  } catch (error) {
    onFailure(error)
  }
}

/** Answers what a task answers that ends when its job is to end. */
export function endedWith(context: JobContext, running: RunningTask): Promise<unknown> {
  context.onEnding(() => running.kill())
  return running.ended
}
