/** Who changes metadata, why, and which revision they saw. */
import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import type { ChangeContext } from '../model/dataset.js'
import type { Principal } from './access.js'
import { queryFlag, type HttpRequest } from './http.js'

/** Query names that every changing route takes. */
export const CHANGE_QUERY = ['dryRun'] as const

/** Fields that the body of every changing route may carry in place of the headers. */
export const changeFields = {
  actor: z.string().min(1).max(256).optional(),
  reason: z.string().min(1).max(1_024).optional(),
}

/** Body of a changing route that needs nothing else; may be left out. */
export const changeBody = z.strictObject(changeFields).optional()

interface ChangeFields {
  readonly actor?: string | undefined
  readonly reason?: string | undefined
}

/**
 * The context of a change. `revision` says whether the caller must send the revision they saw.
 * @throws {KVError} INVALID_ARGUMENT when actor, reason or a required If-Match is missing or malformed
 */
export function changeContext(
  request: HttpRequest,
  body: ChangeFields | undefined,
  revision: 'required' | 'optional',
): ChangeContext {
  const actor = actorOf(body?.actor ?? headerText(request, 'x-godwit-actor'), request.principal)
  const reason = body?.reason ?? headerText(request, 'x-godwit-reason')
  if (actor === '' || reason === '') {
    const what = actor === '' ? 'actor' : 'reason'
    throw new KVError(
      'INVALID_ARGUMENT',
      `a change needs an actor and a reason for the audit log; send "${what}" in the body or x-godwit-${what}`,
    )
  }
  const ifRevision = revisionOf(request.headers['if-match'], revision)
  return { actor, reason, ifRevision, isDryRun: queryFlag(request.query, 'dryRun') }
}

/** Node hands the bytes of a header over as Latin-1; terminals and most programs send UTF-8. */
function headerText({ headers }: HttpRequest, name: string): string {
  const text = headers[name] ?? ''
  const bytes = Buffer.from(text, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : text
}

/** A token proves who it was; a name that was only said stands beside it. */
function actorOf(said: string, principal: Principal | null): string {
  if (principal === null || said === principal.name) return said
  return said === '' ? principal.name : `${said} (token of ${principal.name})`
}

function revisionOf(header: string | undefined, need: 'required' | 'optional'): number | null {
  if (header === undefined) {
    if (need === 'optional') return null
    throw new KVError(
      'INVALID_ARGUMENT',
      'this change needs If-Match with the revision you saw; read the record and send its revision',
    )
  }
  const digits = /^"?(\d{1,15})"?$/.exec(header.trim())?.[1]
  if (digits === undefined) throw new KVError('INVALID_ARGUMENT', 'If-Match is not a revision such as "12"')
  return Number(digits)
}
