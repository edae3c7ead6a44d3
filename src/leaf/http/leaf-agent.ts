/** The control side's way to one leaf process: what it has, copies to it, copies from it. Main thread. */
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { isErrorCode, KVError } from '../../base/errors.js'
import { HttpPool } from '../../base/http.js'
import { limits } from '../../base/limits.js'
import type { LeafRecord } from '../../model/dataset.js'
import { targetPath } from './leaf-directory.js'
import { type CopiedFile, decodeShardFiles, describeShard, encodeShardFiles, isObject } from './shard-copy.js'
import type { ShardFiles } from './shard-copy.js'
import { GATEWAY_HEADER, type ShardTarget } from './wire.js'

/** What a leaf says of itself. */
export interface Inventory {
  /** Of its data directory. */
  readonly id: string
  /** Whose copies it holds; null: it has never had one. */
  readonly gateway: string | null
  /** As targetPath names them. */
  readonly copies: ReadonlySet<string>
  readonly arriving: ReadonlySet<string>
  /** Stands for all of it. */
  readonly tag: string
}

/** Where a copy comes from. */
export interface CopySource {
  describe(): Promise<ShardFiles>
  read(path: string): Promise<Readable>
}

/** Of one copy. Most files are small and wait for the disk. */
const PARALLEL_FILES = 4

/** Steps of a copy that carry no file. */
const STEP_TIMEOUT_MS = 60_000
/** A file's bytes, at a megabyte a second at least, beside a minute for the rest. */
const FILE_BYTES_PER_MS = 1_000

export class LeafAgent {
  readonly leaf: LeafRecord
  readonly #pool: HttpPool

  /** @param gatewayId of the gateway's data directory */
  constructor(leaf: LeafRecord, gatewayId: string) {
    this.leaf = leaf
    this.#pool = new HttpPool(leaf.url, {
      connections: 4,
      headers: { [GATEWAY_HEADER]: gatewayId },
      connectTimeoutMs: 5_000,
    })
  }

  /** `known` itself when the leaf has what it had then. @throws {KVError} UNAVAILABLE, DEADLINE_EXCEEDED */
  async inventory(timeoutMs: number, known: Inventory | null = null): Promise<Inventory> {
    const query = known === null ? '' : `?known=${encodeURIComponent(known.tag)}`
    const said = parsed(await this.#ask('GET', `/v1/inventory${query}`, { timeoutMs }))
    if (known !== null && isObject(said) && said['isKnown'] === true) return known
    const names = (value: unknown) =>
      new Set(Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [])
    if (!isObject(said) || typeof said['id'] !== 'string') {
      throw new KVError('UNAVAILABLE', `${this.leaf.url} is no leaf: it has no inventory`)
    }
    const { gateway, tag } = said
    return {
      id: said['id'],
      gateway: typeof gateway === 'string' ? gateway : null,
      copies: names(said['copies']),
      arriving: names(said['arriving']),
      tag: typeof tag === 'string' ? tag : '',
    }
  }

  /** Sends what the leaf lacks of a shard, then has it served. @throws {KVError} what the leaf or the source says */
  async copy(target: ShardTarget, source: CopySource, list: ShardFiles): Promise<void> {
    const path = `/v1/copies/${targetPath(target)}`
    const begun: unknown = JSON.parse(await this.#ask('POST', path, { body: encodeShardFiles(list) }))
    const missing =
      isObject(begun) && Array.isArray(begun['missing']) ? new Set<unknown>(begun['missing']) : new Set()
    const files = list.files.filter((file) => missing.has(file.path))
    const failures: unknown[] = []
    const sendNext = async (): Promise<void> => {
      for (let file = files.pop(); file !== undefined && failures.length === 0; file = files.pop()) {
        await this.#sendFile(path, file, source).catch((error: unknown) => failures.push(error))
      }
    }
    // Those under way are waited for: what has arrived need not be sent again.
    await Promise.all(Array.from({ length: PARALLEL_FILES }, sendNext))
    if (failures.length > 0) throw failures[0]
    await this.#ask('POST', `${path}/adopt`)
  }

  async remove(target: ShardTarget): Promise<void> {
    await this.#ask('DELETE', `/v1/copies/${targetPath(target)}`)
  }

  /** A copy that this leaf serves, as the source of another. */
  source(target: ShardTarget): CopySource {
    const path = `/v1/copies/${targetPath(target)}`
    return {
      describe: async () => decodeShardFiles(await this.#ask('GET', path)),
      read: (file) => this.#pool.download(`${path}/file?path=${encodeURIComponent(file)}`),
    }
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  async #sendFile(path: string, { path: file, size }: CopiedFile, source: CopySource): Promise<void> {
    const body = await source.read(file)
    try {
      await this.#ask('PUT', `${path}/file?path=${encodeURIComponent(file)}`, {
        body,
        headers: { 'content-length': String(size) },
        timeoutMs: STEP_TIMEOUT_MS + size / FILE_BYTES_PER_MS,
      })
    } finally {
      body.destroy()
    }
  }

  async #ask(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    options: {
      readonly body?: string | Readable
      readonly headers?: Readonly<Record<string, string>>
      readonly timeoutMs?: number
    } = {},
  ): Promise<string> {
    const { status, text } = await this.#pool.request(method, path, {
      ...options,
      timeoutMs: Math.ceil(options.timeoutMs ?? STEP_TIMEOUT_MS),
      maxAnswerBytes: limits.maxLeafControlBytes,
    })
    if (status === 200) return text
    throw refusalOf(text, `leaf ${this.leaf.name} answered status ${status} to ${method} ${path}`)
  }
}

/** The gateway's own copy of a shard. */
export function localSource(directory: string): CopySource {
  return {
    describe: () => describeShard(directory),
    read: (path) => Promise.resolve(createReadStream(join(directory, path))),
  }
}

/** Undefined: it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refusalOf(text: string, otherwise: string): KVError {
  try {
    const said: unknown = JSON.parse(text)
    if (isObject(said) && typeof said['code'] === 'string' && isErrorCode(said['code'])) {
      return new KVError(said['code'], `${otherwise}: ${String(said['message'])}`)
    }
  } catch {
    // Not our JSON: whoever answered is no leaf.
  }
  return new KVError('UNAVAILABLE', otherwise)
}
