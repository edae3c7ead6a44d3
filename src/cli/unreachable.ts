/** Why a gateway was not reached -> what to do about it. */
import { CliError, EXIT } from './io.js'

const START =
  'start one with "npm start" or "godwit serve", or say where it is with --server URL or GODWIT_SERVER'
const TRUST =
  'if it is the right one, trust it: NODE_EXTRA_CA_CERTS=FILE, the PEM file of its certificate or of who signed it'

/** By the codes of Node's TLS. */
const HINTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: TRUST,
  SELF_SIGNED_CERT_IN_CHAIN: TRUST,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TRUST,
  UNABLE_TO_GET_ISSUER_CERT: TRUST,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TRUST,
  ERR_TLS_CERT_ALTNAME_INVALID: 'name it in --server or GODWIT_SERVER as its certificate does',
  CERT_HAS_EXPIRED: 'its certificate has expired: give the gateway a new one, it reads it again on SIGHUP',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks no TLS: use http:// in --server or GODWIT_SERVER',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it speaks no TLS: use http:// in --server or GODWIT_SERVER',
}

/** @param error what `fetch` threw */
export function unreachable(base: string, error: unknown): CliError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause)
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return new CliError(
    EXIT.UNREACHABLE,
    `no answer from the gateway at ${base}: ${reason}`,
    HINTS[code] ?? START,
  )
}
