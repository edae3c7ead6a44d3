/**
 * Reads a whole LMDB store in a process of its own and prints what is wrong with it as JSON: `null` or a
 * fault.
 */
import { examineLmdbStore } from './store-lmdb.js'

process.stdout.write(JSON.stringify(await examineLmdbStore(process.argv[2] ?? '')))
