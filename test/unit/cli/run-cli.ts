/** Runs the godwit command against the real admin server over fakes, as a user would see it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { LocalCommands, LocalRequest } from '../../../src/cli/local-commands.js'
import { runCli } from '../../../src/cli/main.js'
import { startFakeAdmin } from '../admin/fakes.js'

export interface CliOutcome {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** What serve and check-config were asked for. */
  readonly localRequests: readonly LocalRequest[]
}

export interface CliWorld {
  readonly admin?: string
  readonly environment?: Record<string, string>
  readonly isTerminal?: boolean
  readonly width?: number
  readonly local?: Partial<LocalCommands>
  readonly sleep?: (ms: number) => Promise<void>
  /** What is typed in answer to a question; absent: nobody is there, null: input ended. */
  readonly answer?: string | null
}

export async function godwit(args: readonly string[], world: CliWorld = {}): Promise<CliOutcome> {
  const { admin, environment = {}, isTerminal = false, width = 80 } = world
  let stdout = ''
  let stderr = ''
  const localRequests: LocalRequest[] = []
  const exitCode = await runCli(args, {
    version: '1.2.3',
    io: {
      stdout: { write: (text) => void (stdout += text), isTerminal, width },
      stderr: { write: (text) => void (stderr += text), isTerminal, width },
      environment: { ...(admin !== undefined && { GODWIT_SERVER: admin }), ...environment },
      userName: 'tester',
      workingDirectory: '/work-dir',
      isInteractive: world.answer !== undefined,
      sleep: world.sleep ?? (() => Promise.resolve()),
      ask: (question) => {
        stderr += question
        return Promise.resolve(world.answer ?? null)
      },
    },
    local: {
      serve: (request) => {
        localRequests.push(request)
        return Promise.resolve()
      },
      checkConfig: (request) => {
        localRequests.push(request)
        return Promise.resolve({ text: 'portOffset: 0\n', warnings: ['something is odd'] })
      },
      ...world.local,
    },
  })
  return { exitCode, stdout, stderr, localRequests }
}

/** The admin API over fakes, on a free loopback port. */
export async function listeningAdmin() {
  const fake = startFakeAdmin()
  const { port } = await fake.server.listen()
  return { ...fake, url: `http://127.0.0.1:${port}`, close: () => fake.server.close() }
}

/** Any HTTP server on a free loopback port. */
export async function listeningServer(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // It listens on TCP.
  const { port } = server.address() as AddressInfo
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${port}`, close }
}
