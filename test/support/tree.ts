/** The project's own files as the tidy tests see them: sources, not what was compiled from them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Tests run as <output folder>/test/<suite>/x.test.js, so that the root is three folders up from here too. */
export const root = join(fileURLToPath(import.meta.url), '..', '..', '..', '..')

const SKIPPED = /^(node_modules|dist.*|\.git|godwit-data|__pycache__|\.vscode|\.idea)$/

/** Paths relative to the root, with slashes, sorted; installed and compiled files are left out. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  const found: string[] = []
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = relative('.', join(folder, entry.name))
    if (entry.isDirectory()) {
      if (!SKIPPED.test(entry.name)) found.push(...filesBelow(path))
    } else if (entry.isFile()) found.push(path)
  }
  return found.sort()
}

export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

export function doesExist(path: string): boolean {
  return existsSync(join(root, path))
}

export function isGenerated(path: string): boolean {
  return path.includes('/generated/')
}

/** Every hand-written TypeScript file of these folders. */
export function sources(...folders: string[]): string[] {
  return folders
    .flatMap((folder) => filesBelow(folder))
    .filter((path) => path.endsWith('.ts') && !isGenerated(path))
}

/** Text without line breaks and repeated blanks, so that wrapped prose can be searched. */
export function flat(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}
