import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { Gateway } from '../support/gateway.js'
import { root, textOf } from '../support/tree.js'

const run = promisify(execFile)
let gateway: Gateway

before(async () => {
  gateway = await Gateway.start()
  await gateway.createDataset('profiles')
})

after(() => gateway.dispose())

test('the stock client example of README runs as it stands', async () => {
  const example = /```js\n([\s\S]*?)```/.exec(textOf('README.md'))?.[1] ?? ''
  assert.match(example, /7300/)
  const program = example.replace('7300', String(gateway.port('kvstore')))
  const { stdout } = await run(process.execPath, ['--input-type=commonjs', '--eval', program], { cwd: root })
  assert.equal(stdout, 'Hopper\n')
})
