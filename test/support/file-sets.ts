/** Terrapin's uploader against a gateway: a folder of HFiles as HDFS, and calls of loadFileSet over one connection. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { KVError } from '../../src/base/errors.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { root } from './tree.js'

const FIXTURES = join(root, 'test', 'fixtures', 'hfile')

/** Makes the directory with these fixtures as its files; answers it. */
export function writeParts(directory: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(directory, { recursive: true })
  for (const [name, fixture] of Object.entries(files))
    copyFileSync(join(FIXTURES, fixture), join(directory, name))
  return directory
}

export interface LoadCall {
  readonly fileSet: string
  readonly hdfsDirectory: string
  readonly expectedNumPartitions: number
  /** Absent: no options are sent. */
  readonly numVersionsToKeep?: number
  readonly partitioner?: wire.PartitionerType
}

export class Uploader {
  readonly #client: ThriftClient

  constructor(port: number) {
    this.#client = new ThriftClient({ name: 'controller', host: '127.0.0.1', port })
  }

  /** `ok`, or the code's name and the message. */
  load({
    numVersionsToKeep,
    partitioner = wire.PartitionerType.MODULUS,
    ...call
  }: LoadCall): Promise<string> {
    const options =
      numVersionsToKeep === undefined ? null : wire.makeOptions({ numVersionsToKeep, partitioner })
    const request = wire.makeTerrapinLoadRequest({ ...call, options })
    return new Promise((resolve, reject) => {
      const { loadFileSet } = wire.TerrapinControllerMethods
      this.#client.call(loadFileSet, { request }, Number.POSITIVE_INFINITY, (outcome) => {
        if (outcome instanceof KVError) reject(outcome)
        else if (outcome.exception === null) resolve('ok')
        else {
          const { errorCode, message } = outcome.exception
          resolve(`${String(wire.controllerErrorCodeName(errorCode ?? 0))}: ${message}`)
        }
      })
    })
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}
