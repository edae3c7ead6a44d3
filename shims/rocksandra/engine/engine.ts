/**
 * The CQL engine of one data thread: statements in, rows and changes out. It parses and looks up (compiled.ts), runs SELECT
 * (select-run.ts), writes (modify-run.ts, lwt-run.ts, batch-run.ts) over the thread's KVStore, and asks the main thread for
 * changes of schemas.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import type { ClusterMap } from '../../../src/model/cluster-map.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { RequestContext } from '../../../src/model/request.js'
import type { CqlCall, CqlSchemaChange } from '../../../src/model/table-call.js'
import { invalid } from '../cql/errors.js'
import { TimeuuidSource } from '../cql/values/uuids.js'
import type { BatchLog } from './batch-log.js'
import type { BatchSizes } from './batch-rules.js'
import { type BatchPart, runBatch } from './batch-run.js'
import { CompiledStatement, compileStatement } from './compiled.js'
import { checkRead, checkWrite } from './consistency.js'
import type {
  BatchRequest,
  BoundValue,
  CqlDone,
  CqlEngine,
  CqlSession,
  PreparedStatement,
  QueryOptions,
  VirtualTable,
} from './contract.js'
import { ListPaths } from './list-paths.js'
import { conditionalKey, runConditional } from './lwt-run.js'
import type { Modification } from './modify.js'
import { type WriteTools, runModification } from './modify-run.js'
import { type Schema, SchemaView } from './schema.js'
import { type Store, errorOf, runSelect } from './select-run.js'
import { StatementCache } from './statement-cache.js'
import type { Bindings } from './terms.js'

export interface EngineOptions {
  readonly kvstore: KVStore
  readonly clock: Clock
  /** The thread's newest. */
  readonly mapOf: () => ClusterMap
  readonly virtualTables: readonly VirtualTable[]
  readonly batchSizes: BatchSizes
  /** Null: logged batches are as unlogged ones. */
  readonly batchLog: BatchLog | null
  /** Null: it changed nothing. @throws {CqlError, KVError} */
  readonly changeSchema: (call: CqlCall) => Promise<CqlSchemaChange | null>
}

interface Asked {
  readonly session: CqlSession
  readonly options: QueryOptions
  /** One for each variable of the statement. */
  readonly values: readonly BoundValue[]
}

export class GatewayCqlEngine implements CqlEngine {
  readonly #options: EngineOptions
  readonly #view: SchemaView
  readonly #tools: WriteTools
  readonly #timeuuids: TimeuuidSource
  /** Statements that came as text. */
  readonly #cache = new StatementCache<CompiledStatement>(limits)
  #lastTimestamp = 0n

  constructor(options: EngineOptions) {
    this.#options = options
    this.#view = new SchemaView(options.mapOf, options.virtualTables)
    const nowMs = () => options.clock.nowMs()
    this.#timeuuids = new TimeuuidSource(nowMs, randomBytes(8))
    this.#tools = { listPaths: new ListPaths(nowMs), nextTimestamp: () => this.#nextTimestamp() }
  }

  readonly schema = (): Schema => this.#view.current()

  prepare(text: string, session: CqlSession): CompiledStatement {
    return compileStatement(text, session.keyspace, this.schema)
  }

  query(text: string, session: CqlSession, options: QueryOptions, done: CqlDone): void {
    try {
      const statement = this.#compiled(text, session)
      const values = valuesOf(statement, options)
      if (values.length !== statement.variables.length) throw invalid('Invalid amount of bind variables')
      this.#run(statement, { session, options, values }, done)
    } catch (error) {
      done(errorOf(error))
    }
  }

  /** Kept for as long as its tables are those that it was made for. */
  #compiled(text: string, session: CqlSession): CompiledStatement {
    const key = `${session.keyspace ?? ''}\0${text}`
    const known = this.#cache.take(key)
    const compiled = known?.isCurrent() === true ? known : this.prepare(text, session)
    this.#cache.put(key, compiled)
    return compiled
  }

  execute(statement: PreparedStatement, session: CqlSession, options: QueryOptions, done: CqlDone): void {
    try {
      if (!(statement instanceof CompiledStatement)) {
        throw new KVError('INTERNAL', 'a statement that this engine did not prepare')
      }
      const values = valuesOf(statement, options)
      const markers = statement.variables.length
      if (values.length !== markers) {
        throw invalid(`there were ${markers} markers(?) in CQL but ${values.length} bound variables`)
      }
      this.#run(statement, { session, options, values }, done)
    } catch (error) {
      done(errorOf(error))
    }
  }

  #run(statement: CompiledStatement, { session, options, values }: Asked, done: CqlDone): void {
    const { plan } = statement
    const bindings = this.#bindings(values)
    const { consistency, timestamp } = options
    switch (plan.kind) {
      case 'select': {
        checkRead(consistency)
        const { pageSize, paging } = options
        runSelect(
          { plan: plan.select, bindings, pageSize, paging },
          this.#store('select', session, options),
          done,
        )
        break
      }
      case 'modify':
        this.#modify({ modification: plan.modification, bindings }, { session, options }, done)
        break
      case 'batch': {
        const parts = plan.modifications.map((modification) => ({ modification, bindings }))
        const own = plan.timestamp?.(bindings) ?? null
        checkWrite(options, parts)
        runBatch(
          { type: plan.type, parts, timestamp: own, defaultTimestamp: timestamp, consistency },
          this.#around('batch', session, options),
          done,
        )
        break
      }
      case 'use':
        if (!this.schema().keyspaces.has(plan.keyspace)) {
          throw invalid(`Keyspace '${plan.keyspace}' does not exist`)
        }
        done({ kind: 'setKeyspace', keyspace: plan.keyspace })
        break
      case 'schema':
        this.#changeSchema(statement, session, done)
    }
  }

  #modify(
    part: BatchPart,
    { session, options }: { readonly session: CqlSession; readonly options: QueryOptions },
    done: CqlDone,
  ): void {
    const { modification, bindings } = part
    const { consistency, timestamp } = options
    checkWrite(options, [part])
    const around = this.#around(modification.kind, session, options)
    if (modification.condition === null) {
      runModification({ modification, bindings, timestamp }, around, (failure) => {
        done(failure ?? VOID)
      })
      return
    }
    const key = conditionalKey(modification, bindings)
    runConditional({ parts: [part], key, isBatch: false, consistency }, around).then(done, (error: unknown) =>
      done(errorOf(error)),
    )
  }

  batch(batch: BatchRequest, session: CqlSession, options: QueryOptions, done: CqlDone): void {
    try {
      const { nowMs, timeuuids } = this.#bindings([])
      const parts = batch.items.map(({ statement, values }): BatchPart => {
        const compiled = typeof statement === 'string' ? this.#compiled(statement, session) : statement
        const markers = compiled.variables.length
        if (markers !== values.length) {
          throw invalid(`There were ${markers} markers(?) in CQL but ${values.length} bound variables`)
        }
        const modification = modificationOf(compiled)
        return { modification, bindings: { values, nowMs, timeuuids } }
      })
      checkWrite(options, parts)
      const { timestamp: defaultTimestamp, consistency } = options
      runBatch(
        { type: batch.type, parts, timestamp: null, defaultTimestamp, consistency },
        this.#around('batch', session, options),
        done,
      )
    } catch (error) {
      done(errorOf(error))
    }
  }

  #changeSchema({ text, keyspace }: CompiledStatement, session: CqlSession, done: CqlDone): void {
    const caller = session.user ?? session.caller ?? session.address
    this.#options.changeSchema({ text, keyspace, caller }).then(
      (change) => done(change === null ? VOID : { kind: 'schemaChange', change }),
      (error: unknown) => done(errorOf(error)),
    )
  }

  #bindings(values: readonly BoundValue[]): Bindings {
    return { values, nowMs: this.#options.clock.nowMs(), timeuuids: this.#timeuuids }
  }

  #around(method: string, session: CqlSession, options: QueryOptions) {
    const { batchSizes: sizes, batchLog: log } = this.#options
    return { store: this.#store(method, session, options), tools: this.#tools, sizes, log }
  }

  #store(method: string, { caller, user, address }: CqlSession, { deadline }: QueryOptions): Store {
    const context: RequestContext = { api: 'rocksandra', method, caller: user ?? caller, address, deadline }
    return { kvstore: this.#options.kvstore, context }
  }

  #nextTimestamp(): bigint {
    const now = BigInt(this.#options.clock.nowMs()) * 1000n
    this.#lastTimestamp = now > this.#lastTimestamp ? now : this.#lastTimestamp + 1n
    return this.#lastTimestamp
  }
}

const VOID = { kind: 'void' } as const

/** In the order of the variables, by place or by name; fewer than these where names are missing, as in QueryOptions.java. */
function valuesOf({ variables }: CompiledStatement, { values, names }: QueryOptions): readonly BoundValue[] {
  if (names === null) return values
  // Of a name that comes twice the first counts.
  const byName = new Map(names.map((name, index) => [name, values[index]] as const).reverse())
  return variables.flatMap(({ name }) => {
    const value = byName.get(name)
    return value === undefined ? [] : [value]
  })
}

function modificationOf(statement: PreparedStatement): Modification {
  if (statement instanceof CompiledStatement && statement.plan.kind === 'modify')
    return statement.plan.modification
  throw invalid('Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed.')
}
