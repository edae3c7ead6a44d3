/** A local S3 server: moto, from PyPI. */
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { pythonWith } from './python.js'

/** What its server of everything (`moto[server]`) needs besides takes five times as long to install. */
const PACKAGES = ['moto[s3]==5.2.5', 'flask==3.1.3', 'flask-cors==6.0.5']
const START_TIMEOUT_MS = 60_000

export class S3Server {
  readonly endpoint: string
  readonly #child: ChildProcess

  private constructor(endpoint: string, child: ChildProcess) {
    this.endpoint = endpoint
    this.#child = child
  }

  /** A string says why it cannot run here; where GODWIT_REQUIRE_S3 is 1 that is an error instead. */
  static async start(): Promise<S3Server | string> {
    try {
      return await S3Server.#run(await pythonWith(PACKAGES))
    } catch (error) {
      const why = `no local S3 server: ${error instanceof Error ? error.message.slice(0, 300) : String(error)}`
      if (process.env['GODWIT_REQUIRE_S3'] === '1') throw new Error(why, { cause: error })
      return why
    }
  }

  static #run(programs: string): Promise<S3Server> {
    // By module: its script names the folder that the environment was made in, which may have been moved since.
    const child = spawn(join(programs, 'python3'), ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1' },
    })
    return new Promise((resolve, reject) => {
      let printed = ''
      const timer = setTimeout(() => {
        child.kill()
        reject(new Error(`it did not start: ${printed}`))
      }, START_TIMEOUT_MS)
      const read = (data: Buffer): void => {
        printed += data.toString()
        const [endpoint] = /http:\/\/127\.0\.0\.1:\d+/.exec(printed) ?? []
        if (endpoint === undefined) return
        clearTimeout(timer)
        resolve(new S3Server(endpoint, child))
      }
      child.stdout.on('data', read)
      child.stderr.on('data', read)
      child.once('error', reject)
      child.once('exit', (code) => reject(new Error(`it ended with ${String(code)}: ${printed}`)))
    })
  }

  stop(): void {
    this.#child.removeAllListeners('exit')
    this.#child.kill()
  }
}
