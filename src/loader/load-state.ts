/**
 * What a load has done so far, from its journal: the objects it reads, the runs it wrote, how far each object is in
 * them, the shards it sealed. Everything that is not in the journal is done again.
 */
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { FileBadLine } from '../model/load.js'
import type { VersionFigures } from '../model/metastore.js'
import { Journal } from './journal.js'
import { onLoadDisk } from './load-disk.js'
import type { SourcePart } from './load-source.js'
import type { Trial } from './time-left.js'

/** A sorted run on disk. */
export interface RunRecord {
  /** Of its file. */
  readonly name: string
  readonly sizeBytes: number
  readonly entries: number
  /** Where the entries of each shard end, in shard order. */
  readonly shardEnds: readonly number[]
  /** How far the objects are read whose rows this run and those before it hold. */
  readonly positions: readonly PartPosition[]
  /** How long sorting and writing it took. Absent: written by a program that did not measure it, or merged from others. */
  readonly ms?: number
}

export interface PartPosition {
  readonly part: number
  /** The last line whose row is in a run. */
  readonly line: number
  /** Rows of the object that are in runs. */
  readonly rows: number
  /** Bytes until there, as they are stored, and about how long reading them took. Absent as in RunRecord. */
  readonly readBytes?: number
  readonly readMs?: number
  /** Null: the object is not read to its end. */
  readonly end: PartEnd | null
}

/** What is known of an object when it was read to its end. */
export interface PartEnd {
  readonly badLineCount: number
  readonly badLines: readonly FileBadLine[]
  /** Absent: written by a program that did not count them. */
  readonly foreignCellCount?: number
  readonly unseenColumns: readonly string[]
}

export interface SealedRecord extends VersionFigures {
  readonly shard: number
  readonly duplicateCount: number
}

type LoadRecord =
  | { readonly kind: 'plan'; readonly parts: readonly SourcePart[] }
  | { readonly kind: 'run'; readonly run: RunRecord }
  | { readonly kind: 'merged'; readonly run: RunRecord; readonly replaced: readonly string[] }
  | ({ readonly kind: 'sealed' } & SealedRecord)
  | { readonly kind: 'trial'; readonly trial: Trial }
  /** Every shard is sealed and everything is checked. */
  | { readonly kind: 'built' }
  /** Begins a process; its number begins the names of its files. */
  | { readonly kind: 'start' }

const JOURNAL = 'journal'
/** Of the staging directory. */
export const RUNS_FOLDER = 'runs'
/** Holds the shards; what is adopted in the end. */
export const VERSION_FOLDER = 'version'

export class LoadState {
  readonly #staging: string
  readonly #journal: Journal
  readonly runs = new Map<string, RunRecord>()
  readonly positions = new Map<number, PartPosition>()
  readonly sealed = new Map<number, SealedRecord>()
  /** What trying to write took; null: not tried. */
  trial: Trial | null = null
  /** Null until the objects are known. */
  plan: readonly SourcePart[] | null = null
  /** Nothing is left to do. */
  isBuilt = false
  /** Processes that worked on this load, this one included. */
  starts = 0

  private constructor(staging: string, journal: Journal) {
    this.#staging = staging
    this.#journal = journal
  }

  /** Reads what there is, and removes files that it does not name. @throws {KVError} UNAVAILABLE */
  static open(staging: string): LoadState {
    onLoadDisk('making', staging, () => {
      for (const folder of [RUNS_FOLDER, VERSION_FOLDER])
        mkdirSync(join(staging, folder), { recursive: true, mode: 0o700 })
    })
    const journal = Journal.open(join(staging, JOURNAL))
    const state = new LoadState(staging, journal)
    // Only this class writes it, and each line has its checksum.
    for (const record of journal.records) state.#apply(record as LoadRecord)
    state.#record({ kind: 'start' })
    if (!state.isBuilt && !state.#isComplete()) state.forget()
    state.#removeUnknown()
    return state
  }

  /** What the journal names is there. What is in it is checked when it is read. */
  #isComplete(): boolean {
    const sizeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.size
    return onLoadDisk('looking at', this.#staging, () => {
      const runs = [...this.runs.values()]
      const shards = [...this.sealed.keys()]
      return (
        runs.every(({ name, sizeBytes }) => sizeOf(join(this.runsFolder, name)) === sizeBytes) &&
        shards.every((shard) => sizeOf(this.shardDirectory(shard)) !== undefined)
      )
    })
  }

  get runsFolder(): string {
    return join(this.#staging, RUNS_FOLDER)
  }

  shardDirectory(shard: number): string {
    return join(this.#staging, VERSION_FOLDER, String(shard))
  }

  /**
   * Fixes what is read. Answers the object that is not as it was when an earlier process read it, null: all are; then all
   * that was done is forgotten.
   */
  setPlan(parts: readonly SourcePart[]): string | null {
    const changed = this.plan === null ? null : firstDifference(this.plan, parts)
    if (this.plan === null || changed !== null) {
      this.#record({ kind: 'plan', parts })
      this.#removeUnknown()
    }
    return changed
  }

  /** All that was done, but not what is read, is to be done again. */
  forget(): void {
    if (this.plan === null || (this.runs.size === 0 && this.sealed.size === 0)) return
    this.#record({ kind: 'plan', parts: this.plan })
    this.#removeUnknown()
  }

  addRun(run: RunRecord): void {
    this.#record({ kind: 'run', run })
  }

  /** `run` holds what the replaced ones did. */
  replaceRuns(run: RunRecord, replaced: readonly string[]): void {
    this.#record({ kind: 'merged', run, replaced })
    for (const name of replaced) rmSync(join(this.runsFolder, name), { force: true })
  }

  addTrial(trial: Trial): void {
    this.#record({ kind: 'trial', trial })
  }

  addSealed(sealed: SealedRecord): void {
    this.#record({ kind: 'sealed', ...sealed })
  }

  markBuilt(): void {
    this.#record({ kind: 'built' })
  }

  /** Removes a shard that was begun. */
  clearShard(shard: number): void {
    onLoadDisk('removing', this.shardDirectory(shard), (path) =>
      rmSync(path, { recursive: true, force: true }),
    )
  }

  /** The runs have served: the version is whole without them. */
  removeRuns(): void {
    onLoadDisk('removing', this.runsFolder, (path) => rmSync(path, { recursive: true, force: true }))
  }

  close(): void {
    this.#journal.close()
  }

  #record(record: LoadRecord): void {
    this.#journal.append(record)
    this.#apply(record)
  }

  #apply(record: LoadRecord): void {
    switch (record.kind) {
      case 'start':
        this.starts++
        return
      case 'plan':
        this.plan = record.parts
        this.runs.clear()
        this.positions.clear()
        this.sealed.clear()
        this.trial = null
        this.isBuilt = false
        return
      case 'built':
        this.isBuilt = true
        return
      case 'sealed':
        this.sealed.set(record.shard, record)
        return
      case 'trial':
        this.trial = record.trial
        return
      case 'merged':
        for (const name of record.replaced) this.runs.delete(name)
        this.runs.set(record.run.name, record.run)
        return
      case 'run':
        this.runs.set(record.run.name, record.run)
        for (const position of record.run.positions) this.positions.set(position.part, position)
    }
  }

  #removeUnknown(): void {
    onLoadDisk('cleaning', this.#staging, () => {
      for (const name of readdirSync(this.runsFolder)) {
        if (!this.runs.has(name)) rmSync(join(this.runsFolder, name), { force: true })
      }
      for (const shard of readdirSync(join(this.#staging, VERSION_FOLDER))) {
        if (!this.sealed.has(Number(shard))) this.clearShard(Number(shard))
      }
    })
  }
}

function firstDifference(before: readonly SourcePart[], now: readonly SourcePart[]): string | null {
  for (let index = 0; index < Math.max(before.length, now.length); index++) {
    const [was, is] = [before[index], now[index]]
    if (was === undefined || is === undefined) return (was ?? is)?.url ?? null
    if (was.url !== is.url || was.tag !== is.tag || was.sizeBytes !== is.sizeBytes) return was.url
  }
  return null
}
