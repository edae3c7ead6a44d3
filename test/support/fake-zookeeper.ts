/**
 * A ZooKeeper server in memory, as far as publishing uses one: a tree, sessions with their own nodes, transactions, watches
 * of children; and what can go wrong, on command. A real server is used in test/interop.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { JuteReader, JuteWriter } from '../../src/zookeeper/jute.js'
import { Request, Xid } from '../../src/zookeeper/protocol.js'

const NO_NODE = -101
const BAD_VERSION = -103
const NODE_EXISTS = -110
const NOT_EMPTY = -111
const UNDONE = -2
const NODE_DELETED = 2
const DATA_CHANGED = 3
const CHILDREN_CHANGED = 4

interface Node {
  data: Buffer
  readonly madeBy: bigint
  changedBy: bigint
  version: number
  readonly session: bigint
}

class Refusal extends Error {
  readonly code: number

  constructor(code: number) {
    super(`refused with ${code}`)
    this.code = code
  }
}

export class FakeZooKeeper {
  readonly #nodes = new Map<string, Node>()
  readonly #sessions = new Map<bigint, Buffer>()
  readonly #sockets = new Map<Socket, bigint>()
  /** Of children. */
  readonly #watches: Watches = new Map()
  readonly #dataWatches: Watches = new Map()
  #server: Server | null = null
  #port = 0
  #zxid = 0n
  #nextSession = 1n
  /** Transactions that were carried out, by their paths. */
  readonly writes: (readonly string[])[] = []

  static async start(): Promise<FakeZooKeeper> {
    const fake = new FakeZooKeeper()
    await fake.listen()
    return fake
  }

  get port(): number {
    return this.#port
  }

  /** Again on the same port after `stop`: what was stored is there, sessions too. */
  async listen(): Promise<void> {
    const server = createServer((socket) => this.#accept(socket))
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port // a TCP server has one
    this.#server = server
  }

  /** Nobody is listened to any more, connections are cut. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server === null) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets.keys()) socket.destroy()
    await closed
  }

  /** Cuts connections and leaves the sessions alive. */
  cut(): void {
    for (const socket of this.#sockets.keys()) socket.destroy()
  }

  /** As if the servers had not heard of anybody for too long. */
  expireSessions(): void {
    const ids = [...this.#sessions.keys()]
    this.#sessions.clear()
    for (const id of ids) this.#endSession(id)
    this.cut()
  }

  data(path: string): Buffer | null {
    return this.#nodes.get(path)?.data ?? null
  }

  children(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`
    const below = [...this.#nodes.keys()].filter((one) => one.startsWith(prefix) && one !== '/')
    return below
      .map((one) => one.slice(prefix.length))
      .filter((one) => !one.includes('/'))
      .sort()
  }

  /** What another program writes. */
  put(path: string, data: string | Buffer): void {
    const zxid = ++this.#zxid
    const known = this.#nodes.get(path)
    if (known === undefined) this.#create(path, Buffer.from(data), { zxid, session: 0n })
    else this.#set(path, Buffer.from(data), { zxid, version: -1 })
  }

  remove(path: string): void {
    this.#delete(path, -1)
  }

  #accept(socket: Socket): void {
    let received = Buffer.alloc(0)
    let isGreeted = false
    this.#sockets.set(socket, 0n)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const frame = received.subarray(4, 4 + received.readInt32BE(0))
        received = received.subarray(4 + frame.length)
        if (isGreeted) this.#answer(socket, new JuteReader(frame))
        else this.#greet(socket, new JuteReader(frame))
        isGreeted = true
      }
    })
  }

  #greet(socket: Socket, input: JuteReader): void {
    input.int()
    input.long()
    const timeoutMs = input.int()
    const asked = input.long()
    const password = input.bytes()
    const out = new JuteWriter().int(0)
    const known = this.#sessions.get(asked)
    if (asked !== 0n && known?.equals(password) !== true) {
      socket.end(out.int(0).long(0n).bytes(Buffer.alloc(16)).flag(false).frame())
      return
    }
    const id = asked === 0n ? this.#nextSession++ : asked
    const made = known ?? Buffer.alloc(16, Number(id))
    this.#sessions.set(id, made)
    this.#sockets.set(socket, id)
    socket.write(out.int(timeoutMs).long(id).bytes(made).flag(false).frame())
  }

  #answer(socket: Socket, input: JuteReader): void {
    const xid = input.int()
    const type = input.int()
    const reply = (error: number, write: (out: JuteWriter) => JuteWriter = (out) => out): void => {
      socket.write(write(new JuteWriter().int(xid).long(this.#zxid).int(error)).frame())
    }
    if (xid === Xid.PING) reply(0)
    else if (type === Request.GET_DATA) {
      const path = input.text()
      const isWatched = input.flag()
      const node = this.#nodes.get(path)
      if (node === undefined) reply(NO_NODE)
      else {
        if (isWatched) watch(this.#dataWatches, path, socket)
        reply(0, (out) => writeStat(out.bytes(node.data), node))
      }
    } else if (type === Request.GET_CHILDREN) {
      const path = input.text()
      const isWatched = input.flag()
      if (!this.#nodes.has(path)) reply(NO_NODE)
      else {
        if (isWatched) watch(this.#watches, path, socket)
        const names = this.children(path)
        reply(0, (out) => names.reduce((to, name) => to.text(name), out.int(names.length)))
      }
    } else if (type === Request.MULTI) this.#transact(socket, input, reply)
    else if (type === Request.CLOSE) {
      const id = this.#sockets.get(socket) ?? 0n
      this.#sessions.delete(id)
      this.#endSession(id)
      reply(0)
      socket.end()
    } else socket.destroy()
  }

  #transact(
    socket: Socket,
    input: JuteReader,
    reply: (error: number, write: (out: JuteWriter) => JuteWriter) => void,
  ): void {
    const before = new Map(Array.from(this.#nodes, ([path, node]) => [path, { ...node }] as const))
    const zxid = this.#zxid + 1n
    const done: { readonly type: number; readonly path: string }[] = []
    let failed: { readonly at: number; readonly code: number } | null = null
    for (let type = input.int(); !input.flag(); type = input.int()) {
      input.int()
      const path = input.text()
      try {
        this.#apply(type, path, input, { zxid, session: this.#sockets.get(socket) ?? 0n })
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        failed ??= { at: done.length, code: error.code }
      }
      done.push({ type, path })
    }
    if (failed !== null) {
      this.#nodes.clear()
      for (const [path, node] of before) this.#nodes.set(path, node)
      const { at, code } = failed
      reply(0, (out) => {
        for (const index of done.keys()) {
          const error = index < at ? 0 : index === at ? code : UNDONE
          out.int(Request.ERROR).flag(false).int(error).int(error)
        }
        return out.int(Request.ERROR).flag(true).int(-1)
      })
      return
    }
    this.#zxid = zxid
    this.writes.push(done.map(({ path }) => path))
    reply(0, (out) => {
      for (const { type, path } of done) {
        out.int(type).flag(false).int(0)
        if (type === Request.CREATE) out.text(path)
        const node = this.#nodes.get(path)
        if (type === Request.SET_DATA && node !== undefined) writeStat(out, node)
      }
      return out.int(Request.ERROR).flag(true).int(-1)
    })
    for (const { type, path } of done)
      if (type !== Request.SET_DATA) tell(this.#watches, parentOf(path), CHILDREN_CHANGED)
  }

  #apply(
    type: number,
    path: string,
    input: JuteReader,
    { zxid, session }: { readonly zxid: bigint; readonly session: bigint },
  ): void {
    if (type === Request.CREATE) {
      const data = Buffer.from(input.bytes())
      for (let left = input.int(); left > 0; left--) {
        input.int()
        input.text()
        input.text()
      }
      const isEphemeral = input.int() === 1
      this.#create(path, data, { zxid, session: isEphemeral ? session : 0n })
    } else if (type === Request.SET_DATA) {
      this.#set(path, Buffer.from(input.bytes()), { zxid, version: input.int() })
    } else this.#delete(path, input.int())
  }

  #create(
    path: string,
    data: Buffer,
    { zxid, session }: { readonly zxid: bigint; readonly session: bigint },
  ): void {
    if (this.#nodes.has(path)) throw new Refusal(NODE_EXISTS)
    const parent = parentOf(path)
    if (parent !== '/' && !this.#nodes.has(parent)) throw new Refusal(NO_NODE)
    this.#nodes.set(path, { data, madeBy: zxid, changedBy: zxid, version: 0, session })
  }

  #set(
    path: string,
    data: Buffer,
    { zxid, version }: { readonly zxid: bigint; readonly version: number },
  ): void {
    const node = this.#nodes.get(path)
    if (node === undefined) throw new Refusal(NO_NODE)
    if (version !== -1 && version !== node.version) throw new Refusal(BAD_VERSION)
    node.data = data
    node.changedBy = zxid
    node.version += 1
    tell(this.#dataWatches, path, DATA_CHANGED)
  }

  #delete(path: string, version: number): void {
    const node = this.#nodes.get(path)
    if (node === undefined) throw new Refusal(NO_NODE)
    if (version !== -1 && version !== node.version) throw new Refusal(BAD_VERSION)
    if (this.children(path).length > 0) throw new Refusal(NOT_EMPTY)
    this.#nodes.delete(path)
    tell(this.#dataWatches, path, NODE_DELETED)
  }

  #endSession(id: bigint): void {
    for (const [path, { session }] of this.#nodes) {
      if (session !== id) continue
      this.#nodes.delete(path)
      this.#zxid += 1n
      tell(this.#dataWatches, path, NODE_DELETED)
      tell(this.#watches, parentOf(path), CHILDREN_CHANGED)
    }
  }
}

/** Who is to be told of a path, once. */
type Watches = Map<string, Set<Socket>>

function watch(watches: Watches, path: string, socket: Socket): void {
  watches.set(path, (watches.get(path) ?? new Set()).add(socket))
}

function tell(watches: Watches, path: string, event: number): void {
  const watching = watches.get(path) ?? []
  watches.delete(path)
  for (const socket of watching) {
    const out = new JuteWriter().int(Xid.NOTIFICATION).long(-1n).int(0)
    socket.write(out.int(event).int(3).text(path).frame())
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

function writeStat(out: JuteWriter, { madeBy, changedBy, version, session, data }: Node): JuteWriter {
  out.long(madeBy).long(changedBy).long(0n).long(0n).int(version).int(0).int(0)
  return out.long(session).int(data.length).int(0).long(0n)
}
