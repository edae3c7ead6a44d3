/**
 * Who may log in: names and salted hashes of passwords, as Cassandra's PasswordAuthenticator has them, whose name drivers
 * are told and whose token (SASL PLAIN) they send.
 *
 * A hash takes long on purpose, and each connection of a driver's pool logs in. So the last right password of a user is
 * remembered, as a digest with a key of this thread's; connections that say the same at the same time are checked by one
 * hash; and hashes take turns.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { EMPTY_BYTES } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { type PasswordHash, hashOfNothing, isPassword } from '../../src/base/passwords.js'
import { CqlError } from './cql/errors.js'
import { type LoginLimits, LoginTurns } from './login-turns.js'

export interface Credentials {
  readonly user: string
  readonly password: string
}

export interface Authenticator {
  /** As Java names it; some drivers look at it. */
  readonly className: string
  /** Clients of an address wait for each other. @throws {KVError} OVERLOADED when too many wait */
  check(credentials: Credentials, address: string): Promise<boolean>
}

const DIGEST_KEY_BYTES = 32

/** @throws {CqlError} BAD_CREDENTIALS for what is no token of SASL PLAIN */
export function readCredentials(token: Buffer | null): Credentials {
  const bytes = token ?? EMPTY_BYTES
  // Of zeros alone it would fall into as many parts.
  if (bytes.length > limits.maxCqlTokenBytes) {
    const why = `A token of ${bytes.length} bytes exceeds ${limits.maxCqlTokenBytes}`
    throw new CqlError('BAD_CREDENTIALS', why)
  }
  const [, user = '', password = ''] = bytes.toString('utf8').split('\0')
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
  /** Checks under way or waiting, by what they check. */
  readonly #pending = new Map<string, Promise<boolean>>()
  readonly #turns: LoginTurns
  /** For users that there are not, so that they take as long. */
  readonly #nobody = hashOfNothing()

  constructor(hashes: ReadonlyMap<string, PasswordHash>, loginLimits: LoginLimits = limits) {
    this.#hashes = hashes
    this.#turns = new LoginTurns(loginLimits)
  }

  async check(credentials: Credentials, address: string): Promise<boolean> {
    const { user, password } = credentials
    const digest = createHmac('sha256', this.#digestKey).update(password).digest()
    if (this.#isKnown(user, digest)) return true
    // An address never waits in another's place.
    const key = JSON.stringify([address, user, digest.toString('base64')])
    let pending = this.#pending.get(key)
    if (pending === undefined) {
      pending = this.#turns.run(address, () => this.#verify(credentials, digest))
      this.#pending.set(key, pending)
    }
    try {
      return await pending
    } finally {
      this.#pending.delete(key)
    }
  }

  async #verify({ user, password }: Credentials, digest: Buffer): Promise<boolean> {
    // A check of the same from another address may have come first.
    if (this.#isKnown(user, digest)) return true
    const isRight = await isPassword(password, this.#hashes.get(user) ?? this.#nobody)
    if (isRight) this.#known.set(user, digest)
    return isRight
  }

  #isKnown(user: string, digest: Buffer): boolean {
    const known = this.#known.get(user)
    return known !== undefined && timingSafeEqual(known, digest)
  }
}
