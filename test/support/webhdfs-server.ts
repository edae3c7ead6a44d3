/**
 * WebHDFS as Hadoop's "WebHDFS REST API" describes it, on loopback: NameNodes that answer about files in memory and send
 * on to a DataNode for their bytes. Written from that text, with faults on order; a real HDFS is in test/interop.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface StoredFile {
  content: Buffer
  modificationTime: number
  readonly fileId: number
}

type Handler = (request: URL, response: ServerResponse) => void

export class WebHdfsServer {
  /** By path. */
  readonly files = new Map<string, StoredFile>()
  /** `op path` of each request to a NameNode. */
  readonly asked: string[] = []
  /** Called first with every request to a NameNode; true: it has answered. */
  interfere: (operation: string, path: string, response: ServerResponse) => boolean = () => false
  /** Called first with every request to the DataNode. */
  interfereWithData: (request: URL, response: ServerResponse) => boolean = () => false
  /** Where bytes are said to be; null: at the DataNode. */
  redirectTo: string | null = null
  readonly #servers: Server[] = []
  #nextId = 16_386
  #dataPort = 0

  static async start(): Promise<WebHdfsServer> {
    const server = new WebHdfsServer()
    server.#dataPort = await server.#listen((request, response) => server.#answerData(request, response))
    return server
  }

  /** Another NameNode of the same files; answers its URL. */
  async nameNode(isStandby = false): Promise<string> {
    const port = await this.#listen((request, response) => {
      if (isStandby) refuse(response, 403, 'StandbyException')
      else this.#answerName(request, response)
    })
    return `http://127.0.0.1:${port}`
  }

  put(path: string, content: string | Buffer): void {
    const id = this.files.get(path)?.fileId ?? this.#nextId++
    const modificationTime = (this.files.get(path)?.modificationTime ?? 1_448_390_400_000) + 1
    this.files.set(path, { content: Buffer.from(content), modificationTime, fileId: id })
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }

  async #listen(handle: Handler): Promise<number> {
    const server = createServer((request: IncomingMessage, response) => {
      handle(new URL(request.url ?? '/', 'http://127.0.0.1'), response)
    })
    this.#servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }

  #answerName(request: URL, response: ServerResponse): void {
    const path = pathOf(request)
    const operation = request.searchParams.get('op') ?? ''
    this.asked.push(`${operation} ${path}`)
    if (this.interfere(operation, path, response)) return
    const file = this.files.get(path)
    const names = this.#namesBelow(path)
    if (file === undefined && names.size === 0) refuse(response, 404, 'FileNotFoundException')
    else if (operation === 'GETFILESTATUS') {
      json(response, { FileStatus: file === undefined ? directory('') : status('', file) })
    } else if (operation === 'LISTSTATUS') {
      const found = [...names].map((name) => {
        const one = this.files.get(`${path === '/' ? '' : path}/${name}`)
        return one === undefined ? directory(name) : status(name, one)
      })
      json(response, { FileStatuses: { FileStatus: file === undefined ? found : [status('', file)] } })
    } else if (operation === 'OPEN') {
      const location =
        this.redirectTo ?? `http://127.0.0.1:${this.#dataPort}${request.pathname}${request.search}`
      response.writeHead(307, { location, 'content-length': 0 }).end()
    } else refuse(response, 400, 'IllegalArgumentException')
  }

  #answerData(request: URL, response: ServerResponse): void {
    if (this.interfereWithData(request, response)) return
    const file = this.files.get(pathOf(request))
    if (file === undefined) {
      refuse(response, 404, 'FileNotFoundException')
      return
    }
    const offset = Number(request.searchParams.get('offset') ?? 0)
    const length = Number(request.searchParams.get('length') ?? file.content.length)
    response.writeHead(200, { 'content-type': 'application/octet-stream' })
    response.end(file.content.subarray(offset, offset + length))
  }

  #namesBelow(path: string): Set<string> {
    const folder = path.endsWith('/') ? path : `${path}/`
    const below = [...this.files.keys()].filter((one) => one.startsWith(folder))
    return new Set(below.map((one) => one.slice(folder.length).split('/', 1).join('')))
  }
}

function pathOf(request: URL): string {
  return decodeURIComponent(request.pathname.slice('/webhdfs/v1'.length))
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** As a server refuses: the exception by name. */
export function refuse(response: ServerResponse, code: number, exception: string): void {
  const body = { RemoteException: { exception, javaClassName: `org.apache.${exception}`, message: 'secret' } }
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function status(pathSuffix: string, { content, modificationTime, fileId }: StoredFile): object {
  return { pathSuffix, type: 'FILE', length: content.length, modificationTime, fileId, permission: '644' }
}

function directory(pathSuffix: string): object {
  return { pathSuffix, type: 'DIRECTORY', length: 0, modificationTime: 0, fileId: 1, permission: '755' }
}
