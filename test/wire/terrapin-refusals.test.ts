/** Every failure of ours in the codes and texts of Terrapin's read services, of a call as a whole and of one of its keys. */
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { createTerrapinInternalService, createTerrapinService } from '../../shims/terrapin/listener.js'
import { ERROR_CODES, type ErrorCode, KVError } from '../../src/base/errors.js'
import { T, field, frame, i32, message, struct, text } from '../support/frames.js'
import { cell, closeAll, exchange, FakeStore, OPTIONS, serve } from '../support/terrapin-service.js'

const OTHER = 1
const NOT_SERVING_RESOURCE = 101
const NOT_SERVING_PARTITION = 102
const READ_ERROR = 103
const PARTITION_OFFLINE = 201
const FILE_SET_NOT_FOUND = 202
const INVALID_REQUEST = 204
const INVALID_FILE_SET_VIEW = 205

/** Of a call as a whole; absent: OTHER. */
const OF_CALLS: Partial<Record<ErrorCode, number>> = {
  DATASET_NOT_FOUND: FILE_SET_NOT_FOUND,
  NO_VERSION_ONLINE: INVALID_FILE_SET_VIEW,
  VERSION_NOT_FOUND: INVALID_FILE_SET_VIEW,
  SHARD_NOT_SERVING: PARTITION_OFFLINE,
  UNAVAILABLE: READ_ERROR,
  NOT_ENOUGH_REPLICAS: READ_ERROR,
  DEADLINE_EXCEEDED: READ_ERROR,
  CORRUPT: READ_ERROR,
  INVALID_ARGUMENT: INVALID_REQUEST,
  BAD_PAGE_TOKEN: INVALID_REQUEST,
  BAD_SESSION_TOKEN: INVALID_REQUEST,
  IDEMPOTENCY_MISMATCH: INVALID_REQUEST,
  UNSUPPORTED: INVALID_REQUEST,
  READ_ONLY: INVALID_REQUEST,
  NOT_A_COUNTER: INVALID_REQUEST,
  FAILED_PRECONDITION: INVALID_REQUEST,
  ALREADY_EXISTS: INVALID_REQUEST,
  CONFLICT: INVALID_REQUEST,
}
const TEXTS: Partial<Record<number, string>> = {
  [FILE_SET_NOT_FOUND]: 'File set fs not found.',
  [INVALID_FILE_SET_VIEW]: 'View for file set fs not found.',
  [INVALID_REQUEST]: 'the reason',
}
/** What a data server says of its keys. */
const OF_SERVERS: Partial<Record<ErrorCode, number>> = {
  DATASET_NOT_FOUND: NOT_SERVING_RESOURCE,
  VERSION_NOT_FOUND: NOT_SERVING_RESOURCE,
  NO_VERSION_ONLINE: NOT_SERVING_PARTITION,
  SHARD_NOT_SERVING: NOT_SERVING_PARTITION,
}

const codes = Object.keys(ERROR_CODES) as ErrorCode[]

afterEach(closeAll)

function listOf(type: number, ...elements: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([type]), i32(elements.length), ...elements])
}

const CLUSTERS = field(T.LIST, 1, listOf(T.STRING, text('c1')))
const FILE_SET = field(T.STRING, 2, text('fs'))
const GET = call('get', struct(CLUSTERS, FILE_SET, field(T.STRING, 3, text('k1'))))
const MULTI_GET = call(
  'multiGet',
  struct(CLUSTERS, FILE_SET, field(T.LIST, 3, listOf(T.STRING, text('k1'), text('k2')))),
)
const INTERNAL = call(
  'get',
  struct(
    field(
      T.LIST,
      1,
      listOf(
        T.STRUCT,
        struct(
          field(T.LIST, 1, listOf(T.STRING, text('k1'), text('k2'))),
          field(T.STRING, 2, text('$terrapin$data$fs$1700000000000')),
          field(T.STRING, 3, text('0')),
        ),
      ),
    ),
  ),
)

function call(method: string, request: Buffer): string {
  return frame(message(method, struct(field(T.STRUCT, 1, request)))).toString('hex')
}

function exception(method: string, code: number, reason: string): string {
  const thrown = struct(field(T.STRING, 1, text(reason)), field(T.I32, 2, i32(code)))
  return frame(message(method, struct(field(T.STRUCT, 1, thrown)), 2)).toString('hex')
}

function answers(method: string, byKey: readonly (readonly [string, Buffer])[]): string {
  const entries = byKey.flatMap(([key, response]) => [text(key), struct(response)])
  const map = Buffer.concat([Buffer.from([T.STRING, T.STRUCT]), i32(byKey.length), ...entries])
  const response = struct(field(T.MAP, 1, map))
  return frame(message(method, struct(field(T.STRUCT, 0, response)), 2)).toString('hex')
}

const failed = (code: number) => field(T.I32, 2, i32(code))

/** All reads fail so. */
function failing(code: ErrorCode): FakeStore {
  const store = new FakeStore({})
  store.read = (_request, done) => done(new KVError(code, 'the reason'))
  return store
}

function partlyFailing(code: ErrorCode): FakeStore {
  return new FakeStore({ k1: new KVError(code, 'the reason'), k2: cell('v2') })
}

test('of a call as a whole: an exception, or the code of each key where Terrapin knows it as one of keys', async () => {
  for (const ours of codes) {
    const code = OF_CALLS[ours] ?? OTHER
    const isOfKeys = code === READ_ERROR || code === PARTITION_OFFLINE
    const reason = isOfKeys ? 'Read failed.' : (TEXTS[code] ?? `Failed due to ${ours}: the reason`)
    const socket = await serve(createTerrapinService(failing(ours), OPTIONS))
    assert.equal(await exchange(socket, GET), exception('get', code, reason), ours)
    const expected = isOfKeys
      ? answers('multiGet', ['k1', 'k2'].map((key) => [key, failed(code)] as const)) // prettier-ignore
      : exception('multiGet', code, reason)
    assert.equal(await exchange(socket, MULTI_GET), expected, ours)
  }
})

test('of one key: get throws its code, multiGet answers it beside the values of the others', async () => {
  for (const ours of codes) {
    const code = OF_CALLS[ours] ?? OTHER
    const socket = await serve(createTerrapinService(partlyFailing(ours), OPTIONS))
    assert.equal(await exchange(socket, GET), exception('get', code, 'Read failed.'), ours)
    const expected = answers('multiGet', [['k1', failed(code)], ['k2', field(T.STRING, 1, text('v2'))]]) // prettier-ignore
    assert.equal(await exchange(socket, MULTI_GET), expected, ours)
  }
})

test('of a data server: never an exception, but a code for each key', async () => {
  for (const ours of codes) {
    const code = OF_SERVERS[ours] ?? READ_ERROR
    const socket = await serve(createTerrapinInternalService(failing(ours), OPTIONS))
    const expected = answers('get', ['k1', 'k2'].map((key) => [key, failed(code)] as const)) // prettier-ignore
    assert.equal(await exchange(socket, INTERNAL), expected, ours)
  }
})
