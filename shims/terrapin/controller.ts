/**
 * Serves TerrapinController (9012), which uploaders end with: loadFileSet answers when the directory's version is served.
 * What it does is controller-loads.ts; here are the request's checks, the time after which an answer is due, and the codes.
 */
import type { Clock, StartTimer } from '../../src/base/clock.js'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { Logger } from '../../src/base/logger.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import type { ThriftCall, ThriftService } from '../../src/thrift/protocol.js'
import { resourceOf, toDirectory } from './controller-directory.js'
import { codeOf, ControllerError, toControllerException } from './controller-errors.js'
import type { FileSetRequest, FileSetTaker } from './controller-loads.js'

export interface ControllerOptions {
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly logger: Logger
  /** URL that bare paths lie below; null: they are refused. */
  readonly root: string | null
  /** A call is answered after so long, while its load goes on. */
  readonly answerMs: number
  /** Counts an answered call; null: it succeeded. */
  readonly onAnswered: (fileSet: string, durationMs: number, code: ReturnType<typeof codeOf> | null) => void
}

/** Versions that a dataset keeps at most. */
const MAX_VERSIONS = 10

type Call = ThriftCall<null, wire.ControllerException>

export function createTerrapinController(loads: FileSetTaker, options: ControllerOptions): ThriftService {
  return wire.bindTerrapinController(new ControllerListener(loads, options))
}

class ControllerListener implements wire.TerrapinControllerHandler {
  readonly #loads: FileSetTaker
  readonly #options: ControllerOptions
  #waiting = 0

  constructor(loads: FileSetTaker, options: ControllerOptions) {
    this.#loads = loads
    this.#options = options
  }

  loadFileSet({ request }: wire.TerrapinControllerLoadFileSetArgs, call: Call): void {
    let wanted: FileSetRequest
    try {
      if (this.#waiting >= limits.maxFileSetLoads)
        throw new KVError('OVERLOADED', `${this.#waiting} calls of loadFileSet wait already; ask later`)
      wanted = this.#toRequest(request, call)
    } catch (error) {
      this.#answer(call, request?.fileSet ?? '', error)
      return
    }
    this.#waiting++
    const wait: { isOver: boolean; leave: () => void } = { isOver: false, leave: () => undefined }
    const end = (failure: unknown): void => {
      if (wait.isOver) return
      wait.isOver = true
      this.#waiting--
      stopTimer()
      wait.leave()
      this.#answer(call, wanted.fileSet, failure)
    }
    const stopTimer = this.#options.startTimer(this.#options.answerMs, () => {
      const resource = resourceOf(wanted.directory)
      const { SHARD_LOAD_TIMEOUT } = wire.ControllerErrorCode
      end(new ControllerError(SHARD_LOAD_TIMEOUT, `Timeout while trying to online resource ${resource}`))
    })
    wait.leave = this.#loads.load(wanted, end)
  }

  #answer(call: Call, fileSet: string, failure: unknown): void {
    const { clock, onAnswered } = this.#options
    const durationMs = clock.monotonicMs() - call.receivedAtMs
    if (failure === null) {
      onAnswered(fileSet, durationMs, null)
      call.reply(null)
      return
    }
    const exception = toControllerException(failure)
    onAnswered(fileSet, durationMs, codeOf(exception))
    call.fail(exception)
  }

  /** @throws {KVError} INVALID_ARGUMENT, UNAVAILABLE */
  #toRequest(request: wire.TerrapinLoadRequest | null, call: Call): FileSetRequest {
    const fileSet = request?.fileSet ?? ''
    if (request === null || fileSet === '')
      throw new KVError('INVALID_ARGUMENT', 'a call without a request, or without a file set')
    const expectedPartitions = request.expectedNumPartitions
    if (expectedPartitions === null)
      throw new KVError('INVALID_ARGUMENT', "Required field 'expectedNumPartitions' was not present!")
    const directory = toDirectory(request.hdfsDirectory ?? '', this.#options.root)
    // Terrapin's controller answers OTHER (a null pointer) to a request without options; uploaders always send them.
    const asked = request.options?.numVersionsToKeep ?? 1
    if (asked > MAX_VERSIONS) {
      const fields = { dataset: fileSet, directory: directory.asked, asked, kept: MAX_VERSIONS }
      this.#options.logger.warn(fields, 'loadFileSet asks for more versions than are kept')
    }
    return {
      fileSet,
      directory,
      expectedPartitions,
      // Terrapin keeps the served version, too, when it is asked to keep none.
      versionsToKeep: Math.min(MAX_VERSIONS, Math.max(1, asked)),
      partitioner: request.options?.partitioner ?? wire.PartitionerType.MODULUS,
      actor: actorOf(call),
    }
  }
}

/** Uploaders of Terrapin name no client; then its address is what is known. */
function actorOf({ connection: { clientName, remoteAddress } }: Call): string {
  const name = (clientName ?? remoteAddress).replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200)
  return `loadFileSet of ${name === '' ? 'an unknown client' : name}`
}
