/**
 * The server that a team would write with npm thrift: its createServer, its generated code, and a handler that reads the
 * same RocksDB data with one synchronous call of the same binding.
 */
import type { AddressInfo } from 'node:net'
import { busyWait } from './busy-wait.js'
import type { PeerStoreSettings } from './peer-store.js'
import { PeerStore } from './peer-store.js'
import { answerParent, receiveSettings } from './processes.js'
import type { StockHandler } from './stock-thrift.js'
import { KVStore, thrift, types } from './stock-thrift.js'

// The type is what processes.ts sends for this script.
const store = await PeerStore.open((await receiveSettings()) as PeerStoreSettings)

const handler: StockHandler = {
  get(request, answer) {
    busyWait(1)
    const [value] = store.read([request.key])
    answer(null, new types.GetResponse(value == null ? {} : { value }))
  },
  multiGet(request, answer) {
    busyWait(1)
    const rows = store.read(request.keys).map((value) => new types.RowResult(value === null ? {} : { value }))
    answer(null, new types.MultiGetResponse({ rows }))
  },
}

const server = thrift.createServer(KVStore, handler, {
  transport: thrift.TFramedTransport,
  protocol: thrift.TBinaryProtocol,
})
// Without a listener a client that hangs up ends the process.
server.on('error', () => undefined)
server.listen(0, '127.0.0.1', () => {
  // A TCP server's address is an object.
  answerParent({ port: (server.address() as AddressInfo).port })
})
