/** Structured logs: one JSON line an event on stderr, keys and values of rows never in them. */
import { pino } from 'pino'
import { RepeatedLines } from './repeated-lines.js'

/** The part of pino that Godwit uses, so that no exported type of ours holds one of theirs. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** The level of all threads of a process, in memory that they share: changing it holds for the next line of each. */
export type SharedLogLevel = Int32Array<SharedArrayBuffer>

export function shareLogLevel(level: LogLevel): SharedLogLevel {
  const shared = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  setLogLevel(shared, level)
  return shared
}

export function setLogLevel(shared: SharedLogLevel, level: LogLevel): void {
  Atomics.store(shared, 0, LOG_LEVELS.indexOf(level))
}

export function logLevelOf(shared: SharedLogLevel): LogLevel {
  return LOG_LEVELS[Atomics.load(shared, 0)] ?? 'info'
}

/** Names of fields that are replaced by `[redacted]` wherever they stand at the first two levels. */
const SECRET_FIELDS = ['credential', 'password', 'secret', 'token', 'authorization']

/** Of this thread: warnings and errors share one allowance, whatever part they come from. */
const repeatedLines = new RepeatedLines()

/** Warnings and errors of this thread that were left out because the same line came too often. */
export function suppressedLineCount(): number {
  return repeatedLines.total
}

/** Writes are synchronous: a line logged before a crash is there afterwards. */
export function createLogger(level: LogLevel | SharedLogLevel, fields: object = {}): Logger {
  const lines = pino(
    {
      level: 'debug',
      base: fields,
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ dest: 2, sync: true }),
  )
  return new LevelledLogger(lines, typeof level === 'string' ? shareLogLevel(level) : level)
}

const [DEBUG, INFO, WARN, ERROR] = [0, 1, 2, 3]

class LevelledLogger implements Logger {
  readonly #lines: Logger
  readonly #level: SharedLogLevel

  constructor(lines: Logger, level: SharedLogLevel) {
    this.#lines = lines
    this.#level = level
  }

  debug(fields: object, message: string): void {
    if (this.#isLogged(DEBUG)) this.#lines.debug(fields, message)
  }

  info(fields: object, message: string): void {
    if (this.#isLogged(INFO)) this.#lines.info(fields, message)
  }

  warn(fields: object, message: string): void {
    const shown = this.#isLogged(WARN) ? withoutRepeats(fields, message) : null
    if (shown !== null) this.#lines.warn(shown, message)
  }

  error(fields: object, message: string): void {
    const shown = this.#isLogged(ERROR) ? withoutRepeats(fields, message) : null
    if (shown !== null) this.#lines.error(shown, message)
  }

  child(fields: object): Logger {
    return new LevelledLogger(this.#lines.child(fields), this.#level)
  }

  #isLogged(severity: number): boolean {
    return severity >= Atomics.load(this.#level, 0)
  }
}

/** Null: the line has come too often of late. */
function withoutRepeats(fields: object, message: string): object | null {
  const suppressed = repeatedLines.admit(message, performance.now())
  if (suppressed === null) return null
  return suppressed === 0 ? fields : { ...fields, suppressed }
}

export const silentLogger: Logger = createLogger('silent')

/**
 * For warnings that callers can cause at will: at most one line an interval, with the number of those left out, so
 * that a hostile or broken caller cannot fill the log.
 */
export class LimitedLog {
  readonly #logger: Logger
  readonly #intervalMs: number
  #nextAtMs = 0
  #suppressed = 0

  constructor(logger: Logger, intervalMs = 1_000) {
    this.#logger = logger
    this.#intervalMs = intervalMs
  }

  /** @param nowMs monotonic */
  warn(nowMs: number, fields: object, message: string): void {
    if (nowMs < this.#nextAtMs) {
      this.#suppressed += 1
      return
    }
    this.#logger.warn({ ...fields, suppressed: this.#suppressed }, message)
    this.#nextAtMs = nowMs + this.#intervalMs
    this.#suppressed = 0
  }
}
