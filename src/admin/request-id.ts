/** The name of a request, in its answer and in log lines. */
import { randomUUID } from 'node:crypto'

/** What a caller's own id may be: it goes to logs as it is. */
const WELL_FORMED = /^[A-Za-z0-9._:/+=-]{1,128}$/

/** The caller's, if it is well-formed, so that one id follows a request through several systems; else a new one. */
export function requestIdOf(header: string | readonly string[] | undefined): string {
  return typeof header === 'string' && WELL_FORMED.test(header) ? header : randomUUID()
}
