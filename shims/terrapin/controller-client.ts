/** Calls a real Terrapin's controller: loads of datasets that migrate go there as well. */
import type { Clock } from '../../src/base/clock.js'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { Logger } from '../../src/base/logger.js'
import { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { ControllerError } from './controller-errors.js'
import type { FileSetRequest } from './controller-loads.js'

export interface ControllerClientOptions {
  /** Of the origin, for messages. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly clock: Clock
  readonly logger: Logger
}

export class TerrapinControllerClient {
  readonly #name: string
  readonly #clock: Clock
  readonly #client: ThriftClient

  /** Connects with the first load. */
  constructor({ name, host, port, clock, logger }: ControllerClientOptions) {
    this.#name = name
    this.#clock = clock
    this.#client = new ThriftClient({
      name: `controller of ${name}`,
      host,
      port,
      clock,
      logger,
      // Its calls wait for loads, and its servers take one at a time on a connection.
      connections: limits.originLoadConnections,
      maxInFlightPerConnection: 1,
    })
  }

  /**
   * Resolves when the origin serves the directory; one that it serves already is answered at once.
   * @throws {ControllerError} as the origin said it; {KVError} UNAVAILABLE, DEADLINE_EXCEEDED, OVERLOADED
   */
  loadFileSet(wanted: FileSetRequest): Promise<void> {
    const { fileSet, directory, expectedPartitions, versionsToKeep, partitioner } = wanted
    const request = wire.makeTerrapinLoadRequest({
      fileSet,
      hdfsDirectory: directory.asked,
      expectedNumPartitions: expectedPartitions,
      options: wire.makeOptions({
        numVersionsToKeep: versionsToKeep,
        ...(partitioner !== undefined && { partitioner }),
      }),
    })
    const deadline = this.#clock.monotonicMs() + limits.originLoadTimeoutMs
    return new Promise((resolve, reject) => {
      this.#client.call(wire.TerrapinControllerMethods.loadFileSet, { request }, deadline, (outcome) => {
        if (outcome instanceof KVError) {
          reject(outcome)
          return
        }
        const { exception } = outcome
        if (exception === null) resolve()
        else reject(this.#failure(exception))
      })
    })
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  /** In its own words, because it is what an uploader would have heard from it. */
  #failure({ errorCode, message }: wire.ControllerException): ControllerError {
    const text = message ?? `the controller of ${this.#name} failed without saying why`
    const name = errorCode === null ? null : wire.controllerErrorCodeName(errorCode)
    return new ControllerError(wire.ControllerErrorCode[name ?? 'OTHER'], text)
  }
}
