/** The KVStore API as Python thrift with unedited generated code sees it, in every transport and protocol. */
import { after, before, test } from 'node:test'
import { Interop, PAIRS, python } from './languages.js'

const interop = new Interop(python)

before(() => interop.start())
after(() => interop.stop())

for (const pair of PAIRS) {
  test(`stock Python thrift reads, writes, removes and sees every error as it is, ${pair}`, async (t) => {
    await interop.check(t, pair)
  })
}

test('the example of docs/CLIENTS.md does what it says', async (t) => {
  await interop.example(t)
})
