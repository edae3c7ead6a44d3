/**
 * The `godwit` command's composition root. Everything that a gateway needs is imported only by `serve`, so that the
 * other commands start fast.
 */
import { execFile } from 'node:child_process'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { KVError } from './base/errors.js'
import type { Logger, LogLevel, SharedLogLevel } from './base/logger.js'
import { createLogger, logLevelOf, setLogLevel, shareLogLevel } from './base/logger.js'
import { machineFaults, readMachineFacts } from './base/machine.js'
import { AdminClient } from './cli/client.js'
import type { CliIo, OutputStream } from './cli/io.js'
import type { LocalCommands } from './cli/local-commands.js'
import { runCli } from './cli/main.js'
import { ensureSamples } from './cli/samples.js'
import { urlOf, welcomeText } from './cli/welcome.js'
import type { Config } from './config/schema.js'
import type { Gateway } from './gateway.js'
import type { ListenerStatus } from './model/operations.js'
import { killProcess } from './threads/kill-process.js'

const PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url))
const CITIES_SCRIPT = fileURLToPath(new URL('../../scripts/sample-cities.mjs', import.meta.url))
/** A terminal's Ctrl-C reaches the process twice when a parent passes it on; only a later one means "at once". */
const SECOND_SIGNAL_AFTER_MS = 1_000

const io: CliIo = {
  stdout: outputStream(process.stdout),
  stderr: outputStream(process.stderr),
  environment: process.env,
  userName: userName(),
  workingDirectory: process.cwd(),
  isInteractive: process.stdin.isTTY && process.stderr.isTTY,
  sleep: (ms) => sleep(ms),
  ask: (question) => askPerson(question),
}

/** A container may run as a number that no user has. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`
  }
}

/** On the error output, because the other may go to a program. */
async function askPerson(question: string): Promise<string | null> {
  const { createInterface } = await import('node:readline')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  return await new Promise((resolve) => {
    lines.once('close', () => resolve(null))
    lines.question(question, (answer) => {
      resolve(answer)
      lines.close()
    })
  })
}

function outputStream(stream: NodeJS.WriteStream): OutputStream {
  return { write: (text) => void stream.write(text), isTerminal: stream.isTTY, width: stream.columns }
}

const local: LocalCommands = {
  async checkConfig({ configFile, flags }) {
    const { loadConfig, printConfig } = await import('./config/load.js')
    const { config, warnings } = loadConfig({ file: configFile, environment: process.env, flags })
    return { text: printConfig(config), warnings }
  },

  async serve({ configFile, flags, withSamples, readyFile }) {
    const stopSignal = nextStopSignal()
    refuseOtherMachines()
    const { loadConfig, printConfig } = await import('./config/load.js')
    const { config, warnings } = loadConfig({ file: configFile, environment: process.env, flags })
    const logLevel = shareLogLevel(config.log.level)
    const logger = createLogger(logLevel)
    toggleDebugOnSignal(logLevel, config.log.level)
    for (const warning of warnings) logger.warn({}, warning)
    logger.info({ config: printConfig(config) }, 'effective configuration')
    if (config.role === 'leaf') {
      await serveLeaf(config, { logger, readyFile, stopSignal })
      return
    }
    const { startGateway } = await import('./gateway.js')
    const gateway = await startGateway(config, { logger, logLevel, build: version() })
    if (hasTls(config)) reloadOnSignal(gateway, logger)
    const isSampled = withSamples && (await addSamples(gateway.listeners))
    io.stdout.write(
      welcomeText({ listeners: gateway.listeners, command: 'npx godwit', hasSamples: isSampled }),
    )
    if (readyFile !== null) writeReadyFile(readyFile, gateway.listeners)
    logger.info({ signal: await stopSignal }, 'stopping')
    await gateway.stop()
    logger.info({}, 'stopped')
  },
}

/** A leaf process; nothing of a gateway is loaded. */
async function serveLeaf(
  config: Config,
  {
    logger,
    readyFile,
    stopSignal,
  }: { logger: Logger; readyFile: string | null; stopSignal: Promise<string> },
): Promise<void> {
  const { startLeafNode } = await import('./leaf-node.js')
  const leaf = await startLeafNode(config, { logger, build: version() })
  for (const { host, port } of leaf.listeners)
    io.stdout.write(`leaf serves gateways at http://${host}:${port}\n`)
  if (readyFile !== null) writeReadyFile(readyFile, leaf.listeners)
  logger.info({ signal: await stopSignal }, 'stopping')
  await leaf.stop()
  logger.info({}, 'stopped')
}

/** Renamed into place: whoever waits for the file reads all of it. */
function writeReadyFile(path: string, listeners: readonly ListenerStatus[]): void {
  const byName = Object.fromEntries(listeners.map(({ name, host, port }) => [name, { host, port }]))
  writeFileSync(`${path}.new`, JSON.stringify({ pid: process.pid, listeners: byName }))
  renameSync(`${path}.new`, path)
}

/** @throws {KVError} UNSUPPORTED, before anything native is loaded */
function refuseOtherMachines(): void {
  const faults = machineFaults(readMachineFacts())
  if (faults.length > 0)
    throw new KVError('UNSUPPORTED', `a gateway cannot run on this machine: ${faults.join('; ')}`)
}

function hasTls({ listeners: { admin, rocksandra } }: Config): boolean {
  return admin.tls.certificateFile !== '' || rocksandra.tls.certificateFile !== ''
}

/** SIGHUP takes renewed certificates into use; without TLS the signal means what it always does. */
function reloadOnSignal(gateway: Pick<Gateway, 'reloadTls'>, logger: Logger): void {
  process.on('SIGHUP', () => {
    gateway.reloadTls().then(
      () => logger.info({}, 'the certificates were read again'),
      (error: unknown) =>
        logger.error({ err: error }, 'a new certificate is wrong; the one before stays in use'),
    )
  })
}

/** SIGUSR2 logs everything, in all threads and at once; another one goes back to what is configured. */
function toggleDebugOnSignal(shared: SharedLogLevel, configured: LogLevel): void {
  process.on('SIGUSR2', () => {
    const level = logLevelOf(shared) === 'debug' ? configured : 'debug'
    setLogLevel(shared, level)
    process.stderr.write(`godwit: log level is ${level} now\n`)
  })
}

/** The signal that asks for an end; another one a while later ends the process at once. */
function nextStopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let firstAtMs = 0
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (firstAtMs === 0) firstAtMs = performance.now()
        else if (performance.now() - firstAtMs > SECOND_SIGNAL_AFTER_MS) killProcess()
        resolve(signal)
      })
    }
  })
}

/** Whether the samples are there. A gateway without them is still a gateway, so their failure is only told. */
async function addSamples(listeners: readonly ListenerStatus[]): Promise<boolean> {
  const admin = listeners.find(({ name }) => name === 'admin')
  if (admin === undefined) return false
  const token = process.env['GODWIT_TOKEN']
  try {
    await ensureSamples(
      new AdminClient(urlOf(admin.host, admin.port, admin.isTls), token === undefined ? {} : { token }),
      {
        writeCities: async (path) => {
          await promisify(execFile)(process.execPath, [CITIES_SCRIPT, path])
        },
        report: (line) => io.stdout.write(`${line}\n`),
        sleep: (ms) => io.sleep(ms),
      },
    )
    return true
  } catch (error) {
    io.stderr.write(`godwit: no sample data: ${error instanceof Error ? error.message : String(error)}\n`)
    return false
  }
}

function version(): string {
  const content: unknown = JSON.parse(readFileSync(PACKAGE, 'utf8'))
  const isNamed = typeof content === 'object' && content !== null && 'version' in content
  return isNamed ? String(content.version) : 'unknown'
}

// `godwit ... | head` closes the pipe early; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
const exitCode = await runCli(process.argv.slice(2), { io, local, version: version() })
// An explicit end, because data-plane threads never end by themselves (threads/pool.ts); behind the last output, so that
// one that could not be written is told by the error above.
process.stdout.write('', () => setImmediate(() => process.exit(exitCode)))
