import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { detectTransport, type TransportName } from '../../../src/thrift/transport.js'
import { frame, i32, message, struct, text } from '../../support/frames.js'

const oldHeader = Buffer.concat([text('get'), Buffer.of(1), i32(1), struct()])

const CASES: readonly (readonly [what: string, bytes: Buffer, name: TransportName])[] = [
  ['framed binary with a strict header', frame(message('get', struct())), 'framed-binary'],
  ['framed binary with an old header', frame(oldHeader), 'framed-binary'],
  ['framed compact', frame(Buffer.of(0x82, 0x21, 0x01, 0x03)), 'framed-compact'],
  ['unframed binary with a strict header', message('get', struct()), 'buffered-binary'],
  ['unframed binary with an old header', oldHeader, 'buffered-binary'],
  ['unframed compact', Buffer.of(0x82, 0x21, 0x01, 0x03, 0x67, 0x65, 0x74), 'buffered-compact'],
  ['the header transport', frame(Buffer.of(0x0f, 0xff, 0, 0)), 'header'],
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'http'],
  ['an HTTP post', Buffer.from('POST /thrift HTTP/1.1\r\n'), 'http'],
  ['a TLS hello', Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01), 'tls'],
  ['a name that is longer than names may be', Buffer.concat([i32(1_025), Buffer.from('get')]), 'unknown'],
  ['noise', Buffer.of(0, 0, 1, 0, 0xde, 0xad), 'unknown'],
]

describe('detectTransport', () => {
  for (const [what, bytes, name] of CASES) {
    test(`tells ${what} from at most six bytes`, () => {
      assert.equal(detectTransport(bytes), name)
      assert.equal(detectTransport(bytes.subarray(0, 6)), name)
    })

    test(`does not take the beginning of ${what} for anything else`, () => {
      for (let size = 0; size < 6; size++) {
        const early = detectTransport(bytes.subarray(0, size))
        assert.ok(early === null || early === name, `${size} bytes: ${early}`)
      }
    })
  }
})
