/** Events of STATUS_CHANGE. Source: native_protocol_v4.spec section 4.2.6. */
import type { CqlFrameWriter } from './body-writer.js'

/** A node that drivers know from system.peers. */
export interface NodeStatus {
  /** 4 or 16 bytes. */
  readonly address: Buffer
  readonly port: number
  readonly isUp: boolean
}

export function writeStatusEvent(writer: CqlFrameWriter, { address, port, isUp }: NodeStatus): void {
  writer.string('STATUS_CHANGE')
  writer.string(isUp ? 'UP' : 'DOWN')
  writer.byte(address.length)
  writer.raw(address)
  writer.int(port)
}
