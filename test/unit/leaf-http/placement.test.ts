import assert from 'node:assert/strict'
import { test } from 'node:test'
import { targetPath } from '../../../src/leaf/http/leaf-directory.js'
import { Holdings } from '../../../src/leaf/placement-holdings.js'
import { leavesOfShard } from '../../../src/leaf/placement.js'
import { PlacementPlan, type LeafView } from '../../../src/leaf/placement-plan.js'
import type { ClusterRecord, DatasetRecord, LeafRecord, VersionRecord } from '../../../src/model/dataset.js'

const leaf = (name: string): LeafRecord => ({ name, url: `http://${name}:7390` })
const [a, b, c, d] = [leaf('a'), leaf('b'), leaf('c'), leaf('d')]
const names = (leaves: readonly LeafRecord[]) => leaves.map(({ name }) => name).join('')

test('the leaves of a shard are those of FORMATS.md', () => {
  const chosen = Array.from({ length: 8 }, (_, shard) => {
    return names(leavesOfShard([a, b, c], 2, { datasetId: 'd2-1c6ed7f8', shard }))
  })
  assert.deepEqual(chosen, ['ba', 'ac', 'ac', 'ab', 'ac', 'ac', 'bc', 'ab'])
})

test('each leaf holds about its share, each shard lies on different leaves, and their order does not matter', () => {
  const counts = new Map<string, number>()
  for (let shard = 0; shard < 1_024; shard++) {
    const chosen = leavesOfShard([a, b, c, d], 2, { datasetId: 'd7-12ab34cd', shard })
    assert.equal(new Set(chosen).size, 2)
    assert.deepEqual(leavesOfShard([d, b, a, c], 2, { datasetId: 'd7-12ab34cd', shard }), chosen)
    for (const { name } of chosen) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  for (const count of counts.values()) assert.ok(count > 440 && count < 590, String(count))
})

test('a leaf that comes or goes moves only what it gets or had', () => {
  for (let shard = 0; shard < 500; shard++) {
    const at = { datasetId: 'd7-12ab34cd', shard }
    const before = leavesOfShard([a, b, c], 2, at)
    const after = leavesOfShard([a, b, c, d], 2, at)
    for (const one of after) assert.ok(one === d || before.includes(one))
    if (!after.includes(d)) assert.deepEqual(after, before)
  }
})

const WEST: ClusterRecord = { name: 'west', aliases: [], leaves: [a, b, c], createdAtMs: 0, revision: 1 }
const EAST: ClusterRecord = { ...WEST, name: 'east', leaves: [d] }

function version(id: number, state: VersionRecord['state'], cluster?: string): VersionRecord {
  const base = {
    id,
    state,
    rows: 1,
    bytes: 1,
    checksum: '',
    source: '',
    loadedBy: '',
    createdAtMs: 0,
    archive: null,
  }
  return cluster === undefined ? base : { ...base, cluster }
}

function dataset(versions: readonly VersionRecord[], replicas = 2): DatasetRecord {
  // What placement looks at; the rest of a record is the metastore's.
  return {
    id: 'd1-00',
    name: 'towns',
    mode: 'BATCH',
    shardCount: 2,
    replicas,
    versions,
  } as unknown as DatasetRecord
}

function copy(id: number, shard: number): string {
  return targetPath({ datasetId: 'd1-00', versionId: id, shard })
}

function planOf(has: Readonly<Record<string, readonly string[] | null>>): PlacementPlan {
  const views = [a, b, c, d].map((one): [string, LeafView] => {
    const copies = has[one.name]
    const isUsable = copies !== null
    return [one.name, { leaf: one, isUsable, copies: new Holdings(copies ?? []), arriving: new Holdings() }]
  })
  return new PlacementPlan({ clusters: [WEST, EAST], leaves: new Map(views) })
}

/** What each leaf has too much of. */
function surplusOf(
  record: DatasetRecord | null,
  plan: PlacementPlan,
  isSafe: boolean,
): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (const { leaf: one, target } of plan.surplus('d1-00', record, () => isSafe)) {
    ;(found[one.name] ??= []).push(targetPath(target))
  }
  return found
}

const CURRENT = version(2, 'CURRENT', 'west')
const RECORD = dataset([CURRENT])
const HOMES = [0, 1].map((shard) => leavesOfShard(WEST.leaves, 2, { datasetId: 'd1-00', shard }))

/** Every copy where it belongs, but what `without` says. */
function everything(
  without: (leaf: string, shard: number) => boolean = () => false,
): Record<string, string[]> {
  const has: Record<string, string[]> = { a: [], b: [], c: [], d: [] }
  for (const [shard, leaves] of HOMES.entries()) {
    for (const { name } of leaves) if (!without(name, shard)) has[name]?.push(copy(2, shard))
  }
  return has
}

test('a version is read from its leaves when all copies that can be made are there, not before', () => {
  const first = HOMES[0]?.[0]?.name ?? ''
  const incomplete = everything((name, shard) => name === first && shard === 0)
  assert.equal(planOf({}).copiesOf(RECORD, CURRENT, false).copies, null)
  assert.equal(planOf(incomplete).copiesOf(RECORD, CURRENT, false).isPlaced, false)
  assert.deepEqual(planOf(everything()).copiesOf(RECORD, CURRENT, false), {
    copies: HOMES,
    isPlaced: true,
  })
  // One that is down cannot get its copy: it is not waited for.
  const oneDown = { ...incomplete, [first]: null }
  const others = HOMES.map((leaves) => leaves.filter(({ name }) => name !== first))
  assert.deepEqual(planOf(oneDown).copiesOf(RECORD, CURRENT, false), {
    copies: others,
    isPlaced: true,
  })
})

test('a version goes on being read from its leaves while each shard has one copy, and no longer', () => {
  const first = HOMES[0]?.[0]?.name ?? ''
  const down = { ...everything(), [first]: null }
  assert.equal(planOf(down).copiesOf(RECORD, CURRENT, true).isPlaced, true)
  const gone = planOf({ ...everything(), ...Object.fromEntries((HOMES[0] ?? []).map(({ name }) => [name, null])) }) // prettier-ignore
  assert.deepEqual(gone.copiesOf(RECORD, CURRENT, true), { copies: null, isPlaced: false })
})

test('a version that moves is read from where it was until its new leaves have all of it', () => {
  const moved = dataset([version(2, 'CURRENT', 'east')], 1)
  const [current] = moved.versions
  assert.ok(current)
  const half = { ...everything(), d: [copy(2, 0)] }
  const before = planOf(half).copiesOf(moved, current, false)
  assert.equal(before.isPlaced, false)
  assert.ok(before.copies?.every((leaves) => leaves.length > 0))
  assert.deepEqual(surplusOf(moved, planOf(half), false), {})
  const whole = planOf({ ...everything(), d: [copy(2, 0), copy(2, 1)] })
  assert.deepEqual(whole.copiesOf(moved, current, false), { copies: [[d], [d]], isPlaced: true })
  const holders = Object.entries(everything()).flatMap(([name, has]) => (has.length > 0 ? [name] : []))
  assert.deepEqual(Object.keys(surplusOf(moved, whole, true)).sort(), holders.sort())
})

test('what is to be copied is what leaves that answer lack, the current version as what is urgent', () => {
  const record = dataset([version(3, 'READY', 'west'), CURRENT, version(1, 'ARCHIVED', 'west')])
  const steps = planOf({ a: null }).missing(record)
  assert.ok(steps.every((step) => step.leaf.name !== 'a'))
  assert.ok(steps.every(({ isUrgent, target }) => isUrgent === (target.versionId === 2)))
  assert.deepEqual(new Set(steps.map(({ target }) => target.versionId)), new Set([2, 3]))
  assert.equal(planOf({}).missing(record).length, 8)
})

test('copies of what is over go, from leaves that answer; those of versions elsewhere only when they are safe', () => {
  const record = dataset([CURRENT, version(1, 'DELETED', 'west')])
  const has = { ...everything(), d: [copy(2, 0)], a: [...(everything()['a'] ?? []), copy(1, 0), 'd9-ff/5/0'] }
  assert.deepEqual(surplusOf(record, planOf(has), false), { a: [copy(1, 0)] })
  assert.deepEqual(surplusOf(record, planOf(has), true), { a: [copy(1, 0)], d: [copy(2, 0)] })
  assert.deepEqual(surplusOf(record, planOf({ ...has, a: null, d: null }), true), {})
  const forgotten = planOf(has).surplus('d9-ff', null, () => false)
  assert.deepEqual(forgotten.map(({ leaf: one, target }) => `${one.name} ${targetPath(target)}`), ['a d9-ff/5/0']) // prettier-ignore
})

test('a version says how many of its shards have all copies, and each leaf how much of its share it holds', () => {
  const first = HOMES[0]?.[0]?.name ?? ''
  const plan = planOf(everything((name, shard) => name === first && shard === 0))
  assert.deepEqual(plan.stateOf(RECORD, CURRENT), { wanted: 4, confirmed: 3, shards: 2, wholeShards: 1 })
  const shares = [...plan.sharesOf(RECORD).values()]
  assert.equal(shares.reduce((sum, { wanted }) => sum + wanted, 0), 4) // prettier-ignore
  assert.equal(shares.reduce((sum, { held }) => sum + held, 0), 3) // prettier-ignore
})
