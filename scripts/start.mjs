// `npm start`: makes the checkout ready, then is a gateway with the sample data. Arguments go to `godwit serve`. One process
// and no child, so that whoever ends it ends the gateway; package.json starts it by `exec` for the same reason, and sets
// the thread pool's size there, because Node reads that before any line of a program.
import { join } from 'node:path'
import { ensureProgram, root } from './ensure.mjs'

ensureProgram()
const main = join(root, 'dist', 'src', 'main.js')
process.argv.splice(1, 1, main, 'serve', '--samples')
await import(main)
