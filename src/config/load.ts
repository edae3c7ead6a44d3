/** Builds the effective configuration: defaults < file < environment < flags; all faults at once, or a frozen value. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isNode, LineCounter, parseDocument, stringify, type Document } from 'yaml'
import { KVError } from '../base/errors.js'
import { checkTogether } from './checks.js'
import { describeIssues, type ConfigFault, type SourceOf } from './faults.js'
import { configSchema, settings, type Config, type Setting } from './schema.js'

/** A setting given on the command line. */
export interface Flag {
  /** As typed, for messages: `--port-offset`. */
  readonly flag: string
  readonly key: string
  readonly value: string | number | boolean
}

export interface ConfigSources {
  /** Path of a YAML file; null: none. */
  readonly file: string | null
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly flags: readonly Flag[]
}

export interface LoadedConfig {
  readonly config: Config
  /** What is odd but no fault: environment variables that look like settings and are none. */
  readonly warnings: readonly string[]
}

/** Every fault of a configuration; the message lists them, one a line. */
export class ConfigError extends KVError {
  readonly faults: readonly ConfigFault[]

  constructor(faults: readonly ConfigFault[]) {
    const lines = faults.map(({ key, source, message }) => `  ${key}${source && ` (${source})`}: ${message}`)
    const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`
    super('INVALID_ARGUMENT', `the configuration has ${count}:\n${lines.join('\n')}`)
    this.name = 'ConfigError'
    this.faults = faults
  }
}

// Variables of the command, not of the gateway.
const COMMAND_VARIABLES: ReadonlySet<string> = new Set(['GODWIT_SERVER', 'GODWIT_ACTOR', 'GODWIT_TOKEN'])
const MAX_FILE_BYTES = 1024 * 1024

/**
 * The effective configuration, deep-frozen.
 * @throws {ConfigError} with every fault of the layer that could be read
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const sourceByKey = new Map<string, string>()
  const merged = sources.file === null ? {} : readFile(sources.file, sourceByKey)
  const warnings = applyEnvironment(sources.environment, merged, sourceByKey)
  for (const { flag, key, value } of sources.flags) {
    setPath(merged, key, typeof value === 'string' ? textToValue(settingAt(key), value) : value)
    sourceByKey.set(key, flag)
  }
  const sourceOf: SourceOf = (key) => nearestSource(sourceByKey, key)
  const parsed = configSchema.safeParse(merged)
  if (!parsed.success) throw new ConfigError(describeIssues(parsed.error.issues, merged, sourceOf))
  const config: Config = {
    ...parsed.data,
    data: { ...parsed.data.data, directory: resolve(parsed.data.data.directory) },
  }
  const faults = checkTogether(config, sourceOf)
  if (faults.length > 0) throw new ConfigError(faults)
  return { config: deepFreeze(config), warnings }
}

/** The configuration as YAML that `--config` accepts again; secrets are masked. */
export function printConfig(config: Config, table: readonly Setting[] = settings): string {
  const copy: Tree = structuredClone(config)
  for (const setting of table) if (setting.isSecret) maskAt(copy, setting.key.split('.'))
  return stringify(copy)
}

type Tree = Record<string, unknown>

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readFile(file: string, sourceByKey: Map<string, string>): Tree {
  const lines = new LineCounter()
  const document = parseDocument(readText(file), { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map(({ pos, message }) => ({
        key: `${file}:${lines.linePos(pos[0]).line}`,
        source: '',
        message: `is not YAML: ${message}`,
      })),
    )
  }
  const content = toPlain(file, document)
  sourceByKey.set('', file)
  rememberLines(content, [], (path) => {
    const node: unknown = document.getIn(path, true)
    const offset = isNode(node) ? node.range?.[0] : undefined
    sourceByKey.set(path.join('.'), offset === undefined ? file : `${file}:${lines.linePos(offset).line}`)
  })
  return content
}

function readText(file: string): string {
  try {
    const text = readFileSync(file, 'utf8')
    if (text.length > MAX_FILE_BYTES) throw new RangeError(`it is larger than ${MAX_FILE_BYTES} bytes`)
    return text
  } catch (error) {
    throw fileFault(file, `cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function toPlain(file: string, document: Document.Parsed): Tree {
  let content: unknown
  try {
    content = document.toJS() ?? {}
  } catch (error) {
    // Aliases that grow beyond every measure.
    throw fileFault(file, `cannot be resolved: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isTree(content)) throw fileFault(file, 'must hold sections such as "listeners:"')
  return content
}

function fileFault(file: string, message: string): ConfigError {
  return new ConfigError([{ key: file, source: '', message }])
}

function rememberLines(tree: Tree, path: readonly string[], remember: (path: string[]) => void): void {
  for (const [key, value] of Object.entries(tree)) {
    remember([...path, key])
    if (isTree(value)) rememberLines(value, [...path, key], remember)
  }
}

function applyEnvironment(
  environment: ConfigSources['environment'],
  merged: Tree,
  sourceByKey: Map<string, string>,
): string[] {
  const settingByVariable = new Map(settings.map((setting) => [setting.variable, setting]))
  const warnings: string[] = []
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('GODWIT_') || text === undefined || COMMAND_VARIABLES.has(variable)) continue
    const setting = settingByVariable.get(variable)
    if (setting === undefined) {
      // Not a fault: Kubernetes sets GODWIT_SERVICE_HOST and others beside a service of that name.
      warnings.push(`environment variable ${variable} is not a setting and was ignored`)
      continue
    }
    setPath(merged, setting.key, textToValue(setting, text))
    sourceByKey.set(setting.key, variable)
  }
  return warnings
}

function settingAt(key: string): Setting | undefined {
  return settings.find((setting) => setting.key === key)
}

/** Text of a variable or flag in the setting's type; what does not fit stays text, for the schema to refuse. */
function textToValue(setting: Setting | undefined, text: string): unknown {
  switch (setting?.kind) {
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'list':
      return text === '' ? [] : text.split(',').map((item) => item.trim())
    case 'choice':
    case 'text':
    case undefined:
      return text
  }
}

function setPath(tree: Tree, key: string, value: unknown): void {
  const path = key.split('.')
  const last = path.pop() ?? key
  let section = tree
  for (const name of path) {
    const found = section[name]
    if (isTree(found)) {
      section = found
    } else if (found === undefined || found === null) {
      const made: Tree = {}
      section[name] = made
      section = made
    } else {
      // The file has a plain value where a section belongs; the schema says so.
      return
    }
  }
  section[last] = value
}

function maskAt(tree: Tree, path: readonly string[]): void {
  const [name, ...rest] = path
  if (name === undefined) return
  for (const key of name === '<name>' ? Object.keys(tree) : [name]) {
    const value = tree[key]
    // Nothing is no secret, and it is to be seen that there is none.
    if (rest.length === 0 && value !== undefined && value !== '') tree[key] = '***'
    else if (isTree(value)) maskAt(value, rest)
  }
}

function nearestSource(sourceByKey: ReadonlyMap<string, string>, key: string): string {
  const path = key.split('.')
  for (; path.length > 0; path.pop()) {
    const source = sourceByKey.get(path.join('.'))
    if (source !== undefined) return source
  }
  return sourceByKey.get('') ?? ''
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) deepFreeze(child)
    Object.freeze(value)
  }
  return value
}
