/**
 * Hop 2 for CQL clients: one frame's body -> a statement for the engine, and its result back into a frame. Keeps what a
 * thread knows of its clients: prepared statements, and who may log in.
 *
 * Every failure becomes an ERROR frame of the request's stream. Nothing is thrown but CqlErrors, before an answer is given.
 */
import type { Clock } from '../../src/base/clock.js'
import { EMPTY_BYTES } from '../../src/base/bytes.js'
import { KVError, toKVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { Logger } from '../../src/base/logger.js'
import { type Authenticator, readCredentials } from './authentication.js'
import type { CqlConnection, CqlRequest } from './connection.js'
import { CqlError } from './cql/errors.js'
import type { BatchItem, CqlEngine, CqlResult, PreparedStatement, RowsResult } from './engine/contract.js'
import { type FailedRequest, toCqlError } from './errors.js'
import { type PreparedStatements, preparedId } from './prepared.js'
import { CqlBodyReader, protocolError } from './protocol/body-reader.js'
import type { CqlFrameWriter } from './protocol/body-writer.js'
import { FRAME_FLAGS, OPCODES, type OpcodeName, opcodeName } from './protocol/constants.js'
import type { PagingStates } from './protocol/paging.js'
import * as requests from './protocol/requests.js'
import * as results from './protocol/results.js'
import { SUPPORTED_OPTIONS } from './system/identity.js'

export interface DispatcherOptions {
  readonly engine: CqlEngine
  readonly prepared: PreparedStatements
  readonly pagingStates: PagingStates
  /** Null: nobody is asked who they are. */
  readonly authenticator: Authenticator | null
  readonly clock: Clock
  readonly logger: Logger
  /** A statement was prepared here: other threads may be asked for it next. */
  onPrepared(text: string, keyspace: string | null): void
}

/** What the answer of a query depends on beside its result. */
interface Answering extends FailedRequest {
  readonly connection: CqlConnection
  readonly request: CqlRequest
  readonly skipsMetadata: boolean
}

const NO_SESSION = { user: null, caller: null, address: '' }

export class CqlDispatcher {
  readonly #options: DispatcherOptions
  readonly #reader = new CqlBodyReader()

  constructor(options: DispatcherOptions) {
    this.#options = options
  }

  /** Answers at once or later. @throws {CqlError} in place of an answer */
  run(connection: CqlConnection, request: CqlRequest): void {
    const name = opcodeName(request.opcode)
    if (name === null) throw protocolError(`Unknown opcode ${request.opcode}`)
    checkPhase(connection, name)
    const reader = this.#reader
    reader.reset(request.buffer, request.start, request.end)
    if ((request.flags & FRAME_FLAGS.CUSTOM_PAYLOAD) !== 0) skipPayload(reader, request.version)
    switch (name) {
      case 'QUERY':
        this.#query(connection, request)
        break
      case 'EXECUTE':
        this.#execute(connection, request)
        break
      case 'BATCH':
        this.#batch(connection, request)
        break
      case 'PREPARE':
        this.#prepare(connection, request)
        break
      case 'OPTIONS':
        connection.reply(request, OPCODES.SUPPORTED, (writer) => writer.stringMultimap(SUPPORTED_OPTIONS))
        break
      case 'REGISTER':
        connection.events = new Set([...connection.events, ...requests.readRegister(reader)])
        connection.reply(request, OPCODES.READY, nothing)
        break
      case 'STARTUP':
        this.#startup(connection, request)
        break
      case 'AUTH_RESPONSE':
        this.#authenticate(connection, request)
        break
      case 'ERROR':
      case 'READY':
      case 'AUTHENTICATE':
      case 'SUPPORTED':
      case 'RESULT':
      case 'EVENT':
      case 'AUTH_CHALLENGE':
      case 'AUTH_SUCCESS':
        // The frame reader lets no response through.
        throw protocolError(`Unexpected message ${name}`)
    }
  }

  /** Prepares what another thread was asked to prepare; a statement that it cannot prepare it is not asked for. */
  adopt(text: string, keyspace: string | null): void {
    const { engine, prepared } = this.#options
    const id = preparedId(text, keyspace)
    if (prepared.has(id)) return
    try {
      prepared.put(id, engine.prepare(text, { ...NO_SESSION, keyspace }))
    } catch (error) {
      if (!(error instanceof CqlError)) throw error
    }
  }

  #query(connection: CqlConnection, request: CqlRequest): void {
    const text = this.#reader.longString()
    const options = this.#readParameters(request)
    const answering = { connection, request, ...options, batchType: null }
    this.#options.engine.query(text, connection.session, options, (outcome) =>
      this.#answer(answering, outcome),
    )
  }

  #execute(connection: CqlConnection, request: CqlRequest): void {
    const statement = this.#options.prepared.get(this.#reader.shortBytes())
    const options = this.#readParameters(request)
    const answering = { connection, request, ...options, batchType: null }
    this.#options.engine.execute(statement, connection.session, options, (outcome) =>
      this.#answer(answering, outcome),
    )
  }

  #batch(connection: CqlConnection, request: CqlRequest): void {
    const { type, parts, options } = requests.readBatch(this.#reader, this.#frameOf(request))
    const items = this.#itemsOf(parts)
    const { consistency } = options
    const answering = { connection, request, consistency, skipsMetadata: false, batchType: type }
    this.#options.engine.batch({ type, items }, connection.session, options, (outcome) =>
      this.#answer(answering, outcome),
    )
  }

  /** A part has a text or an id; most batches repeat one id. */
  #itemsOf(parts: readonly requests.BatchPart[]): readonly BatchItem[] {
    let before = EMPTY_BYTES
    let prepared: PreparedStatement | null = null
    return parts.map(({ text, preparedId: id, values }): BatchItem => {
      if (text !== null || id === null) return { statement: text ?? '', values }
      if (prepared === null || !before.equals(id)) prepared = this.#options.prepared.get(id)
      before = id
      return { statement: prepared, values }
    })
  }

  #prepare(connection: CqlConnection, request: CqlRequest): void {
    const { engine, prepared } = this.#options
    const text = this.#reader.longString()
    const { session } = connection
    const id = preparedId(text, session.keyspace)
    if (!prepared.has(id)) {
      prepared.put(id, engine.prepare(text, session))
      this.#options.onPrepared(text, session.keyspace)
    }
    const statement = prepared.get(id)
    const fill = (writer: CqlFrameWriter): void => {
      results.writePrepared(writer, id, statement, request.version)
    }
    connection.reply(request, OPCODES.RESULT, fill)
  }

  #readParameters(request: CqlRequest): requests.QueryParameters {
    const parameters = requests.readParameters(this.#reader, this.#frameOf(request))
    if (parameters.paging === null) return parameters
    return { ...parameters, paging: this.#options.pagingStates.open(parameters.paging, request.version) }
  }

  #frameOf({ version }: CqlRequest): requests.RequestFrame {
    return { version, deadline: this.#options.clock.monotonicMs() + limits.cqlTimeoutMs }
  }

  #answer(answering: Answering, outcome: CqlResult | CqlError | KVError): void {
    const { connection, request } = answering
    if (outcome instanceof Error) this.#refuse(answering, outcome)
    else if (outcome.kind === 'rows') this.#answerRows(answering, outcome)
    else if (outcome.kind === 'void') {
      const { warnings = [] } = outcome
      const flags = warnings.length > 0 && request.version >= 4 ? FRAME_FLAGS.WARNINGS : 0
      const fill = (writer: CqlFrameWriter): void => {
        if (flags !== 0) writer.stringList(warnings)
        results.writeVoid(writer)
      }
      connection.reply(request, OPCODES.RESULT, fill, flags)
    } else if (outcome.kind === 'setKeyspace') {
      const { keyspace } = outcome
      connection.session = { ...connection.session, keyspace }
      connection.reply(request, OPCODES.RESULT, (writer) => results.writeSetKeyspace(writer, keyspace))
    } else {
      const { change } = outcome
      connection.reply(request, OPCODES.RESULT, (writer) => results.writeSchemaChange(writer, change))
    }
  }

  #answerRows({ connection, request, skipsMetadata }: Answering, result: RowsResult): void {
    const { version } = request
    const paging = result.paging === null ? null : this.#options.pagingStates.seal(result.paging, version)
    const encoding = { version, skipsMetadata: skipsMetadata && !result.isConditional, paging }
    const { warnings = [] } = result
    const flags = warnings.length > 0 && version >= 4 ? FRAME_FLAGS.WARNINGS : 0
    const fill = (writer: CqlFrameWriter): void => {
      if (flags !== 0) writer.stringList(warnings)
      results.writeRows(writer, result, encoding)
    }
    connection.reply(request, OPCODES.RESULT, fill, flags)
  }

  #refuse(answering: Answering, error: CqlError | KVError): void {
    if (error instanceof KVError && error.code === 'INTERNAL') {
      this.#options.logger.error({ err: error }, 'a CQL statement failed by a fault of ours')
    }
    answering.connection.refuse(answering.request, toCqlError(error, answering))
  }

  #startup(connection: CqlConnection, request: CqlRequest): void {
    const { compression, caller } = requests.readStartup(this.#reader)
    if (compression !== null) connection.useCompression(compression)
    connection.session = { ...connection.session, caller }
    const { authenticator } = this.#options
    if (authenticator === null) {
      connection.phase = 'ready'
      connection.reply(request, OPCODES.READY, nothing)
    } else {
      connection.phase = 'authenticating'
      connection.reply(request, OPCODES.AUTHENTICATE, (writer) => writer.string(authenticator.className))
    }
  }

  #authenticate(connection: CqlConnection, request: CqlRequest): void {
    const { authenticator } = this.#options
    if (authenticator === null) throw protocolError('Unexpected message AUTH_RESPONSE')
    const credentials = readCredentials(this.#reader.bytes())
    // Another one would wait behind this one, which takes some time on purpose.
    connection.phase = 'checking'
    authenticator.check(credentials, connection.remoteAddress).then(
      (isRight) => {
        connection.phase = isRight ? 'ready' : 'authenticating'
        if (!isRight) refuseLogin(connection, request)
        else {
          connection.session = { ...connection.session, user: credentials.user }
          connection.reply(request, OPCODES.AUTH_SUCCESS, (writer) => writer.bytes(null))
        }
      },
      (error: unknown) => {
        connection.phase = 'authenticating'
        const fault = toKVError(error, 'a password could not be checked')
        connection.refuse(request, toCqlError(fault, { consistency: 0, batchType: null }))
      },
    )
  }
}

function nothing(): void {
  // READY has no body.
}

function skipPayload(reader: CqlBodyReader, version: number): void {
  if (version < 4) {
    throw protocolError('Received frame with CUSTOM_PAYLOAD flag for native protocol version < 4')
  }
  reader.skipBytesMap()
}

/** Source: ServerConnection.validateNewMessage of Cassandra 3.0. @throws {CqlError} PROTOCOL_ERROR */
function checkPhase({ phase }: CqlConnection, name: OpcodeName): void {
  switch (phase) {
    case 'starting':
      if (name === 'STARTUP' || name === 'OPTIONS') return
      throw protocolError(`Unexpected message ${name}, expecting STARTUP or OPTIONS`)
    case 'authenticating':
      if (name === 'AUTH_RESPONSE') return
      throw protocolError(`Unexpected message ${name}, expecting SASL_RESPONSE`)
    case 'checking':
      throw protocolError(`Unexpected message ${name}, the password is being checked`)
    case 'ready':
      if (name !== 'STARTUP') return
      throw protocolError('Unexpected message STARTUP, the connection is already initialized')
  }
}

/** Cassandra lets a connection guess for ever. */
function refuseLogin(connection: CqlConnection, request: CqlRequest): void {
  connection.refuse(request, new CqlError('BAD_CREDENTIALS', 'Username and/or password are incorrect'))
  connection.wrongLogins++
  if (connection.wrongLogins >= limits.maxCqlLoginAttempts) connection.finish()
}
