/** What a node answers to a step, as text that can be compared: rows with their order, columns, refusals, warnings. */
import { Client, types } from 'cassandra-driver'
import { setTimeout as pause } from 'node:timers/promises'
import { LONG_TTL_SECONDS, type Step, TABLE } from './cql-differential-writes.js'

const KEYSPACE = 'differential'
const MAX_PAGES = 200
/** So long a statement may be under way on either side. */
const TTL_SLACK_SECONDS = 600

export class Node {
  readonly #port: number
  #client: Client

  constructor(port: number) {
    this.#port = port
    this.#client = this.#made()
  }

  #made(keyspace?: string): Client {
    return new Client({
      contactPoints: ['127.0.0.1'],
      localDataCenter: 'datacenter1',
      protocolOptions: { port: this.#port },
      ...(keyspace === undefined ? {} : { keyspace }),
      encoding: { map: Map, set: Set },
      socketOptions: { readTimeout: 60_000 },
      // The server's clock, unless a step has a time.
      policies: { timestampGeneration: null as never },
    })
  }

  async open(statements: readonly string[]): Promise<void> {
    await this.#client.execute(
      `CREATE KEYSPACE ${KEYSPACE} WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`,
    )
    await this.#client.shutdown()
    this.#client = this.#made(KEYSPACE)
    for (const statement of statements) await this.#client.execute(statement)
  }

  close(): Promise<void> {
    return this.#client.shutdown()
  }

  /** As any other statement answers. */
  async define(statement: string): Promise<string> {
    try {
      // What answers no rows has none, whatever the driver's declaration says.
      const answer = shown([await this.#client.execute(statement)])
      return answer === '' ? 'done' : answer
    } catch (error) {
      return refusal(error)
    }
  }

  async answer(step: Step, table: string): Promise<string> {
    try {
      const stamp = step.timestamp === null ? {} : { timestamp: step.timestamp }
      if (step.batch !== null) {
        const queries = step.batch.map(({ query, params }) => ({
          query: query.replaceAll(TABLE, table),
          params: [...params],
        }))
        const counter = step.kind === 'counterBatch'
        return shown([await this.#client.batch(queries, { prepare: true, counter, ...stamp })])
      }
      const text = step.text.replaceAll(TABLE, table)
      const options = { prepare: step.params !== null, fetchSize: step.fetchSize, ...stamp }
      return shown(await this.#pages(text, step.params === null ? undefined : [...step.params], options))
    } catch (error) {
      return refusal(error)
    } finally {
      if (step.expiresMs > 0) await pause(step.expiresMs)
    }
  }

  async #pages(text: string, params: unknown[] | undefined, options: object): Promise<types.ResultSet[]> {
    const pages: types.ResultSet[] = []
    let pageState: string | undefined
    do {
      const page = await this.#client.execute(text, params, {
        ...options,
        ...(pageState === undefined ? {} : { pageState }),
      })
      pages.push(page)
      // The driver's declaration leaves out that the last page has none.
      const next: unknown = page.pageState
      pageState = typeof next === 'string' ? next : undefined
    } while (pageState !== undefined && pages.length < MAX_PAGES)
    return pages
  }
}

function refusal(error: unknown): string {
  const { code, message, stack } = error as { code?: number; message: string; stack?: string }
  // Without a code the driver itself refused, which it does on both sides or on none.
  if (code === undefined) return `driver: ${stack?.includes('NoHostAvailable') === true ? stack : message}`
  return `!! ${code.toString(16)} ${sorted(message.split('\n')[0] ?? '')}`
}

/** Functions of a name stand in the order of a hash table; of a type that values cannot have is (empty). */
function sorted(message: string): string {
  return message.replace(/(?<=signatures: )[^:]+ : .*(?=\))/, (list) => {
    const signatures = list.split(/, (?=\w+\.\w+ : )/)
    return signatures
      .filter((text) => !text.includes('(empty)'))
      .sort()
      .join(', ')
  })
}

function shown(pages: readonly types.ResultSet[]): string {
  const [first] = pages
  const columns = (first?.columns as ColumnInfo[] | null | undefined) ?? []
  const head = columns.map(({ name, type }) => `${name} ${typeText(type)}`).join(', ')
  const rows = pages.flatMap((page) => (page.rows as types.Row[] | undefined) ?? [])
  const lines = rows.map((row) => {
    const values = row.values()
    return columns.map((column, index) => cell(column, values[index])).join(' | ')
  })
  const warnings = (first?.info.warnings as string[] | null | undefined) ?? []
  return [head, ...lines, ...warnings.map((text) => `warning: ${text}`)].join('\n')
}

interface TypeInfo {
  readonly code: number
  readonly info?: unknown
}

interface ColumnInfo {
  readonly name: string
  readonly type: TypeInfo
}

const NAMES = new Map(
  Object.entries(types.dataTypes).map(([name, code]) => [code as unknown as number, name]),
)

function typeText({ code, info }: TypeInfo): string {
  const name = NAMES.get(code) ?? String(code)
  if (Array.isArray(info)) return `${name}<${(info as TypeInfo[]).map(typeText).join(', ')}>`
  if (typeof info === 'string') return `${name} ${info}`
  const { fields, name: udt } = (info ?? {}) as { fields?: ColumnInfo[]; name?: string }
  if (fields !== undefined) {
    return `${udt ?? name}(${fields.map((field) => `${field.name} ${typeText(field.type)}`).join(', ')})`
  }
  return info == null ? name : `${name}<${typeText(info as TypeInfo)}>`
}

function cell({ type }: ColumnInfo, value: unknown): string {
  if (value === null || value === undefined) return 'null'
  const text = masked(valueText(value))
  const [intCode, textCode]: readonly number[] = [types.dataTypes.int, types.dataTypes.text]
  if (type.code === intCode) return secondsLeft(Number(text))
  return type.code === textCode ? JSON.stringify(text) : text
}

/** A uuid by time, as a text or as bytes in hex: the upper bits of its time are 0x1f0 from 2024 on. */
const TIME_UUID = /(?:0x)?[0-9a-f]{8}-?[0-9a-f]{4}-?11f[0-9a-f]-?[0-9a-f]{4}-?[0-9a-f]{12}/g
/** Those that uuid() makes: of version 4, and none of the test's. */
const RANDOM_UUID =
  /(?!123e4567|ffffffff)[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g
const TIME_TEXT = /20(?:2[6-9]|[3-9]\d)-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d{4})?)?/g
/** Milli- and microseconds since 1970, as a number or as bytes in hex. */
const CLOCK_TIMES = /\b1[789]\d{11}(?:\d{3})?\b|0x0000019[0-9a-f]{9}\b|0x0006[0-9a-f]{12}\b/g

/** Of times that the server's clock gave and of uuids that it made, that they are such. */
function masked(text: string): string {
  return text
    .replace(TIME_UUID, 'now')
    .replace(RANDOM_UUID, 'random')
    .replace(TIME_TEXT, 'now')
    .replace(CLOCK_TIMES, 'now')
}

/** Of a number that ttl() may have answered. */
function secondsLeft(seconds: number): string {
  for (const whole of [LONG_TTL_SECONDS, 2 * LONG_TTL_SECONDS]) {
    if (seconds <= whole && seconds > whole - TTL_SLACK_SECONDS) return `about ${whole}`
  }
  return String(seconds)
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Buffer.isBuffer(value)) return `0x${value.toString('hex')}`
  if (value instanceof types.Tuple) return `(${value.values().map(valueText).join(', ')})`
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`
  if (value instanceof Set) return `{${[...value].map(valueText).join(', ')}}`
  if (value instanceof Map)
    return `{${[...value].map(([k, v]) => `${valueText(k)}: ${valueText(v)}`).join(', ')}}`
  if (Object.getPrototypeOf(value) === Object.prototype) {
    return `{${Object.entries(value)
      .map(([k, v]) => `${k}: ${valueText(v)}`)
      .join(', ')}}`
  }
  if (Object.is(value, -0)) return '-0'
  // Numbers, texts and the driver's own types, which all have one of their own.
  return (value as { toString(): string }).toString()
}
