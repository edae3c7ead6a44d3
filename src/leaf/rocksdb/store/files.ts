/** Small JSON files beside a DB, written so that after a crash there is the old one or the new one, whole. */
import { readFileSync } from 'node:fs'
import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KVError, toKVError } from '../../../base/errors.js'

export type JsonObject = Readonly<Record<string, unknown>>

/** Writes beside, syncs, renames over, syncs the directory: durable when it resolves. */
export async function writeJsonDurably(path: string, content: object): Promise<void> {
  const temporary = `${path}.tmp`
  await withFile(temporary, 'w', async (file) => {
    await file.writeFile(`${JSON.stringify(content, null, 2)}\n`)
    await file.sync()
  })
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

/** Makes names in a directory (new files, renames) survive power loss. */
export async function syncDirectory(directory: string): Promise<void> {
  await withFile(directory, 'r', (file) => file.sync())
}

/** Makes a file's content survive power loss. */
export async function syncFile(path: string): Promise<void> {
  await withFile(path, 'r', (file) => file.sync())
}

async function withFile(
  path: string,
  flags: string,
  use: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags)
  try {
    await use(file)
  } finally {
    await file.close()
  }
}

/** The parsed object; null when there is no such file. @throws {KVError} CORRUPT when it is not a JSON object */
export async function readJson(path: string): Promise<JsonObject | null> {
  try {
    return parseJsonObject(await readFile(path, 'utf8'), path)
  } catch (error) {
    return absentOrThrow(error, path)
  }
}

/** The same without giving way: for a thread that must go on in the same turn. */
export function readJsonNow(path: string): JsonObject | null {
  try {
    return parseJsonObject(readFileSync(path, 'utf8'), path)
  } catch (error) {
    return absentOrThrow(error, path)
  }
}

function absentOrThrow(error: unknown, path: string): null {
  if (error instanceof KVError) throw error
  if (hasCode(error, 'ENOENT')) return null
  throw new KVError('UNAVAILABLE', `reading ${path} failed; check the disk`, { cause: error })
}

function parseJsonObject(text: string, path: string): JsonObject {
  try {
    const parsed: unknown = JSON.parse(text)
    // The prototype check leaves arrays and null out; what remains is an object with string keys.
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return { ...parsed }
  } catch {
    // Answered below: text that is not JSON and JSON that is not an object are the same damage.
  }
  throw new KVError('CORRUPT', `${path} is damaged: not a JSON object`)
}

/** @throws {KVError} CORRUPT when the field is not a whole number of 0 or more */
export function countField(content: JsonObject, field: string, path: string): number {
  const value = content[field]
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new KVError('CORRUPT', `${path} is damaged: ${field} is not a count`)
}

/** @throws {KVError} ALREADY_EXISTS when there is something by that name */
export async function makeNewDirectory(directory: string): Promise<void> {
  try {
    await mkdir(dirname(directory), { recursive: true })
    await mkdir(directory)
  } catch (error) {
    if (hasCode(error, 'EEXIST'))
      throw new KVError('ALREADY_EXISTS', `${directory} exists already`, { cause: error })
    throw toKVError(error, `making ${directory}`)
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
