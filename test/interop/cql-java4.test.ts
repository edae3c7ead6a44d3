/** CQL as the Java driver 4.x of Maven Central sees it. */
import { testDriver } from './cql-drivers.js'
import { javaDriver } from './cql-java.js'

testDriver({
  name: 'Java driver 4.18',
  ...javaDriver('driver4', 'Driver4'),
  runs: [
    [0, 'none'],
    [4, 'lz4'],
    [3, 'snappy'],
  ],
})
