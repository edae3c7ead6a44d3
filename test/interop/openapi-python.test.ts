/** The description of the admin API, as openapi-spec-validator of PyPI sees it. */
import { after, before, test } from 'node:test'
import { Interop, python } from './languages.js'

const interop = new Interop(python)

before(() => interop.start())
after(() => interop.stop())

test('the description that the gateway serves is valid OpenAPI', async (t) => {
  await interop.description(t)
})
