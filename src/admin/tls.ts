/** Certificates of listeners. */
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { KVError } from '../base/errors.js'

export interface TlsFiles {
  /** PEM: the certificate, then those between it and its root. */
  readonly certificateFile: string
  /** PEM. */
  readonly keyFile: string
}

export interface TlsMaterial {
  readonly cert: Buffer
  readonly key: Buffer
}

/** @throws {KVError} INVALID_ARGUMENT when a file cannot be read, or the two do not belong together */
export function readTls(
  { certificateFile, keyFile }: TlsFiles,
  setting = 'listeners.admin.tls',
): TlsMaterial {
  try {
    const material = { cert: readFileSync(certificateFile), key: readFileSync(keyFile) }
    createSecureContext(material)
    return material
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new KVError(
      'INVALID_ARGUMENT',
      `${setting}: ${certificateFile} and ${keyFile} are no certificate and its key: ${reason}`,
      { cause: error },
    )
  }
}
