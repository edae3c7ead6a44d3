/** A store in a process that dies at a place: what it waits for there never comes. */
import type { RecordWrite } from '../../../src/kvsm/store.js'
import { MemoryStore } from '../kvsm/memory-store.js'

export class MortalStore extends MemoryStore {
  /** Places that were passed. */
  passed = 0
  diesAt = Number.POSITIVE_INFINITY
  isDead = false

  async pass(): Promise<void> {
    this.passed += 1
    if (this.passed !== this.diesAt) return
    this.isDead = true
    await new Promise<never>(() => undefined)
  }

  override async commit(writes: readonly RecordWrite[]): Promise<number> {
    await this.pass()
    const revision = await super.commit(writes)
    await this.pass()
    return revision
  }
}
