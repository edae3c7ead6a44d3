/**
 * Removals of copies together with the records that name them: first a note, then the record, then the copies. Whatever ends
 * it in between, the next start finds the note and knows by the record whether there is anything to go on with.
 */
import { isInDoubt } from '../base/errors.js'
import type { JobContext } from '../base/job.js'
import type { Jobs } from '../base/jobs.js'
import type { Logger } from '../base/logger.js'
import type { Metastore } from '../model/metastore.js'
import type { ArchiveTask } from './tasks.js'
import { decodePurgeNote, encodePurgeNote, type PurgeNote } from './purge-notes.js'

/** Where notes are kept; the data directory. */
export interface PurgeNoteFiles {
  /** Keeps a note durably; answers its name. */
  notePurge(text: string): Promise<string>
  purgeNotes(): Promise<ReadonlyMap<string, string>>
  endPurge(name: string): Promise<void>
}

export interface CopyRemovalsOptions {
  readonly metastore: Pick<Metastore, 'get'>
  readonly files: PurgeNoteFiles
  readonly jobs: Jobs
  readonly logger: Logger
  /** Runs a task to its end, or to that of the job. */
  readonly run: (task: ArchiveTask, context: JobContext) => Promise<unknown>
}

export class CopyRemovals {
  readonly #options: CopyRemovalsOptions

  constructor(options: CopyRemovalsOptions) {
    this.#options = options
  }

  /**
   * Answers what the task answers. A failure after the record is gone leaves the note, for the next start.
   * @param removeRecord takes away what names the copies
   */
  async remove(note: PurgeNote, context: JobContext, removeRecord: () => Promise<unknown>): Promise<unknown> {
    const { files } = this.#options
    const name = await files.notePurge(encodePurgeNote(note))
    try {
      await removeRecord()
    } catch (error) {
      // What may have been applied keeps its note: the next start knows.
      if (!isInDoubt(error)) await files.endPurge(name)
      throw error
    }
    return await this.#removeCopies(note, name, context)
  }

  /** Goes on with what an earlier process began, and forgets what it did not begin. */
  async resume(): Promise<void> {
    const { files, jobs, logger } = this.#options
    for (const [name, text] of await files.purgeNotes()) {
      try {
        const note = decodePurgeNote(text, name)
        if (this.#isThere(note)) {
          await files.endPurge(name)
          continue
        }
        const { dataset, datasetId, urls, actor } = note
        const about = { subject: `what is left of ${urls.join(', ')}`, key: `removal ${name} of ${dataset}` }
        jobs.start({ kind: 'PURGE', dataset, datasetId, ...about, actor }, async (context) => {
          context.commit()
          return await this.#removeCopies(note, name, context)
        })
      } catch (error) {
        logger.error({ note: name, err: error }, 'a removal of copies cannot be gone on with')
      }
    }
  }

  /** Whether what names the copies is there still: their removal was not begun. */
  #isThere({ dataset, datasetId, version }: PurgeNote): boolean {
    const record = this.#options.metastore.get(dataset)
    if (record?.id !== datasetId) return false
    const state = record.versions.find(({ id }) => id === version)?.state
    return version === null || (state !== undefined && state !== 'DELETED')
  }

  async #removeCopies({ urls, datasetId }: PurgeNote, name: string, context: JobContext): Promise<unknown> {
    const result = await this.#options.run({ kind: 'PURGE', urls, datasetId }, context)
    await this.#options.files.endPurge(name)
    return result
  }
}
