/** CQL as the Java driver 3.x of Maven Central sees it. */
import { testDriver } from './cql-drivers.js'
import { javaDriver } from './cql-java.js'

testDriver({
  name: 'Java driver 3.11',
  ...javaDriver('driver3', 'Driver3'),
  runs: [
    [0, 'none'],
    [4, 'lz4'],
    [3, 'snappy'],
  ],
})
