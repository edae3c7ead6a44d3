/**
 * POST /status/lookup as Terrapin's controller answered it: the keys of a form's field, one a line, each with OK and its
 * value, MISSING, or ERROR and the name of the error. A call that fails as a whole is a failed page.
 */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { RowOutcome } from '../model/row.js'
import { type LegacyPage, jsonText } from './legacy-status.js'

export interface LookupAccess {
  /** One outcome a key. Rejects with a KVError when the file set cannot be read at all. */
  read(fileSet: string, keys: readonly Buffer[]): Promise<readonly RowOutcome[]>
  /** What Terrapin calls this failure of a key. */
  errorName(error: KVError): string
}

interface LookedUp {
  readonly status: 'OK' | 'MISSING' | 'ERROR'
  readonly value: string | null
}

export function lookupPage(access: LookupAccess): LegacyPage {
  return {
    method: 'POST',
    async answer({ query, form }) {
      // A servlet's parameters are those of the URL and of the form.
      const fileSet = form.get('fileset') ?? query.get('fileset') ?? ''
      const lines = (form.get('keys') ?? query.get('keys') ?? '').split('\n')
      const keys = [...new Set(lines)].filter((line) => line !== '')
      if (fileSet === '' || keys.length === 0) return jsonText({})
      if (keys.length > limits.maxBatchRows) {
        throw new KVError('INVALID_ARGUMENT', `at most ${limits.maxBatchRows} keys are looked up at a time`)
      }
      const outcomes = await access.read(
        fileSet,
        keys.map((key) => Buffer.from(key)),
      )
      const found = keys.map((key, index) => [key, lookedUp(outcomes[index] ?? null, access)] as const)
      return jsonText(Object.fromEntries(found))
    },
  }
}

/** Bytes that are no UTF-8 are lost, as they were in Terrapin's page. */
function lookedUp(outcome: RowOutcome, access: LookupAccess): LookedUp {
  if (outcome instanceof KVError) return { status: 'ERROR', value: access.errorName(outcome) }
  const value = outcome?.cells[0]?.value
  return value === undefined
    ? { status: 'MISSING', value: null }
    : { status: 'OK', value: Buffer.from(value).toString() }
}
