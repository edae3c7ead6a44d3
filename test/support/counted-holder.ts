import { type IncarnationId, LeaseHolder } from '../../src/threads/leases.js'

/** A holder whose uses are counted a second time, apart from its own books. */
export class CountedHolder extends LeaseHolder {
  readonly #uses = new Map<number, number>()

  override acquire(incarnation: IncarnationId): void {
    super.acquire(incarnation)
    this.#uses.set(incarnation.id, this.usesOf(incarnation) + 1)
  }

  /** Counted first: the last release may close the DB before it returns. */
  override release(incarnation: IncarnationId): void {
    this.#uses.set(incarnation.id, this.usesOf(incarnation) - 1)
    super.release(incarnation)
  }

  usesOf({ id }: IncarnationId): number {
    return this.#uses.get(id) ?? 0
  }
}
