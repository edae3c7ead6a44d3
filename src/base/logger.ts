/** Structured logs: one JSON line an event on stderr, keys and values of rows never in them. */
import { pino } from 'pino'

/** The part of pino that Godwit uses, so that no exported type of ours holds one of theirs. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Names of fields that are replaced by `[redacted]` wherever they stand at the first two levels. */
const SECRET_FIELDS = ['credential', 'password', 'secret', 'token', 'authorization']

/** Writes are synchronous: a line logged before a crash is there afterwards. */
export function createLogger(level: LogLevel, fields: object = {}): Logger {
  return pino(
    {
      level,
      base: fields,
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ dest: 2, sync: true }),
  )
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
