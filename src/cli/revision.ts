/** What commands that change an existing record share. */
import type { Command } from 'commander'
import { withChangeOptions, wholeNumberOption } from './context.js'

export interface RevisionOptions {
  readonly ifRevision?: number
}

export function withRevisionOption(command: Command): Command {
  return withChangeOptions(command).addOption(
    wholeNumberOption(
      '--if-revision <revision>',
      'only if it still has this revision (default: what it has now)',
    ),
  )
}
