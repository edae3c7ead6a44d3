/**
 * Who may do what: bearer tokens with a role each. The configuration holds only their digests. Tokens are random and
 * long, so that a plain SHA-256 is enough: there is nothing to guess.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { KVError } from '../base/errors.js'

/** Each may do what those before it may. */
export const ROLES = ['viewer', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** Whose token a request carries. */
export interface Principal {
  readonly name: string
  readonly role: Role
}

export interface AccessToken {
  readonly role: Role
  /** Of the token's text, 64 hexadecimal digits. */
  readonly sha256: string
}

interface KnownToken {
  readonly principal: Principal
  readonly digest: Buffer
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]{1,512}) *$/i

export class AccessList {
  readonly #tokens: readonly KnownToken[]

  /** By the name of who holds them. Without any, whoever reaches the listener may do everything. */
  constructor(tokens: Readonly<Record<string, AccessToken>>) {
    this.#tokens = Object.entries(tokens).map(([name, { role, sha256 }]) => ({
      principal: { name, role },
      digest: Buffer.from(sha256, 'hex'),
    }))
  }

  /**
   * Null: nobody has to say who they are.
   * @throws {KVError} UNAUTHENTICATED
   */
  authenticate(authorization: string | undefined): Principal | null {
    if (this.#tokens.length === 0) return null
    const token = BEARER.exec(authorization ?? '')?.[1]
    if (token === undefined) {
      throw new KVError(
        'UNAUTHENTICATED',
        'this gateway wants a token: send it as Authorization: Bearer TOKEN',
      )
    }
    const digest = createHash('sha256').update(token).digest()
    let found: Principal | null = null
    // All of them, whichever fits: how long it takes says nothing about the tokens.
    for (const known of this.#tokens) if (timingSafeEqual(known.digest, digest)) found = known.principal
    if (found === null) throw new KVError('UNAUTHENTICATED', 'the token is not one of this gateway')
    return found
  }
}

/** @throws {KVError} PERMISSION_DENIED */
export function checkRole(principal: Principal | null, needed: Role): void {
  if (principal === null || ROLES.indexOf(principal.role) >= ROLES.indexOf(needed)) return
  throw new KVError(
    'PERMISSION_DENIED',
    `the token of ${principal.name} is of role ${principal.role}, and this needs ${needed}`,
  )
}
