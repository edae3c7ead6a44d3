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
import { createLogger } from './base/logger.js'
import { AdminClient } from './cli/client.js'
import type { CliIo, OutputStream } from './cli/io.js'
import type { LocalCommands } from './cli/local-commands.js'
import { runCli } from './cli/main.js'
import { ensureSamples } from './cli/samples.js'
import { urlOf, welcomeText } from './cli/welcome.js'
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
  userName: userInfo().username,
  workingDirectory: process.cwd(),
  sleep: (ms) => sleep(ms),
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
    const { loadConfig, printConfig } = await import('./config/load.js')
    const { startGateway } = await import('./gateway.js')
    const { config, warnings } = loadConfig({ file: configFile, environment: process.env, flags })
    const logger = createLogger(config.log.level)
    for (const warning of warnings) logger.warn({}, warning)
    logger.info({ config: printConfig(config) }, 'effective configuration')
    const gateway = await startGateway(config, { logger, build: version() })
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

/** Renamed into place: whoever waits for the file reads all of it. */
function writeReadyFile(path: string, listeners: readonly ListenerStatus[]): void {
  const byName = Object.fromEntries(listeners.map(({ name, host, port }) => [name, { host, port }]))
  writeFileSync(`${path}.new`, JSON.stringify({ pid: process.pid, listeners: byName }))
  renameSync(`${path}.new`, path)
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
  try {
    await ensureSamples(new AdminClient(urlOf(admin.host, admin.port)), {
      writeCities: async (path) => {
        await promisify(execFile)(process.execPath, [CITIES_SCRIPT, path])
      },
      report: (line) => io.stdout.write(`${line}\n`),
      sleep: (ms) => io.sleep(ms),
    })
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
// An explicit end: data-plane threads never end by themselves (threads/pool.ts).
process.exit(await runCli(process.argv.slice(2), { io, local, version: version() }))
