/** What `serve` prints when the gateway is ready. Pure. */
import type { ListenerStatus } from '../model/operations.js'
import { DEFAULT_ADMIN_URL } from './client.js'
import { formatPairs } from './format.js'

const LISTENER_NAMES: Readonly<Record<string, string>> = {
  kvstore: 'KVStore API (thrift)',
  admin: 'admin HTTP API',
}

export interface WelcomeOptions {
  readonly listeners: readonly ListenerStatus[]
  /** How this command is typed: `godwit`, or a path. */
  readonly command: string
  readonly hasSamples: boolean
}

/** Endpoints, and three commands to try that work as they stand. */
export function welcomeText({ listeners, command, hasSamples }: WelcomeOptions): string {
  const endpoints = listeners.map(
    ({ name, host, port, isTls }) =>
      [
        LISTENER_NAMES[name] ?? name,
        name === 'admin' ? urlOf(host, port, isTls) : `${host}:${port}`,
      ] as const,
  )
  const admin = listeners.find(({ name }) => name === 'admin')
  const ready = `godwit is ready\n\n${indent(formatPairs(endpoints))}`
  if (admin === undefined) return `${ready}\n`
  const url = urlOf(admin.host, admin.port, admin.isTls)
  const suffix = url === DEFAULT_ADMIN_URL ? '' : ` --server ${url}`
  const commands = hasSamples ? SAMPLE_COMMANDS : OTHER_COMMANDS
  return `${ready}\ntry\n\n${indent(commands.map((args) => `${command} ${args}${suffix}\n`).join(''))}\n`
}

const SAMPLE_COMMANDS = [
  'get cities 2643743 --column name',
  'put profiles alice --column city=London',
  'get profiles alice',
]
const OTHER_COMMANDS = [
  'status',
  'dataset create profiles --mode READ_WRITE --owner me --contact me@example.com',
  'put profiles alice --column city=London',
]

/** An address that stands for all is reached at this machine's own. */
export function urlOf(host: string, port: number, isTls = false): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `${isTls ? 'https' : 'http'}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ')
}
