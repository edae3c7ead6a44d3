/** Accepts connections, reads, and answers nothing: an origin that stalls, in a process of its own. */
import { type AddressInfo, createServer } from 'node:net'
import { answerParent, receiveSettings } from './processes.js'

await receiveSettings()
const server = createServer((socket) => {
  socket.on('error', () => undefined)
  socket.resume()
})
server.listen(0, '127.0.0.1', () => {
  // A TCP server's address is an object.
  answerParent({ port: (server.address() as AddressInfo).port })
})
