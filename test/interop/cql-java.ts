/** The programs of the two Java drivers, which are built together. */
import { join } from 'node:path'
import { root } from '../support/tree.js'
import type { CqlDriver } from './cql-drivers.js'
import { build, javaOf, ready } from './languages.js'

export function javaDriver(folder: string, main: string): Pick<CqlDriver, 'language' | 'needs' | 'build'> {
  return {
    language: 'java',
    needs: ['mvn', 'javac', 'java'],
    build: async () => {
      const script = join(root, 'test', 'interop', 'cql-java', 'build.sh')
      const built = await ready({ name: 'cql-java', build: (into) => build('sh', [script, into]) })
      return javaOf(join(built, folder), main)
    },
  }
}
