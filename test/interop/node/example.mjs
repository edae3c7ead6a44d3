// The KVStore API with godwit/client.
//
// usage: node example.mjs PORT DATASET
import { KVStoreClient, KVStoreError, newIdempotencyToken } from 'godwit/client'

const [port, dataset] = [Number(process.argv[2]), process.argv[3]]
const client = new KVStoreClient({ port, deadlineMs: 10_000 })

// A row is a key with columns; keys and values are bytes, given as Buffers or as strings.
await client.put({
  dataset,
  key: 'ada',
  cells: [
    { localKey: 'city', value: 'London' },
    { localKey: 'job', value: 'analyst' },
  ],
})
await client.put({ dataset, key: 'adam', cells: [{ localKey: 'city', value: 'Edinburgh' }] })
const row = await client.get({ dataset, key: 'ada', cells: { localKeys: ['city'] } })
console.log(`ada is in ${row.cells[0].value}`)

// A change on a condition, with a token that makes it safe to repeat: the client makes one, unless it is given one.
const change = {
  dataset,
  key: 'ada',
  mutations: [{ put: { cells: [{ localKey: 'city', value: 'Paris' }] } }],
  conditions: [{ localKey: 'city', comparison: 'EQUAL', value: 'London' }],
  options: { idempotencyToken: newIdempotencyToken() },
}
console.log(`moved: ${(await client.mutate(change)).applied ? 'yes' : 'no'}`)
console.log(`repeated: ${(await client.mutate(change)).write?.repeated ? 'yes' : 'no'}`)

// Every 64-bit number is a bigint.
const { counters } = await client.increment({
  dataset,
  key: 'visits',
  deltas: [{ localKey: 'paris', delta: 3n }],
})
console.log(`visits: ${counters[0].value}`)

// The client asks for page after page.
let rows = 0
for await (const _ of client.scan({ dataset, keyPrefix: 'ada', pageRows: 1 })) rows++
console.log(`rows: ${rows}`)

try {
  await client.get({ dataset: 'nowhere', key: 'k' })
} catch (error) {
  if (!(error instanceof KVStoreError)) throw error
  console.log(`error: ${error.code}, retry: ${error.retryable ? 'yes' : 'no'}`)
}

await client.close()
