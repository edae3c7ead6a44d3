/**
 * POST /status/lookup as Terrapin's controller answered it: the keys of a form's field, one a line, each with OK and its
 * value, MISSING, or ERROR and the name of the error. A call that fails as a whole is a failed page.
 */
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { ReadRequest } from '../../src/model/request.js'
import { columnsNamed, type RowOutcome } from '../../src/model/row.js'
import { terrapinGetErrorCodeName } from '../../src/thrift/generated/terrapin.js'
import { codeOf } from './errors.js'
import { type StatusPage, jsonText } from './status-server.js'
import { MAX_KEY_BYTES, overlong, valueOf } from './translate.js'

/** Reads rows. Rejects with a KVError when the file set cannot be read at all. */
export type ReadRows = (request: Omit<ReadRequest, 'context'>) => Promise<readonly RowOutcome[]>

/** What Terrapin's controller had beside it, and what to use instead. */
export const UNSERVED_BESIDE_LOOKUP: ReadonlyMap<string, string> = new Map([
  ['/status', 'use "godwit status" or GET /v1/status of the admin API'],
])

const UNNAMED = columnsNamed([Buffer.alloc(0)])

interface LookedUp {
  readonly status: 'OK' | 'MISSING' | 'ERROR'
  readonly value: string | null
}

export function lookupPage(read: ReadRows): StatusPage {
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
      const outcomes = await readKeys(
        read,
        fileSet,
        keys.map((key) => Buffer.from(key)),
      )
      const found = keys.map((key, index) => [key, lookedUp(outcomes[index] ?? null)] as const)
      return jsonText(Object.fromEntries(found))
    },
  }
}

/** One outcome a key; an over-long one fails alone, as in the services' calls. */
async function readKeys(
  read: ReadRows,
  dataset: string,
  keys: readonly Buffer[],
): Promise<readonly RowOutcome[]> {
  const found = await read({
    dataset,
    rowKeys: keys.filter(({ length }) => length <= MAX_KEY_BYTES),
    selector: UNNAMED,
    selectorsByKey: null,
    datasetVersion: null,
    withTimestamps: false,
    withTtl: false,
    pageBytes: null,
    position: null,
  })
  let next = 0
  return keys.map((key) => (key.length <= MAX_KEY_BYTES ? (found[next++] ?? null) : overlong(key)))
}

/** Bytes that are no UTF-8 are lost, as they were in Terrapin's page. */
function lookedUp(outcome: RowOutcome): LookedUp {
  if (outcome instanceof KVError) {
    return { status: 'ERROR', value: terrapinGetErrorCodeName(codeOf(outcome, 'service')) ?? 'OTHER' }
  }
  const value = valueOf(outcome)
  if (value === null) return { status: 'MISSING', value: null }
  // What came from another thread is no Buffer any more.
  return { status: 'OK', value: Buffer.from(value).toString() }
}
