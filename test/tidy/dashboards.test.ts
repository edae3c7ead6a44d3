import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { METRICS, type MetricRow } from '../../src/base/metrics.js'
import { parsePromql } from '../support/promql.js'
import { root, textOf } from '../support/tree.js'

const DASHBOARD = 'ops/grafana/godwit.json'
const ALERTS = 'ops/prometheus/godwit-alerts.yml'
/** Prometheus adds these to everything that it scrapes. */
const SCRAPED = ['instance', 'job']
/** `up` is made by Prometheus itself. */
const ROWS: Readonly<Record<string, MetricRow>> = { ...METRICS, up: { kind: 'gauge', help: '', labels: [] } }

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } }
  readonly targets?: readonly {
    readonly refId: string
    readonly expr: string
    readonly legendFormat: string
  }[]
}

interface Dashboard {
  readonly title: string
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] }
}

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly action: string }
}

// Both are files of ours; the tests below fail where they are not of this shape.
const dashboard = JSON.parse(textOf(DASHBOARD)) as Dashboard
const rules = (parse(textOf(ALERTS)) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules)
const graphs = dashboard.panels.filter(({ type }) => type !== 'row')

function expressions(): { where: string; expr: string }[] {
  return [
    ...graphs.flatMap(({ title, targets }) => (targets ?? []).map(({ expr }) => ({ where: title, expr }))),
    ...rules.map(({ alert, expr }) => ({ where: alert, expr })),
  ]
}

/** The table's row of a metric as it is scraped: histograms have three. */
function rowOf(metric: string): { row: MetricRow; isBucket: boolean } | null {
  const row = ROWS[metric]
  if (row !== undefined && row.kind !== 'histogram') return { row, isBucket: false }
  const [, name = '', part] = /^(.*)_(bucket|sum|count)$/.exec(metric) ?? []
  const histogram = ROWS[name]
  return histogram?.kind === 'histogram' ? { row: histogram, isBucket: part === 'bucket' } : null
}

/** What an expression says of metrics and labels that Godwit does not have, or uses in a way that gives nonsense. */
function faultsOf(expr: string): string[] {
  const { metrics, grouping } = parsePromql(expr)
  const faults: string[] = metrics.length === 0 ? ['no metric'] : []
  const known = new Set(SCRAPED)
  for (const { metric, labels, rangeFunction } of metrics) {
    const found = rowOf(metric)
    if (found === null) {
      faults.push(`no metric ${metric}`)
      continue
    }
    const { row, isBucket } = found
    const own = [...row.labels, ...SCRAPED, ...(isBucket ? ['le'] : [])]
    for (const label of own) known.add(label)
    for (const label of labels) if (!own.includes(label)) faults.push(`${metric} has no label ${label}`)
    const isCumulative = row.kind !== 'gauge'
    const isRate = rangeFunction === 'rate' || rangeFunction === 'increase'
    if (isCumulative && !isRate) faults.push(`${metric} only ever rises: take its rate`)
    if (!isCumulative && isRate) faults.push(`${metric} is a gauge: it has no rate`)
  }
  for (const label of grouping) if (!known.has(label)) faults.push(`no metric here has a label ${label}`)
  return faults
}

test('every expression of the dashboard and of the alerts speaks of metrics and labels that exist', () => {
  const faults = expressions().flatMap(({ where, expr }) =>
    faultsOf(expr).map((fault) => `${where}: ${fault}`),
  )
  assert.deepEqual(faults, [])
  assert.ok(expressions().length > 60)
})

test('planted faults in expressions are found', () => {
  assert.equal(faultsOf('sum(rate(godwit_requests_totals[5m]))').length, 1)
  assert.equal(faultsOf('sum by (datset) (rate(godwit_requests_total[5m]))').length, 1)
  assert.equal(faultsOf('rate(godwit_requests_total{colour="red"}[5m])').length, 1)
  assert.equal(faultsOf('godwit_requests_total > 5').length, 1)
  assert.equal(faultsOf('rate(godwit_open_dbs[5m])').length, 1)
  assert.equal(faultsOf('sum by (le) (rate(godwit_gc_pause_seconds_sum[5m]))').length, 1)
  assert.equal(
    faultsOf('histogram_quantile(0.9, sum by (le) (rate(godwit_gc_pause_seconds_bucket[5m])))').length,
    0,
  )
})

test('every metric that the table has is on the dashboard or in an alert', () => {
  const used = new Set(
    expressions().flatMap(({ expr }) => parsePromql(expr).metrics.map(({ metric }) => metric)),
  )
  const unused = Object.keys(METRICS).filter(
    (name) => !used.has(name) && !['bucket', 'sum', 'count'].some((part) => used.has(`${name}_${part}`)),
  )
  // These are for questions that have no panel of their own.
  const left = [
    'godwit_connections_total',
    'godwit_datasets',
    'godwit_load_rows',
    'godwit_rocksdb_sequence',
    'godwit_rocksdb_stall_seconds',
    'godwit_writer_queue_operations',
  ]
  assert.deepEqual(unused.sort(), left)
})

test('panels have ids of their own, units, descriptions, legends, and do not overlap', () => {
  const ids = dashboard.panels.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
  for (const { title, description, fieldConfig, targets = [], gridPos } of graphs) {
    assert.ok((description ?? '').endsWith('.'), title)
    assert.ok((fieldConfig?.defaults.unit ?? '') !== '', title)
    assert.ok(targets.length > 0 && targets.every(({ legendFormat }) => legendFormat !== ''), title)
    assert.ok(gridPos.x + gridPos.w <= 24, title)
  }
  const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
  )
  assert.equal(new Set(cells).size, cells.length)
})

test('the dashboard is what its table makes', () => {
  execFileSync(process.execPath, [join(root, 'scripts', 'gen-dashboard.mjs'), '--check'])
})

test('every alert says how urgent it is, what it means and what to do', () => {
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^Godwit[A-Z][A-Za-z]+$/)
    assert.match(labels.severity, /^(page|ticket)$/, alert)
    assert.ok(annotations.summary.length > 10 && annotations.action.length > 10, alert)
  }
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
})

const promtool = process.env['PROMTOOL'] ?? 'promtool'
const hasPromtool = spawnSync(promtool, ['--version']).status === 0

test(
  'promtool takes the alerts, and the dashboard’s expressions',
  {
    skip: hasPromtool
      ? false
      : 'promtool is not installed: apt install prometheus, or set PROMTOOL to its path',
  },
  () => {
    execFileSync(promtool, ['check', 'rules', join(root, ALERTS)])
    const folder = mkdtempSync(join(tmpdir(), 'godwit-rules-'))
    try {
      const file = join(folder, 'panels.yml')
      const panels = graphs.flatMap(({ targets }) => targets ?? [])
      const recorded = panels.map(({ expr }, index) => ({
        record: `panel:${index}`,
        expr: expr.replaceAll('$__rate_interval', '5m'),
      }))
      // JSON is YAML, too.
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules: recorded }] }))
      execFileSync(promtool, ['check', 'rules', file])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
