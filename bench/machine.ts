/** The head of a report: when, where and with what the figures were taken. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import type { BenchContext } from './harness.js'
import { root } from './paths.js'
import { pinningProblem } from './processes.js'

function versionOf(name: string): string {
  // A package.json always holds its version.
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as {
    version: string
  }
  return `${name} ${version}`
}

function firstLine(command: string, args: readonly string[]): string {
  const { stdout, status } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  return status === 0 ? (stdout.split('\n')[0] ?? '') : 'unknown'
}

export function machineFacts(context: BenchContext): string {
  const processors = cpus()
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GB`
  const packages = ['@nxtedition/rocksdb', 'thrift'].map(versionOf).join(', ')
  const pinning = pinningProblem ?? 'server on core 0, load generator on core 1, unless a row says otherwise'
  return [
    '# Results of the benches',
    '',
    'Written by `npm run bench`; README.md says how to read it.',
    '',
    `- ${new Date().toISOString()}, commit ${firstLine('git', ['rev-parse', '--short', 'HEAD'])}`,
    `- ${processors.length} x ${processors[0]?.model.trim() ?? 'unknown processor'}, ${memory}, Linux ${release()}, load average ${loadavg()[0]?.toFixed(1) ?? '?'} at the start`,
    `- Node ${process.versions.node}, ${packages}, ${firstLine('gcc', ['--version'])}`,
    `- ${pinning}`,
    `- ${context.rows.toLocaleString('en')} rows of 16 + 200 B, ${context.hotRows.toLocaleString('en')} of them read; ${context.rounds} rounds in alternation, windows of ${context.measureMs} ms after ${context.warmUpMs} ms of warm-up; median (min..max)`,
  ].join('\n')
}
