/** Certificates of this machine for itself, by openssl. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Paths of PEM files. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
}

/** Valid for a day, for localhost and 127.0.0.1; `name` is its subject and its files'. */
export async function makeCertificate(folder: string, name: string): Promise<Certificate> {
  const certificate = join(folder, `${name}.pem`)
  const key = join(folder, `${name}.key`)
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const request = ['req', '-x509', ...curve, '-nodes', '-days', '1']
  await run('openssl', [...request, ...subject, '-out', certificate, '-keyout', key])
  return { certificate, key }
}
