/** A gateway with Terrapin's read services and a file set of two versions, from HFiles that HBase wrote. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Gateway } from '../support/gateway.js'
import { root } from '../support/tree.js'

const PORTS =
  'listeners:\n  kvstore: { port: 0 }\n  admin: { port: 0 }\n' +
  '  terrapin: { port: 0, enabled: true }\n  terrapinInternal: { port: 0, enabled: true }\n' +
  '  terrapinController: { port: 0, enabled: true }\n'
const POLL_MS = 20

/** The file set `pins`: its old version is snappy-1000.hfile, its current one has gz-bytes.hfile besides. */
export class Pins {
  readonly #gateway: Gateway
  readonly #versions: number[] = []

  private constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  /** @param config YAML text beside the ports' */
  static async start(config = ''): Promise<Pins> {
    const gateway = await Gateway.start({ ports: PORTS, config })
    const pins = new Pins(gateway)
    try {
      await gateway.createDataset('pins', { mode: 'BATCH', retainedVersions: 2 })
      await pins.#load('1448390400000', ['snappy-1000.hfile'])
      await pins.#load('1448390400001', ['snappy-1000.hfile', 'gz-bytes.hfile'])
      return pins
    } catch (error) {
      await gateway.dispose()
      throw error
    }
  }

  /** For files of the test; removed at the end. */
  get folder(): string {
    return this.#gateway.folder
  }

  /** What the programs' arguments end with: ports of service and internal service, old and current version. */
  get args(): readonly string[] {
    const ports = [this.#gateway.port('terrapin'), this.#gateway.port('terrapinInternal')]
    return [...ports, ...this.#versions].map(String)
  }

  /** Of the gateway's process. */
  get pid(): number {
    return this.#gateway.pid
  }

  /** What the gateway has logged. */
  get output(): string {
    return this.#gateway.output
  }

  dispose(): Promise<void> {
    return this.#gateway.dispose()
  }

  /** Serves the other version. */
  async turn(how: 'rollback' | 'rollforward'): Promise<void> {
    const { headers } = await this.#gateway.admin('GET', '/v1/datasets/pins')
    const ifMatch = { 'if-match': headers.get('etag') ?? '' }
    const { status, text } = await this.#gateway.admin('POST', `/v1/datasets/pins/${how}`, undefined, ifMatch)
    assert.equal(status, 200, text)
  }

  /** Loads and publishes a directory with these files as its parts. */
  async #load(name: string, files: readonly string[]): Promise<void> {
    const place = join(this.folder, name)
    mkdirSync(place)
    for (const [part, file] of files.entries())
      copyFileSync(join(root, 'test', 'fixtures', 'hfile', file), join(place, `part-0000${part}`))
    const wish = { from: place, format: 'hfile', keyField: '', publish: true }
    const started = await this.#gateway.admin('POST', '/v1/datasets/pins/loads', wish)
    assert.equal(started.status, 202, started.text)
    const { id, version } = (started.body as { load: { id: string; version: number } }).load
    this.#versions.push(version)
    for (let state = ''; state !== 'DONE';) {
      await pause(POLL_MS)
      const asked = await this.#gateway.admin('GET', `/v1/loads/${id}`)
      ;({ state } = (asked.body as { load: { state: string } }).load)
      assert.notEqual(state, 'FAILED', asked.text)
    }
  }
}
