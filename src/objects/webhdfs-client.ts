/**
 * WebHDFS's two kinds of requests: answers in JSON, of a NameNode, and bytes, for which a NameNode sends on to a DataNode.
 * Of several NameNodes the one that answered last is asked first; one on standby, or silent, is passed over.
 *
 * A redirect is followed once, and only where the configuration lets it lead: to a NameNode's own host, or to a DataNode
 * that is named. Hadoop's "WebHDFS REST API" describes the requests; HttpFS, which answers without sending on, fits, too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { KVError } from '../base/errors.js'
import { HttpReader, type HttpReading } from '../base/http.js'
import { limits } from '../base/limits.js'
import { notWebHdfs, webHdfsError } from './webhdfs-errors.js'

export interface WebHdfsSettings {
  /** `http://host:port` of each NameNode of one file system, or of HttpFS. */
  readonly urls: readonly string[]
  /** What `hdfs:` URLs may name this file system, beside the hosts of `urls`. */
  readonly names: readonly string[]
  readonly user: string
  /** Hosts that bytes may come from, beside the one that was asked; `*.example.org` stands for all below it. */
  readonly dataNodes: readonly string[]
  readonly connectTimeoutMs: number
  readonly stallTimeoutMs: number
  /** Of each request, and of reading on from one place. */
  readonly attempts: number
}

const PREFIX = '/webhdfs/v1'
const CONNECTIONS = 8
/** Before the second attempt; later ones wait the longer. */
const PAUSE_MS = 200
const MAX_ERROR_BYTES = 64 * 1024

/** What is asked about one path, with the URL that messages name it by. */
export interface WebHdfsQuestion {
  readonly url: string
  readonly path: string
  readonly operation: 'LISTSTATUS' | 'GETFILESTATUS' | 'OPEN'
  readonly parameters?: Readonly<Record<string, number>>
}

export class WebHdfsClient {
  readonly #settings: WebHdfsSettings
  readonly #http: HttpReader
  /** Of the NameNode that answered last. */
  #active = 0

  constructor(settings: WebHdfsSettings) {
    const { connectTimeoutMs, stallTimeoutMs } = settings
    this.#settings = settings
    this.#http = new HttpReader({ connections: CONNECTIONS, connectTimeoutMs, stallTimeoutMs })
  }

  /** @throws {KVError} INVALID_ARGUMENT (no such file, no permission), UNAVAILABLE */
  async json(question: WebHdfsQuestion): Promise<unknown> {
    return await this.#ask(question, async (answer) => {
      const text = await answer.text(limits.maxWebHdfsAnswerBytes)
      try {
        return JSON.parse(text) as unknown
      } catch {
        throw notWebHdfs(question.url, 'no JSON')
      }
    })
  }

  /** One attempt's bytes, as they come. @throws {KVError} as `json`; UNAVAILABLE also while they are iterated */
  async bytes(question: WebHdfsQuestion): Promise<AsyncGenerator<Buffer>> {
    return await this.#ask(question, (answer) => Promise.resolve(answer.bytes()))
  }

  /** Every NameNode in turn, several times. */
  async #ask<T>(question: WebHdfsQuestion, take: (answer: HttpReading) => Promise<T>): Promise<T> {
    const { urls, attempts } = this.#settings
    let failure: unknown = null
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (attempt > 1) await sleep(PAUSE_MS * (attempt - 1))
      for (let tried = 0; tried < urls.length; tried++) {
        const index = (this.#active + tried) % urls.length
        try {
          const taken = await take(await this.#askOne(urls[index] ?? '', question))
          this.#active = index
          return taken
        } catch (error) {
          if (!(error instanceof KVError) || error.code !== 'UNAVAILABLE') throw error
          failure = error
        }
      }
    }
    throw failure
  }

  async #askOne(nameNode: string, question: WebHdfsQuestion): Promise<HttpReading> {
    const { url } = question
    const asked = this.#requestUrl(nameNode, question)
    const answer = await this.#http.get(asked)
    if (answer.status === 200) return answer
    if (answer.status !== 307) throw await this.#refusal(question, answer)
    answer.discard()
    const sentTo = this.#checkedRedirect(asked, answer.location, url)
    const sent = await this.#http.get(sentTo)
    if (sent.status === 200) return sent
    if (sent.status >= 300 && sent.status < 400) {
      sent.discard()
      throw notWebHdfs(url, 'a second redirect')
    }
    throw await this.#refusal(question, sent)
  }

  #requestUrl(nameNode: string, { path, operation, parameters = {} }: WebHdfsQuestion): URL {
    const escaped = path.split('/').map(encodeURIComponent).join('/')
    const url = new URL(`${PREFIX}${escaped}`, nameNode)
    url.searchParams.set('op', operation)
    url.searchParams.set('user.name', this.#settings.user)
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, String(value))
    return url
  }

  /** A NameNode that somebody took over must not make the gateway ask other servers of its network. */
  #checkedRedirect(asked: URL, location: string | null, url: string): URL {
    if (location === null || !URL.canParse(location, asked.href))
      throw notWebHdfs(url, 'a redirect to nowhere')
    const target = new URL(location, asked)
    const isSame = target.hostname === asked.hostname
    const isNamed = this.#settings.dataNodes.some((pattern) => fits(target.hostname, pattern))
    if (!isSame && !isNamed) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `${url}: its bytes are on ${target.hostname}, which objects.webhdfs.dataNodes does not name; add that host`,
      )
    }
    const isPlain = target.username === '' && target.password === '' && target.protocol === asked.protocol
    if (!isPlain || !target.pathname.startsWith(`${PREFIX}/`)) throw notWebHdfs(url, 'an odd redirect')
    return target
  }

  async #refusal({ url }: WebHdfsQuestion, answer: HttpReading): Promise<KVError> {
    const { status } = answer
    const text = await answer.text(MAX_ERROR_BYTES).catch(() => '')
    return webHdfsError({ url, status, text, user: this.#settings.user })
  }
}

/** `*.example.org` fits every host below example.org; anything else only itself. */
function fits(host: string, pattern: string): boolean {
  const wanted = pattern.toLowerCase()
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) : host === wanted
}
