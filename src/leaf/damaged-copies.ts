/**
 * The gateway's own copies of shards that turned out to be damaged when leaves were to get them: no leaf gets such a copy,
 * so that the version has fewer copies than it should until somebody restores it or loads it again. State only.
 */
import type { ShardTarget } from './http/wire.js'

/** Copies that are remembered. */
const MAX_COPIES = 10_000
/** Shards that a line names. */
const MAX_NAMED_SHARDS = 10
/** A table file that is compacted away while it is sent looks damaged, too; the next time it does not. */
const FINDINGS_OF_DAMAGE = 2

interface Damage extends ShardTarget {
  readonly reason: string
  readonly findings: number
}

export class DamagedCopies {
  /** By dataset id, then by version and shard. */
  readonly #found = new Map<string, Map<string, Damage>>()
  #size = 0

  /**
   * Answers whether it counts as damaged from now on, and did not before.
   * @param isCertain what was found cannot be a copy that was disturbed
   */
  note(target: ShardTarget, reason: string, isCertain: boolean): boolean {
    const { datasetId } = target
    const before = this.#found.get(datasetId)?.get(keyOf(target))
    if (before === undefined && this.#size >= MAX_COPIES) return false
    const findings = isCertain ? FINDINGS_OF_DAMAGE : (before?.findings ?? 0) + 1
    const ofDataset = this.#found.get(datasetId) ?? new Map<string, Damage>()
    this.#found.set(datasetId, ofDataset.set(keyOf(target), { ...target, reason, findings }))
    if (before === undefined) this.#size += 1
    return findings >= FINDINGS_OF_DAMAGE && (before?.findings ?? 0) < FINDINGS_OF_DAMAGE
  }

  /** A leaf took it as it is. */
  forget(target: ShardTarget): void {
    this.#drop(target.datasetId, keyOf(target))
  }

  /** Copies of other versions are not kept any more: a restore brings others in their place. */
  keepOnly(datasetId: string, versionIds: ReadonlySet<number>): void {
    for (const [key, { versionId }] of this.#found.get(datasetId) ?? []) {
      if (!versionIds.has(versionId)) this.#drop(datasetId, key)
    }
  }

  /** Shards with such a copy. */
  get count(): number {
    let count = 0
    for (const ofDataset of this.#found.values()) count += damagedOf(ofDataset).length
    return count
  }

  /** One line a version: what is wrong and what to do. */
  problemsOf(datasetId: string): string[] {
    const byVersion = new Map<number, Damage[]>()
    for (const damage of damagedOf(this.#found.get(datasetId) ?? new Map<string, Damage>())) {
      const ofVersion = byVersion.get(damage.versionId) ?? []
      byVersion.set(damage.versionId, [...ofVersion, damage])
    }
    return [...byVersion].map(([versionId, damages]) => lineOf(versionId, damages))
  }

  #drop(datasetId: string, key: string): void {
    const ofDataset = this.#found.get(datasetId)
    if (ofDataset?.delete(key) !== true) return
    this.#size -= 1
    if (ofDataset.size === 0) this.#found.delete(datasetId)
  }
}

function keyOf({ versionId, shard }: ShardTarget): string {
  return `${versionId}/${shard}`
}

function damagedOf(ofDataset: ReadonlyMap<string, Damage>): Damage[] {
  return [...ofDataset.values()].filter(({ findings }) => findings >= FINDINGS_OF_DAMAGE)
}

function lineOf(versionId: number, damages: readonly Damage[]): string {
  const shards = damages.map(({ shard }) => shard).sort((a, b) => a - b)
  const named = shards.slice(0, MAX_NAMED_SHARDS).join(', ')
  const more = shards.length > MAX_NAMED_SHARDS ? ` and ${shards.length - MAX_NAMED_SHARDS} more` : ''
  const what = shards.length === 1 ? `shard ${named} is` : `shards ${named}${more} are`
  return (
    `version ${versionId}: the gateway's own copy of ${what} damaged (${damages[0]?.reason ?? ''}): ` +
    'restore the version from its archive, or load it again'
  )
}
