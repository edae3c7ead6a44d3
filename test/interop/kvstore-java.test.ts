/** The KVStore API as Java libthrift with unedited generated code sees it, in every transport and protocol. */
import { after, before, test } from 'node:test'
import { Interop, PAIRS, java } from './languages.js'

const interop = new Interop(java)

before(() => interop.start())
after(() => interop.stop())

for (const pair of PAIRS) {
  test(`stock Java libthrift reads, writes, removes and sees every error as it is, ${pair}`, async (t) => {
    await interop.check(t, pair)
  })
}

test('the example of docs/CLIENTS.md does what it says', async (t) => {
  await interop.example(t)
})
