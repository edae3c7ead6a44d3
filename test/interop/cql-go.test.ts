/** CQL as gocql of the Go proxy sees it. */
import { join } from 'node:path'
import { root } from '../support/tree.js'
import { testDriver } from './cql-drivers.js'
import { build, ready } from './languages.js'

for (const [name, program, runs] of [
  [
    'gocql 1.7',
    'v1',
    [
      [0, 'none'],
      [3, 'snappy'],
    ],
  ],
  [
    'gocql 2.1',
    'v2',
    [
      [0, 'lz4'],
      [3, 'snappy'],
    ],
  ],
] as const) {
  testDriver({
    name,
    language: 'go',
    needs: ['go'],
    build: async () => {
      const script = join(root, 'test', 'interop', 'cql-go', 'build.sh')
      const folder = await ready({ name: 'cql-go', build: (into) => build('sh', [script, into]) })
      return [join(folder, 'bin', program)]
    },
    runs,
  })
}
