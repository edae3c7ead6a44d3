/**
 * KVSM: datasets, their owners and versions. The commands of `Metastore` with their rules; how a change is
 * made durable, ordered and announced is ledger.ts, what a version may become is versions.ts, what a dataset
 * may be is drafts.ts.
 */
import { randomBytes } from 'node:crypto'
import { assert } from '../base/assert.js'
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { AuditLine, ChangeContext, DatasetRecord, VersionRecord } from '../model/dataset.js'
import type {
  DatasetDraft,
  Metastore,
  MetastoreListener,
  PublishCheck,
  VersionFigures,
} from '../model/metastore.js'
import { checkChange, checkFigures, checkSource, draftToRecord } from './drafts.js'
import { Ledger } from './ledger.js'
import type { ChangeRequest, Decision } from './ledger.js'
import type { StoredDataset } from './records.js'
import type { MetaStoreBackend } from './store.js'
import {
  abandonLoads,
  addVersion,
  dropVersions,
  moveVersion,
  publishVersion,
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
 * Reads the store into memory and marks loads that a dead process left behind as FAILED. The metastore owns
 * the backend from here on: `close` closes it, and so does a failure to open.
 *
 * One metastore to a store, as long as only one process loads: a second one would fail the first one's loads.
 * @throws {KVError} CORRUPT naming the damaged records, FAILED_PRECONDITION for records of a newer format,
 * UNAVAILABLE
 */
export async function openMetastore(
  backend: MetaStoreBackend,
  clock: Clock,
  logger: Logger,
): Promise<Metastore> {
  try {
    const ledger = await Ledger.open(backend, clock, logger)
    await failAbandonedLoads(ledger)
    return new Kvsm(ledger, clock, await readTokenKey(backend))
  } catch (error) {
    await backend.close()
    throw error
  }
}

async function failAbandonedLoads(ledger: Ledger): Promise<void> {
  for (const { name, versions } of ledger.list()) {
    if (!versions.some((version) => version.state === 'LOADING')) continue
    await ledger.change({
      action: 'failVersion',
      name,
      context: OWN_CHANGE,
      decide: (now) => (now === null ? null : withVersions(now, abandonLoads(now.record))),
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

  async createDataset(draft: DatasetDraft, change: ChangeContext): Promise<DatasetRecord> {
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
      // The sequence of audit lines never goes back, so the number alone is unique; the random part keeps
      // directories apart even when a data directory is put back from an older backup.
      const id = `d${nextSequence}-${randomBytes(4).toString('hex')}`
      const detail = `id ${id}, owner ${owner.name}, ${mode}, shards ${shardCount}`
      return { next: { record: { ...drafted, id }, lastVersionId: 0 }, detail }
    })
  }

  async removeDataset(name: string, change: ChangeContext): Promise<void> {
    checkChange(change, `removeDataset of ${name}`)
    await this.#ledger.change({
      action: 'removeDataset',
      name,
      context: change,
      decide: (now) => ({ next: null, detail: `id ${existing(name, now).record.id}` }),
    })
  }

  async beginVersion(name: string, source: string, change: ChangeContext): Promise<VersionRecord> {
    checkSource(source, `beginVersion of ${name}`)
    const record = await this.#change('beginVersion', name, change, (now) => {
      const stored = requireBatch(existing(name, now))
      const createdAtMs = this.#clock.nowMs()
      const id = Math.max(createdAtMs, stored.lastVersionId + 1)
      const loadedBy = change.actor
      const figures = { rows: 0, bytes: 0, checksum: '' }
      const added: VersionRecord = { id, state: 'LOADING', ...figures, source, loadedBy, createdAtMs }
      return withVersions({ ...stored, lastVersionId: id }, addVersion(stored.record, added))
    })
    const [begun] = record.versions
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
    return this.#changeVersions('completeVersion', name, change, (record) =>
      moveVersion(record, id, { from: ['LOADING'], to: 'READY', figures: checked }),
    )
  }

  async failVersion(name: string, id: number, change: ChangeContext): Promise<DatasetRecord> {
    return this.#changeVersions('failVersion', name, change, (record) =>
      moveVersion(record, id, { from: ['LOADING'], to: 'FAILED' }),
    )
  }

  async publish(name: string, id: number, change: ChangeContext): Promise<DatasetRecord> {
    return this.#changeVersions('publish', name, change, (record) => publishVersion(record, id))
  }

  async rollback(name: string, change: ChangeContext): Promise<DatasetRecord> {
    return this.#changeVersions('rollback', name, change, rollbackVersion)
  }

  async deleteVersion(name: string, id: number, change: ChangeContext): Promise<DatasetRecord> {
    return this.#changeVersions('deleteVersion', name, change, (record) =>
      moveVersion(record, id, { from: ['READY', 'FAILED'], to: 'DELETED' }),
    )
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

  subscribe(listener: MetastoreListener): void {
    this.#ledger.subscribe(listener)
  }

  guardPublish(check: PublishCheck): void {
    this.#checkPublish = check
  }

  close(): Promise<void> {
    return this.#ledger.close()
  }

  #changeVersions(
    action: string,
    name: string,
    change: ChangeContext,
    move: (record: DatasetRecord) => VersionChange,
  ): Promise<DatasetRecord> {
    return this.#change(action, name, change, (now) => {
      const stored = requireBatch(existing(name, now))
      const moved = move(stored.record)
      const current = currentOf(moved.versions)
      if (current !== null && current !== currentOf(stored.record.versions)) this.#checkPublish(name, current)
      return withVersions(stored, moved)
    })
  }

  /** A change that leaves a record behind. */
  async #change(
    action: string,
    name: string,
    context: ChangeContext,
    decide: ChangeRequest['decide'],
  ): Promise<DatasetRecord> {
    checkChange(context, `${action} of dataset ${name}`)
    const record = await this.#ledger.change({ action, name, context, decide })
    assert(record !== null, `${action} left no record of dataset ${name}`)
    return record
  }
}

function currentOf(versions: readonly VersionRecord[]): number | null {
  return versions.find(({ state }) => state === 'CURRENT')?.id ?? null
}

function withVersions(stored: StoredDataset, change: VersionChange): Decision {
  const record = { ...stored.record, versions: change.versions }
  return { next: { ...stored, record }, detail: change.detail }
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
