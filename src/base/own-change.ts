/** What jobs change at their end. */

/**
 * The last step of a job, in the name of who started it: it concerns what the job has just made, with which nobody else's
 * change can conflict, and no other dataset that got the name meanwhile.
 * @param datasetId null: there is none of the name yet
 */
export function ownChange(
  { actor, reason }: { readonly actor: string; readonly reason: string },
  datasetId: string | null,
): OwnChange {
  const own = { actor, reason, ifRevision: null, isDryRun: false } as const
  return datasetId === null ? own : { ...own, datasetId }
}

/** A change that goes with any revision (model/dataset.ts, ChangeContext). */
export interface OwnChange {
  readonly actor: string
  readonly reason: string
  readonly ifRevision: null
  readonly isDryRun: false
  readonly datasetId?: string
}
