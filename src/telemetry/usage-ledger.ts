/**
 * All threads' counts of who calls what, in the main thread, and in a file beside the metastore, so that a caller that
 * comes once a month is still known after a restart. The file holds counts and no data: what of it cannot be read is
 * begun anew.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Clock } from '../base/clock.js'
import { limits } from '../base/limits.js'
import type { UsageReport, UsageRow } from '../base/usage.js'

/** Of usage.json. Never renumber. */
const FORMAT = 1
const DAY_MS = 24 * 60 * 60 * 1_000

export class UsageLedger {
  readonly #path: string
  readonly #clock: Clock
  readonly #maxRows: number
  /** In the order in which they were seen last, the oldest first. */
  readonly #rows = new Map<string, UsageRow>()
  #sinceMs: number
  #forgottenRows = 0
  #isSaved = true

  private constructor(path: string, clock: Clock, maxRows: number) {
    this.#path = path
    this.#clock = clock
    this.#maxRows = maxRows
    this.#sinceMs = clock.nowMs()
  }

  /** `onDamage` is told when there is a file that cannot be used. */
  static async open(
    path: string,
    clock: Clock,
    {
      maxRows = limits.maxUsageRows,
      onDamage,
    }: { readonly maxRows?: number; readonly onDamage: (reason: string) => void },
  ): Promise<UsageLedger> {
    const ledger = new UsageLedger(path, clock, maxRows)
    const saved = await readSaved(path, onDamage)
    if (saved !== null) {
      ledger.#sinceMs = saved.sinceMs
      ledger.add(saved.rows)
      ledger.#isSaved = true
    }
    return ledger
  }

  add(rows: readonly UsageRow[]): void {
    for (const row of rows) {
      const { api, method, dataset, caller, address } = row
      const key = JSON.stringify([api, method, dataset, caller, address])
      const known = this.#rows.get(key)
      this.#rows.delete(key)
      const count = row.count + (known?.count ?? 0)
      this.#rows.set(key, {
        ...row,
        count,
        lastSeenAtMs: Math.max(row.lastSeenAtMs, known?.lastSeenAtMs ?? 0),
      })
      this.#isSaved = false
    }
    this.#forget()
  }

  /** @param dataset null: all, those that do not exist included */
  report(dataset: string | null): UsageReport {
    this.#forget()
    const rows = [...this.#rows.values()].filter((row) => dataset === null || row.dataset === dataset)
    rows.sort((one, other) => other.lastSeenAtMs - one.lastSeenAtMs)
    return { sinceMs: this.#sinceMs, rows, forgottenRows: this.#forgottenRows }
  }

  /** Distinct callers (name and address) of each API in the last day. */
  callersByApi(): ReadonlyMap<string, number> {
    const fromMs = this.#clock.nowMs() - DAY_MS
    const callers = new Map<string, Set<string>>()
    for (const { api, caller, address, lastSeenAtMs } of this.#rows.values()) {
      if (lastSeenAtMs < fromMs) continue
      const ofApi = callers.get(api) ?? new Set()
      callers.set(api, ofApi.add(`${caller ?? ''}\n${address}`))
    }
    return new Map(Array.from(callers, ([api, { size }]) => [api, size]))
  }

  /** Writes the file, unless nothing changed. Old or new, but for a power loss: then it may be empty, hence begun anew. */
  async save(): Promise<void> {
    if (this.#isSaved) return
    this.#isSaved = true
    const text = JSON.stringify({ format: FORMAT, sinceMs: this.#sinceMs, rows: [...this.#rows.values()] })
    try {
      await writeFile(`${this.#path}.new`, text, { mode: 0o600 })
      await rename(`${this.#path}.new`, this.#path)
    } catch (error) {
      this.#isSaved = false
      throw error
    }
  }

  #forget(): void {
    const fromMs = this.#clock.nowMs() - limits.usageDays * DAY_MS
    for (const [key, { lastSeenAtMs }] of this.#rows) {
      if (lastSeenAtMs < fromMs) this.#rows.delete(key)
      else if (this.#rows.size > this.#maxRows) {
        this.#rows.delete(key)
        this.#forgottenRows += 1
      } else break
    }
  }
}

interface Saved {
  readonly sinceMs: number
  readonly rows: readonly UsageRow[]
}

/** Null: there is none, or none that can be used. */
async function readSaved(path: string, onDamage: (reason: string) => void): Promise<Saved | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (!isAbsent) onDamage(String(error))
    return null
  }
  try {
    const saved: unknown = JSON.parse(text)
    if (isSaved(saved)) return saved
    onDamage(`it is not of format ${FORMAT}`)
  } catch {
    onDamage('it is no JSON')
  }
  return null
}

function isSaved(value: unknown): value is Saved {
  const { format, sinceMs, rows } = isObject(value) ? value : {}
  return format === FORMAT && typeof sinceMs === 'number' && Array.isArray(rows) && rows.every(isRow)
}

function isRow(value: unknown): value is UsageRow {
  if (!isObject(value)) return false
  const { api, method, dataset, caller, address, count, lastSeenAtMs } = value
  return (
    [api, method, dataset, address].every((text) => typeof text === 'string') &&
    (caller === null || typeof caller === 'string') &&
    Number.isFinite(count) &&
    Number.isFinite(lastSeenAtMs)
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
