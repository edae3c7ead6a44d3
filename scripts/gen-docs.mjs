// Writes the tables that documents take from the code (settings, metrics, limits, errors) between their markers:
// `<!-- table: NAME -->` and `<!-- end of table -->`. With --check nothing is written and a difference fails.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureProgram, root } from './ensure.mjs'

const DOCUMENTS = ['docs/OPERATING.md', 'docs/COMPATIBILITY.md']
const MARKED = /(<!-- table: ([a-z]+) -->\n)[\s\S]*?(<!-- end of table -->)/g
const isCheck = process.argv.includes('--check')

ensureProgram()
const compiled = async (path) => await import(join(root, 'dist', 'src', path))
const { settings } = await compiled('config/schema.js')
const { METRICS } = await compiled('base/metrics.js')
const { ERROR_CODES, KVError } = await compiled('base/errors.js')
const { limits } = await compiled('base/limits.js')
const { HTTP_STATUS } = await compiled('admin/http-errors.js')

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |\n`
  return `\n${line(head)}|${'---|'.repeat(head.length)}\n${rows.map(line).join('')}\n`
}

function settingsTable() {
  const rows = settings.map(({ key, variable, defaultText, allowed, description }) => [
    `\`${key}\``,
    variable === null ? '' : `\`${variable}\``,
    defaultText ?? 'must be given',
    allowed,
    description,
  ])
  return table(['setting', 'environment variable', 'default', 'allowed', 'meaning'], rows)
}

function metricsTable() {
  const rows = Object.entries(METRICS).map(([name, { kind, labels, help }]) => [
    `\`${name}\``,
    kind,
    labels.join(', '),
    help,
  ])
  return table(['metric', 'kind', 'labels', 'meaning'], rows)
}

/** The reason of a limit stands above it as a comment and nowhere else. */
function limitsTable() {
  const source = readFileSync(join(root, 'src', 'base', 'limits.ts'), 'utf8')
  const rows = Object.entries(limits).map(([name, value]) => {
    const comment = new RegExp(`/\\*\\* ((?:(?!\\*/)[\\s\\S])*) \\*/\\s+${name}:`).exec(source)?.[1] ?? ''
    return [`\`${name}\``, value.toLocaleString('en-US'), comment.replaceAll(/\s*\n\s*\*\s*/g, ' ')]
  })
  return table(['limit', 'value', 'what and why'], rows)
}

function errorsTable() {
  const rows = Object.entries(ERROR_CODES).map(([code, number]) => {
    const { kind, isRetryable } = new KVError(code, '')
    return [code, number, kind, isRetryable ? 'yes' : 'no', HTTP_STATUS[code]]
  })
  return table(['code', 'number', 'kind', 'retryable', 'admin HTTP'], rows)
}

const TABLES = { settings: settingsTable, metrics: metricsTable, limits: limitsTable, errors: errorsTable }
const stale = []
for (const name of DOCUMENTS) {
  const path = join(root, name)
  const before = readFileSync(path, 'utf8')
  const after = before.replaceAll(MARKED, (_, open, kind, close) => `${open}${TABLES[kind]()}${close}`)
  if (after === before) continue
  stale.push(name)
  if (!isCheck) writeFileSync(path, after)
}
for (const name of stale) process.stdout.write(`gen-docs: ${isCheck ? 'not current' : 'written'}: ${name}\n`)
if (isCheck && stale.length > 0) {
  process.stdout.write('gen-docs: run npm run gen and commit what it writes\n')
  process.exit(1)
}
