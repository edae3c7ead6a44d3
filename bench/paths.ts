/** Where the sources are, seen from the compiled bench, whatever folder it was compiled to. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

function findRoot(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'package.json'))) {
    if (dirname(folder) === folder) throw new Error('the bench runs outside the project')
    folder = dirname(folder)
  }
  return folder
}

/** The project's folder. */
export const root = findRoot()
