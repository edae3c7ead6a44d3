/** Faults of a configuration in words: the key, where it was given, what is allowed, what stands there. */
import type { z } from 'zod'
import { NAME_IN_WORDS, settings, type Setting } from './schema.js'

export interface ConfigFault {
  /** Path with dots. */
  readonly key: string
  /** File and line, environment variable or flag; empty when unknown. */
  readonly source: string
  readonly message: string
}

/** Where the value at a key was given. */
export type SourceOf = (key: string) => string

type Issue = z.core.$ZodIssue

/** One fault a wrong value, one an unknown key. */
export function describeIssues(issues: readonly Issue[], input: unknown, sourceOf: SourceOf): ConfigFault[] {
  const faults: ConfigFault[] = []
  for (const issue of issues) {
    const path = issue.path.map(String)
    if (issue.code === 'unrecognized_keys') {
      for (const name of issue.keys) faults.push(unknownKey(path, name, sourceOf))
      continue
    }
    const key = path.join('.')
    const setting = settingAt(path)
    const value = valueAt(input, path)
    const message =
      issue.code === 'invalid_key'
        ? `is no name that is allowed here: ${NAME_IN_WORDS}`
        : `${value === undefined ? 'must be given' : `is ${shown(value, setting)}`}, allowed: ${allowedAt(path)}`
    faults.push({ key, source: sourceOf(key), message })
  }
  // A value that breaks two rules of its type (wrong pattern and too long) is one fault.
  return faults.filter((fault, index) => faults.findIndex((other) => isSame(other, fault)) === index)
}

function isSame(one: ConfigFault, other: ConfigFault): boolean {
  return one.key === other.key && one.message === other.message
}

function unknownKey(path: readonly string[], name: string, sourceOf: SourceOf): ConfigFault {
  const key = [...path, name].join('.')
  const known = namesBelow(path)
  const close = known.find((candidate) => isClose(candidate, name))
  const hint = close === undefined ? '' : ` (did you mean "${close}"?)`
  return {
    key,
    source: sourceOf(key),
    message: `unknown setting${hint}, allowed here: ${known.join(', ')}`,
  }
}

function allowedAt(path: readonly string[]): string {
  const setting = settingAt(path)
  if (setting !== undefined) return setting.allowed
  const names = namesBelow(path)
  return names.length > 0 ? `a section with ${names.join(', ')}` : 'something else'
}

/** Settings of a path, `<name>` matching any name; an item of a list counts as the list. */
function settingAt(path: readonly string[]): Setting | undefined {
  return (
    settings.find(({ key }) => matches(key.split('.'), path)) ??
    settings.find(({ key, kind }) => kind === 'list' && matches(key.split('.'), path.slice(0, -1)))
  )
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  return (
    pattern.length === path.length &&
    pattern.every((name, index) => name === '<name>' || name === path[index])
  )
}

function namesBelow(path: readonly string[]): string[] {
  const names = settings
    .map(({ key }) => key.split('.'))
    .filter((pattern) => pattern.length > path.length && matches(pattern.slice(0, path.length), path))
    .map((pattern) => pattern[path.length] ?? '')
  return [...new Set(names)]
}

function valueAt(input: unknown, path: readonly string[]): unknown {
  let value = input
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = Object.entries(value).find(([key]) => key === name)?.[1]
  }
  return value
}

function shown(value: unknown, setting: Setting | undefined): string {
  if (setting?.isSecret === true) return '***'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

/** At most two letters inserted, dropped or changed; case and dashes do not count. */
function isClose(candidate: string, name: string): boolean {
  const target = candidate.toLowerCase()
  let row = Array.from({ length: target.length + 1 }, (_, index) => index)
  for (const letter of name.toLowerCase().replaceAll(/[-_]/g, '')) {
    const next = [(row[0] ?? 0) + 1]
    for (let index = 1; index <= target.length; index++) {
      const changed = (row[index - 1] ?? 0) + (target[index - 1] === letter ? 0 : 1)
      next.push(Math.min(changed, (row[index] ?? 0) + 1, (next[index - 1] ?? 0) + 1))
    }
    row = next
  }
  return (row.at(-1) ?? Infinity) <= 2
}
