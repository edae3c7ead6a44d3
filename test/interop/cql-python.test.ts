/** CQL as DataStax's Python driver of PyPI sees it. */
import { join } from 'node:path'
import { pythonWith } from '../support/python.js'
import { root } from '../support/tree.js'
import { testDriver } from './cql-drivers.js'

const PACKAGES = ['cassandra-driver==3.29.3', 'lz4==4.4.5', 'python-snappy==0.7.3']
const PROGRAM = join(root, 'test', 'interop', 'python', 'cql.py')

testDriver({
  name: 'Python driver 3.29',
  language: 'python',
  needs: ['python3'],
  build: async () => [join(await pythonWith(PACKAGES), 'python'), PROGRAM],
  runs: [
    [0, 'lz4'],
    [4, 'none'],
    [3, 'snappy'],
  ],
})
