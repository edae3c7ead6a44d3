import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adviceReport, usageReport } from './fake-usage.js'
import { startFakeAdmin } from './fakes.js'

test('usage is answered for all datasets, or for one', async () => {
  const { ask, usage } = startFakeAdmin()
  assert.deepEqual((await ask('GET /v1/usage')).body, usageReport)
  assert.equal((await ask('GET /v1/usage?dataset=cities')).status, 200)
  assert.deepEqual(usage.asked, [null, 'cities'])
})

test('advice is of a dataset that exists', async () => {
  const { ask } = startFakeAdmin()
  assert.deepEqual((await ask('GET /v1/datasets/cities/advice')).body, adviceReport)
  assert.equal((await ask('GET /v1/datasets/towns/advice')).status, 404)
})

test('a load is asked for with its IDL and answered with what was read from it', async () => {
  const { ask, loads } = startFakeAdmin()
  const body = { actor: 'ann', reason: 'because', from: '/in', format: 'hfile', keyField: '' }
  const idl = [{ name: 'pin.thrift', text: 'struct Pin { 1: required i64 id }' }]
  const answer = await ask('POST /v1/datasets/cities/loads', {
    body: { ...body, explode: { struct: 'Pin', idl } },
  })
  assert.equal(answer.status, 202, answer.text)
  assert.deepEqual(loads.started[0]?.request.explode, {
    protocol: 'binary',
    struct: 'Pin',
    valueField: '',
    fields: [{ id: 1, name: 'id', type: 'i64', isRequired: true, elements: [], fields: null }],
  })
  const wrong = await ask('POST /v1/datasets/cities/loads', {
    body: { ...body, explode: { struct: 'Board', idl } },
  })
  assert.equal(wrong.status, 400)
  assert.match(String(wrong.error.message), /pin.thrift has no struct "Board"; it has Pin/)
})
