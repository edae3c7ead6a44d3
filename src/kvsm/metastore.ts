/**
 * KVSM: datasets, their owners and versions, and clusters. The commands of `Metastore` with their rules; how a
 * change is made durable, ordered and announced is ledger.ts, what a version may become is versions.ts, what a
 * dataset may be and become is drafts.ts and updates.ts, what a cluster may be is clusters.ts.
 */
import { randomBytes } from 'node:crypto'
import { assert } from '../base/assert.js'
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { AuditLine, Canary, ChangeContext, ClusterRecord } from '../model/dataset.js'
import type { DatasetRecord, VersionRecord } from '../model/dataset.js'
import type { MigrationDecision } from '../model/migration-plan.js'
import type {
  ClusterDraft,
  DatasetDraft,
  DatasetPatch,
  Metastore,
  MetastoreListener,
  PublishCheck,
  PublishPreparation,
  VersionFigures,
} from '../model/metastore.js'
import type { CqlKeyspace } from '../model/table-call.js'
import { allClusters, checkPlacement, describeCluster, draftToCluster, findCluster } from './clusters.js'
import { requireCluster } from './clusters.js'
import { CQL_NAME_RULE, isKeyspace } from './cql-records.js'
import { LOCAL_CLUSTER, checkArchiveUrl, checkCanary, checkChange, checkFigures } from './drafts.js'
import { checkIsMeant, checkSource, checkVersionId, draftToRecord } from './drafts.js'
import { Ledger } from './ledger.js'
import type { ChangeRequest, Decision } from './ledger.js'
import type { StoredDataset } from './records.js'
import type { MetaStoreBackend } from './store.js'
import { migratedDataset } from './migrations.js'
import { clusterField, movedDataset } from './moves.js'
import { checkVersionSize, describeUpdate, patchRecord } from './updates.js'
import {
  abandonLoads,
  addVersion,
  archivedVersion,
  changeCanary,
  currentVersion,
  deletedVersion,
  dropVersions,
  moveVersion,
  publishVersion,
  rollForwardVersion,
  rollbackVersion,
} from './versions.js'
import type { VersionChange } from './versions.js'

/** KVSM's own changes; they are audited like everybody's. */
const OWN_CHANGE: ChangeContext = {
  actor: 'godwit',
  reason: 'the process that loaded this version ended',
  ifRevision: null,
  isDryRun: false,
}

/**
 * Reads the store into memory and marks loads that a dead process left behind, and that cannot be resumed, as
 * FAILED. The metastore owns the backend from here on: `close` closes it, and so does a failure to open.
 *
 * One metastore to a store, as long as only one process loads: a second one would fail the first one's loads.
 * @throws {KVError} CORRUPT naming the damaged records, FAILED_PRECONDITION for records of a newer format,
 * UNAVAILABLE
 */
export async function openMetastore(
  backend: MetaStoreBackend,
  clock: Clock,
  logger: Logger,
  canResume: CanResume = () => false,
): Promise<Metastore> {
  try {
    const ledger = await Ledger.open(backend, clock, logger)
    await failAbandonedLoads(ledger, canResume)
    return new Kvsm(ledger, clock, await readTokenKey(backend))
  } catch (error) {
    await backend.close()
    throw error
  }
}

/** Whether a LOADING version will be gone on with by this process. */
export type CanResume = (datasetId: string, versionId: number) => boolean

async function failAbandonedLoads(ledger: Ledger, canResume: CanResume): Promise<void> {
  for (const { id, name, versions } of ledger.list()) {
    const isAbandoned = ({ id: versionId, state }: VersionRecord): boolean =>
      state === 'LOADING' && !canResume(id, versionId)
    if (!versions.some(isAbandoned)) continue
    await ledger.change({
      action: 'failVersion',
      name,
      context: OWN_CHANGE,
      decide: (now) => (now === null ? null : withVersions(now, abandonLoads(now.record, isAbandoned))),
    })
  }
}

const TOKEN_KEY_BYTES = 32

/** Two gateways that start at once may both make one; only one of them is stored. */
async function readTokenKey(backend: MetaStoreBackend): Promise<Buffer> {
  const stored = await backend.get('secret', 'tokens')
  if (stored !== null) return parseTokenKey(stored.value)
  const value = randomBytes(TOKEN_KEY_BYTES).toString('hex')
  try {
    await backend.commit([{ table: 'secret', key: 'tokens', value, expectedRevision: 0 }])
  } catch (error) {
    if (!(error instanceof KVError) || error.code !== 'CONFLICT') throw error
    return readTokenKey(backend)
  }
  return parseTokenKey(value)
}

function parseTokenKey(text: string): Buffer {
  const key = Buffer.from(text, 'hex')
  if (key.byteLength === TOKEN_KEY_BYTES) return key
  throw new KVError(
    'CORRUPT',
    'the key of tokens in the metastore is damaged: restore the metastore from a backup',
  )
}

class Kvsm implements Metastore {
  readonly tokenKey: Buffer
  readonly #ledger: Ledger
  readonly #clock: Clock
  #preparePublish: PublishPreparation = () => Promise.resolve()
  #checkPublish: PublishCheck = () => undefined

  constructor(ledger: Ledger, clock: Clock, tokenKey: Buffer) {
    this.tokenKey = tokenKey
    this.#ledger = ledger
    this.#clock = clock
  }

  get(name: string): DatasetRecord | null {
    return this.#ledger.get(name)?.record ?? null
  }

  list(): readonly DatasetRecord[] {
    return this.#ledger.list()
  }

  audit(limit: number): readonly AuditLine[] {
    return this.#ledger.audit(limit)
  }

  async createDataset(
    { id: givenId, ...draft }: DatasetDraft,
    change: ChangeContext,
  ): Promise<DatasetRecord> {
    const createdAtMs = this.#clock.nowMs()
    const drafted = draftToRecord(draft, { id: '', createdAtMs })
    const { name, mode, shardCount, owner } = drafted
    return this.#change('createDataset', name, change, (now, nextSequence) => {
      if (now !== null) {
        const { id, owner: present } = now.record
        throw new KVError(
          'ALREADY_EXISTS',
          `dataset ${name} exists already (id ${id}, owner ${present.name}): choose another name`,
          { dataset: name },
        )
      }
      const id = givenId ?? newId(nextSequence)
      const record = this.#placed({ ...drafted, id })
      const detail = `id ${id}, owner ${owner.name}, ${mode}, shards ${shardCount}, cluster ${record.cluster}`
      return { next: { record, lastVersionId: 0 }, detail }
    })
  }

  /** A patch that changes nothing is answered and not audited. */
  async updateDataset(name: string, patch: DatasetPatch, change: ChangeContext): Promise<DatasetRecord> {
    return this.#change('updateDataset', name, change, (now) => {
      const stored = existing(name, now)
      const record = this.#placed(patchRecord(stored.record, patch))
      const detail = describeUpdate(stored.record, record)
      return detail === null ? null : { next: { ...stored, record }, detail }
    })
  }

  async moveDataset(
    name: string,
    to: { readonly cluster: string; readonly isNow: boolean },
    change: ChangeContext,
  ): Promise<DatasetRecord> {
    return this.#change('moveDataset', name, change, (now) => {
      const stored = existing(name, now)
      const { cluster } = this.#placed({ ...stored.record, cluster: to.cluster })
      const moved = movedDataset(stored.record, cluster, to.isNow)
      return moved === null ? null : { next: { ...stored, record: moved.record }, detail: moved.detail }
    })
  }

  async removeDataset(name: string, change: ChangeContext): Promise<void> {
    checkChange(change, `removeDataset of ${name}`)
    await this.#ledger.change({
      action: 'removeDataset',
      name,
      context: change,
      decide: (now) => {
        checkIsMeant(name, now?.record, change)
        return { next: null, detail: `id ${existing(name, now).record.id}` }
      },
    })
  }

  /**
   * A given id may be lower than others.
   * @throws {KVError} ALREADY_EXISTS (a version has it), FAILED_PRECONDITION (one that had it is being removed)
   */
  async beginVersion(
    name: string,
    source: string,
    change: ChangeContext,
    givenId?: number,
  ): Promise<VersionRecord> {
    checkSource(source, `beginVersion of ${name}`)
    if (givenId !== undefined) checkVersionId(givenId, `beginVersion of ${name}`)
    let begunId = 0
    const record = await this.#change('beginVersion', name, change, (now) => {
      const stored = requireBatch(existing(name, now))
      const createdAtMs = this.#clock.nowMs()
      const id = givenId ?? Math.max(createdAtMs, stored.lastVersionId + 1)
      if (givenId !== undefined) this.#refuseFormerId(stored, givenId)
      begunId = id
      const loadedBy = change.actor
      const empty = { rows: 0, bytes: 0, checksum: '', archive: null }
      const where = clusterField(stored.record.cluster)
      const added: VersionRecord = { id, state: 'LOADING', ...empty, source, loadedBy, createdAtMs, ...where }
      const lastVersionId = Math.max(stored.lastVersionId, id)
      return withVersions({ ...stored, lastVersionId }, addVersion(stored.record, added))
    })
    const begun = record.versions.find((version) => version.id === begunId)
    assert(begun !== undefined, `dataset ${name} lists no version after one began`)
    return begun
  }

  async completeVersion(
    name: string,
    id: number,
    figures: VersionFigures,
    change: ChangeContext,
  ): Promise<DatasetRecord> {
    const checked = checkFigures(figures, `completeVersion ${id} of ${name}`)
    return this.#changeVersions('completeVersion', name, change, (record) => {
      checkVersionSize(record, id, checked.bytes)
      return moveVersion(record, id, { from: ['LOADING'], to: 'READY', figures: checked })
    })
  }

  async failVersion(name: string, id: number, change: ChangeContext): Promise<DatasetRecord> {
    return this.#changeVersions('failVersion', name, change, (record) =>
      moveVersion(record, id, { from: ['LOADING'], to: 'FAILED' }),
    )
  }

  async publish(name: string, id: number, change: ChangeContext): Promise<DatasetRecord> {
    return this.#serve('publish', name, change, (record) => publishVersion(record, id))
  }

  async rollback(name: string, change: ChangeContext): Promise<DatasetRecord> {
    return this.#serve('rollback', name, change, rollbackVersion)
  }

  async rollForward(name: string, change: ChangeContext): Promise<DatasetRecord> {
    return this.#serve('rollForward', name, change, rollForwardVersion)
  }

  async setCanary(name: string, canary: Canary | null, change: ChangeContext): Promise<DatasetRecord> {
    const checked = canary === null ? null : checkCanary(canary, `setCanary of ${name}`)
    return this.#serve('setCanary', name, change, (record) => changeCanary(record, checked))
  }

  async migrate(name: string, patch: MigrationDecision, change: ChangeContext): Promise<DatasetRecord> {
    return this.#change('migrate', name, change, (now) => {
      const stored = existing(name, now)
      const wished = typeof patch === 'function' ? patch(stored.record) : patch
      const migrated = wished === null ? null : migratedDataset(stored.record, wished, this.#clock.nowMs())
      return migrated === null
        ? null
        : { next: { ...stored, record: migrated.record }, detail: migrated.detail }
    })
  }

  async archiveVersion(
    name: string,
    id: number,
    archive: { readonly url: string; readonly release: boolean },
    change: ChangeContext,
  ): Promise<DatasetRecord> {
    checkArchiveUrl(archive.url, `archiveVersion ${id} of ${name}`)
    return this.#changeVersions('archiveVersion', name, change, (record) =>
      archivedVersion(record, id, archive),
    )
  }

  async restoreVersion(name: string, id: number, change: ChangeContext): Promise<DatasetRecord> {
    return this.#changeVersions('restoreVersion', name, change, (record) =>
      moveVersion(record, id, { from: ['ARCHIVED'], to: 'READY' }),
    )
  }

  async deleteVersion(name: string, id: number, change: ChangeContext): Promise<DatasetRecord> {
    return this.#changeVersions('deleteVersion', name, change, (record) => deletedVersion(record, id))
  }

  /** A dataset that is gone, or ids that it does not list, are nothing to forget. */
  async forgetVersions(name: string, ids: readonly number[]): Promise<void> {
    await this.#ledger.change({
      action: 'forgetVersions',
      name,
      context: OWN_CHANGE,
      decide: (now) => {
        const dropped = now === null ? null : dropVersions(now.record, ids)
        return now === null || dropped === null ? null : { ...withVersions(now, dropped), detail: null }
      },
    })
  }

  cluster(name: string): ClusterRecord | null {
    return findCluster(this.clusters(), name)
  }

  clusters(): readonly ClusterRecord[] {
    return allClusters(this.#ledger.clusters())
  }

  async putCluster(draft: ClusterDraft, change: ChangeContext): Promise<ClusterRecord> {
    // Whose name it is, is checked with the rest of the draft, in its turn.
    const { name } = draft
    checkChange(change, `putCluster of ${name}`)
    const record = await this.#ledger.changeCluster({
      action: 'putCluster',
      name,
      context: change,
      decide: (now) => {
        const others = this.clusters().filter((cluster) => cluster.name !== name)
        const drafted = draftToCluster(draft, now?.record ?? null, others)
        const { createdAtMs, revision } = now?.record ?? { createdAtMs: this.#clock.nowMs(), revision: 0 }
        const next: ClusterRecord = { ...drafted, createdAtMs, revision }
        for (const dataset of this.list()) if (dataset.cluster === name) checkPlacement(dataset, next)
        const detail = describeCluster(next)
        return now !== null && describeCluster(now.record) === detail
          ? null
          : { next: { record: next }, detail }
      },
    })
    assert(record !== null, `putCluster left no record of cluster ${name}`)
    return record
  }

  async removeCluster(name: string, change: ChangeContext): Promise<void> {
    checkChange(change, `removeCluster of ${name}`)
    await this.#ledger.changeCluster({
      action: 'removeCluster',
      name,
      context: change,
      decide: (now) => {
        if (name === LOCAL_CLUSTER) {
          throw new KVError('FAILED_PRECONDITION', `cluster ${name} is the gateway's own process and stays`)
        }
        requireCluster(this.clusters(), name)
        if (now === null) {
          const { name: owner } = requireCluster(this.clusters(), name)
          throw new KVError(
            'FAILED_PRECONDITION',
            `${name} is an alias of cluster ${owner}: remove it by that name`,
          )
        }
        const datasets = this.list().filter(({ cluster }) => cluster === name)
        if (datasets.length > 0) {
          const named = datasets.slice(0, 5).map((dataset) => dataset.name)
          throw new KVError(
            'FAILED_PRECONDITION',
            `cluster ${name} serves ${datasets.length} datasets (${named.join(', ')}): move them to another one first`,
          )
        }
        return { next: null, detail: 'removed' }
      },
    })
  }

  async emptyDataset(name: string, change: ChangeContext): Promise<void> {
    await this.#change('emptyDataset', name, change, (now, nextSequence) => {
      const stored = existing(name, now)
      const { record } = stored
      if (record.mode !== 'READ_WRITE') {
        throw new KVError('UNSUPPORTED', `dataset ${name} is ${record.mode}: load or remove a version`, {
          dataset: name,
        })
      }
      if (record.origin !== null) {
        throw new KVError('FAILED_PRECONDITION', `dataset ${name} has an origin, which would keep its rows`, {
          dataset: name,
        })
      }
      const id = newId(nextSequence)
      return { next: { ...stored, record: { ...record, id } }, detail: `id ${record.id} -> ${id}` }
    })
  }

  keyspaces(): readonly CqlKeyspace[] {
    return this.#ledger.keyspaces()
  }

  /** Two that are the same are answered and not audited. */
  async putKeyspace(keyspace: CqlKeyspace, change: ChangeContext): Promise<CqlKeyspace> {
    const { name } = keyspace
    checkChange(change, `putKeyspace of ${name}`)
    if (!isKeyspace(keyspace)) {
      throw new KVError('INVALID_ARGUMENT', `keyspace ${name} is refused: ${CQL_NAME_RULE}`)
    }
    const record = await this.#ledger.changeKeyspace({
      action: 'putKeyspace',
      name,
      context: change,
      decide: (now) => {
        const next = { ...keyspace, revision: now?.record.revision ?? 0 }
        const detail = JSON.stringify(next.replication) + `, ${next.types.length} types`
        const isSame = now !== null && JSON.stringify(now.record) === JSON.stringify(next)
        return isSame ? null : { next: { record: next }, detail }
      },
    })
    assert(record !== null, `putKeyspace left no record of keyspace ${name}`)
    return record
  }

  async removeKeyspace(name: string, change: ChangeContext): Promise<void> {
    checkChange(change, `removeKeyspace of ${name}`)
    await this.#ledger.changeKeyspace({
      action: 'removeKeyspace',
      name,
      context: change,
      decide: (now) => {
        if (now === null) return null
        const tables = this.list().filter((record) => record.cql?.keyspace === name)
        if (tables.length > 0) {
          throw new KVError(
            'FAILED_PRECONDITION',
            `keyspace ${name} has ${tables.length} tables: remove their datasets first`,
          )
        }
        return { next: null, detail: 'removed' }
      },
    })
  }

  subscribe(listener: MetastoreListener): void {
    this.#ledger.subscribe(listener)
  }

  subscribeClusters(listener: () => Promise<void>): void {
    this.#ledger.subscribeClusters(listener)
  }

  guardPublish(check: PublishCheck, prepare: PublishPreparation = () => Promise.resolve()): void {
    this.#checkPublish = check
    this.#preparePublish = prepare
  }

  close(): Promise<void> {
    return this.#ledger.close()
  }

  /**
   * A change of what is served. What it will serve is made ready before its turn, so that the turn is short; when it
   * is decided otherwise then, because another change came first, the check refuses what is not ready.
   */
  async #serve(
    action: string,
    name: string,
    change: ChangeContext,
    move: (record: DatasetRecord) => VersionChange | null,
  ): Promise<DatasetRecord> {
    const stored = this.#ledger.get(name)
    if (stored !== null && stored.record.mode === 'BATCH') {
      const served = newlyServed(
        stored.record,
        expectedOf(() => move(stored.record)),
      )
      if (served !== null) await this.#preparePublish(name, served)
    }
    return this.#changeVersions(action, name, change, move)
  }

  #changeVersions(
    action: string,
    name: string,
    change: ChangeContext,
    move: (record: DatasetRecord) => VersionChange | null,
  ): Promise<DatasetRecord> {
    return this.#change(action, name, change, (now) => {
      const stored = requireBatch(existing(name, now))
      const moved = move(stored.record)
      if (moved === null) return null
      const served = newlyServed(stored.record, moved)
      if (served !== null) this.#checkPublish(name, served)
      return withVersions(stored, moved)
    })
  }

  /**
   * A leaf that was away may still hold copies of a version that nobody remembers, and they are known by its id: so on
   * leaves no id is given twice. The gateway's own files are gone before their version is forgotten.
   * @throws {KVError} INVALID_ARGUMENT
   */
  #refuseFormerId({ record, lastVersionId }: StoredDataset, id: number): void {
    const isKept = record.versions.some((version) => version.id === id && version.state !== 'DELETED')
    if (id > lastVersionId || isKept) return
    const { name, leaves } = requireCluster(this.clusters(), record.cluster)
    if (leaves.length === 0) return
    throw new KVError(
      'INVALID_ARGUMENT',
      `version ${id} of dataset ${record.name} is not above ${lastVersionId}: leaves of cluster ${name} may hold copies ` +
        'of a former version of that id; load it under a higher one',
      { dataset: record.name },
    )
  }

  /** On a cluster that is there and fits, named by its name. @throws {KVError} FAILED_PRECONDITION, UNSUPPORTED */
  #placed(record: DatasetRecord): DatasetRecord {
    const cluster = requireCluster(this.clusters(), record.cluster)
    checkPlacement(record, cluster)
    return { ...record, cluster: cluster.name }
  }

  /** A change that leaves a record behind. */
  async #change(
    action: string,
    name: string,
    context: ChangeContext,
    decide: ChangeRequest<StoredDataset>['decide'],
  ): Promise<DatasetRecord> {
    checkChange(context, `${action} of dataset ${name}`)
    const record = await this.#ledger.change({
      action,
      name,
      context,
      decide: (now, nextSequence) => {
        checkIsMeant(name, now?.record, context)
        return decide(now, nextSequence)
      },
    })
    assert(record !== null, `${action} left no record of dataset ${name}`)
    return record
  }
}

/**
 * The sequence of audit lines never goes back, so the number alone is unique; the random part keeps directories apart even
 * when a data directory is put back from an older backup.
 */
function newId(sequence: number): string {
  return `d${sequence}-${randomBytes(4).toString('hex')}`
}

/** The version that clients will read and did not before; null: none. */
function newlyServed(before: DatasetRecord, change: VersionChange | null): number | null {
  if (change === null) return null
  const current = currentVersion({ ...before, versions: change.versions })?.id ?? null
  if (current !== null && current !== currentVersion(before)?.id) return current
  return change.canary?.versionId ?? null
}

/** What it would be now; null when it would be refused, which its turn says. */
function expectedOf(move: () => VersionChange | null): VersionChange | null {
  try {
    return move()
  } catch {
    return null
  }
}

function withVersions(stored: StoredDataset, change: VersionChange): Decision<StoredDataset> {
  const { versions, canary = stored.record.canary, detail } = change
  return { next: { ...stored, record: { ...stored.record, versions, canary } }, detail }
}

/** @throws {KVError} DATASET_NOT_FOUND */
function existing(name: string, now: StoredDataset | null): StoredDataset {
  if (now !== null) return now
  throw new KVError('DATASET_NOT_FOUND', `there is no dataset ${name}: create it, or list those that exist`, {
    dataset: name,
  })
}

function requireBatch(stored: StoredDataset): StoredDataset {
  const { name, mode } = stored.record
  if (mode === 'BATCH') return stored
  throw new KVError(
    'UNSUPPORTED',
    `dataset ${name} is ${mode} and has no versions: only BATCH datasets have them`,
    {
      dataset: name,
    },
  )
}
