/**
 * Who may log in: names and salted hashes of passwords, as Cassandra's PasswordAuthenticator has them, whose name drivers
 * are told and whose token (SASL PLAIN) they send.
 *
 * A hash takes long on purpose, and each connection of a driver's pool logs in. So the last right password of a user is
 * remembered, as a digest with a key of this thread's.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { EMPTY_BYTES } from '../../src/base/bytes.js'
import { type PasswordHash, hashOfNothing, isPassword } from '../../src/base/passwords.js'
import { CqlError } from './cql/errors.js'

export interface Credentials {
  readonly user: string
  readonly password: string
}

export interface Authenticator {
  /** As Java names it; some drivers look at it. */
  readonly className: string
  check(credentials: Credentials): Promise<boolean>
}

const DIGEST_KEY_BYTES = 32

/** @throws {CqlError} BAD_CREDENTIALS for what is no token of SASL PLAIN */
export function readCredentials(token: Buffer | null): Credentials {
  const [, user = '', password = ''] = (token ?? EMPTY_BYTES).toString('utf8').split('\0')
  if (user === '') throw new CqlError('BAD_CREDENTIALS', 'Authentication ID must not be null')
  if (password === '') throw new CqlError('BAD_CREDENTIALS', 'Password must not be null')
  return { user, password }
}

export class PasswordAuthenticator implements Authenticator {
  readonly className = 'org.apache.cassandra.auth.PasswordAuthenticator'
  readonly #hashes: ReadonlyMap<string, PasswordHash>
  readonly #digestKey = randomBytes(DIGEST_KEY_BYTES)
  /** Of the last right password of each user. */
  readonly #known = new Map<string, Buffer>()
  /** For users that there are not, so that they take as long. */
  readonly #nobody = hashOfNothing()

  constructor(hashes: ReadonlyMap<string, PasswordHash>) {
    this.#hashes = hashes
  }

  async check({ user, password }: Credentials): Promise<boolean> {
    const digest = createHmac('sha256', this.#digestKey).update(password).digest()
    const known = this.#known.get(user)
    if (known !== undefined && timingSafeEqual(known, digest)) return true
    const isRight = await isPassword(password, this.#hashes.get(user) ?? this.#nobody)
    if (isRight) this.#known.set(user, digest)
    return isRight
  }
}
