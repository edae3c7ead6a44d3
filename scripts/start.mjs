// `npm start`: makes the checkout ready, then runs a gateway with the sample data. Arguments go to `godwit serve`.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { ensure, root } from './ensure.mjs'

ensure()
const args = [
  '--enable-source-maps',
  join(root, 'dist', 'src', 'main.js'),
  'serve',
  '--samples',
  ...process.argv.slice(2),
]
// RocksDB reads share Node's thread pool; the library reads its size once, when the process starts.
const env = { UV_THREADPOOL_SIZE: '8', ...process.env }
const gateway = spawn(process.execPath, args, { stdio: 'inherit', env })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  // A terminal sends Ctrl-C to both of us.
  process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : gateway.kill(signal)))
}
gateway.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 128)
})
